# SPDX-License-Identifier: GPL-2.0-only
"""Refuse a firmware that overlaps the board's file system: flash_fits.py ELF NM BOARD

MicroPython's linker script knows the flash, not that a part of it is the file system: what lies there
would be overwritten by the first file that is stored.
"""

import subprocess
import sys

FLASH = 0x10000000


def symbols(elf, nm):
    output = subprocess.run([nm, elf], check=True, text=True, capture_output=True).stdout
    lines = (line.split() for line in output.splitlines())
    return {words[-1]: int(words[0], 16) for words in lines if len(words) == 3}


def main():
    elf, nm, board = sys.argv[1:]
    found = symbols(elf, nm)
    size, room = found["__flash_binary_end"] - FLASH, found["pmg_flash_room"]
    if size <= room:
        print(f"{board}: the firmware takes {size:,} of {room:,} bytes")
        return
    sys.exit(
        f"{board}: error: the firmware takes {size:,} bytes of flash, the file system begins at "
        f"{room:,}: {size - room:,} too many. Give the file system less, MICROPY_HW_FLASH_STORAGE_BYTES in "
        f"boards/{board}/mpconfigboard.h, or leave features out: docs/size.md"
    )


if __name__ == "__main__":
    main()
