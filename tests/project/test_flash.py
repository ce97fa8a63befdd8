# SPDX-License-Identifier: GPL-2.0-only
"""`make flash` for RP2 boards: which file it takes for which board, and what arrives on the drive."""

import hashlib
import struct
import subprocess

import flash_rp2 as made
import pytest
from flash import __main__ as command
from flash import rp2 as tool

RP2040, RP2350 = 0xE48BFF56, 0xE48BFF59


@pytest.fixture
def flash(tmp_path, monkeypatch):
    monkeypatch.setattr(made, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "WAIT_S", 0.3)
    monkeypatch.setattr(tool, "has_mpremote", lambda: True)
    monkeypatch.setattr(tool.usb_ports, "ports", list)
    monkeypatch.setattr(tool.drives, "drives", list)
    monkeypatch.delenv("MICROPYTHON", raising=False)
    return tool


def image(program, family=RP2040):
    """A UF2 file as the boot ROMs take it (Microsoft's UF2 format)."""
    program += bytes(-len(program) % 256)
    blocks = [program[at : at + 256] for at in range(0, len(program), 256)]
    return b"".join(
        struct.pack(
            "<8I476sI",
            *(0x0A324655, 0x9E5D5157, 0x2000, 0x10000000 + 256 * i, 256, i, len(blocks), family),
            block,
            0x0AB16F30,
        )
        for i, block in enumerate(blocks)
    )


NAMED = bytes(250) + b"RPI_PICO\0" + bytes(5000)


@pytest.fixture
def put(flash, tmp_path, monkeypatch):
    """Runs the tool for RPI_PICO with this file and a drive that says so of itself."""

    def put(data, info="UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n"):
        folder = tmp_path / "build" / "firmware" / "RPI_PICO"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "firmware.uf2").write_bytes(data)
        drive = tmp_path / "drive"
        drive.mkdir(exist_ok=True)
        (drive / "INFO_UF2.TXT").write_text(info)
        monkeypatch.setattr("sys.argv", ["flash", "RPI_PICO", str(drive)])
        with pytest.raises(SystemExit) as ended:
            made.main()
        found = drive / "firmware.uf2"
        return str(ended.value), found.read_bytes() if found.exists() else None

    return put


def test_file_arrives_whole(put):
    said, found = put(image(NAMED))
    assert found == image(NAMED)
    # No board restarts here, and that is said.
    assert "no serial port of the new firmware" in said


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no UF2 file, or cut short"),
        (image(NAMED)[:-1], "no UF2 file, or cut short"),
        (b"\x7fELF" + bytes(508), "block 0 does not begin as one"),
        (image(NAMED)[:-512], "cut short: 20 of 21 blocks; fetch it again"),
        (image(NAMED) + bytes(512), "does not begin as one"),
        (image(NAMED, RP2350), "is not for RPI_PICO"),
        (image(NAMED, 0x1C5F21B0), "the file is for 0x1c5f21b0, not for an RP2 board"),
        (image(NAMED) + image(NAMED, RP2350), "the file is for RP2040, RP2350"),
        (image(b"RPI_PICO_W\0"), "is not for RPI_PICO"),
    ],
    ids=[
        "empty",
        "cut",
        "cut at a block",
        "elf",
        "tail",
        "other chip",
        "no RP2",
        "two chips",
        "other board",
    ],
)
def test_wrong_file_is_not_written(put, data, words):
    said, found = put(data)
    assert words in said and said.startswith("flash: error: ") and found is None


@pytest.mark.parametrize(
    "info",
    [
        "UF2 Bootloader v1.0\r\nModel: other\r\nBoard-ID: SAMD21\r\n",
        "UF2 Bootloader v1.0\r\nModel: Raspberry Pi RP2350\r\nBoard-ID: RP2350\r\n",
        "nothing that is known",
        "",
    ],
)
def test_wrong_drive_is_not_written(put, info):
    said, found = put(image(NAMED), info)
    assert "is not an RP2040" in said and found is None


def test_no_port_and_no_drive(flash, put, monkeypatch, tmp_path):
    put(image(NAMED))
    monkeypatch.setattr(flash, "drive_of", lambda chip: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("sys.argv", ["flash", "RPI_PICO"])
    with pytest.raises(SystemExit) as ended:
        made.main()
    for words in ("no board with MicroPython was found", "RPI-RP2", "BOOTSEL", "DEVICE="):
        assert words in str(ended.value)
    monkeypatch.setattr("sys.argv", ["flash", "RPI_PICO", str(tmp_path / "none")])
    with pytest.raises(SystemExit, match="there is no .*none"):
        made.main()


PICO = tool.Port("/dev/ttyACM7", 0x2E8A, 5, "MicroPython Board in FS mode", "e6614103e72d4a2c")
OTHER = tool.Port("/dev/ttyUSB0", 0x10C4, 0xEA60, "CP2102", "")


def test_which_board(flash, monkeypatch):
    """One is taken; of several none, but they are named; others are only named."""
    monkeypatch.setattr(flash.usb_ports, "ports", lambda: [OTHER, PICO])
    assert flash.find_board("RP2040") == PICO.device
    monkeypatch.setattr(flash.usb_ports, "ports", lambda: [PICO, PICO])
    with pytest.raises(SystemExit, match="which board. DEVICE= names one of:\n  /dev/ttyACM7 "):
        flash.find_board("RP2040")
    monkeypatch.setattr(flash.usb_ports, "ports", lambda: [OTHER])
    with pytest.raises(SystemExit, match="have other names:\n  /dev/ttyUSB0 .CP2102 10c4:ea60"):
        flash.find_board("RP2040")


def test_drive_that_is_not_mounted(flash, put, monkeypatch):
    put(image(NAMED))
    drive = flash.drives.Drive("/dev/sdx1", "RPI-RP2", "")
    monkeypatch.setattr(flash.drives, "drives", lambda: [drive])
    monkeypatch.setattr(flash.drives, "mount", lambda drive: False)
    monkeypatch.setattr("sys.argv", ["flash", "RPI_PICO"])
    with pytest.raises(SystemExit, match="RPI-RP2 ./dev/sdx1. is not mounted: "):
        made.main()


def test_port_without_permission(flash, put, monkeypatch):
    put(image(NAMED))
    monkeypatch.setattr(flash.usb_ports, "ports", lambda: [PICO])
    monkeypatch.setattr(flash.access, "refusal", lambda path: f"you may not write to {path}: join")
    monkeypatch.setattr("sys.argv", ["flash", "RPI_PICO"])
    with pytest.raises(SystemExit, match="error: you may not write to /dev/ttyACM7: join"):
        made.main()


@pytest.mark.parametrize("same", [True, False])
def test_flash_is_verified(flash, put, monkeypatch, capsys, same):
    start, held = tool.contents(image(NAMED))
    assert start == 0x10000000 and held == NAMED + bytes(-len(NAMED) % 256)
    asked = []

    def mpremote(port, *arguments):
        asked.append(arguments)
        digest = hashlib.sha256(held if same else b"").hexdigest()
        return subprocess.CompletedProcess([], 0, f"{digest} Pico: pymongoose 9\n", "")

    monkeypatch.setattr(flash, "mpremote", mpremote)
    monkeypatch.setattr(flash.usb_ports, "ports", lambda: [PICO])
    monkeypatch.setattr(flash.access, "refusal", lambda path: "")
    monkeypatch.setattr(flash.time, "sleep", lambda seconds: None)
    if same:
        flash.greet([], image(NAMED))
        assert (
            f"Pico: pymongoose 9; verified: its flash holds {len(held):,}"
            in capsys.readouterr().err
        )
    else:
        with pytest.raises(SystemExit, match="what is in its flash is not what was written"):
            flash.greet([], image(NAMED))
    assert str(len(held)) in asked[0][1]


def test_the_block_that_picotool_puts_ahead_is_no_part_of_it():
    ahead = bytearray(image(bytes(256), 0xE48BFF57))
    ahead[12:16] = struct.pack("<I", 0x10FFFF00)  # where
    ahead[24:28] = struct.pack("<I", 2)  # so many blocks, it says
    whole = image(NAMED, RP2350)
    assert tool.family_of(bytes(ahead) + whole) == "RP2350"
    assert tool.contents(bytes(ahead) + whole) == tool.contents(whole)
    with pytest.raises(SystemExit, match="cut short"):
        tool.family_of(bytes(ahead) + whole[:-512])


@pytest.fixture
def downloaded(flash, tmp_path, monkeypatch):
    """Runs `python -m pymongoose.flash` on a file with a drive of a Pico."""

    def run(data, *arguments, name="RPI_PICO.uf2", model="RPI-RP2"):
        file = tmp_path / name
        file.write_bytes(data)
        drive = tmp_path / "drive"
        drive.mkdir(exist_ok=True)
        (drive / "INFO_UF2.TXT").write_text(f"UF2 Bootloader v3.0\nBoard-ID: {model}\n")
        monkeypatch.setattr("sys.argv", ["flash", str(file), str(drive), *arguments])
        with pytest.raises(SystemExit) as ended:
            command.main()
        found = drive / name
        return str(ended.value), found.read_bytes() if found.exists() else None

    return run


def test_download_arrives_whole(downloaded, tmp_path, capsys):
    hashed = hashlib.sha256(image(NAMED)).hexdigest()
    (tmp_path / "RPI_PICO.uf2.sha256").write_text(f"{hashed}  RPI_PICO.uf2\n")
    said, found = downloaded(image(NAMED), "--board", "RPI_PICO")
    assert found == image(NAMED) and "no serial port of the new firmware" in said
    assert "RPI_PICO.uf2 is what RPI_PICO.uf2.sha256 says" in capsys.readouterr().err


def test_half_download_is_not_written(downloaded, tmp_path):
    said, found = downloaded(image(NAMED)[:1024])
    assert "cut short: 2 of 21 blocks; fetch it again" in said and found is None
    hashed = hashlib.sha256(image(NAMED)).hexdigest()
    (tmp_path / "MANIFEST.sha256").write_text(f"{hashed}  firmware/RPI_PICO.uf2\n")
    said, found = downloaded(image(NAMED)[:1024])
    assert "is not what MANIFEST.sha256 says: a half or a changed download" in said
    assert found is None


def test_download_for_another_board(downloaded):
    said, found = downloaded(image(NAMED, RP2350))
    assert "the file is for an RP2350, the board at " in said and found is None
    said, found = downloaded(image(NAMED), "--board", "RPI_PICO_W")
    assert said.endswith("is not for RPI_PICO_W") and found is None
    said, found = downloaded(b"\xe9" * 512, name="ESP32_GENERIC.bin")
    assert "is no UF2 file; an ESP32's is written by esptool" in said and found is None


def test_without_mpremote(flash, put, monkeypatch, capsys):
    monkeypatch.setattr(flash, "has_mpremote", lambda: False)
    with pytest.raises(SystemExit, match="pymongoose-net.flash.' brings mpremote"):
        flash.to_boot_loader("/dev/ttyACM7")
    monkeypatch.setattr(flash.usb_ports, "ports", lambda: [PICO])
    flash.greet([], image(NAMED))
    assert "was not verified: pip install" in capsys.readouterr().err
