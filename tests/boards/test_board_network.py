# SPDX-License-Identifier: GPL-2.0-only
"""Joining a board's Wi-Fi (WIFI_SSID=, WIFI_PSK=): what runs there, and what it says when it fails.

MicroPython runs the real script here; only its module `network` is ours, with the answers of an
ESP32 and of a Pico W.
"""

import subprocess

import pytest
from targets import all_targets
from targets.serial import SerialTarget, board_network

Wifi = board_network.Wifi
SECRET = "a'b\"c\\d $ €"

# Keyword by keyword, what stands for the radio: its networks with their passwords, which answer it
# gives to a wrong one or an unknown name, whether the network has DHCP, and its state before.
NETWORK = r"""
import sys

class WLAN:
    IF_STA = 0
    def __init__(self, interface=0):
        self.tries = 0
    def active(self, on=None):
        pass
    def isconnected(self):
        return radio.get("on") is not None and radio.get("dhcp", True)
    def ifconfig(self):
        address = "192.168.4.7" if self.isconnected() else "0.0.0.0"
        return (address, "255.255.255.0", "192.168.4.1", "192.168.4.1")
    def config(self, what):
        if what not in radio.get("config", ("ssid",)):
            raise ValueError("unknown config param")
        return radio.get("last", "")
    def disconnect(self):
        if radio.get("on") is None and radio.get("strict"):
            raise OSError("Wifi Not Connected")
        radio["on"] = None
    def connect(self, name, key):
        print("CONNECT", name)
        self.tries += 1
        if "raises" in radio:
            raise radio["raises"]
        if radio["networks"].get(name) == key and self.tries >= radio.get("joins_at", 1):
            radio["on"] = radio["last"] = name
    def status(self):
        return radio.get("status", 1001)
    def scan(self):
        if "scan" in radio:
            raise radio["scan"]
        return [(name.encode(), b"\0" * 6, 1, -40, 3, False) for name in radio["networks"]]

class network:
    STAT_CONNECTING, STAT_GOT_IP, STAT_WRONG_PASSWORD, STAT_NO_AP_FOUND = 1001, 1010, 202, 201
    STAT_HANDSHAKE_TIMEOUT = 204

network.WLAN = WLAN
sys.modules["network"] = network
"""


@pytest.fixture
def board():
    """A board whose radio is so; its raw REPL is a process that runs the script it is given."""
    unix = all_targets()["unix"]
    if lacking := unix.missing():
        pytest.skip(lacking)

    class Board:
        def __init__(self, text=NETWORK, networks=None, **radio):
            radio["networks"] = networks or {"home": SECRET}
            self.before = f"radio = {radio!r}\n{text}"
            self.said = ""

        def exec_raw(self, script, timeout):
            script = script.replace(f", {board_network.TRY_S})", ", 0.3)")
            command = [str(unix.program), "-c", self.before + script]
            done = subprocess.run(command, capture_output=True, timeout=timeout)
            self.said = done.stdout.decode()
            return done.stdout, done.stderr

    return Board


def failure(board, wifi):
    with pytest.raises(board_network.NetworkError) as e:
        board_network.find_address(board, wifi)
    return str(e.value)


def test_it_joins(board):
    radio = board()
    assert board_network.find_address(radio, Wifi("home", SECRET)) == "192.168.4.7"
    assert radio.said.splitlines() == ["CONNECT home", "AT 192.168.4.7"]


def test_an_open_network(board):
    assert board_network.find_address(board(networks={"café": ""}), Wifi("café"))


def test_what_is_joined_stays_so(board):
    for known in (("ssid",), ()):
        radio = board(on="home", last="home", config=known)
        assert board_network.find_address(radio, Wifi("home", SECRET)) == "192.168.4.7"
        assert "CONNECT" not in radio.said


def test_another_network_is_left(board):
    radio = board(on="other", last="other")
    assert board_network.find_address(radio, Wifi("home", SECRET)) == "192.168.4.7"
    assert "CONNECT home" in radio.said


def test_the_second_attempt_counts(board):
    radio = board(joins_at=2, strict=True)
    assert board_network.find_address(radio, Wifi("home", SECRET)) == "192.168.4.7"
    assert radio.said.count("CONNECT") == 2


WRONG = Wifi("home", "wrong secret")


@pytest.mark.parametrize(
    ("radio", "wifi", "says"),
    [
        # An ESP32 says "connecting" to the end; a Pico W, and an ESP32 at times, says why.
        ({}, WRONG, "does not let the board in"),
        ({"status": 202}, WRONG, "the password of the Wi-Fi 'home' is wrong"),
        ({"status": 204}, WRONG, "is WIFI_PSK its password?"),
        ({}, Wifi("away", SECRET), "there is no Wi-Fi 'away' in reach"),
        ({"status": 201}, Wifi("away", SECRET), "there is no Wi-Fi 'away' in reach"),
        ({"dhcp": False}, Wifi("home", SECRET), "gives it no address"),
        ({"raises": OSError("Wifi Internal Error")}, WRONG, "Wifi Internal Error"),
        ({"raises": RuntimeError("bad state")}, WRONG, "bad state"),
        ({"scan": OSError(1), "status": 17}, WRONG, "its status is 17"),
    ],
)
def test_it_says_why_not(board, radio, wifi, says):
    said = failure(board(**radio), wifi)
    assert says in said
    assert "secret" not in said and SECRET not in said


def test_a_board_without_wifi(board):
    without = "import sys\nclass network: pass\nsys.modules['network'] = network\n"
    assert "this board has no Wi-Fi" in failure(board(without), WRONG)
    assert "this board has no Wi-Fi" in failure(board(""), WRONG)
    assert "WIFI_SSID= and WIFI_PSK=" in failure(board(without), None)


def test_boot_py_brings_it_up(board):
    radio = board(on="home")
    assert board_network.find_address(radio) == "192.168.4.7"


HIDDEN = "not" + "shown"


def test_the_password_is_not_shown(monkeypatch):
    """Not in a failed test's report either, which prints arguments."""
    monkeypatch.setenv("WIFI_SSID", "home")
    monkeypatch.setenv("WIFI_PSK", HIDDEN)
    wifi = board_network.wanted_wifi()
    assert HIDDEN in wifi.script()
    assert "home" in repr(wifi) and HIDDEN not in repr(wifi)
    assert HIDDEN not in repr(vars(SerialTarget("/dev/ttyUSB0")))

    class Gone:
        def exec_raw(self, script, timeout):
            raise OSError("the port is gone")

    with pytest.raises(board_network.NetworkError, match="the port is gone") as e:
        board_network.find_address(Gone(), wifi)
    assert HIDDEN not in str(e.getrepr(style="long", funcargs=True, chain=True))


def test_without_a_name_there_is_nothing_to_join(monkeypatch):
    monkeypatch.delenv("WIFI_SSID", raising=False)
    assert board_network.wanted_wifi() is None
    monkeypatch.setenv("WIFI_SSID", "")
    assert board_network.wanted_wifi() is None
