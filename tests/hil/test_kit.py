# SPDX-License-Identifier: GPL-2.0-only
"""The kit as a user has it: pytest in a folder of its own, with the installed plugin.

The emulated Pico, an environment with nothing but the wheel and pytest-embedded beside it are in
tools/test/hil.sh.
"""

import fcntl
import importlib.util
import os
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest
from from_docs import from_the_docs
from targets import ROOT

UNIX = ROOT / "build/unix/micropython"
HERE = Path(__file__).parent

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("pytest_pymongoose") is None,
        reason="the package is not installed: make cpython",
    ),
    pytest.mark.timeout(600),
]

needs_unix = pytest.mark.skipif(not UNIX.exists(), reason="no MicroPython here: make unix")
DESKS = ["cpython", pytest.param("unix", marks=needs_unix)]


class Run:
    def __init__(self, done):
        self.code, self.text = done.returncode, done.stdout

    def counts(self):
        """{"passed": 3, ...} of pytest's last line."""
        last = self.text.strip().rpartition("\n")[2]
        return {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last)}

    @property
    def results(self):
        found = self.counts()
        keys = ("passed", "failed", "skipped", "error", "errors")
        return {key: found[key] for key in keys if key in found}


@pytest.fixture
def user(tmp_path):
    """A user's folder, and pytest in it: user(option ..., test_x="text of test_x.py")."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def run(*options, env=None, **tests):
        for name, text in tests.items():
            (tmp_path / f"{name}.py").write_text(text)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "PYMONGOOSE_"))}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**kept, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Run(done)

    run.folder = tmp_path
    return run


def desk(name):
    return (
        [f"--pmg-target={name}", f"--pmg-firmware={UNIX}"]
        if name == "unix"
        else ["--pmg-target", name]
    )


# ---- It works ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DESKS)
def test_faults(user, name):
    """Whatever a program does, the test hears of it, and the next one has its device."""
    text = (HERE / "faults.py").read_text()
    run = user(*desk(name), "-rs", test_faults=text)
    assert run.code == 0, run.text
    assert run.results["skipped"] == 1, run.text
    assert f"{name} has no no-such-thing" in run.text


@pytest.mark.parametrize("name", DESKS)
def test_the_example(user, name):
    shutil.copytree(ROOT / "examples/hil", user.folder / "hil")
    run = user(*desk(name), "hil")
    assert run.code == 0 and set(run.results) == {"passed"}, run.text


@pytest.mark.parametrize("name", DESKS)
def test_the_first_test_of_the_docs(user, name):
    """As written, and of ten lines."""
    files = from_the_docs()
    test = files["test_lamp.py"]
    assert len([line for line in test.splitlines() if line.strip()]) <= 10
    (user.folder / "lamp.py").write_text(files["lamp.py"])
    run = user(*desk(name), test_lamp=test)
    assert run.results == {"passed": 1}, run.text


NAME = "def test_name(device):\n    assert device.name == {!r} and device.eval('1 + 1') == 2\n"


@needs_unix
@pytest.mark.parametrize("how", ["environment", "ini", "default", "option wins"])
def test_how_a_target_is_named(user, how):
    ini, options, env, name = "", [], {}, "unix"
    if how == "environment":
        ini, env = f"pmg_firmware = {UNIX}", {"PYMONGOOSE_TARGET": "unix"}
    elif how == "ini":
        ini = f"pmg_target = unix\npmg_firmware = {UNIX}"
    elif how == "option wins":
        options, name = ["--pmg-target=cpython"], "cpython"
        ini, env = "pmg_target = pico", {"PYMONGOOSE_TARGET": "unix"}
    else:
        name = "cpython"
    (user.folder / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    run = user(*options, env=env, test_it=NAME.format(name))
    assert run.results == {"passed": 1}, run.text


LAZY = """
import sys

def test_nothing(record_property):
    loaded = {"_pymongoose", "pymongoose", "serial", "mpremote", "mpremote.transport_serial"}
    assert not loaded & set(sys.modules)
"""


def test_nothing_is_imported_before_it_is_wanted(user):
    assert user(test_it=LAZY).results == {"passed": 1}


@pytest.mark.parametrize("how", ["-p", "pytest_plugins"])
def test_it_is_loaded_by_name(user, how):
    """Where plugins do not load by themselves."""
    options = ["-p", "pymongoose.testing"] if how == "-p" else []
    if how == "pytest_plugins":
        (user.folder / "conftest.py").write_text('pytest_plugins = ["pymongoose.testing"]\n')
    env = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run = user(*options, env=env, test_it=NAME.format("cpython"))
    assert run.results == {"passed": 1}, run.text


def test_reports(user):
    """The console is with the failing test, in JUnit's file too; the summary says what ran."""
    text = """
def test_fails(device, tmp_path):
    (tmp_path / "p.py").write_text("print('the last words')")
    device.run(tmp_path / "p.py")
    device.wait_for("others")

def test_passes(device):
    device.eval("1")
"""
    (user.folder / "pytest.ini").write_text(
        "[pytest]\njunit_logging = all\npmg_consoles = consoles\n"
    )
    run = user("--junitxml=junit.xml", test_it=text)
    assert run.results == {"passed": 1, "failed": 1}, run.text
    assert "Captured stdout of cpython" in run.text
    assert re.search(
        r"cpython +pymongoose [\d.]+, mongoose [\d.]+, python .*: 1 passed, 1 failed", run.text
    )
    (file,) = (user.folder / "consoles").iterdir()
    assert "the last words" in file.read_text()
    cases = xml.parse(user.folder / "junit.xml").iter("testcase")
    for case in cases:
        found = {p.get("name"): p.get("value") for p in case.iter("property")}
        assert found["pmg_target"] == "cpython" and found["pmg_pymongoose"]
        if case.get("name").startswith("test_fails"):
            assert "the last words" in "".join(o.text for o in case.iter("system-out"))


# ---- What is missing or wrong ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["amiga", "cpython,unix", ""])
def test_a_target_that_is_none(user, name):
    run = user(f"--pmg-target={name}", test_it=NAME.format("cpython"))
    assert run.code == 4 and "there are cpython, unix, pico, and serial ports" in run.text, run.text


def test_what_is_missing_is_named_in_a_run(user):
    run = user("--pmg-target=unix", test_it=NAME.format("unix"))
    assert run.results == {"error": 1} and "Run `make unix` in a checkout" in run.text, run.text
    assert "another exception" not in run.text


MISSING = [
    ([], None, "Run `make firmware rig` in a checkout"),
    (["nowhere"], None, "--pmg-firmware: there is no"),
    (["text"], None, "is neither a UF2"),
    (["esp.uf2"], None, r"is for another chip \(family 0x1c5f21b0\)"),
    (["pico.uf2"], None, "the emulator is missing"),
    (["pico.uf2"], "nowhere", "--pmg-rig: there is no"),
    (["pico.uf2"], "empty", "has neither rig.py nor"),
    (["pico.uf2"], "text", "cannot be unpacked"),
    (["pico.uf2"], "rig", "has no bootrom.bin"),
    (["pico.uf2"], "full", "npm install --prefix"),
]


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Files that are something like firmware, folders that are something like a rig."""
    from pymongoose.testing import find

    for name, family in (("pico", 0xE48BFF56), ("esp", 0x1C5F21B0)):
        head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, 0, 256, 0, 1, family)
        (tmp_path / f"{name}.uf2").write_bytes(head.ljust(512, b"\0"))
    (tmp_path / "text").write_text("text\n")
    for name in ("empty", "rig", "full"):
        (tmp_path / name).mkdir()
    for name in ("rig/rig.py", "full/rig.py", "full/bootrom.bin"):
        (tmp_path / name).touch()
    monkeypatch.setattr(find.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(find.ctypes.util, "find_library", lambda name: f"lib{name}.so.0")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def make(firmware, rig=None):
        named = [str(tmp_path / each) for each in firmware]
        return find.Places(named, rig and str(tmp_path / rig), [tmp_path])

    make.find, make.folder = find, tmp_path
    return make


@pytest.mark.parametrize("firmware, rig, words", MISSING, ids=[each[2][:30] for each in MISSING])
def test_what_is_missing_is_named(places, firmware, rig, words):
    from pymongoose.testing.targets import DeviceError

    with pytest.raises(DeviceError, match=words):
        found = places(firmware, rig)
        found.check()
        found.pico()
        found.rig()


@pytest.mark.parametrize("lacking, words", [("node", "Node.js"), ("slirp", "libslirp")])
def test_tools_of_the_emulator(places, monkeypatch, lacking, words):
    from pymongoose.testing.targets import DeviceError

    where = places.find.shutil if lacking == "node" else places.find.ctypes.util
    monkeypatch.setattr(where, "which" if lacking == "node" else "find_library", lambda name: None)
    with pytest.raises(DeviceError, match=f"{words}.* missing: on Debian, `apt-get install"):
        places(["pico.uf2"], "full").rig()


@pytest.mark.parametrize("form", ["tar.gz", "zip"])
def test_a_rig_in_an_archive(places, form):
    """Of a release: it is unpacked once, npm's package comes beside it."""
    script = places.folder / "full/node_modules/rp2040js/dist/esm/index.js"
    script.parent.mkdir(parents=True)
    script.touch()
    shutil.make_archive(
        str(places.folder / "packed"), "gztar" if form == "tar.gz" else form, places.folder, "full"
    )
    program, parts = places(["pico.uf2"], f"packed.{form}").rig()
    assert program.name == "rig.py" and parts == program.parent
    assert places(["pico.uf2"], f"packed.{form}").rig() == (program, parts)


@pytest.mark.parametrize("module, package", [("mpremote", "mpremote"), ("serial", "pyserial")])
def test_the_extra_is_named(user, module, package):
    """cpython needs none of them."""
    blocker = f"import sys\nsys.modules[{module!r}] = None\n"
    (user.folder / "conftest.py").write_text(blocker)
    for name, codes in (("cpython", {"passed": 1}), ("auto", {"error": 1})):
        text = "def test_it(device):\n    device.eval('1')\n"
        run = user(f"--pmg-target={name}", test_it=text)
        assert run.results == codes, run.text
    assert (
        f"needs {package}, which is not installed: pip install 'pymongoose-net[testing]'"
        in run.text
    )


@pytest.mark.parametrize("name", ["/dev/ttyNONE", "a77"])
def test_a_board_that_is_not_there(user, name):
    run = user(f"--pmg-target={name}", "-rs", test_it=NAME.format(name))
    assert run.code == 0 and run.results == {"skipped": 1}, run.text
    assert f"no board is attached as {name}" in run.text


@pytest.fixture
def silent_board():
    """A serial port at which nobody answers."""
    board, port = os.openpty()
    yield os.ttyname(port)
    os.close(board)
    os.close(port)


def test_a_second_board_that_is_not_there(user, silent_board):
    text = "def test_two(devices):\n    devices(2)\n"
    run = user(f"--pmg-target={silent_board}", "-rs", test_it=text)
    assert run.results == {"skipped": 1}, run.text
    assert "the test wants 2 boards, and there is no second one" in re.sub(r"\s+", " ", run.text)


def test_a_serial_port_in_use(user, silent_board):
    """Another program has it, which is said at once."""

    def without_control(path, flags):  # else its end is a hangup of who leads a session
        return os.open(path, flags | os.O_NOCTTY)

    with open(silent_board, "rb", buffering=0, opener=without_control) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        run = user(f"--pmg-target={silent_board}", test_it=NAME.format(silent_board))
    assert run.results == {"failed": 1}, run.text
    assert "cannot be opened: another program has it" in run.text


FAKE = """
__version__ = "0.0.9"
class version:
    mongoose = "7.1"
"""


@needs_unix
@pytest.mark.parametrize("any_version", [False, True])
def test_firmware_of_another_version(user, any_version):
    (user.folder / "old").mkdir()
    (user.folder / "old/pymongoose.py").write_text(FAKE)
    ini = "[pytest]\npmg_any_version = true\n" if any_version else "[pytest]\n"
    (user.folder / "pytest.ini").write_text(ini)
    run = user(
        *desk("unix"),
        env={"MICROPYPATH": f"{user.folder}/old:.frozen"},
        test_it=NAME.format("unix"),
    )
    assert run.results == ({"passed": 1} if any_version else {"failed": 1}), run.text
    if not any_version:
        assert "unix has pymongoose 0.0.9, this kit is of pymongoose" in run.text


@needs_unix
def test_firmware_without_pymongoose(user):
    (user.folder / "old").mkdir()
    (user.folder / "old/pymongoose.py").write_text("raise ImportError('left out')\n")
    run = user(
        *desk("unix"),
        env={"MICROPYPATH": f"{user.folder}/old:.frozen"},
        test_it=NAME.format("unix"),
    )
    assert run.results == {"failed": 1}, run.text
    assert "unix has no pymongoose: it is micropython" in run.text


@pytest.mark.parametrize("name", DESKS)
def test_one_that_is_killed_costs_its_test_alone(user, name):
    text = """
import os, signal

def test_killed(device):
    device._ready()
    device.exec("x = 1")
    os.kill(device._runner._process.pid, signal.SIGKILL)
    device._runner._process.process.wait()
    device.exec("while True: pass", timeout=2)

def test_next(device):
    assert device.eval("2") == 2
"""
    run = user(*desk(name), test_it=text)
    assert run.counts()["passed"] == 1 and run.counts()["failed"] == 1, run.text


def test_a_flood_stays_small(user):
    """Of what a program prints the beginning and the end are kept."""
    from console import HEAD_LINES, TAIL_CHARACTERS, Console

    console = Console()
    for n in range(200_000):
        console.add(f"{n:060}")
    lines = console.lines()
    assert lines[0] == f"{0:060}" and lines[-1] == f"{199_999:060}"
    assert sum(map(len, lines)) <= TAIL_CHARACTERS + 60 * HEAD_LINES
    assert console.lost == 200_000 - len(lines) and f"({console.lost} lines" in console.text()
    assert console.text(last=2).count("\n") == 2
