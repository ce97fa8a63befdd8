# SPDX-License-Identifier: GPL-2.0-only
"""What docs/ says that a program prints, and what its server answers, is what happens.

Right behind a ```python block may stand

    ```text      what the program prints, every line of it
    ```console   what to type while it runs: `$ curl ...`, and below it what that prints

Such a program is complete: it imports what it uses and closes its Manager. For the run a fixed
port, 8000 and up, becomes a free one, and `manager.run()` or `app.run()` serves until the test is done with it.
127.0.0.1 becomes the device's own address, and what is typed goes where that is reached; a device
without this host's files keeps its own where a program has /tmp.
"""

import re
import shlex
import subprocess
from collections import namedtuple

import pytest
from peers.clients import free_port, seconds
from snippets import needs_of
from targets import ROOT
from websockets.sync.client import connect

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HERE = "127.0.0.1"
PORT = re.compile(r"(?<=:)8\d\d\d\b")
ADDRESS = re.compile(r"127\.0\.0\.1:(8\d\d\d)\b")

# In a namespace of its own, so that nothing of the rig stands in for a forgotten import.
RUN = """
def run(manager):
    if not isinstance(manager, Manager):  # an App of pymongoose.web
        app, manager = manager, Manager()
        app.attach(manager, "http://%s:%s" % (HOST, PARAMS["port"]))
    serve(manager)
    manager.close()

exec(PARAMS["program"], {"__name__": "__main__", "run_for_test": run})
gc.collect()
"""

Block = namedtuple("Block", "source prints commands")


def blocks():
    for page in PAGES:
        text = page.read_text()
        fences = list(FENCE.finditer(text))
        for i, fence in enumerate(fences):
            if fence[1] != "python":
                continue
            prints, commands, end = None, [], fence.end()
            for follower in fences[i + 1 :]:
                if follower[1] not in ("text", "console") or text[end : follower.start()].strip():
                    break
                end = follower.end()
                if follower[1] == "text":
                    prints = follower[2].splitlines()
                else:
                    commands += split(follower[2])
            if prints is not None or commands:
                line = text.count("\n", 0, fence.start()) + 2
                files = ["host-files"] if "serve_dir(" in fence[2] else []
                needs = needs_of(fence[2], "loopback", *files)
                block = Block(fence[2], prints, commands)
                yield pytest.param(block, id=f"{page.stem}-{line}", marks=needs)


def split(console):
    """(command, what it prints) pairs."""
    for entry in re.findall(r"^\$ (.*(?:\n(?!\$ ).*)*)", console, re.MULTILINE):
        command, _, output = entry.partition("\n")
        yield command, output.rstrip("\n")


def typed(command, reached):
    """What a command prints that is typed at a program."""
    words = shlex.split(ADDRESS.sub(lambda found: reached(found[1]), command))
    assert words[0] == "curl", "only curl is known here"
    words[1:1] = ["-sS", "--max-time", str(seconds(10))]
    run = subprocess.run(words, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.replace("\r\n", "\n").rstrip("\n")


@pytest.mark.parametrize("block", list(blocks()))
def test_output(device, target, block):
    # (An App's port is 8000 unless it says so.)
    ports = {port: str(free_port()) for port in PORT.findall(block.source) or ["8000"]}
    program = PORT.sub(lambda port: ports[port[0]], block.source)
    program, runs = re.subn(r"\b(\w+)\.run\(\)", r"run_for_test(\1)", program)
    if "host-files" not in target.capabilities:
        program = program.replace('"/tmp/', '"/')
    if runs:
        program = program.replace(HERE, target.address)
    running = device(RUN, program=program, port=ports.get("8000"))

    def reached(port):
        return "{}:{}".format(*running.reach(int(ports[port])))

    if runs:
        running.expect("SERVING")
        for command, output in block.commands:
            assert typed(command, reached) == output, command
        running.stop()
    else:
        assert not block.commands, "a program to type at calls run()"
        running.finish()
    lines = [
        line.replace(running.host, HERE)
        for line in running.console.splitlines()
        if line != "SERVING" and not line.startswith("LIVE ")
    ]
    assert "Traceback" not in running.console
    if block.prints is not None:
        assert lines == block.prints


def test_websocket_of_the_readme(device, target):
    """The line for a browser's console gets what the README says that it shows."""
    text = (ROOT / "README.md").read_text()
    program = next(fence[2] for fence in FENCE.finditer(text) if fence[1] == "python")
    path, said = re.search(
        r'new WebSocket\("ws://[\d.:]+(.*?)"\).*ws\.send\("(.*?)"\)', text, re.S
    ).groups()
    port = free_port()
    program = program.replace("8000", str(port)).replace(HERE, target.address)
    running = device(RUN, program=program.replace("manager.run()", "run_for_test(manager)"))
    running.expect("SERVING")
    with connect("ws://{}:{}{}".format(*running.reach(port), path)) as ws:
        ws.send(said)
        shown = ws.recv(seconds(5))
    assert f"shows `{shown}`" in text
    running.stop()
