#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Build an ESP32 board's firmware by MicroPython's own build: esp32.sh BOARD [VARIANT] [-D... ...]
# Result: build/firmware/BOARD[-VARIANT]/firmware.bin and .sha256. It wants ESP-IDF (IDF_PATH) and
# a full checkout of MicroPython (MICROPYTHON_DIR), and says how to get them.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-/usr/bin/python3}
check=
[ "$1" != --check ] || { check=yes; shift; }
board=$1
shift
variant=
case ${1:-} in '' | -*) ;; *) variant=$1; shift ;; esac
build=$top/build/firmware/$board${variant:+-$variant}

[ -f "$top/boards/$board/mpconfigboard.cmake" ] ||
    { echo "build-esp32: there is no board $board; BOARD= one of: $(cd "$top/boards" && echo ESP32*)" >&2; exit 1; }
[ -z "$variant" ] || [ -f "$top/boards/$board/mpconfigvariant_$variant.cmake" ] ||
    { echo "build-esp32: $board has no variant $variant" >&2; exit 1; }

# Quoted so that nothing in it is expanded.
missing() {
    echo "build-esp32: $1" >&2
    cat >&2 <<'END'

An ESP32's firmware needs Espressif's ESP-IDF and MicroPython with its submodules; neither comes
from a package registry, so they are yours to fetch, once:

    git clone --recursive --branch v5.4 https://github.com/espressif/esp-idf.git ~/esp-idf
    ~/esp-idf/install.sh esp32,esp32s3,esp32c3,esp32c6
    git clone --branch v1.25.0 https://github.com/micropython/micropython.git ~/micropython
    . ~/esp-idf/export.sh
    make -C ~/micropython/mpy-cross
    make -C ~/micropython/ports/esp32 submodules

Then:

    make firmware BOARD=ESP32_GENERIC IDF_PATH=~/esp-idf MICROPYTHON_DIR=~/micropython

The two must go together. MicroPython 1.25 is made for ESP-IDF v5.2 to v5.4, 1.26 for up to v5.4.2,
1.27 and 1.28 recommend v5.5.1; each names its own in ports/esp32/README.md.
END
    exit 1
}

tree=${MICROPYTHON_DIR:-}
[ -n "${IDF_PATH:-}" ] || missing "IDF_PATH is not set: it names the folder of ESP-IDF"
[ -f "$IDF_PATH/tools/cmake/project.cmake" ] || missing "there is no ESP-IDF in $IDF_PATH"
[ -n "$tree" ] || missing "MICROPYTHON_DIR is not set: it names the folder of MicroPython"
[ -f "$tree/ports/esp32/esp32_common.cmake" ] || missing "there is no MicroPython in $tree"
[ -f "$tree/lib/berkeley-db-1.xx/README" ] || missing "$tree lacks the submodules of ports/esp32"
[ -z "$check" ] || exit 0
mongoose=$("$python" "$top/tools/deps/deps.py" --path mongoose)

if ! command -v idf.py >/dev/null; then
    # shellcheck disable=SC1091
    . "$IDF_PATH/export.sh" >/dev/null || missing "ESP-IDF is not installed: run $IDF_PATH/install.sh"
fi
have=$(idf.py --version 2>/dev/null | sed -n 's/.*\(v[0-9][0-9.]*\).*/\1/p')
# One paragraph has them, in words that change.
fits=$(sed -n '/only supports certain versions/,/^$/p' "$tree/ports/esp32/README.md" |
    grep -o 'v[0-9][0-9.]*[0-9]' | sort -uV | paste -sd ' ' || true)
case " $fits " in
    *" $have "*) ;;
    *) echo "build-esp32: warning: this MicroPython is made for ESP-IDF ${fits:-(its README does not say)};" \
        "you have $have: what its headers or CMake rules changed may not compile" >&2 ;;
esac
"$python" "$top/tools/deps/deps.py" micropython >/dev/null # warns of an unknown version

unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL MBEDTLS_DIR MICROPYTHON_DIR MICROPYTHON
unset TARGET PORT BUILD BOARD K V
export MONGOOSE_DIR=$mongoose
for option; do # idf.py's, by a shell of make's
    export IDFPY_FLAGS="${IDFPY_FLAGS:-} '$option'"
done
mkdir -p "${build%/*}"
make -C "$tree/ports/esp32" BOARD="$board" BOARD_DIR="$top/boards/$board" BOARD_VARIANT="$variant" \
    BUILD="$build" USER_C_MODULES="$top/micropython_module/micropython.cmake"
(cd "$build" && sha256sum firmware.bin >firmware.sha256)
echo "build-esp32: $(wc -c <"$build/firmware.bin") bytes: $build/firmware.bin" >&2
