#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Make the parts of the emulated board (boards/rig): the boot ROM, compiled, and rp2040js, which
# npm brings into the cache. Result: build/rig/bootrom.bin, build/rig/rp2040js. Incremental.
set -eu

cd "$(dirname "$0")/../.."
version=1.4.1
sha256=83328017cf7e503477e8d218cb742d3e843782d795edd175a0b81346c194e56f
parts=build/rig
mkdir -p "$parts"
exec 9>"$parts/.lock"
flock 9

# ---- rp2040js ------------------------------------------------------------------------------------
case $(node -p 'process.versions.node.split(".")[0] >= 18' 2>/dev/null || echo none) in
true) ;;
none) echo "build-rig: error: there is no node: on Debian, apt-get install nodejs npm" >&2; exit 1 ;;
*) echo "build-rig: error: $(command -v node) is $(node --version); 18 or newer is needed" >&2; exit 1 ;;
esac
if [ -n "${RP2040JS_DIR:-}" ]; then
    case $RP2040JS_DIR in /*) tree=$RP2040JS_DIR ;; *) tree=$PWD/$RP2040JS_DIR ;; esac
else
    cache=${PYMONGOOSE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pymongoose}
    case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
    tree=$cache/rp2040js-$version
fi
if [ -z "${RP2040JS_DIR:-}" ] && [ ! -e "$tree/package.json" ]; then
    tools/deps/network.sh npm build-rig
    echo "build-rig: fetching rp2040js $version with npm (0.3 MB) into $cache" >&2
    mkdir -p "$cache"
    work=$(mktemp -d -p "$cache" tmp-npm-XXXXXX)
    trap 'rm -rf "$work"' EXIT
    for try in 1 2 3; do
        npm pack --silent --pack-destination "$work" "rp2040js@$version" >"$work/log" 2>&1 && break
        [ "$try" != 3 ] || { cat "$work/log" >&2
            echo "build-rig: error: npm could not bring rp2040js $version; RP2040JS_DIR= names a folder with it" >&2
            exit 1; }
        sleep "$try"
    done
    echo "$sha256  $work/rp2040js-$version.tgz" | sha256sum --check --quiet >&2
    tar -xzf "$work/rp2040js-$version.tgz" -C "$work"
    mv "$work/package" "$tree"
    rm -rf "$work"
fi
[ -e "$tree/dist/esm/index.js" ] || { echo "build-rig: error: $tree has no dist/esm/index.js" >&2; exit 1; }
ln -sfn "$tree" "$parts/rp2040js"

# ---- The boot ROM --------------------------------------------------------------------------------
rom=$parts/bootrom.bin
if [ -z "$(find boards/rig/bootrom.c boards/rig/bootrom.ld tools/build/rig.sh -newer "$rom" 2>&1)" ]; then
    exit 0
fi
arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb -Os -Wall -Wextra -Werror -ffreestanding \
    -fno-tree-loop-distribute-patterns -ffunction-sections -nostartfiles \
    -T boards/rig/bootrom.ld -Wl,--gc-sections -o "$parts/bootrom.elf" boards/rig/bootrom.c -lm -lc -lgcc
arm-none-eabi-objcopy -O binary "$parts/bootrom.elf" "$rom"
