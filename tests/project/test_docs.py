# SPDX-License-Identifier: GPL-2.0-only
"""Every Python block of the README and of docs/ runs on every target.

A block is run as it stands, in front of it what the blocks before it in the same file have
imported, and instead of the wait for Ctrl-C some turns of the loop. Blocks marked `python
no-run` are only compiled.
"""

import re

import pytest
from snippets import needs_of
from targets import ROOT

FILES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

BLOCK = re.compile(r"^```python([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

# Ports of examples may be taken here; run() ends after some turns, with the loop alive.
SANDBOX = r"""
class Sandboxed:
    def __init__(self, *args, **kwargs):
        self.real = Manager(*args, **kwargs)

    def listen(self, url, *args, **kwargs):
        return self.real.listen(free(url), *args, **kwargs)

    def mdns_listen(self, *args, **kwargs):
        kwargs["interface"] = HOST
        return self.real.mdns_listen(*args, **kwargs)

    def run(self, poll_ms=100):
        for _ in range(20):
            self.real.poll(1)
        self.real.close()

    def __getattr__(self, name):
        return getattr(self.real, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.real.close()

def free(url):
    scheme, _, rest = url.partition("://")
    host, colon, port = rest.rpartition(":")
    return scheme + "://" + host + ":0" if colon and scheme != "unix" else url
"""


def blocks():
    for path in FILES:
        text = path.read_text()
        imports = ""
        for match in BLOCK.finditer(text):
            line = text[: match.start()].count("\n") + 2
            code = match[2]
            no_run = "no-run" in match[1]
            name = f"{path.name}:{line}"
            needs = needs_of("" if no_run else code)
            yield pytest.param(path, imports, code, no_run, id=name, marks=needs)
            lines = [found[0] for found in re.finditer(r"^(from|import) .*", code, re.MULTILINE)]
            imports += "".join(line.replace("(", "*") + "\n" for line in lines)


@pytest.mark.parametrize("path, imports, code, compile_only", list(blocks()))
def test_block(device, path, imports, code, compile_only):
    if compile_only:
        running = device(f"compile({code!r}, 'block', 'exec')\nprint('DONE')")
    else:
        source = re.sub(r"(?<![\w.])Manager\(", "Sandboxed(", code)
        source = source.replace("app.run()", "app.run(port=0, manager=Sandboxed())")
        multi = re.sub(
            r"^from pymongoose import \($.*?^\)$",
            "from pymongoose import *",
            source,
            flags=re.M | re.S,
        )
        running = device(f"{SANDBOX}\n{imports}\n{multi}\nprint('DONE')")
    running.expect("DONE", 20)
    assert "Traceback" not in running.console
