# SPDX-License-Identifier: GPL-2.0-only
"""tools/build/firmware.sh: a tree that cannot serve is refused before anything is built."""

import os
import subprocess
import sys

import pytest
from targets import ROOT

LIBRARIES = {
    "mbedtls": ("include/mbedtls/build_info.h", "library/ssl_tls.c", "library/version_features.c"),
    "lwip": ("src/include/lwip/init.h", "src/include/lwip/tcp.h"),
    "tinyusb": ("src/tusb.h", "src/tusb_option.h", "src/portable/raspberrypi/rp2040/dcd_rp2040.c"),
}
VERSIONS = {
    "lib/mbedtls/include/mbedtls/build_info.h": '#define MBEDTLS_VERSION_STRING "3.6.2"\n',
    "lib/lwip/src/include/lwip/init.h": "MAJOR 2 MINOR 2 REVISION 1 LWIP",
    "lib/tinyusb/src/tusb_option.h": "MAJOR 0 MINOR 18 REVISION 0 TUSB",
    "py/mpconfig.h": "MAJOR 1 MINOR 28 MICRO 0 MICROPY",
}


def defines(text):
    *parts, prefix = text.split()
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return "".join(f"#define {prefix}_VERSION_{part} {value}\n" for part, value in pairs)


@pytest.fixture
def tree(tmp_path):
    """A full checkout, as far as its files are looked at before a build."""
    names = ["extmod/extmod.mk", "ports/unix/Makefile", "ports/rp2/CMakeLists.txt"]
    names += ["mpy-cross/Makefile", "lib/pico-sdk/pico_sdk_init.cmake", "py/mpconfig.h"]
    names += [f"lib/{name}/{file}" for name, files in LIBRARIES.items() for file in files]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = VERSIONS.get(name, "")
        path.write_text(text if text.startswith("#") or not text else defines(text))
    # What would be built is not asked for.
    (tmp_path / "mpy-cross/Makefile").write_text("all:\n\t@echo NO BUILD HERE; exit 1\n")
    return tmp_path


def build(tree, *arguments):
    find = [sys.executable, str(ROOT / "tools/deps/deps.py"), "--path", "mongoose"]
    mongoose = subprocess.run(find, check=True, capture_output=True, text=True).stdout.strip()
    # In a cache of its own nothing stays behind.
    own = {"MONGOOSE_DIR": mongoose, "PYMONGOOSE_CACHE": str(tree / "cache")}
    env = {**os.environ, "MICROPYTHON_DIR": str(tree), **own}
    command = [str(ROOT / "tools/build/firmware.sh"), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("board", "file"),
    [
        ("RPI_PICO_W", "lib/cyw43-driver/src/cyw43.h"),
        ("RPI_PICO2_W", "lib/cyw43-driver/src/cyw43.h"),
        ("W5500_EVB_PICO", "lib/wiznet5k/Ethernet/wizchip_conf.h"),
    ],
)
def test_driver_that_is_not_there(tree, board, file):
    result = build(tree, board)
    assert result.returncode == 1 and "NO BUILD HERE" not in result.stdout
    assert f"{board} needs {file}: set MICROPYTHON_DIR= to a full checkout" in result.stderr
    assert f"make -C ports/rp2 BOARD={board} submodules" in result.stderr


def test_half_a_driver(tree):
    """Wi-Fi has come, Bluetooth has not."""
    driver = tree / "lib/cyw43-driver/src/cyw43.h"
    driver.parent.mkdir(parents=True)
    driver.touch()
    result = build(tree, "RPI_PICO_W")
    assert "RPI_PICO_W needs lib/btstack/src/btstack.h" in result.stderr


def test_half_a_library(tree):
    (tree / "lib/lwip/src/include/lwip/tcp.h").unlink()
    result = build(tree, "RPI_PICO")
    assert result.returncode == 1 and "NO BUILD HERE" not in result.stdout
    assert "lib/lwip: it lacks src/include/lwip/tcp.h" in result.stderr
    assert f"git -C {tree} submodule update --init lib/lwip" in result.stderr


def test_whole_tree_is_built_from(tree):
    result = build(tree, "RPI_PICO")
    assert "NO BUILD HERE" in result.stdout + result.stderr  # it got so far
    assert "warning" not in result.stderr


def test_unknown_version_is_built_from_with_a_warning(tree):
    (tree / "py/mpconfig.h").write_text(defines("MAJOR 1 MINOR 40 MICRO 0 MICROPY"))
    result = build(tree, "RPI_PICO")
    assert "NO BUILD HERE" in result.stdout + result.stderr
    assert "MicroPython 1.40.0 is newer than what is known here" in result.stderr


def test_no_such_board(tree):
    result = build(tree, "RPI_PICO9")
    assert result.returncode == 1
    assert "there is no board RPI_PICO9; BOARD= one of: " in result.stderr
    assert "RPI_PICO2 " in result.stderr


def test_no_such_variant(tree):
    result = build(tree, "RPI_PICO2", "RISCV")
    assert result.returncode == 1
    assert "RPI_PICO2 has no variant RISCV: build it without VARIANT=" in result.stderr
