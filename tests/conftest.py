# SPDX-License-Identifier: GPL-2.0-only
"""Options, fixtures and reports of the suite.

A test that takes `device` or `shared` runs on every target:

    device(source, **params)   starts a script for this test alone
    shared(source, **params)   starts it once for the module; after each test nothing but what
                               stood at the start may be left of connections and timers

Both give a targets.Device. When a script ends, its live counters must be zero.
"""

from __future__ import annotations

import re
import signal
import time
from collections import Counter, defaultdict

import clients
import pytest
from targets import DeviceError, all_targets, find_target

#: Tests that skip for want of a capability, in a whole run: a new one must be meant.
SKIPPED = {"cpython": 14, "unix": 9}

#: No test may hang; seconds.
TEST_TIMEOUT = 90
#: What clients wait for an answer; a slow target gets more.
TIMEOUT = clients.TIMEOUT

_all_targets = all_targets()
_outcomes: dict[str, Counter] = defaultdict(Counter)
_seconds: dict[str, float] = defaultdict(float)
_probed: dict[str, object] = {}


# ---- Options -----------------------------------------------------------------------------------


def pytest_addoption(parser):
    parser.addoption(
        "--target",
        action="append",
        metavar="NAME",
        help=f"a Python to test: {', '.join(_all_targets)}, pico (emulated), or the serial port "
        "of a board (/dev/ttyACM0, a0, auto, socket://host:port); repeatable",
    )
    parser.addoption(
        "--long", action="store_true", help="run what a slow target's usual run leaves out, too"
    )


def pytest_configure(config):
    # In the background of a shell Ctrl-C is ignored, and the scripts would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "needs(*names): skipped where the target lacks one of them")
    config.addinivalue_line("markers", "cost(seconds): what it takes on an emulated board")
    config.addinivalue_line("markers", "long: left to make test-long")
    named = config.getoption("target") or list(_all_targets)
    for name in named:
        try:
            _all_targets.setdefault(name, find_target(name))
        except KeyError:
            raise pytest.UsageError(
                f"there is no target {name!r}: there are cpython, unix, pico and serial ports"
            ) from None
        if absent := _all_targets[name].absent():
            pytest.exit(f"skipped: {absent}", returncode=0)
        if missing := _all_targets[name].missing():
            raise pytest.UsageError(f"target {name}: {missing}")
    config.pmg_targets = list(dict.fromkeys(named))


def pytest_generate_tests(metafunc):
    if "target" in metafunc.fixturenames:
        metafunc.parametrize("target", metafunc.config.pmg_targets, indirect=True, scope="session")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if not item.get_closest_marker("timeout"):
            name = item.callspec.params.get("target") if hasattr(item, "callspec") else None
            slowness = _all_targets[name].slowness if name else 1
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT * max(1, slowness / 2)))
    if config.getoption("long"):
        return
    slow = [
        i for i in items if hasattr(i, "callspec") and _is_slow(i.callspec.params.get("target"))
    ]
    left = set(_left_out(slow))
    left |= {i for i in items if i.get_closest_marker("long")}
    if left:
        config.pmg_left = len(left)
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]


def _is_slow(name):
    return name is not None and _all_targets[name].slowness > 4


#: On a slow target the usual run takes this many seconds of each class of tests: of one test's
#: cases the first ones, of one module's tests those that fit.
CASES = 2
USUAL_COST = 4
MODULE_COST = 60


def _left_out(items):
    """What the usual run of a slow target leaves to --long."""
    cases, spent, left = Counter(), Counter(), []
    for item in items:
        mark = item.get_closest_marker("cost")
        cost = mark.args[0] if mark else USUAL_COST
        cases[item.originalname, item.path] += 1
        fits = cases[item.originalname, item.path] <= CASES
        if mark is None:
            fits = fits and spent[item.path] + cost <= MODULE_COST
            spent[item.path] += cost
        if not fits or item.get_closest_marker("long"):
            left.append(item)
    return left


# ---- Fixtures ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def target(request, tmp_path_factory):
    found = _all_targets[request.param]
    if found.name not in _probed:
        found.probe(tmp_path_factory.mktemp("probe"))
        _probed[found.name] = found
    usual, clients.TIMEOUT = clients.TIMEOUT, TIMEOUT * found.slowness
    yield found
    clients.TIMEOUT = usual


@pytest.fixture(autouse=True)
def _needs(request):
    wanted = {name for mark in request.node.iter_markers("needs") for name in mark.args}
    if wanted and "target" in request.fixturenames:
        target = request.getfixturevalue("target")
        if lacking := wanted - target.capabilities:
            pytest.skip(f"{target.name} has no {', '.join(sorted(lacking))}")


def _failed(request):
    report = getattr(request.node, "report_call", None)
    return report is not None and report.failed


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    setattr(item, f"report_{report.when}", report)
    name = item.callspec.params.get("target") if hasattr(item, "callspec") else None
    kind = name or "host alone"
    _seconds[kind] += call.duration
    if report.skipped and name:
        _outcomes[kind]["skipped"] += 1
    elif report.failed:
        _outcomes[kind]["failed"] += 1
    elif report.when == "call":
        _outcomes[kind]["passed"] += 1
    if report.failed:
        for running in getattr(item, "devices", ()):
            report.sections.append(("console of the device", running.console[-20000:]))
        report.sections.append(("run it again", _rerun(item, _all_targets.get(name))))
    return report


def _whole_run(config):
    chosen = config.option.keyword or config.option.markexpr or config.option.maxfail
    narrowed = getattr(config.option, "lf", False) or any(
        "::" in arg or arg.endswith(".py") for arg in config.args
    )
    return not chosen and not narrowed


def pytest_sessionfinish(session, exitstatus):
    config = session.config
    if exitstatus != 0 or not _whole_run(config) or config.option.collectonly:
        return
    for name in config.pmg_targets:
        if _outcomes[name]["skipped"] != SKIPPED.get(name, _outcomes[name]["skipped"]):
            _outcomes[name]["skips not as pinned"] = SKIPPED[name]
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    if not _outcomes:
        return
    write = terminalreporter.write_line
    terminalreporter.section("what ran where")
    if left := getattr(terminalreporter.config, "pmg_left", 0):
        write(f"left out: {left} tests of a slow target, which make test-long runs")
    for kind, count in _outcomes.items():
        target = _probed.get(kind)
        what = f"{target.runtime}, pymongoose {target.version}" if target else ""
        if about := getattr(target, "about", ""):
            write(f"{kind:<11} {about}")
        done = ", ".join(f"{count[k]} {k}" for k in ("passed", "failed", "skipped") if count[k])
        write(f"{kind:<11} {what:<44} {done} in {_seconds[kind]:.0f} s")
        if "skips not as pinned" in count:
            write(
                f"ERROR: {count['skipped']} skipped on {kind}, {count['skips not as pinned']} "
                "expected: see SKIPPED in tests/conftest.py",
                red=True,
            )


@pytest.fixture
def wait_for():
    """Waits until condition() is true, asking often; for what gives no event to wait for."""

    def wait(condition, what="the condition", timeout=10):
        deadline = time.monotonic() + timeout
        while not (result := condition()):
            assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
            time.sleep(0.005)
        return result

    return wait
