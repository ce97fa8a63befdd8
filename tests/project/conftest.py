# SPDX-License-Identifier: GPL-2.0-only
"""The demo, started as a user does."""

import subprocess
import sys

import pytest
from peers.clients import seconds
from targets import ROOT

PROGRAM = ROOT / "examples" / "dashboard.py"


@pytest.fixture(scope="session")
def page(tmp_path_factory):
    """The page as `make demo` lays it, in a place of our own."""
    folder = tmp_path_factory.mktemp("page")
    subprocess.run(
        [sys.executable, str(ROOT / "tools" / "board" / "demo_page.py"), str(folder)], check=True
    )
    return folder


@pytest.fixture
def run_demo(target, request):
    """Starts the program as a user does, with these arguments."""
    started = request.node.devices = []

    def run(*args):
        started.append(target.run(PROGRAM, *map(str, args)))
        return started[-1]

    yield run
    for running in started:
        running.kill()


@pytest.fixture
def base(target, request, page):
    """The address of a running dashboard."""
    running = target.demo(page)
    request.node.devices = [running]
    try:
        while "http://127.0.0.1:" not in (line := running.line(seconds(60))):
            pass
        assert line.endswith(" (Ctrl-C stops)")
        yield line.split()[-3]
        running.interrupt()
        assert running.exit_code() == 0
        assert "Traceback" not in running.console
    finally:
        running.kill()
