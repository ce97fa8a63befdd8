# SPDX-License-Identifier: GPL-2.0-only
"""The demo without a browser: its paths by plain clients, its command line, its model."""

import contextlib
import gzip
import json
import socket
import sys

import httpx
import pytest
from peers.clients import seconds
from targets import ROOT
from websockets.sync.client import connect

sys.path.append(str(ROOT / "examples"))

from dashboard.heater import PROGRAM, Heater, program  # noqa: E402

on_targets = pytest.mark.needs("demo")
process = pytest.mark.needs("process")
FIRST = {"target": 60, "interval_ms": 250, "program": True, "window": False}


def receive(ws, kind):
    """The next message of a kind, without its name."""
    while kind not in (message := json.loads(ws.recv(seconds(10)))):
        pass
    return message[kind]


def events(base):
    """(name, data) of each event of the stream, as they come."""
    with httpx.stream("GET", base + "/events") as answer:
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                yield name, json.loads(line[6:])


def open_socket(base):
    return connect(base.replace("http", "ws") + "/ws")


@on_targets
@pytest.mark.cost(12)
def test_websocket_and_events(base):
    with open_socket(base) as ws:
        hello = json.loads(ws.recv(seconds(10)))
        assert hello["settings"] == FIRST
        assert hello["limits"]["target"] == [20, 90]
        history = receive(ws, "readings")
        assert all(len(reading) == 5 for reading in history)
        first, second = receive(ws, "readings")[0], receive(ws, "readings")[0]
        while not 200 <= second[0] - first[0] <= 300:  # a busy machine is late now and then
            first, second = second, receive(ws, "readings")[0]
        httpx.post(base + "/api/settings", json={"target": 42.5})
        new = receive(ws, "settings")
        assert new == {**FIRST, "target": 42.5, "program": False}
        while receive(ws, "readings")[0][2] != 42.5:
            pass
    seen = set()
    with contextlib.closing(events(base)) as stream:
        while seen != {"reading", "state"}:
            seen.add(next(stream)[0])


@on_targets
@pytest.mark.cost(12)
def test_visitors_are_counted(base):
    """Two pages are two, whatever else is connected."""

    def until(count):
        while (state := next(data for name, data in stream if name == "state"))[
            "visitors"
        ] != count:
            pass
        return state

    with contextlib.closing(events(base)) as stream:
        assert until(0)["requests"] == 1
        with open_socket(base), open_socket(base), httpx.Client(base_url=base) as client:
            client.get("/icon.svg")
            assert until(2)["requests"] == 4
        until(0)


@on_targets
@pytest.mark.cost(12)
def test_by_hand_and_by_program(base):
    with httpx.Client(base_url=base) as client:

        def post(**changes):
            return client.post("/api/settings", json=changes).json()

        assert post(interval_ms=100) == {**FIRST, "interval_ms": 100}
        opened = post(window=True)
        assert opened == {**FIRST, "interval_ms": 100, "window": True, "program": False}
        with open_socket(base) as ws:
            while not receive(ws, "readings")[-1][4]:
                pass
            assert post(program=True)["program"]
            settings = receive(ws, "settings")
            while settings["window"]:  # the program begins with a closed one
                settings = receive(ws, "settings")
            assert settings == {**FIRST, "interval_ms": 100}


BAD_SETTINGS = [
    ("", "JSON"),
    ("{", "JSON"),
    ("target=60", "JSON"),
    ("[60]", "object"),
    ("60", "object"),
    ("{}", "object"),
    ("null", "object"),
    ('{"target": "60"}', "target must be a number"),
    ('{"target": null}', "target must be a number"),
    ('{"target": true}', "target must be a number"),
    ('{"target": [60]}', "target must be a number"),
    ('{"target": 19}', "from 20 to 90"),
    ('{"target": 1e9}', "from 20 to 90"),
    ('{"interval_ms": 49}', "from 50 to 5000"),
    ('{"interval_ms": 5001}', "from 50 to 5000"),
    ('{"interval_ms": 100.5}', "interval_ms must be a number"),
    ('{"period": 100}', "unknown setting period: there are target, interval_ms, program, window"),
    ('{"target": 50, "interval_ms": 1}', "from 50 to 5000"),
    ('{"program": 1}', "program must be true or false, not 1"),
    ('{"window": "open"}', "window must be true or false"),
    (b"\xff\xfe", "JSON"),
]


@on_targets
@pytest.mark.cost(12)
def test_bad_settings(base):
    with httpx.Client(base_url=base) as client:
        for body, words in BAD_SETTINGS:
            answer = client.post("/api/settings", content=body)
            assert answer.status_code == 400, body
            assert words in answer.json()["error"], body
        assert client.put("/api/settings", content="{}").status_code == 405
        settings = client.get("/api/settings").json()
        assert {**settings, "target": 60, "window": False} == FIRST


@on_targets
@pytest.mark.cost(12)
def test_files_and_download(base, page):
    with httpx.Client(base_url=base) as client:
        answer = client.get("/")
        assert answer.status_code == 200 and "<h1>Heater</h1>" in answer.text
        assert answer.headers["content-security-policy"] == "default-src 'self'"
        assert client.get("/uplot.js").content == (page / "uplot.js").read_bytes()
        for name, kind in (
            ("app.js", "javascript"),
            ("curve.js", "javascript"),
            ("style.css", "css"),
            ("icon.svg", "svg"),
        ):
            answer = client.get("/" + name)
            assert answer.headers["content-encoding"] == "gzip"
            assert kind in answer.headers["content-type"] and "http:" not in answer.text.replace(
                "http://www.w3.org/2000/svg", ""
            )
        plain = client.get("/app.js", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == client.get("/app.js").content
        assert client.get("/dashboard.py").status_code == 404
        assert client.get("/%2e%2e/heater.py").status_code in (400, 403, 404)
        answer = client.get("/readings.csv")
        assert "readings.csv" in answer.headers["content-disposition"]
        lines = answer.text.splitlines()
        assert lines[0] == "milliseconds,temperature,target,power,window"
        assert all(len(line.split(",")) == 5 for line in lines)


# ---- The command line --------------------------------------------------------------------------


@process
def test_help(run_demo):
    running = run_demo("--help")
    assert running.exit_code() == 0
    assert "usage: dashboard.py [PORT]" in running.console and "--page" in running.console


@process
def test_taken_port(run_demo, page):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = run_demo(port, "--page", page)
        assert running.exit_code() == 1
    lines = running.console.splitlines()
    assert len(lines) == 1 and lines[0].startswith("dashboard: ")
    assert "in use" in lines[0].lower() and str(port) in lines[0] and "PORT=" in lines[0]


@process
@pytest.mark.parametrize(
    "args", [["x"], ["99999"], ["-1"], ["--port"], ["--host"], ["80", "--what"]]
)
def test_bad_arguments(run_demo, args):
    running = run_demo(*args)
    assert running.exit_code() == 2
    assert running.console.startswith("dashboard: ") and "Traceback" not in running.console


@process
def test_bad_address(run_demo, page):
    running = run_demo(0, "--host", "not an address", "--page", page)
    assert running.exit_code() == 1
    assert "dashboard: URL" in running.console and "Traceback" not in running.console


@process
def test_without_the_chart_library(run_demo):
    """The program alone, as it lies in the tree."""
    running = run_demo(0)
    assert "no uplot.js" in running.line()
    assert "make demo" in running.line()
    base = running.line().split()[2]
    assert httpx.get(base).status_code == 200
    assert httpx.get(base + "/uplot.js").status_code == 404
    running.interrupt()
    assert running.exit_code() == 0
    assert "Traceback" not in running.console


# ---- The model, and the page's files -----------------------------------------------------------


def test_program_begins_again():
    length = sum(step[0] for step in PROGRAM)
    assert program(0) == program(length) == program(3 * length) == (60, False)
    seen = [program(second) for second in range(length)]
    assert {target for target, _ in seen} == {45, 60, 75}
    # In any minute of it something happens.
    twice = seen + seen
    assert all(len(set(twice[second : second + 60])) >= 2 for second in range(length))
    assert any(window for _, window in seen)


def test_heater_holds_the_target_and_feels_the_window():
    heater = Heater()
    for _ in range(400):
        heater.step(0.25, 60, False)
    assert abs(heater.temperature - 60) < 0.5 and 0.4 < heater.power < 0.7
    heater.step(6, 60, True)
    assert 45 < heater.temperature < 55 and heater.power == 1
    for _ in range(400):
        heater.step(0.25, 60, False)
    assert abs(heater.temperature - 60) < 0.5


@pytest.mark.parametrize("wanted", [20, 90])
@pytest.mark.parametrize("window", [False, True])
def test_heater_stays_in_the_frame(wanted, window):
    """Of the curve, which shows 0 to 100."""
    heater = Heater()
    for _ in range(1200):
        heater.step(0.25, wanted, window)
        assert 0 < heater.temperature < 100 and 0 <= heater.power <= 1


def test_page_is_laid_compressed(page):
    sources = {path.name for path in (ROOT / "examples/dashboard/page").iterdir()} | {"uplot.js"}
    assert {path.name for path in page.iterdir()} == sources | {f"{name}.gz" for name in sources}
    for name in sources:
        packed = (page / f"{name}.gz").read_bytes()
        assert gzip.decompress(packed) == (page / name).read_bytes()
        assert packed[4:8] == bytes(4), "no time in it: the same file is the same .gz"
