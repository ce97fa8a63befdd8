# SPDX-License-Identifier: GPL-2.0-only
"""Node as the other end: a program of it, and what it prints."""

import contextlib
import json
import shutil
import subprocess

import pytest

from .clients import here, seconds
from .pki import pki

#: What every program begins with. `done(value)` is its result; `own` is the server's certificate,
#: `me` the client's.
SETUP = """
const given = JSON.parse(process.argv[1]);
const [tls, net, https, fs] = ['tls', 'net', 'https', 'fs'].map(name => require(name));
const { ca, own, me, host, port } = given;
const done = value => { console.log(JSON.stringify(value)); process.exit(0); };
const failed = error => done(['failed', error.code, error.message]);
const to = { host, port, servername: 'localhost', ca };
if (given.version) to.minVersion = to.maxVersion = given.version;
"""


def _command(program, **given):
    if not shutil.which("node"):
        pytest.skip("this computer has no node")

    def pair(name):
        return {"cert": pki()[name].cert.decode(), "key": pki()[name].key.decode()}

    given = {
        "ca": pki()["ca"].cert.decode(),
        "own": pair("ec"),
        "me": pair("client"),
        "host": here(),
        **given,
    }
    return ["node", "--no-warnings", "-e", SETUP + program, json.dumps(given)]


def run(program, **given):
    """What the program gave to done()."""
    run = subprocess.run(
        _command(program, **given), capture_output=True, text=True, timeout=seconds(30)
    )
    assert run.stdout, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


class Served:
    """A program that listens; what it gave to console.log() but the port."""

    def __init__(self, process):
        self.process = process
        self.port = int(process.stdout.readline())

    def line(self):
        return json.loads(self.process.stdout.readline())


@contextlib.contextmanager
def served(program, **given):
    """One that says `ready(server)` and stays."""
    ready = (
        "const say = value => console.log(JSON.stringify(value));"
        "const ready = s => s.listen(0, host, () => console.log(s.address().port));\n"
    )
    process = subprocess.Popen(
        _command(ready + program, **given),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Served(process)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
