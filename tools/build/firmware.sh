#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Build a board's firmware: firmware.sh BOARD [BUILD_DIR] [CMAKE_ARGUMENT ...]
# firmware.sh --check BOARD ... only says whether it can be built, before anything is fetched.
# Result: BUILD_DIR/firmware.{uf2,bin,elf,sha256}. BUILD_DIR is build/firmware/BOARD if none is
# given, with MICROPYTHON=next build/mp-VERSION/firmware/BOARD. Incremental, and the same bytes
# wherever the repository and the sources lie.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-/usr/bin/python3}
die() { echo "build-firmware: $*" >&2; exit 1; }

check=
[ "${1:-}" != --check ] || { check=yes; shift; }
boards=$(cd "$top/boards" && for file in */mpconfigboard.cmake; do printf '%s ' "${file%/*}"; done)
[ $# -gt 0 ] || die "which board? BOARD= one of: $boards"
board=$1
shift
case $board in ESP32*) exec "$top/tools/build/esp32.sh" ${check:+--check} "$board" "$@" ;; esac
[ -f "$top/boards/$board/mpconfigboard.cmake" ] ||
    die "there is no board $board; BOARD= one of: $boards"
case ${1:-} in
    '' | *[!A-Z0-9_]*) ;;
    *) die "$board has no variant $1: build it without VARIANT=" ;;
esac

# Submodules of MicroPython's that Debian's tree lacks, by a file in each.
case $board in
    RPI_PICO_W | RPI_PICO2_W) needs="lib/cyw43-driver/src/cyw43.h lib/btstack/src/btstack.h" ;;
    W5500_EVB_PICO) needs=lib/wiznet5k/Ethernet/wizchip_conf.h ;;
    *) needs= ;;
esac
if [ "$check" ]; then
    [ -z "$needs" ] || [ -n "${MICROPYTHON_DIR:-}" ] || die "$board needs ${needs%% *} of MicroPython," \
        "which Debian's lacks: set MICROPYTHON_DIR= to a full checkout with its submodules"
    exit 0
fi
case ${1:-} in
    '' | -*) build=$top/$("$python" "$top/tools/deps/deps.py" --results)/firmware/$board ;;
    *) build=$1; shift ;;
esac
case $build in /*) ;; *) build=$PWD/$build ;; esac
tree=$("$python" "$top/tools/deps/deps.py" --path micropython-rp2)
for path in $needs; do
    [ -e "$tree/$path" ] || die "$board needs $path: set MICROPYTHON_DIR= to a full checkout of" \
        "MicroPython; in it, make -C ports/rp2 BOARD=$board submodules"
done
mongoose=$("$python" "$top/tools/deps/deps.py" --path mongoose)
if [ -z "${PICO_SDK_PATH:-}" ] && [ -f "$tree/lib/pico-sdk/pico_sdk_init.cmake" ]; then
    sdk=$tree/lib/pico-sdk
else
    sdk=$("$python" "$top/tools/deps/deps.py" --path pico-sdk)
    [ -z "${MICROPYTHON_DIR:-}" ] || [ -n "${PICO_SDK_PATH:-}" ] ||
        echo "build-firmware: $tree/lib/pico-sdk is empty: ${sdk##*/} is taken. If that does not configure:" \
            "git -C $MICROPYTHON_DIR submodule update --init lib/pico-sdk" >&2
fi

unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL MBEDTLS_DIR MICROPYTHON_DIR MICROPYTHON PICO_SDK_PATH
unset TARGET PORT BUILD BOARD K V CFLAGS CXXFLAGS LDFLAGS

# What the firmware says of itself: MicroPython's version, and the day of our last commit.
field() { sed -n "s/^#define MICROPY_VERSION_$1 (*\([0-9]*\).*/\1/p" "$tree/py/mpconfig.h"; }
MICROPY_GIT_TAG=v$(field MAJOR).$(field MINOR).$(field MICRO)
MICROPY_GIT_HASH=pymongoose
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct 2>/dev/null || echo 0)
    SOURCE_DATE_EPOCH=$((SOURCE_DATE_EPOCH - SOURCE_DATE_EPOCH % 86400))
fi
# MicroPython's make-pins.py goes through sets of names.
PYTHONHASHSEED=0
export MICROPY_GIT_TAG MICROPY_GIT_HASH SOURCE_DATE_EPOCH PYTHONHASHSEED

cross=$("$top/tools/build/mpy-cross.sh" "$tree")
MICROPY_MPYCROSS=$cross
export MICROPY_MPYCROSS

mkdir -p "$build/cmake"
exec 8>"$build/.lock"
flock 8

# Objects of other sources, or made by another configuration, are not reused.
sources="$tree $mongoose $sdk $(find "$top/boards/rp2" "$top/boards/$board" -type f -exec cat {} + | cksum) $*"
if [ "$(cat "$build/.sources" 2>/dev/null)" != "$sources" ]; then
    rm -rf "$build/cmake"
    mkdir -p "$build/cmake"
    echo "$sources" >"$build/.sources"
fi

# Each folder under a name of its own, wherever the compiler saw it; the last that fits counts.
map= asm_map=
for pair in "$top=pymongoose" "$mongoose=mongoose" "$sdk=pico-sdk" "$tree=micropython" \
    "$(readlink -f "$tree/lib/mbedtls")=mbedtls" "$(readlink -f "$tree/lib/lwip")=lwip" \
    "$(readlink -f "$tree/lib/tinyusb")=tinyusb" "$build/cmake=build"; do
    map="$map -ffile-prefix-map=$pair"
    asm_map="$asm_map -Wa,--debug-prefix-map=$pair"
done
CFLAGS=$map CXXFLAGS=$map ASMFLAGS="$map $asm_map"
export CFLAGS CXXFLAGS ASMFLAGS

# micropython-lib is not needed by our own manifest, but its README is asked for.
lib=$tree/lib/micropython-lib
if [ ! -f "$lib/README.md" ]; then
    lib=$build/micropython-lib
    mkdir -p "$lib"
    : >"$lib/README.md"
fi

log=$build/log
run() {
    "$@" >>"$log" 2>&1 || {
        { grep -E '(^|[^-])(error|Error)[: ]' "$log" || cat "$log"; } | cut -c1-300 | tail -n 30 >&2
        die "$1 failed; all of it: $log"
    }
}
: >"$log"
if [ ! -f "$build/cmake/build.ninja" ]; then
    run cmake -S "$tree/ports/rp2" -B "$build/cmake" -G Ninja \
        -DMICROPY_BOARD="$board" -DMICROPY_BOARD_DIR="$top/boards/$board" \
        -DUSER_C_MODULES="$top/micropython_module/micropython.cmake" \
        -DMONGOOSE_DIR="$mongoose" -DPICO_SDK_PATH_OVERRIDE="$sdk" \
        -DMICROPY_LIB_DIR="$lib" -DPICO_NO_PICOTOOL=1 -DPICO_CLIB=newlib \
        -DPython3_EXECUTABLE="$python" "$@"
fi
"$top/tools/deps/step.sh" "$log" "build-firmware: $board (a minute or two the first time)" ninja -C "$build/cmake"
sed -n 's/.*: \(the firmware takes .* bytes\)$/build-firmware: \1/p' "$log" >&2

out=$build/cmake/firmware
cp "$out.elf" "$out.bin" "$build/"
case $board in *PICO2*) family=0xe48bff59 ;; *) family=0xe48bff56 ;; esac
"$python" "$tree/tools/uf2conv.py" -b 0x10000000 -f "$family" -c -o "$build/firmware.uf2" \
    "$build/firmware.bin" >>"$log"
(cd "$build" && sha256sum firmware.uf2 firmware.bin firmware.elf >firmware.sha256)
echo "build-firmware: $(cd "$build" && ls -l firmware.uf2 | awk '{print $5}') bytes: $build/firmware.uf2" >&2
