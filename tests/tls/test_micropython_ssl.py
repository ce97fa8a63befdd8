# SPDX-License-Identifier: GPL-2.0-only
"""MicroPython's own tests of `ssl`, on our unix build: it shares mbedTLS with us and stays itself."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from peers.clients import free_port
from targets import ROOT, all_targets

#: What MicroPython's runner leaves out on this port, or has no library for.
LEFT_OUT = {"ssl_noleak.py": "wants micropython-lib's unittest"}
SKIPPED_BY_ITSELF = {"ssl_ioctl", "ssl_poll"}


@pytest.fixture(scope="module")
def tree():
    if given := os.environ.get("MICROPYTHON_DIR"):
        return Path(given)
    run = [sys.executable, str(ROOT / "tools" / "deps" / "deps.py"), "--path", "micropython"]
    return Path(subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip())


@pytest.fixture
def environment(request):
    if "unix" not in request.config.pmg_targets:
        pytest.skip("the unix target is not tested")
    return {**os.environ, "MICROPY_MICROPYTHON": str(all_targets()["unix"].program)}


def finished(run, **kwargs):
    out = subprocess.run(
        run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=80, **kwargs
    )
    return out.returncode, out.stdout


def test_of_one_process(tree, environment, tmp_path):
    files = sorted(
        f"extmod/{path.name}"
        for pattern in ("ssl_*.py", "tls_*.py")
        for path in (tree / "tests" / "extmod").glob(pattern)
        if path.name not in LEFT_OUT
    )
    assert len(files) >= 12
    run = [sys.executable, "run-tests.py", "--result-dir", str(tmp_path), *files]
    code, text = finished(run, cwd=tree / "tests", env=environment)
    assert code == 0, text
    assert f"{len(files) - len(SKIPPED_BY_ITSELF)} tests passed" in text, text


def test_of_two_processes(tree, environment, tmp_path):
    """A server and a client, both of `ssl`; copied, since their port is a fixed one."""
    shutil.copytree(tree / "tests" / "multi_net", tmp_path / "multi_net")
    files = []
    for pattern in ("ssl*.py", "tls*.py", "asyncio_tls*.py"):
        for path in sorted((tmp_path / "multi_net").glob(pattern)):
            path.write_text(
                re.sub(r"^PORT = .*", f"PORT = {free_port()}", path.read_text(), flags=re.M)
            )
            files.append(str(path))
    assert len(files) >= 15
    # The server's alert may be there when it writes, or when it drains: what it prints between is left out.
    for name, line in (("", '        print("drain")\n'), (".exp", "drain\n")):
        path = tmp_path / "multi_net" / f"asyncio_tls_server_client_verify_error.py{name}"
        assert line in path.read_text()
        path.write_text(path.read_text().replace(line, ""))
    run = [sys.executable, "run-multitests.py", *files]
    code, text = finished(run, cwd=tree / "tests", env=environment)
    assert code == 0 and f"{len(files)} tests passed" in text, text
