# SPDX-License-Identifier: GPL-2.0-only
"""A firmware that reaches into the board's file system does not build, and the sizes are told."""

import subprocess
import sys

import pytest
from targets import ROOT

FLASH = 0x10000000


@pytest.fixture
def check(tmp_path):
    """Runs the check on a linked file that says these sizes of itself."""

    def check(size, room):
        source, linked = tmp_path / "sizes.s", tmp_path / "firmware.elf"
        source.write_text(
            f".globl __flash_binary_end, pmg_flash_room\n"
            f".set __flash_binary_end, {FLASH + size}\n.set pmg_flash_room, {room}\n"
        )
        subprocess.run(["cc", "-c", "-o", linked, source], check=True)
        program = ROOT / "boards/rp2/flash_fits.py"
        command = [sys.executable, str(program), str(linked), "nm", "W5500_EVB_PICO"]
        return subprocess.run(command, capture_output=True, text=True)

    return check


def test_what_fits_is_said(check):
    result = check(655360, 655360)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "W5500_EVB_PICO: the firmware takes 655,360 of 655,360 bytes\n"


def test_overlap_is_an_error_with_sizes(check):
    result = check(677488, 655360)
    assert result.returncode == 1
    for words in (
        "error:",
        "677,488",
        "655,360",
        "22,128 too many",
        "W5500_EVB_PICO/mpconfigboard.h",
    ):
        assert words in result.stderr


def test_every_board_asks_for_the_check():
    boards = [path.parent for path in ROOT.glob("boards/*/mpconfigboard.cmake")]
    rp2 = [board for board in boards if not board.name.startswith("ESP32")]
    assert len(rp2) >= 4
    for board in rp2:
        assert "../rp2/board.cmake" in (board / "mpconfigboard.cmake").read_text(), board.name
    rules = (ROOT / "boards/rp2/board.cmake").read_text()
    assert "DEFER CALL pmg_check_flash" in rules
