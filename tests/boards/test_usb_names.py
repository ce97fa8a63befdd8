# SPDX-License-Identifier: GPL-2.0-only
"""`make flash` finds boards by what USB says of them, on Linux and macOS, from listings of both."""

import os
import stat

import find_port
import pytest
from flash.usb import access, drives, ports
from usb_listings import LINUX_LSBLK, LINUX_SYS, MACOS_DISKUTIL, MACOS_IOREG


@pytest.fixture
def linux(tmp_path):
    for line in LINUX_SYS.strip().splitlines():
        path, _, content = line.partition(" ")
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("-> "):
            file.symlink_to(content[3:])
        else:
            file.write_text(content + "\n")
    return ports.linux(tmp_path)


def test_linux_ports(linux):
    assert list(map(str, linux)) == [
        "/dev/ttyACM0 (L830-EB-00 2cb7:01a0)",
        "/dev/ttyACM1 (MicroPython Board in FS mode 2e8a:0005, e6614103e72d4a2c)",
        "/dev/ttyUSB0 (Silicon Labs CP2102 USB to UART Bridge Controller 10c4:ea60, 0001)",
    ]
    assert [port.device for port in linux if port.is_one_of(ports.RP2)] == ["/dev/ttyACM1"]
    assert [port.device for port in linux if port.is_one_of(ports.ESP32)] == ["/dev/ttyUSB0"]


def test_macos_ports():
    found = ports.macos(MACOS_IOREG.encode())
    assert list(map(str, found)) == [
        "/dev/cu.usbmodem1101 (MicroPython Board in FS mode 2e8a:0005, e6614103e72d4a2c)",
        "/dev/cu.usbmodem11301 (Espressif USB JTAG/serial debug unit 303a:1001, 3C:84:27:C4:77:7C)",
    ]
    assert [port.is_one_of(ports.RP2) for port in found] == [True, False]
    assert [port.is_one_of(ports.ESP32) for port in found] == [False, True]


def test_nothing_is_plugged_in(tmp_path):
    assert ports.linux(tmp_path) == ports.macos(b"") == []
    assert drives.linux("") == drives.macos(b"") == []


def test_ports_are_in_order_of_their_numbers():
    of = {number: ports.Port(f"/dev/ttyACM{number}", 0x2E8A, 5, "", "") for number in (10, 9, 0)}
    assert sorted(of.values(), key=ports._order) == [of[0], of[9], of[10]]


def test_linux_drives(monkeypatch):
    found = drives.linux(LINUX_LSBLK)
    assert [each for each in found if each.label.startswith("RP")] == [
        drives.Drive("/dev/sda1", "RPI-RP2", "/media/ann/RPI-RP2"),
        drives.Drive("/dev/sdb1", "RP2350", ""),
    ]
    monkeypatch.setattr(drives, "drives", lambda: found)
    assert str(drives.mounted("RPI-RP2")) == "/media/ann/RPI-RP2"
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    left = drives.unmounted("RP2350")
    assert left.how_to_mount() == "udisksctl mount -b /dev/sdb1"
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert left.how_to_mount() == "sudo mount -o uid=$(id -u) /dev/sdb1 /mnt"
    assert drives.unmounted("RPI-RP2") is None


def test_macos_drives(monkeypatch):
    found = drives.macos(MACOS_DISKUTIL.encode())
    assert found == [
        drives.Drive("/dev/disk4s1", "RPI-RP2", "/Volumes/RPI-RP2"),
        drives.Drive("/dev/disk5s1", "RP2350", ""),
    ]
    monkeypatch.setattr("sys.platform", "darwin")
    assert found[1].how_to_mount() == "diskutil mount /dev/disk5s1"


def test_permission_of_a_port(tmp_path, monkeypatch):
    port = tmp_path / "ttyACM0"
    assert access.refusal(str(port)) == f"there is no {port}"
    port.touch()
    assert access.refusal(str(port)) == ""
    port.chmod(0o660)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(access, "group_of", lambda number: "dialout")
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    said = access.refusal(str(port))
    assert said.startswith(f"you may not write to {port}: ")
    assert "`sudo adduser ann dialout`, then log out and in again" in said
    port.chmod(0o600)
    assert "udev rule" in access.refusal(str(port))
    assert "another program has it open" in access.advice(str(port), "darwin")


def test_permission_of_a_drive(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert stat.S_ISDIR(tmp_path.stat().st_mode)
    assert "mounted for another user, or read-only" in access.refusal(str(tmp_path))


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (["/dev/ttyACM1", "/dev/ttyUSB0"], None),
        (
            ["/dev/ttyACM1"],
            "no ESP32 was found by its USB name:\n  /dev/ttyACM1 (MicroPython Board",
        ),
        ([], "no ESP32 was found by its USB name"),
    ],
)
def test_port_of_an_esp32(linux, monkeypatch, capsys, kept, words):
    monkeypatch.setattr(ports, "ports", lambda: [port for port in linux if port.device in kept])
    monkeypatch.setattr(access, "refusal", lambda path: "")
    monkeypatch.setattr("sys.argv", ["find_port.py", ""])
    if words is None:
        find_port.main()
        assert capsys.readouterr().out == "/dev/ttyUSB0\n"
    else:
        with pytest.raises(SystemExit) as ended:
            find_port.main()
        assert words in str(ended.value)


def test_several_esp32(linux, monkeypatch):
    twins = [port for port in linux if port.is_one_of(ports.ESP32)] * 2
    monkeypatch.setattr(ports, "ports", lambda: twins)
    monkeypatch.setattr("sys.argv", ["find_port.py"])
    with pytest.raises(SystemExit, match="which board. DEVICE= names one of:\n  /dev/ttyUSB0"):
        find_port.main()
