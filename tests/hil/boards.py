# SPDX-License-Identifier: GPL-2.0-only
"""A board at a serial port, which is unplugged: an emulated one, reached as any other.

tools/test/hil.sh runs it as test_boards.py with the emulator's serial port as --pmg-target, and with
the emulator's process in PMG_TEST_RIG.
"""

import os
import signal

import pytest
from pymongoose.testing.targets import DeviceError


def test_it_is_a_board(device):
    assert device.name.startswith("socket://")
    assert "RP2040" in device.versions["board"]
    # Its link is PPP, which a board does not tell the address of.
    with pytest.raises(
        DeviceError, match="address of .* is not known(?s:.*)boot.py must bring one up"
    ):
        _ = device.address


def test_its_own_files_stay(device):
    device.files.put(b"x", "main.py")
    assert device.exec(
        "import os\nprint('boot.py' in os.listdir('/'), 'main.py' in os.listdir('/'))"
    ) == ("True False")


def test_pins_of_a_real_board(device):
    with pytest.raises(
        DeviceError, match="whose pins this computer is not wired to(?s:.*)pmg_needs"
    ):
        device.pins.set(15, 0)


@pytest.mark.pmg_needs("pins")
def test_pins_are_skipped(device):
    raise AssertionError("it ran")


def test_a_second_one(devices):
    devices(2)


def test_it_is_unplugged(device, tmp_path):
    (tmp_path / "program.py").write_text("print('begun')\nwhile True:\n    pass\n")
    device.run(tmp_path / "program.py")
    device.wait_for("begun")
    os.kill(int(os.environ["PMG_TEST_RIG"]), signal.SIGKILL)
    with pytest.raises(DeviceError, match="has ended: the serial port failed"):
        device.wait_for("ready")
    with pytest.raises(DeviceError, match="nothing answers"):
        device.eval("1")
