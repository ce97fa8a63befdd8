# SPDX-License-Identifier: GPL-2.0-only
"""Options, fixtures and reports of the suite.

A test that takes `device` or `shared` runs on every target:

    device(source, **params)   starts a script for this test alone
    shared(source, **params)   starts it once for the module; after each test nothing but what
                               stood at the start may be left of connections and timers

Both give a targets.Device. When a script ends, its live counters must be zero.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from importlib.util import find_spec
from pathlib import Path

import costs
import progress
import pytest
from peers import clients
from targets import ROOT, DeviceError, all_targets, find_target

#: Tests that skip for want of a capability, in a whole run: a new one must be meant.
SKIPPED = {"cpython": 144, "unix": 37, "pico": 440}
SKIPPED |= {"cpython-poll": SKIPPED["cpython"] + 3, "unix-next": SKIPPED["unix"]}  # 3 want epoll

#: What this computer may lack, rather than a target: skips for want of it are not counted there, nor
#: any whose reason begins so.
OF_THIS_COMPUTER = {"namespaces", "systemd", "ejabberd", "avahi"}
THIS_COMPUTER = "Skipped: this computer has no "

#: No test may hang; seconds. What needs no target may compile, or run a whole suite of others.
TEST_TIMEOUT, ALONE_TIMEOUT = 120, 600

#: Where a failed test leaves the console of its device.
ARTIFACTS = ROOT / "build" / "artifacts"

_all_targets = all_targets()
_outcomes: dict[str, Counter] = defaultdict(Counter)
_seconds: dict[str, float] = defaultdict(float)
_probed: dict[str, object] = {}
_unusable: dict[str, str] = {}  # why they could not be probed
_about: dict[str, list[str]] = {}


# ---- Options -----------------------------------------------------------------------------------


def pytest_addoption(parser, pluginmanager):
    if not pluginmanager.has_plugin(
        "pymongoose.testing"
    ):  # the plugin, if the package is installed
        parser.addoption("--pmg-target", action="append", help="as --target")
    parser.addoption(
        "--target",
        action="append",
        metavar="NAME",
        help=f"or --pmg-target: a Python to test: {', '.join(_all_targets)}, pico (emulated), or the serial port "
        "of a board (/dev/ttyACM0, a0, auto, socket://host:port); repeatable",
    )
    parser.addoption(
        "--long", action="store_true", help="run what a slow target's usual run leaves out, too"
    )
    parser.addoption(
        "--only",
        choices=["targets", "host"],
        help="the tests that run on targets, or those that need none (tools/test/suite.py: side by side)",
    )


def pytest_configure(config):
    # In the background of a shell Ctrl-C is ignored, and the scripts would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "needs(*names): skipped where the target lacks one of them")
    config.addinivalue_line("markers", "cost(seconds): what it takes on an emulated board")
    config.addinivalue_line("markers", "long: left to make test-long")
    named = config.getoption("target") or config.getoption("pmg_target") or list(_all_targets)
    for name in named:
        try:
            _all_targets.setdefault(name, find_target(name))
        except KeyError:
            raise pytest.UsageError(
                f"there is no target {name!r}: there are cpython, cpython-poll, unix, unix-next, "
                "unix-esp32, pico, pico-next and serial ports"
            ) from None
        if config.getoption("only") == "host":
            continue
        if absent := _all_targets[name].absent():
            pytest.exit(f"skipped: {absent}", returncode=0)
        if missing := _all_targets[name].missing():
            raise pytest.UsageError(f"target {name}: {missing}")
    config.pmg_targets = list(dict.fromkeys(named))
    if not (hasattr(config, "workerinput") or config.option.collectonly):
        config.pluginmanager.register(progress.Progress(1), "pmg-progress")


def pytest_generate_tests(metafunc):
    if "target" in metafunc.fixturenames:
        metafunc.parametrize("target", metafunc.config.pmg_targets, indirect=True, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if all(_all_targets[name].short_runs for name in config.pmg_targets):
        # What concerns no target is tested with the others.
        items[:] = [item for item in items if _target_of(item)]
    if only := config.getoption("only"):
        kinds = {True: [], False: []}
        for item in items:
            kinds[bool(_target_of(item)) == (only == "targets")].append(item)
        config.hook.pytest_deselected(items=kinds[False])
        items[:] = kinds[True]
    for item in items:
        if not item.get_closest_marker("timeout"):
            name = _target_of(item)
            limit = ALONE_TIMEOUT
            if name:
                limit = TEST_TIMEOUT * max(1, _all_targets[name].slowness / 2)
            item.add_marker(pytest.mark.timeout(limit))
    if config.getoption("long"):
        return
    left = {item for item in items if item.get_closest_marker("long")}
    for name in config.pmg_targets:
        if _all_targets[name].short_runs:
            wanted = [item for item in _of_target(items, name) if item not in left]
            left |= set(costs.left_out(wanted, _boards(config)))
    if left:
        config.pmg_left = dict(Counter(item.path.name for item in left))
        config.hook.pytest_deselected(items=[item for item in items if item in left])
        items[:] = [item for item in items if item not in left]


def _boards(config):
    """How many workers of pytest-xdist share the run, each with an emulated board of its own."""
    worker = getattr(config, "workerinput", {})
    return worker.get("workercount", 1)


def _target_of(item):
    return item.callspec.params.get("target") if hasattr(item, "callspec") else None


def _of_target(items, name):
    """The tests that will run there: not those that will skip."""
    found = [item for item in items if _target_of(item) == name]
    if not found:
        return []
    try:
        has = _probe(_all_targets[name]).capabilities
    except DeviceError:
        return []  # the tests will say so
    return [item for item in found if _wanted(item) <= has]


def _wanted(item):
    return {name for mark in item.iter_markers("needs") for name in mark.args}


def _probe(found):
    if found.name not in _probed:
        if found.name in _unusable:
            raise DeviceError(_unusable[found.name])
        try:
            with tempfile.TemporaryDirectory(prefix="pymongoose-probe-") as folder:
                found.probe(Path(folder))
        except DeviceError as e:
            _unusable[found.name] = str(e)
            if "PYTEST_XDIST_WORKER" not in os.environ:  # which must not exit
                pytest.exit(str(e), returncode=1)
            raise
        _probed[found.name] = found
    return found


# ---- Fixtures ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def target(request):
    found = _probe(_all_targets[request.param])
    clients.adapt(found)
    yield found
    clients.adapt()


@pytest.fixture(scope="session")
def package():
    """CPython's, in .venv, for tests that go without a target: `make test TARGET=unix` builds none."""
    if find_spec("_pymongoose") is None:
        pytest.skip("the package is not installed here: make cpython")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Skips for what is needed before a fixture of any scope is made, which may need it, too."""
    wanted = _wanted(item)
    if wanted and "target" in item.fixturenames:
        found = _probe(_all_targets[item.callspec.params["target"]])
        if lacking := wanted - found.capabilities:
            pytest.skip(f"{found.name} has no {', '.join(sorted(lacking))}")


def _failed(request):
    # After Ctrl-C there is no report.
    report = getattr(request.node, "report_call", None)
    return report is None or report.failed


def _assert_ended_clean(device):
    live = device.stop()
    assert live == [0, 0, 0, 0], (
        "alive at the end: {} managers, {} connections, {} timers, {} blocks".format(*live)
    )


@pytest.fixture
def device(target, request):
    """Starts scripts for this test alone; at its end they are stopped and hold nothing."""
    started = []

    def start(source, **params):
        started.append(target.start(source, params))
        clients.adapt(target)  # an emulator has the speed that its computer leaves it
        return started[-1]

    request.node.devices = started
    yield start
    try:
        for running in started:
            if not _failed(request) and not running.settled:
                _assert_ended_clean(running)
    finally:
        for running in started:
            running.kill()


@pytest.fixture(scope="module")
def _pool(target):
    pool = {}
    yield pool
    try:
        for running in pool.values():
            _assert_ended_clean(running)
    finally:
        for running in pool.values():
            running.kill()


@pytest.fixture
def shared(target, request, _pool):
    """Starts a script once for the module."""
    used = {}

    def start(source, **params):
        key = (source, repr(params))
        if key in _pool and _pool[key].retired:
            _assert_ended_clean(_pool.pop(key))
        if key not in _pool:
            _pool[key] = target.start(source, params)
            clients.adapt(target)
            _pool[key].expect("SERVING")
        running = used[key] = _pool[key]
        running.mark()
        return running

    request.node.devices = used.values()
    yield start
    for key, running in used.items():
        if running.retired:
            continue
        try:
            if _failed(request):
                raise DeviceError("the test failed: the next one gets a new script")
            left = running.eval("settle()", 15)
            assert left == ([], (0, 0)), f"left after the test: {left}"
        except BaseException:
            running.kill()
            _pool.pop(key, None)
            if not _failed(request):
                raise


# ---- Reports -----------------------------------------------------------------------------------


def _rerun(item, target):
    name = item.name if re.fullmatch(r"[\w:+.\[\]/\\-]+", item.name) else item.originalname
    quoted = f"'{name}'" if re.search(r"[\[\]\\]", name) else name
    return f"make test{f' TARGET={target.make_target}' if target else ''} K={quoted}"


def _saved(item, running):
    """The path of a file with what the device printed since its script began."""
    name = re.sub(r"[^\w.\[\]-]+", "_", item.nodeid.removeprefix("tests/"))[:150]
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    path = ARTIFACTS / f"console-{name}-{list(item.devices).index(running)}.txt"
    path.write_text(running.whole_console + "\n", errors="backslashreplace")
    return os.path.relpath(path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    setattr(item, f"report_{report.when}", report)
    name = _target_of(item)
    report.kind = name or "host alone"
    if report.failed:
        for running in getattr(item, "devices", ()):
            report.sections.append(("console of the device", running.console[-20000:]))
            report.sections.append(("all of that console", _saved(item, running)))
        report.sections.append(("run it again", _rerun(item, _all_targets.get(name))))
    return report


def pytest_runtest_logreport(report):
    # Where pytest-xdist has workers, theirs come to the process that reports, too.
    kind = getattr(report, "kind", "a worker")  # of pytest-xdist, which crashed
    _seconds[kind] += report.duration
    if report.skipped:
        _outcomes[kind]["skipped"] += 1
        reason = report.longrepr[2]
        lacking = set(reason.rpartition(" has no ")[2].split(", "))
        of_this = reason.startswith(THIS_COMPUTER) or lacking <= OF_THIS_COMPUTER
        _outcomes[kind]["not counted"] += of_this
    elif report.failed:
        _outcomes[kind]["failed" if report.when == "call" else "errors"] += 1
    elif report.when == "call":
        _outcomes[kind]["passed"] += 1


def _describe():
    """What the probes found, a line or three of text for each target."""
    for name, target in _probed.items():
        lines = [f"{target.runtime}, pymongoose {target.version}"]
        if about := getattr(target, "about", ""):
            lines += [about, f"has {', '.join(sorted(target.capabilities))}"]
        _about[name] = lines


def pytest_testnodedown(node, error):
    """A worker of pytest-xdist has ended."""
    said = getattr(node, "workeroutput", {})
    _about.update(said.get("about", {}))
    if left := said.get("left"):
        node.config.pmg_left = left


def _whole_run(config):
    chosen = config.option.keyword or config.option.markexpr or config.option.maxfail
    narrowed = getattr(config.option, "lf", False) or any(
        Path(arg.partition("::")[0]).name != "tests" or "::" in arg for arg in config.args
    )
    return not chosen and not narrowed


@pytest.fixture(scope="session", autouse=True)
def _no_litter(request, tmp_path_factory):
    """Once all is over, files are kept of a run that failed. A folder that was named is its owner's."""
    yield
    if request.session.testsfailed or request.config.option.basetemp:
        return
    # The folder itself stays until pytest ends: its number would be the next one's, whose lock pytest would then
    # take away in place of ours, and others that clean up would take that folder for nobody's.
    for each in tmp_path_factory.getbasetemp().iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)
        elif each.name != ".lock":
            each.unlink(missing_ok=True)


def pytest_sessionfinish(session, exitstatus):
    config = session.config
    _describe()
    if hasattr(config, "workerinput"):
        config.workeroutput["about"] = _about
        config.workeroutput["left"] = getattr(config, "pmg_left", [])
        return
    if exitstatus != 0 or not _whole_run(config) or config.option.collectonly:
        return
    if config.getoption("only") == "host":
        return
    for name in config.pmg_targets:
        skipped = _outcomes[name]["skipped"] - _outcomes[name]["not counted"]
        if skipped != SKIPPED.get(name, skipped):
            _outcomes[name]["skips not as pinned"] = SKIPPED[name]
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    if not _outcomes:
        return
    write = terminalreporter.write_line
    terminalreporter.section("what ran where")
    if left := getattr(terminalreporter.config, "pmg_left", []):
        count = sum(left.values())
        write(f"left out: {count} tests of a slow target, which make test-long runs:")
        for module, number in sorted(left.items()):
            write(f"  {number:>4} of {module}")
    for kind, count in _outcomes.items():
        what, *more = _about.get(kind, [""])
        for line in more:
            write(f"{kind:<11} {line}")
        done = ", ".join(
            f"{count[k]} {k}" for k in ("passed", "failed", "errors", "skipped") if count[k]
        )
        write(f"{kind:<11} {what:<44} {done} in {_seconds[kind]:.0f} s")
        if "skips not as pinned" in count:
            write(
                f"ERROR: {count['skipped'] - count['not counted']} skipped on {kind}, "
                f"{count['skips not as pinned']} expected: see SKIPPED in tests/conftest.py",
                red=True,
            )


@pytest.fixture(scope="session")
def mongoose():
    """The folder with mongoose.c and mongoose.h."""
    run = [sys.executable, ROOT / "tools/deps/deps.py", "--path", "mongoose"]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def wait_for():
    """Waits until condition() is true, asking often; for what gives no event to wait for."""

    def wait(condition, what="the condition", timeout=10):
        deadline = time.monotonic() + clients.seconds(timeout)
        while not (result := condition()):
            assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
            time.sleep(0.005)
        return result

    return wait
