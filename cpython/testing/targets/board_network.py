# SPDX-License-Identifier: GPL-2.0-only
"""A board's network, over mpremote's raw REPL: which address it has, and joining a Wi-Fi.

WIFI_SSID and WIFI_PSK in the environment, where make puts its variables, name the Wi-Fi; without a
password it is an open one. The password goes to the board: no error and no repr() shows it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpremote.transport_serial import SerialTransport

#: How often joining is tried, and for how long each time. The first one after a board was plugged
#: in may find nothing.
TRIES = 2
TRY_S = 10
#: What looking for networks takes, and a margin.
SCAN_S = 15

# The interfaces that MicroPython's ports have, for a board whose boot.py brings one up.
ADDRESS = """
import network
for name in ("WLAN", "LAN", "WIZNET5K", "PPP"):
    try:
        found = getattr(network, name)().ifconfig()[0]
        if found != "0.0.0.0":
            print("AT", found)
            break
    except (AttributeError, OSError, TypeError, ValueError):
        pass
"""

# A link outlives soft resets on all ports, so mostly there is nothing to do. Why a board was refused
# its status often does not tell: an ESP32 goes on trying and says "connecting". Then it matters
# whether the network is in reach at all.
JOIN = """
import time
ERRORS = (OSError, RuntimeError, TypeError, ValueError)

def address(wlan):
    found = wlan.ifconfig()[0] if wlan.isconnected() else "0.0.0.0"
    return found if found != "0.0.0.0" else ""

def is_other(wlan, name):
    try:
        return wlan.config("ssid") != name
    except ERRORS:
        return False

def leave(wlan):
    try:
        wlan.disconnect()
    except ERRORS:
        pass

def attempt(wlan, name, key, seconds):
    leave(wlan)
    try:
        wlan.connect(name, key)
    except ERRORS as e:
        return "ERROR %s" % e
    start = time.ticks_ms()
    while not address(wlan) and time.ticks_diff(time.ticks_ms(), start) < seconds * 1000:
        time.sleep_ms(100)
    return "STATUS %s" % wlan.status()

def why(network, wlan, name, said):
    leave(wlan)
    for status in ("WRONG_PASSWORD", "HANDSHAKE_TIMEOUT", "NO_AP_FOUND"):
        if said == "STATUS %s" % getattr(network, "STAT_" + status, None):
            return status
    if said[0] == "E":
        return said
    try:
        found = [each[0] for each in wlan.scan()]
    except ERRORS:
        return said
    return "REFUSED" if name.encode() in found else "NO_AP_FOUND"

def join(name, key, tries, seconds):
    try:
        import network
        wlan = network.WLAN()
    except (ImportError, AttributeError):
        return "NO_WIFI"
    wlan.active(True)
    if is_other(wlan, name):
        leave(wlan)
    said = ""
    while tries > 0 and not address(wlan):
        said = attempt(wlan, name, key, seconds)
        tries -= 1
    return "AT " + address(wlan) if address(wlan) else why(network, wlan, name, said)
"""

CAUSES = {
    "NO_WIFI": "this board has no Wi-Fi: there is no WLAN in its module `network`",
    "WRONG_PASSWORD": "the password of the Wi-Fi {ssid!r} is wrong: WIFI_PSK gives it",
    "HANDSHAKE_TIMEOUT": "the Wi-Fi {ssid!r} refuses the board: is WIFI_PSK its password?",
    "REFUSED": "the Wi-Fi {ssid!r} is there, but does not let the board in, or gives it no address:"
    " is WIFI_PSK its password?",
    "NO_AP_FOUND": "there is no Wi-Fi {ssid!r} in reach of the board, which may know 2.4 GHz alone",
}
NO_NETWORK = "the board has no network: its boot.py must bring one up, or WIFI_SSID= and WIFI_PSK= name a Wi-Fi"


class NetworkError(Exception):
    """The board has no network; the text says why."""


class Wifi:
    """A network to join, and its password, which is not shown."""

    def __init__(self, ssid: str, psk: str = "") -> None:
        self.ssid = ssid
        self._psk = psk

    def __repr__(self) -> str:
        return f"Wifi({self.ssid!r})"

    def script(self, tries: int = TRIES, seconds: float = TRY_S) -> str:
        """What the board runs: it prints AT and its address, or a word that says why not."""
        arguments = f"{self.ssid!r}, {self._psk!r}, {tries}, {seconds}"
        return f"{JOIN}\nprint(join({arguments}))\n"

    def error(self, said: str) -> NetworkError:
        word, _, rest = said.partition(" ")
        if word in CAUSES:
            return NetworkError(CAUSES[word].format(ssid=self.ssid))
        text = rest if word == "ERROR" else f"its status is {rest}" if word == "STATUS" else said
        return NetworkError(f"the board cannot join the Wi-Fi {self.ssid!r}: {text}")


def wanted_wifi() -> Wifi | None:
    """What the environment names."""
    ssid = os.environ.get("WIFI_SSID")
    return Wifi(ssid, os.environ.get("WIFI_PSK", "")) if ssid else None


def find_address(board: SerialTransport, wifi: Wifi | None = None) -> str:
    """The address of a board at its raw REPL, once it has joined the Wi-Fi if one is given."""
    from mpremote.transport import TransportError

    try:
        out, err = board.exec_raw(
            wifi.script() if wifi else ADDRESS, timeout=TRIES * TRY_S + SCAN_S
        )
    except (TransportError, OSError) as e:
        # Not as its context either: its frames hold the script.
        failure = NetworkError(f"the board does not answer: {e}")
    else:
        said = (err or out).decode(errors="replace").strip().rpartition("\n")[2]
        if not err and said.startswith("AT "):
            return str(said[3:])
        failure = wifi.error(said) if wifi else NetworkError(NO_NETWORK)
    raise failure
