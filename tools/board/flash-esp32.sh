#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Write a built firmware to an ESP32: flash-esp32.sh BOARD [VARIANT] [DEVICE] [ERASE]
# Without a DEVICE (/dev/ttyUSB0 ...) the board is found by its USB name; esptool refuses another chip,
# shows its progress, and verifies what it wrote. With
# ERASE (1) all of the flash is erased first: MicroPython makes no file system where it finds other
# data, and a new board may have some.
set -eu

cd "$(dirname "$0")/../.."
board=${1:-}
variant=${2:-}
device=${3:-}
erase=${4:-}
image=build/firmware/$board${variant:+-$variant}/firmware.bin
die() { echo "flash-esp32: $*" >&2; exit 1; }

# The chip, and where its bootloader lies.
case $board in
    ESP32_GENERIC) chip=esp32 offset=0x1000 ;;
    ESP32_GENERIC_S3) chip=esp32s3 offset=0x0 ;;
    ESP32_GENERIC_C3) chip=esp32c3 offset=0x0 ;;
    ESP32_GENERIC_C6) chip=esp32c6 offset=0x0 ;;
    *) die "BOARD= one of ESP32_GENERIC, ESP32_GENERIC_S3, ESP32_GENERIC_C3, ESP32_GENERIC_C6" ;;
esac
[ -f "$image" ] || die "there is no $image: make firmware BOARD=$board${variant:+ VARIANT=$variant}"
[ ! -f "${image%.bin}.sha256" ] || (cd "${image%/*}" && sha256sum --quiet -c firmware.sha256) ||
    die "$image is not what was built: make firmware again"
.venv/bin/python -m esptool --chip "$chip" image_info "$image" >/dev/null ||
    die "$image is no image for $chip"
device=$(.venv/bin/python tools/board/find_port.py "$device")
echo "flash-esp32: writing $image to $device; hold BOOT and press RESET if no connection comes" >&2
exec .venv/bin/python -m esptool --chip "$chip" --port "$device" --baud 460800 \
    write_flash ${erase:+--erase-all} --compress "$offset" "$image"
