# SPDX-License-Identifier: GPL-2.0-only
"""The programs of examples/*/main.py, as they stand: started as a user does, and on a board as its main.py."""

import re
import time

import pytest
from peers import browser as browsers
from targets import ROOT

# In front of a program on a board: its files.
BOARD = """
import os
there = os.listdir()
set_clock(PARAMS["now"])
for name, data in PARAMS["files"].items():
    with open(name, "wb") as file:
        file.write(data)
"""
CLEANED = """
for name in os.listdir():
    if name not in there:
        os.remove(name)
"""


class Example:
    def __init__(self, running, device, folder):
        self.running, self.device, self.folder = running, device, folder

    @property
    def console(self):
        return self.running.console

    def read(self, name):
        """A file that it has written."""
        if self.device:
            return self.running.eval(f"open({name!r}).read()")
        return (self.folder / name).read_text()

    def exit_code(self):
        if not self.device:
            return self.running.exit_code(30)
        self.running.settled = True
        assert self.running.finish() == [0, 0, 0, 0]
        found = re.search(r"^EXIT (\d+)", self.running.console, re.M)
        return int(found[1]) if found else 0

    def url(self):
        """Where it serves, as this host reaches it."""
        line = self.running.line()
        while not (found := re.search(r"http://[\w.]+:(\d+)(/\S*)?", line)):
            line = self.running.line()
        return self.reach(int(found[1])) + (found[2] or "")

    def reach(self, port):
        if self.device:
            self.running.expect("SERVING", 60)
        host, port = self.running.reach(port) if self.device else ("127.0.0.1", port)
        return f"http://{host}:{port}"

    def line(self, word):
        """The rest of the next line that begins so."""
        return self.running.expect(word)


@pytest.fixture
def example(target, request, tmp_path):
    """Starts a program with these arguments; {host} in them is where it listens, {peer} where this host is.

    At the end Ctrl-C must end it well. One that ends by itself is waited for: Example.exit_code().
    """
    started = request.node.devices = []

    def start(name, *arguments, files=None):
        path = ROOT / "examples" / name / "main.py"
        board = "board" in target.capabilities
        host = "0.0.0.0" if board else "127.0.0.1"
        arguments = [each.format(host=host, peer=target.peer) for each in arguments]
        if board:
            # What Ctrl-C is at a desk is here the host's stop.
            run = "serve(manager)\nmanager.close()\n"
            text = path.read_text().replace("manager.run()\n", run)
            text = text.replace('getattr(sys, "argv", [""])[1:]', 'PARAMS["arguments"]')
            # A board's program that ends by sys.exit() would take the script's end along.
            text = text.replace("sys.exit(", "print('EXIT', ")
            params = {"arguments": arguments, "files": files or {}, "now": int(time.time())}
            running = target.start(BOARD + text + CLEANED, params)
        else:
            for file, data in (files or {}).items():
                (tmp_path / file).write_bytes(data)
            running = target.run(path, *arguments, cwd=tmp_path)
        started.append(running)
        return Example(running, board, tmp_path)

    yield start
    try:
        for running in started:
            if running.settled:
                continue
            if "board" in target.capabilities:
                assert running.stop() == [0, 0, 0, 0]
            else:
                running.interrupt()
                assert running.exit_code() == 0
            assert "Traceback" not in running.console
    finally:
        for running in started:
            running.kill()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    with browsers.started(tmp_path_factory.mktemp("browser")) as running:
        yield running
