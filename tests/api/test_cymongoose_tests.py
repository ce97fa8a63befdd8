# SPDX-License-Identifier: GPL-2.0-only
"""cymongoose's own tests, on pymongoose: those of its source distribution, which is fetched and not
part of this repository. Its ASGI and WSGI servers are not here.

What fails is listed with the row of docs/differences.md that says why. A test that fails and is not
listed fails this one, and so does a listed one that passes.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from peers.browser import dependency
from peers.names import NXDOMAIN, A, NameServer, answer, record
from peers.time_servers import TimeServer, reply
from targets import ROOT

ALIAS = ROOT / "tests" / "peers" / "alias"
NOT_HERE = ("test_asgi.py", "test_wsgi.py", "benchmarks", "examples")

#: The first cell of a row -> the tests that fail by it.
DIFFERENT = {
    "A message after its handler": [
        "test_high_impact_refactors.py::TestMessageViewInvalidation::test_http_message_header_after_invalidation",
        "test_high_impact_refactors.py::TestMessageViewInvalidation::test_http_message_invalidated_after_handler",
        "test_high_impact_refactors.py::TestMessageViewInvalidation::test_ws_message_invalidated_after_handler",
        "test_http_parsing.py::test_http_status_none_when_invalid",
    ],
    "`status()` of a request": ["test_http_parsing.py::test_http_status_method_exists"],
    "A URL that `listen()` cannot use": [
        "test_http_server.py::TestErrorHandling::test_listen_on_invalid_address_raises"
    ],
    "`MG_EV_POLL`": ["test_medium_impact_refactors.py::TestEventName::test_event_name_in_handler"],
    "JSON-RPC handler that raises": ["test_rpc.py::TestRpcError::test_exception_becomes_error"],
    "`page404` of `serve_dir()`": [
        "test_serve_static.py::TestServeDir::test_serve_custom_404_page"
    ],
    "`Timer.cancel()` in another thread": ["test_timer.py::test_timer_cancel_from_another_thread"],
    "`TlsOpts()` of what is no certificate": [
        "test_tls.py::test_tls_opts_partial",
        "test_tls.py::test_tls_opts_with_bytes",
        "test_tls.py::test_tls_opts_with_strings",
    ],
    "The thread of `AsyncManager`": [
        "test_asyncio_integration.py::TestAsyncManagerShutdown::test_aexit_warns_when_poll_thread_stuck"
    ],
    "`wakeup()`": ["test_wakeup.py::test_wakeup_without_init"],
}


def google(query):
    """google.com and its time server are here, other names are not."""
    if not query.name.endswith("google.com"):
        return [answer(query, rcode=NXDOMAIN)]
    return [answer(query, *([record(A, "127.0.0.1")] if query.type == A else []))]


@pytest.fixture(scope="module")
def run(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cymongoose")
    shutil.copytree(f"{dependency('cymongoose-tests')}/tests", folder / "tests")

    def run(names, environment, *options):
        outcomes = folder / "outcomes"
        outcomes.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", "."]
        command += ["-p", "no:cacheprovider", "-p", "outcomes", "--timeout=60", *options, *names]
        # A run of their own, whoever shares this one among workers.
        apart = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        ended = subprocess.run(
            command,
            cwd=folder,
            env=apart | environment | {"PYTHONPATH": str(ALIAS), "OUTCOMES": str(outcomes)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert ended.returncode in (0, 1), ended.stdout[-20000:]
        seen = [json.loads(line) for line in outcomes.read_text().splitlines()]
        return {name.removeprefix("tests/"): (outcome, text) for name, outcome, text in seen}

    return run


def test_what_fails_is_what_the_page_says(run):
    listed = {name for names in DIFFERENT.values() for name in names}
    left_out = [f"--ignore=tests/{name}" for name in NOT_HERE]
    with (
        NameServer(google) as names,
        TimeServer(lambda query: [reply(query)]) as clock,
    ):
        environment = {"PEER_NAMES": str(names.port), "PEER_TIME": str(clock.port)}
        shared = ["-n", "4", "--dist", "worksteal"]  # nearly all of it is waiting
        seen = run(["tests"], environment, *left_out, *shared)
        other = [name for name, (what, _) in seen.items() if (what != "passed") != (name in listed)]
        # They sleep for as long as a thing takes on an idle machine: once more, one by one.
        again = run([f"tests/{name}" for name in other], environment) if other else {}
    seen |= again
    texts = "\n\n".join(f"{name}: {seen[name][1]}" for name in again)
    wrong = {name for name, (outcome, _) in seen.items() if outcome != "passed"}
    assert wrong - listed == set(), texts
    assert listed - wrong == set(), "these pass now: take them off the list"
    assert len(seen) == 428, len(seen)
    assert len(seen) - len(wrong) >= 410


def test_each_reason_is_on_the_page():
    page = (ROOT / "docs" / "differences.md").read_text()
    rows = re.findall(r"^\| (.+?) \| ", page, re.M)
    assert [reason for reason in DIFFERENT if reason not in rows] == []
