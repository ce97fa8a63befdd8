# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin of pymongoose: programs are tested at the desk, on an emulated Pico and on boards.

It is installed as a module of its own, so that pytest loads nothing else of pymongoose before a
test asks for a device.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

TARGETS = ("cpython", "unix", "pico")
SERIAL = re.compile(r"/.+|\w+://.+|[acu]\d+|auto|COM\d+")
EXTRA = "pip install 'pymongoose-net[testing]'"
CONSOLE_CHARACTERS = 20000

_outcomes: dict[str, Counter] = {}
_described: dict[str, str] = {}


# ---- Options -----------------------------------------------------------------------------------


def pytest_addoption(parser):
    group = parser.getgroup("pymongoose", "pymongoose: programs on the desk, emulator and boards")
    group.addoption(
        "--pmg-target",
        action="append",
        metavar="NAME",
        help="where tests with the fixture `device` run: cpython (the default), unix (MicroPython of "
        "this computer), pico (emulated), or the serial port of a board (/dev/ttyACM0, a0, u0, auto); "
        "repeatable. PYMONGOOSE_TARGET in the environment, too",
    )
    group.addoption(
        "--pmg-firmware",
        action="append",
        metavar="FILE",
        help="a UF2 for pico, the program that `make unix` builds for unix; repeatable",
    )
    group.addoption(
        "--pmg-rig",
        metavar="PATH",
        help="the emulator for pico: a checkout of pymongoose, or the rig of a release, folder or file",
    )
    parser.addini("pmg_target", "as --pmg-target", type="args", default=[])
    parser.addini("pmg_firmware", "as --pmg-firmware", type="args", default=[])
    parser.addini("pmg_rig", "as --pmg-rig", default="")
    parser.addini("pmg_consoles", "a folder for the console of each failing test", default="")
    parser.addini(
        "pmg_any_version", "take firmware of another version of pymongoose, too", type="bool"
    )


def wanted_targets(config):
    """Names of targets: of the command line, else of the environment, else of the configuration."""
    named = config.getoption("pmg_target") or re.findall(
        r"[^\s,]+", os.environ.get("PYMONGOOSE_TARGET", "")
    )
    named = named or config.getini("pmg_target") or ["cpython"]
    return list(dict.fromkeys(named))


def pytest_configure(config):
    config.addinivalue_line(
        "markers",
        "pmg_needs(*names): skipped where the device lacks one of them: pins, wifi, board, emulator, "
        "desk, or what docs/hil.md lists",
    )
    for name in wanted_targets(config):
        if name not in TARGETS and not SERIAL.fullmatch(name):
            raise pytest.UsageError(
                f"--pmg-target: there is no {name!r}: there are {', '.join(TARGETS)}, and serial ports "
                "(/dev/ttyACM0, a0, u0, auto)"
            )


def pytest_generate_tests(metafunc):
    if "pmg_target" in metafunc.fixturenames:
        names = wanted_targets(metafunc.config)
        metafunc.parametrize("pmg_target", names, indirect=True, scope="session")


# ---- Fixtures ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _pmg_session(request):
    """What reaches targets, made when the first test asks for one."""
    try:
        from pymongoose.testing.session import Session
    except ImportError as e:
        raise pytest.fail.Exception(_missing(e), pytrace=False) from None
    session = Session(request.config)
    yield session
    session.close()


@pytest.fixture(scope="session")
def pmg_target(request):
    """The name of the target that the test runs on."""
    return request.param


@pytest.fixture
def devices(request, pmg_target, _pmg_session):
    """devices(2): so many devices of the target, each of its own."""
    lease = _pmg_session.lease(pmg_target, request.node)
    request.node.pmg_lease = lease

    def take(number=1):
        return _told(lease.take, number)

    wanted = {name for mark in request.node.iter_markers("pmg_needs") for name in mark.args}
    if wanted:
        lacking = _told(lease.lacking, wanted)
        if lacking:
            pytest.skip(f"{pmg_target} has no {', '.join(sorted(lacking))}")
    yield take
    lease.end()


@pytest.fixture
def device(devices):
    """One device, fresh, that runs a program: see docs/hil.md."""
    return devices(1)[0]


def _told(function, *arguments):
    """What went wrong with a board is said in its own words, without a traceback of the kit's."""
    __tracebackhide__ = True
    try:
        return function(*arguments)
    except ImportError as e:
        raise pytest.fail.Exception(_missing(e), pytrace=False) from None
    except Exception as e:
        if type(e).__name__ == "BoardAbsent":
            raise pytest.skip.Exception(str(e)) from None
        if type(e).__name__ == "DeviceError":
            raise pytest.fail.Exception(str(e), pytrace=False) from None
        raise


def _missing(e):
    known = {"serial": "pyserial", "mpremote": "mpremote"}
    name = (e.name or "").partition(".")[0]
    if name in known:
        return f"this target needs {known[name]}, which is not installed: {EXTRA}"
    return f"pymongoose cannot be imported: {e}"


# ---- Reports -----------------------------------------------------------------------------------


def pytest_report_header(config):
    return f"pymongoose targets: {', '.join(wanted_targets(config))}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    lease = getattr(item, "pmg_lease", None)
    if lease is None:
        return report
    report.pmg_target, report.pmg_described = lease.name, lease.described()
    if report.when == "call" or (report.when == "setup" and not report.passed):
        # JUnit's file has what is there when the test has ended.
        item.user_properties += [("pmg_target", lease.name), *lease.properties()]
    if report.failed:
        for name, text in lease.consoles():
            title, text = f"stdout of {name}", text[-CONSOLE_CHARACTERS:] or "(nothing)"
            report.sections.append((f"Captured {title}", text))
            item.add_report_section(report.when, title, text)  # for JUnit's file, at the end
            if folder := item.config.getini("pmg_consoles"):
                path = Path(item.config.rootpath, folder)
                path.mkdir(parents=True, exist_ok=True)
                test = re.sub(r"[^\w.-]+", "_", f"{item.nodeid[:120]}-{name}")
                file = path / f"{test}.txt"
                file.write_text(text + "\n", errors="backslashreplace")
                report.sections.append(("all of that console", str(file)))
    return report


def pytest_runtest_logreport(report):
    name = getattr(report, "pmg_target", None)
    if name is None:
        return
    if report.pmg_described:
        _described[name] = report.pmg_described
    count = _outcomes.setdefault(name, Counter())
    if report.skipped:
        count["skipped"] += 1
    elif report.failed:
        count["failed"] += 1
    elif report.when == "call":
        count["passed"] += 1


def pytest_terminal_summary(terminalreporter):
    if not _outcomes:
        return
    terminalreporter.section("pymongoose: what ran where")
    for name, count in _outcomes.items():
        done = ", ".join(f"{count[k]} {k}" for k in ("passed", "failed", "skipped") if count[k])
        about = _described.get(name, "not reached")
        terminalreporter.write_line(f"{name:<12} {about}: {done}")


def pytest_unconfigure(config):
    _outcomes.clear()
    _described.clear()
