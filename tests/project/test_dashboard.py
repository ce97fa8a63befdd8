# SPDX-License-Identifier: GPL-2.0-only
"""The demo: its page in a browser, its other paths by plain clients, its command line."""

import itertools
import json
import shutil
import socket
import statistics
import subprocess
import sys

import httpx
import pytest
from peers.clients import free_port, seconds
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from targets import ROOT
from websockets.sync.client import connect

PROGRAM = ROOT / "examples" / "dashboard.py"
ARTIFACTS = ROOT / "build" / "artifacts"

pytestmark = pytest.mark.needs("demo")
process = pytest.mark.needs("process")


@pytest.fixture(scope="session")
def chart(tmp_path_factory):
    """Chart.js as `make demo` has it, in a place of our own."""
    run = [sys.executable, str(ROOT / "tools" / "deps" / "deps.py"), "--path", "chartjs"]
    folder = subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()
    copy = tmp_path_factory.mktemp("chart") / "chart.min.js"
    shutil.copy(f"{folder}/chart.min.js", copy)
    return copy


@pytest.fixture
def run(target, request):
    """Starts the program as a user does, with these arguments."""
    started = request.node.devices = []

    def run(*args):
        started.append(target.run(PROGRAM, *map(str, args)))
        return started[-1]

    yield run
    for running in started:
        running.kill()


@pytest.fixture
def base(target, request, chart):
    """The address of a running dashboard."""
    running = target.demo(chart)
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


# ---- In a browser ------------------------------------------------------------------------------


@pytest.fixture
def browser(tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for option in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--window-size=1280,860",
        f"--user-data-dir={tmp_path / 'profile'}",
    ):
        options.add_argument(option)
    options.add_experimental_option(
        "prefs",
        {"download.default_directory": str(tmp_path), "download.prompt_for_download": False},
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)
    driver.set_page_load_timeout(seconds(30))
    driver.set_script_timeout(seconds(30))
    yield driver
    driver.quit()


def until(browser, condition, what):
    return WebDriverWait(browser, seconds(60), 0.1).until(lambda _: condition(), what)


def text(browser, name):
    return browser.find_element(By.ID, name).text


def points(browser):
    """How many points the curve of the temperature has, and the last of them."""
    return browser.execute_script(
        "const data = Chart.getChart('chart').data.datasets[0].data;"
        "return [data.length, data.length && data[data.length - 1].x]"
    )


def median_step(browser):
    """Milliseconds between one and the next of the last 15 points."""
    times = browser.execute_script(
        "return Chart.getChart('chart').data.datasets[0].data.slice(-15).map(p => p.x)"
    )
    return statistics.median(b - a for a, b in itertools.pairwise(times))


def pixels(browser):
    """What the canvas shows."""
    return browser.execute_script("return document.getElementById('chart').toDataURL()")


@pytest.mark.cost(50)
@pytest.mark.timeout(600)
def test_page(base, browser, target, tmp_path):
    browser.get(base)
    until(browser, lambda: text(browser, "live") == "Live", "the WebSocket is open")
    name = "CPython" if target.name == "cpython" else "MicroPython"
    assert text(browser, "about").startswith(f"{name} ")

    # The curve moves: points are added and the picture changes.
    until(browser, lambda: points(browser)[0] >= 3, "the curve has points")
    count, last = points(browser)
    picture = pixels(browser)
    until(browser, lambda: points(browser)[0] >= count + 4, "the curve moves")
    assert points(browser)[1] > last and pixels(browser) != picture
    assert float(text(browser, "temperature")) > 20

    # Server-sent events fill the table and the footer.
    rows = (By.CSS_SELECTOR, "#log tr")
    until(browser, lambda: len(browser.find_elements(*rows)) >= 4, "readings in the table")
    until(browser, lambda: text(browser, "connections") not in ("–", "0"), "the state arrives")
    until(browser, lambda: text(browser, "uptime") > "00:01", "the state is renewed")
    assert text(browser, "memory")[-3:] in ("KiB", "MiB")

    # A setting that is changed in the page takes effect in the program.
    browser.execute_script(
        "const target = document.getElementById('target'); target.value = 35;"
        "target.dispatchEvent(new Event('input'))"
    )
    interval = browser.find_element(By.ID, "interval")
    interval.clear()
    interval.send_keys("100")
    browser.find_element(By.CSS_SELECTOR, "#settings button").click()
    until(browser, lambda: text(browser, "message") == "Applied.", "the answer to the POST")
    assert httpx.get(base + "/api/settings").json() == {"target": 35, "interval_ms": 100}
    until(browser, lambda: text(browser, "target-now") == "35", "the target of new readings")
    until(browser, lambda: median_step(browser) < 200, "readings of 100 ms, not of 250")

    # A value out of range is refused with the server's words.
    interval.clear()
    interval.send_keys("7")
    browser.find_element(By.CSS_SELECTOR, "#settings button").click()
    until(browser, lambda: "from 50 to 5000" in text(browser, "message"), "the refusal")
    assert httpx.get(base + "/api/settings").json()["interval_ms"] == 100
    interval.clear()
    interval.send_keys("100")

    # The download.
    until(browser, lambda: points(browser)[0] > 20, "readings to download")
    browser.find_element(By.ID, "download").click()
    file = tmp_path / "readings.csv"
    # The browser makes the file first and fills it afterwards.
    until(browser, lambda: file.exists() and file.stat().st_size, "the file is there")
    lines = file.read_text().splitlines()
    assert lines[0] == "milliseconds,temperature,target,power" and len(lines) > 20

    # For the eye: a curve of some seconds, in light and in dark.
    browser.execute_script("document.getElementById('message').textContent = ''")
    if "process" in target.capabilities:  # a board has enough to do
        httpx.post(base + "/api/settings", json={"interval_ms": 50})
    until(browser, lambda: points(browser)[0] >= 100, "a curve to look at")
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(ARTIFACTS / f"dashboard-{target.name}.png"))
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    background = "return getComputedStyle(document.body).backgroundColor"
    until(browser, lambda: browser.execute_script(background) == "rgb(19, 22, 27)", "dark colors")
    assert browser.save_screenshot(str(ARTIFACTS / f"dashboard-{target.name}-dark.png"))

    wrong = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    # The refused value is the one answer of 400 that a browser reports.
    assert len(wrong) == 1 and "400" in wrong[0]["message"], wrong


@process
@pytest.mark.timeout(300)
def test_page_comes_back_after_a_restart(run, chart, browser):
    """The program is stopped and started again: the page reconnects by itself."""
    port = free_port()
    first = run(port, "--chart", chart)
    first.line()
    browser.get(f"http://127.0.0.1:{port}")
    until(browser, lambda: text(browser, "live") == "Live", "live")
    first.interrupt()
    assert first.exit_code() == 0
    until(browser, lambda: text(browser, "live") == "Reconnecting", "the loss is seen")
    second = run(port, "--chart", chart)
    assert second.line().startswith("Serving on ")
    until(browser, lambda: text(browser, "live") == "Live", "live again")
    before = points(browser)[0]
    until(browser, lambda: points(browser)[0] > before, "and moving")
    second.interrupt()
    assert second.exit_code() == 0


# ---- Without one -------------------------------------------------------------------------------


@pytest.mark.cost(12)
def test_websocket_and_events(base):
    with connect(base.replace("http", "ws") + "/ws") as ws:
        hello = json.loads(ws.recv(seconds(10)))
        assert hello["settings"] == {"target": 60, "interval_ms": 250}
        assert hello["limits"]["target"] == [20, 90]
        history = json.loads(ws.recv(seconds(10)))["history"]
        first = json.loads(ws.recv(seconds(10)))["reading"]
        second = json.loads(ws.recv(seconds(10)))["reading"]
        assert all(len(reading) == 4 for reading in history)
        while not 200 <= second[0] - first[0] <= 300:  # a busy machine is late now and then
            first, second = second, json.loads(ws.recv(seconds(10)))["reading"]
        httpx.post(base + "/api/settings", json={"target": 42.5})
        while "settings" not in (message := json.loads(ws.recv(seconds(10)))):
            pass
        assert message["settings"]["target"] == 42.5
    seen = set()
    with httpx.stream("GET", base + "/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                seen.add(line[7:])
            if seen == {"reading", "state"}:
                break


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
    ('{"period": 100}', "unknown setting period"),
    ('{"target": 50, "interval_ms": 1}', "from 50 to 5000"),
    (b"\xff\xfe", "JSON"),
]


@pytest.mark.cost(12)
def test_bad_settings(base):
    with httpx.Client(base_url=base) as client:
        for body, words in BAD_SETTINGS:
            answer = client.post("/api/settings", content=body)
            assert answer.status_code == 400, body
            assert words in answer.json()["error"], body
        assert client.put("/api/settings", content="{}").status_code == 405
        assert client.get("/api/settings").json() == {"target": 60, "interval_ms": 250}


@pytest.mark.cost(12)
def test_files_and_download(base, chart):
    with httpx.Client(base_url=base) as client:
        page = client.get("/")
        assert page.status_code == 200 and "<h1>Heater</h1>" in page.text
        assert page.headers["content-security-policy"] == "default-src 'self'"
        assert client.get("/chart.js").content == chart.read_bytes()
        for name, kind in (("app.js", "javascript"), ("style.css", "css"), ("icon.svg", "svg")):
            answer = client.get("/" + name)
            assert kind in answer.headers["content-type"] and "http:" not in answer.text.replace(
                "http://www.w3.org/2000/svg", ""
            )
        assert client.get("/dashboard.py").status_code == 404
        assert client.get("/%2e%2e/dashboard.py").status_code in (400, 403, 404)
        answer = client.get("/readings.csv")
        assert "readings.csv" in answer.headers["content-disposition"]
        assert answer.text.startswith("milliseconds,temperature,target,power\n")


# ---- The command line --------------------------------------------------------------------------


@process
def test_help(run):
    running = run("--help")
    assert running.exit_code() == 0
    assert "usage: dashboard.py [PORT]" in running.console and "--chart" in running.console


@process
def test_taken_port(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = run(port)
        assert running.exit_code() == 1
    lines = [
        line for line in running.console.splitlines() if "chart" not in line and "make" not in line
    ]
    assert len(lines) == 1 and lines[0].startswith("dashboard: ")
    assert "in use" in lines[0].lower() and str(port) in lines[0]


@process
@pytest.mark.parametrize(
    "args", [["x"], ["99999"], ["-1"], ["--port"], ["--host"], ["80", "--what"]]
)
def test_bad_arguments(run, args):
    running = run(*args)
    assert running.exit_code() == 2
    assert running.console.startswith("dashboard: ") and "Traceback" not in running.console


@process
def test_bad_address(run):
    running = run(0, "--host", "not an address")
    assert running.exit_code() == 1
    assert "dashboard: URL" in running.console and "Traceback" not in running.console


@process
def test_without_the_chart_library(run, tmp_path):
    running = run(0, "--chart", tmp_path / "none.js")
    assert "no chart library" in running.line()
    running.line()
    base = running.line().split()[2]
    assert httpx.get(base).status_code == 200
    assert httpx.get(base + "/chart.js").status_code == 404
    running.interrupt()
    assert running.exit_code() == 0
    assert "Traceback" not in running.console
