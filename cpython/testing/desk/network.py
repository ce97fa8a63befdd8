# SPDX-License-Identifier: GPL-2.0-only
# MicroPython's module `network` for a program where there is no Wi-Fi: a WLAN that is up, with the
# address that the program has there. At the desk it is all of the module; on the emulated Pico the
# firmware's own stands behind it (`under`). In the subset that both Pythons run.
import os

STA_IF, AP_IF = 0, 1
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 0, 1, 3
STAT_WRONG_PASSWORD, STAT_NO_AP_FOUND, STAT_CONNECT_FAIL = -3, -2, -1

under = None
address, peer = "127.0.0.1", "127.0.0.1"
ssid = "desk"
_hostname = "mpy"
_country = "XX"


def _lacks(name):
    return NotImplementedError(
        "network.%s is not there without a radio: run this on a board that has one" % name
    )


def __getattr__(name):
    if under is not None:
        return getattr(under, name)
    if name.startswith("__"):
        raise AttributeError(name)
    raise _lacks(name)


def hostname(*name):
    global _hostname
    if not name:
        return _hostname
    _hostname = name[0]


def country(*code):
    global _country
    if not code:
        return _country
    _country = code[0]


def _desk_ssid():
    # What the test's device.wifi() has said.
    try:
        with open((os.getenv("PMG_DESK") or "") + "/ssid") as f:
            return f.read()
    except (OSError, AttributeError, ImportError):
        return ssid


class WLAN:
    IF_STA, IF_AP = STA_IF, AP_IF
    SEC_OPEN = 0
    PM_NONE, PM_PERFORMANCE, PM_POWERSAVE = 0, 1, 2

    def __init__(self, interface=STA_IF):
        if interface not in (STA_IF, AP_IF):
            raise ValueError("interface is STA_IF or AP_IF, not %r" % (interface,))
        self._config = {"ssid": None, "hostname": None}

    def active(self, *is_active):
        return None if is_active else True

    def connect(self, ssid=None, key=None, *, bssid=None, security=None):
        self._config["ssid"] = ssid

    def disconnect(self):
        pass

    def isconnected(self):
        return True

    def status(self, *param):
        if not param:
            return STAT_GOT_IP
        if param[0] != "rssi":
            raise ValueError("unknown status param")
        return -50

    def scan(self):
        return [(_desk_ssid().encode(), b"\x02\x00\x00\x00\x00\x01", 6, -50, 5, 1)]

    def ifconfig(self, *config):
        if not config:
            return (address, "255.255.255.0", peer, peer)

    def ipconfig(self, *param, **config):
        if param:
            known = {
                "addr4": (address, "255.255.255.0"),
                "gw4": peer,
                "dhcp4": True,
                "has_dhcp4": True,
            }
            if param[0] not in known:
                raise _lacks("WLAN.ipconfig(%r)" % param[0])
            return known[param[0]]

    def config(self, *param, **config):
        if not param:
            self._config.update(config)
            return None
        name = param[0]
        if name in ("ssid", "essid"):
            return self._config["ssid"] or _desk_ssid()
        if name == "mac":
            return b"\x02\x00\x00\x00\x00\x02"
        if name == "hostname":
            return hostname()
        if name in self._config:
            return self._config[name]
        raise _lacks("WLAN.config(%r)" % name)

    def __getattr__(self, name):
        raise AttributeError(name) if name.startswith("__") else _lacks("WLAN." + name)
