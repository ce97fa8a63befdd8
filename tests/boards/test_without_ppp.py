# SPDX-License-Identifier: GPL-2.0-only
"""Boards with Wi-Fi or Ethernet compile what RPI_PICO links for PPP, with PPP off."""

import json
import shlex
import subprocess

import pytest
from targets import ROOT

BUILD = ROOT / "build/firmware/RPI_PICO/cmake"
FILES = ("extmod/network_ppp_lwip.c", "extmod/machine_uart.c", "rp2/ppp_link.c", "rp2/net_board.c")


@pytest.mark.parametrize("name", FILES)
def test_compiles_with_ppp_off(name):
    if not (BUILD / "build.ninja").exists():
        pytest.skip("RPI_PICO's firmware is not built here: make firmware")
    listed = subprocess.run(
        ["ninja", "-C", str(BUILD), "-t", "compdb"], check=True, capture_output=True, text=True
    ).stdout
    (command,) = {
        item["command"]
        for item in json.loads(listed)
        if item["file"].endswith(name) and item["output"].endswith(".o")
    }
    words = shlex.split(command)
    words[words.index("-o") + 1] = "/dev/null"
    words[1:1] = ["-DMICROPY_PY_NETWORK_PPP_LWIP=0"]
    for option in ("-MD", "-MF", "-MT"):
        if option in words:
            at = words.index(option)
            del words[at : at + (1 if option == "-MD" else 2)]
    result = subprocess.run(words, cwd=BUILD, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
