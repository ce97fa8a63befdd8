#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Build MicroPython's unix port with our module: unix.sh [BUILD_DIR] [MAKE_ARGUMENT ...]
# Result: BUILD_DIR/micropython. Incremental. BUILD_DIR is build/unix if none is given, and with
# MICROPYTHON=next build/mp-VERSION/unix.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-/usr/bin/python3}
build=${1:-$top/$("$python" "$top/tools/deps/deps.py" --results)/unix}
[ $# -gt 0 ] && shift
case $build in /*) ;; *) build=$PWD/$build ;; esac

# Our own make's variables must not reach MicroPython's, which gives some of these names
# (MBEDTLS_DIR, TARGET, BUILD ...) another meaning.
mongoose=$("$python" "$top/tools/deps/deps.py" --path mongoose)
tree=$("$python" "$top/tools/deps/deps.py" --path micropython)
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL MBEDTLS_DIR MICROPYTHON_DIR MICROPYTHON
unset TARGET PORT BUILD K V
jobs=$(nproc 2>/dev/null || echo 2)

# The version of MicroPython, not that of the repository we happen to be in.
field() { sed -n "s/^#define MICROPY_VERSION_$1 (*\([0-9]*\).*/\1/p" "$tree/py/mpconfig.h"; }
MICROPY_GIT_TAG=v$(field MAJOR).$(field MINOR).$(field MICRO)
MICROPY_GIT_HASH=pymongoose
export MICROPY_GIT_TAG MICROPY_GIT_HASH

cross=$("$top/tools/build/mpy-cross.sh" "$tree")
mkdir -p "$build"
exec 8>"$build/.lock"
flock 8
# Objects of other sources, or made by another configuration, are not reused.
sources="$tree $mongoose $(cat "$top"/boards/UNIX/* | cksum)"
if [ "$(cat "$build/.sources" 2>/dev/null)" != "$sources" ]; then
    rm -rf "${build:?}"/*
    echo "$sources" >"$build/.sources"
fi

# A name that frozen code had alone may have come into C: MicroPython's rules do not see that.
if [ -e "$build/frozen_content.c" ] &&
    [ -n "$(find "$top/shared" "$top/micropython_module" -newer "$build/frozen_content.c" -name '*.[ch]')" ]; then
    rm -f "$build/frozen_content.c"
fi

# micropython-lib is not needed, but its README is asked for.
mkdir -p "$build/micropython-lib"
: >"$build/micropython-lib/README.md"

exec "$top/tools/deps/step.sh" "$build/log" "unix: building MicroPython with the module (a minute or two)" \
    make -C "$tree/ports/unix" -j"$jobs" --no-print-directory PYTHON="$python" \
    VARIANT_DIR="$top/boards/UNIX" BUILD="$build" PROG=micropython USER_C_MODULES="$top" \
    MONGOOSE_DIR="$mongoose" MPY_LIB_DIR="$build/micropython-lib" \
    MICROPY_MPYCROSS="$cross" MICROPY_MPYCROSS_DEPENDENCY="$cross" \
    MICROPY_PY_BTREE=0 MICROPY_PY_FFI=0 MICROPY_PY_SSL=1 MICROPY_SSL_MBEDTLS=1 "$@"
