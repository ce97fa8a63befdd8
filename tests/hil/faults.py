# SPDX-License-Identifier: GPL-2.0-only
"""Programs that go wrong, in tests as a user writes them: each says so, and the next has its device.

tests/hil/test_kit.py and tools/test/hil.sh run it as test_faults.py in a folder of its own.
"""

import socket

import pytest
from pymongoose.testing.targets import DeviceError


@pytest.fixture
def program(device, tmp_path):
    def run(text, name="program.py"):
        (tmp_path / name).write_text(text)
        return device.run(tmp_path / name)

    return run


def still_there(device):
    assert device.eval("6 * 7") == 42


def test_raises_at_import(device, program):
    program("print('begun')\nimport no_such_module\n")
    device.wait_for("begun")
    with pytest.raises(DeviceError, match="program.py on .* has ended: .*no_such_module") as e:
        device.wait_for("ready")
    assert "Traceback" in str(e.value) and "agent.py" not in str(e.value)
    with pytest.raises(DeviceError, match="no_such_module"):
        device.finish()
    still_there(device)


def test_syntax_error(device, program):
    program("print('begun')\nif\n")
    with pytest.raises(DeviceError, match="SyntaxError"):
        device.wait_for("begun")
    still_there(device)


def test_floods_the_console(device, program):
    program("n = 0\nwhile True:\n    n += 1\n    print('line', n, 'of a flood', '.' * 60)\n")
    device.wait_for("line 1 of a flood")
    with pytest.raises(DeviceError, match="waited .* goes on"):
        device.wait_for("never", timeout=0.2)
    assert 2 < len(device.lines) < 25000
    device.stop()
    still_there(device)


def test_a_line_without_end(device, program):
    program("import sys\nwhile True:\n    sys.stdout.write('x' * 100)\n")
    with pytest.raises(DeviceError, match="waited"):
        device.wait_for("y", timeout=0.2)
    device.stop()
    still_there(device)


def test_never_ends(device, program):
    program("print('begun')\nwhile True:\n    pass\n")
    device.wait_for("begun")
    with pytest.raises(DeviceError, match=r"eval\(\): program.py is running .* stop\(\)"):
        device.eval("1")
    device.stop()
    still_there(device)


def test_is_left_running(device, program):
    program("while True:\n    pass\n")


def test_catches_all(device, program):
    program(
        "print('begun')\nwhile True:\n    try:\n        while True:\n            pass\n"
        "    except BaseException:\n        pass\n"
    )
    device.wait_for("begun")


def test_after_those(device):
    still_there(device)


def test_fills_the_heap(device, program):
    program("print('begun')\nhold = []\nwhile True:\n    hold.append(bytearray(4000))\n")
    device.wait_for("begun")
    with pytest.raises(DeviceError, match="MemoryError"):
        device.wait_for("ready", timeout=60)


def test_after_that(device, program):
    program("print(len(bytearray(50000)))\n")
    device.wait_for("50000")


def test_resets_the_board(device, program):
    device.files.put(b"kept", "kept.txt")
    program("import machine\nprint('begun')\nmachine.reset()\n")
    device.wait_for("begun")
    with pytest.raises(DeviceError, match="the program reset the board"):
        device.wait_for("ready")
    still_there(device)
    assert device.files.get("kept.txt") == b"kept"


def test_a_reset_that_is_meant(device, program):
    program("print('begun')\nwhile True:\n    pass\n")
    device.wait_for("begun")
    device.reset()
    assert not device.is_running
    program("print('again')\n")
    device.wait_for("again")


def test_exits(device, program):
    program("import sys\nprint('begun')\nsys.exit(3)\n")
    device.wait_for("begun")
    with pytest.raises(DeviceError, match="has ended"):
        device.wait_for("ready")
    still_there(device)


@pytest.mark.pmg_needs("desk")
def test_a_port_in_use(device, program):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        program(f"from pymongoose import *\nManager().listen('tcp://0.0.0.0:{port}')\n")
        with pytest.raises(DeviceError, match="in use(?s:.*)another program has that one"):
            device.wait_for("ready")


def test_names_that_are_wrong(device, tmp_path):
    with pytest.raises(DeviceError, match="there is no 'nothing.py'"):
        device.run("nothing.py")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DeviceError, match="has no main.py"):
        device.run(tmp_path / "folder")
    with pytest.raises(FileNotFoundError, match="there is no 'nothing.txt'"):
        device.files.get("nothing.txt")
    with pytest.raises(ValueError, match="outside"):
        device.files.put(b"", "../x")
    with pytest.raises(DeviceError, match="no program was run"):
        device.wait_for("x")
    with pytest.raises(DeviceError, match="ZeroDivisionError"):
        device.eval("1 // 0")
    with pytest.raises(DeviceError, match="no literal"):
        device.eval("print")
    with pytest.raises(DeviceError, match="waited"):
        device.exec("while True: pass", timeout=0.5)
    still_there(device)


@pytest.mark.pmg_needs("pins")
def test_pins_that_are_wrong(device, program):
    program(
        "from machine import Pin, PWM\nPin(3, Pin.OUT)\nPWM(Pin(6)).freq(1000)\nprint('ready')\n"
    )
    device.wait_for("ready")
    with pytest.raises(DeviceError, match="pin 3 is an output of the program"):
        device.pins.set(3, 1)
    with pytest.raises(DeviceError, match="pin 6 has no level that stays: it belongs to PWM"):
        device.pins.read(6)
    with pytest.raises(DeviceError, match="there is no pin 30: 0 to 29"):
        device.pins.set(30, 1)
    with pytest.raises(DeviceError, match="no ADC channel 7"):
        device.pins.feed(7, 0)
    for value in (-1, 65536):
        with pytest.raises(ValueError, match="0 to 65535"):
            device.pins.feed(26, value)
    with pytest.raises(ValueError, match="0, 1 or None"):
        device.pins.set(2, 5)


@pytest.mark.pmg_needs("pins")
def test_pins(device, program):
    """Levels, pulls, edges and voltages, the same at the desk and on the emulated board."""
    program(
        "from machine import ADC, Pin\n"
        "a, b, out = Pin(10, Pin.IN, Pin.PULL_UP), Pin(11, Pin.IN, Pin.PULL_DOWN), Pin('GP12', Pin.OUT)\n"
        "drain = Pin(13, Pin.OPEN_DRAIN, Pin.PULL_UP, value=1)\n"
        "adc, edges = ADC(27), []\n"
        "b.irq(lambda pin: edges.append(pin is b), Pin.IRQ_RISING)\n"
    )
    device.finish()
    assert device.eval("a.value(), b(), out.value(), drain.value()") == (1, 0, 0, 1)
    device.pins.set(10, 0)
    device.pins.set("GP11", 1)
    assert device.eval("a.value(), b.value()") == (0, 1)
    for value in (0, 1, 0, 1):
        device.pins.set(11, value)
    device.exec("import time\nwhile len(edges) < 3: time.sleep_ms(2)")
    assert device.eval("edges") == [True] * 3
    device.pins.set(10, None)
    assert device.eval("a.value()") == 1
    for statement, value in (("out.on()", 1), ("out.toggle()", 0), ("out.value(1)", 1)):
        device.exec(statement)
        assert device.pins.read(12) == device.eval("out.value()") == value
    device.exec("drain.value(0)")
    assert device.pins.read(13) == 0
    for given, read in ((0, 0), (32768, 32776), (65535, 65535)):
        device.pins.feed(27, given)
        assert device.eval("adc.read_u16()") == read
    device.pins.feed(1, volts=1.65)
    assert device.eval("adc.read_u16()") == pytest.approx(32768, abs=32)


@pytest.mark.pmg_needs("desk")
@pytest.mark.parametrize(
    "use",
    [
        "machine.I2C(0)",
        "machine.Pin(1).drive(2)",
        "machine.WDT()",
        "machine.Pin(1, drive=3)",
        "machine.PWM(1, invert=True)",
        "network.PPP()",
        "network.LAN()",
    ],
)
def test_what_a_desk_lacks(device, use):
    name = use.split("(")[0]
    with pytest.raises(DeviceError, match=f"NotImplementedError: {name}"):
        device.exec(f"import machine, network\n{use}")


@pytest.mark.pmg_needs("wifi")
def test_wifi(device):
    """A program that joins a Wi-Fi finds itself in it."""
    assert device.wifi("home", "secret") == device.address
    device.exec(
        "import network\nw = network.WLAN(network.STA_IF)\nw.active(True)\nw.connect('home', 'secret')\n"
        "assert w.isconnected() and w.status() == network.STAT_GOT_IP"
    )
    assert device.eval("w.config('ssid'), len(w.ifconfig())") == ("home", 4)


@pytest.mark.pmg_needs("loopback")
def test_what_a_script_finds(device):
    """A name that only a script on the device can answer for; the device is as ever behind it."""
    still_there(device)


@pytest.mark.pmg_needs("no-such-thing")
def test_what_nothing_has(device):
    raise AssertionError("it ran")


def test_versions(device):
    assert device.version == device.versions["pymongoose"]
    assert device.versions["mongoose"] and device.name
