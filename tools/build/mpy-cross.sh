#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Build mpy-cross from a MicroPython tree if need be, and print its path: mpy-cross.sh TREE
# It serves every build from this tree, so it lives with the cache. A tree of the cache never
# changes; anyone else's may.
set -eu

tree=$1
python=${PYTHON:-/usr/bin/python3}
cache=${PYMONGOOSE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pymongoose}
case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
cross=$cache/mpy-cross-$(printf %s "$tree" | cksum | cut -d' ' -f1)
mkdir -p "$cross"
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
build() {
    "$(dirname "$0")/../deps/step.sh" "$cross/log" "mpy-cross: building MicroPython's compiler (half a minute)" \
        make -C "$tree/mpy-cross" -j"$(nproc 2>/dev/null || echo 2)" --no-print-directory \
        PYTHON="$python" BUILD="$cross" USER_C_MODULES=
}
(
    flock 9
    case $tree in
        "$cache"/micropython-[0-9]* | "$cache"/next-micropython-[0-9]*) [ -x "$cross/mpy-cross" ] || build ;;
        *) build ;;
    esac
) 9>"$cross/lock"
echo "$cross/mpy-cross"
