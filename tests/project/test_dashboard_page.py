# SPDX-License-Identifier: GPL-2.0-only
"""The demo's page in a browser: what it shows, how it looks, and what it notices."""

import itertools
import json
import shutil
import signal
import statistics
import sys

import httpx
import pytest
from peers import browser as browsers
from peers.clients import free_port, seconds
from selenium.webdriver.common.by import By
from targets import ROOT

ARTIFACTS = ROOT / "build" / "artifacts"
sys.path.append(str(ROOT / "examples"))

from dashboard.heater import Heater, program  # noqa: E402

on_targets = pytest.mark.needs("demo")
process = pytest.mark.needs("process")

WIRE_BYTES = 60_000
SIZES = {360: 780, 1280: 800, 1920: 1080}
DARK = "rgb(19, 22, 27)"


@pytest.fixture
def browser(tmp_path):
    with browsers.started(tmp_path) as browser:
        yield browser


def is_live(browser):
    return browser.text("live") == "Live"


def points(browser):
    """How many points the curve has, and the time of the last of them."""
    return browser.run("[curve.data[0].length, curve.data[0].at(-1)]")


def median_step(browser):
    """Milliseconds between one and the next of the last 15 points."""
    times = browser.run("curve.data[0].slice(-15)")
    return statistics.median(1000 * (b - a) for a, b in itertools.pairwise(times))


def pixels(browser):
    return browser.run("curve.plot.ctx.canvas.toDataURL()")


def wire_bytes(browser):
    """Of the page and all that it consists of, as the browser counts them: heads too."""
    return browser.run(
        "['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))"
        ".reduce((sum, entry) => sum + entry.transferSize, 0)"
    )


def board_time(base):
    """Milliseconds of the server's clock."""
    with httpx.stream("GET", base + "/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: ") and "uptime_ms" in line:
                return json.loads(line[6:])["uptime_ms"]


def time_to_live(base, browser):
    """How much of its own time a board has spent until the page is live."""
    before = board_time(base)
    browser.get(base)
    browser.until(lambda: is_live(browser), "the WebSocket is open")
    return board_time(base) - before


def enter_interval(browser, value):
    interval = browser.find_element(By.ID, "interval_ms")
    interval.clear()
    interval.send_keys(str(value))
    browser.find_element(By.CSS_SELECTOR, "#settings button").click()


def picture(browser, name):
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    (ARTIFACTS / f"dashboard-{name}.png").write_bytes(browser.picture())


@on_targets
@pytest.mark.cost(60)
@pytest.mark.timeout(600)
def test_page(base, browser, target, tmp_path):
    browser.command("Network.enable")
    browser.command("Network.setCacheDisabled", cacheDisabled=True)
    if target.name.startswith("pico"):
        taken = [time_to_live(base, browser) for _ in range(3)]
        print("live after", taken, "ms of the board's time")
        assert min(taken) < 3000  # a busy computer lets the board wait
    else:
        browser.get(base)
        browser.until(lambda: is_live(browser), "the WebSocket is open")
    name = "CPython" if target.runtime.startswith("cpython") else "MicroPython"
    assert browser.text("about").startswith(f"{name} ")
    print(wire_bytes(browser), "bytes on the wire")
    assert 20_000 < wire_bytes(browser) < WIRE_BYTES

    # The curve moves: points are added and the picture changes.
    browser.until(lambda: points(browser)[0] >= 3, "the curve has points")
    count, last = points(browser)
    before = pixels(browser)
    browser.until(lambda: points(browser)[0] >= count + 4, "the curve moves")
    assert points(browser)[1] > last and pixels(browser) != before
    assert float(browser.text("temperature")) > 20

    # Server-sent events fill the table and the footer.
    rows = (By.CSS_SELECTOR, "#log tr")
    browser.until(lambda: len(browser.find_elements(*rows)) >= 4, "readings in the table")
    browser.until(lambda: browser.text("uptime") > "00:01", "the state is renewed")
    assert browser.text("visitors") == "1"
    assert browser.text("memory")[-3:] in ("KiB", "MiB")
    assert browser.text("by") == "set by the program"

    # A setting that is changed in the page takes effect in the program.
    browser.execute_script(
        "const target = document.getElementById('target'); target.value = 35;"
        "target.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    enter_interval(browser, 100)
    browser.until(lambda: browser.text("message") == "Applied.", "the answer to the POST")
    settings = httpx.get(base + "/api/settings").json()
    window = settings.pop("window")  # as the program had left it by then
    assert settings == {"target": 35, "interval_ms": 100, "program": False}
    browser.until(lambda: browser.text("target-now") == "35", "the target of new readings")
    assert browser.text("by") == "set by hand"
    browser.until(lambda: median_step(browser) < 200, "readings of 100 ms, not of 250")

    # A value out of range is refused with the server's words, but for the name.
    enter_interval(browser, 7)
    refusal = "Sampling interval must be from 50 to 5000, not 7"
    browser.until(lambda: browser.text("message") == refusal, "the refusal")
    assert httpx.get(base + "/api/settings").json()["interval_ms"] == 100
    browser.until(lambda: browser.text("message") == "", "the message goes away")

    for now, after in (("Open", "Closed"), ("Closed", "Open"))[not window :]:
        assert browser.text("window") == now
        browser.find_element(By.ID, "window-button").click()
        browser.until(lambda after=after: browser.text("window") == after, f"the window: {after}")
    assert browser.text("window-button") == "Close"

    # The download.
    browser.find_element(By.ID, "download").click()
    file = tmp_path / "readings.csv"
    # The browser makes the file first and fills it afterwards.
    browser.until(lambda: file.exists() and file.stat().st_size, "the file is there")
    lines = file.read_text().splitlines()
    assert lines[0] == "milliseconds,temperature,target,power,window" and len(lines) > 20

    # The refused value is the one answer of 400 that a browser reports.
    errors = browser.errors()
    assert len(errors) == 1 and "400" in errors[0], errors
    if "process" not in target.capabilities:
        browser.size(1280, SIZES[1280])
        picture(browser, f"{target.name}-1280-light")


# ---- How it looks ------------------------------------------------------------------------------


def show_a_minute(browser):
    """Shows the minute that the model has at its best, in the place of what the server sends."""
    heater = Heater()
    readings = []
    for n in range(280):
        target, window = program(n / 4)
        heater.step(0.25, target, window)
        row = [250 * n, heater.temperature, target, round(100 * heater.power, 1), int(window)]
        readings.append(row)
    browser.execute_script(
        "socket.onmessage = hear; curve.clear(); takeReadings(arguments[0])", readings
    )


def ticks(browser):
    """(seconds, text, pixels from the left) of each tick of the time axis, and a text's width."""
    found = browser.run(
        "curve.plot.axes[0]._splits.map((time, i) =>"
        "[time, curve.plot.axes[0]._values[i], curve.plot.valToPos(time, 'x')])"
    )
    width = browser.run("curve.plot.ctx.measureText('00:00').width / devicePixelRatio")
    return found, width


def is_dark(browser):
    return browser.run("getComputedStyle(document.body).backgroundColor") == DARK


CONTROLS = "a, button, input, select, summary"


@process
@pytest.mark.timeout(300)
def test_page_looks(base, browser, target):
    """Pictures of three sizes in light and dark; what can be counted of them."""
    browser.get(base)
    browser.until(lambda: is_live(browser), "the WebSocket is open")
    show_a_minute(browser)
    counts = {}
    for width, height in SIZES.items():
        browser.size(width, height)
        browser.until(lambda width=width: browser.run("innerWidth") == width, "the size")
        browser.until(
            lambda: browser.run("curve.plot.width") == browser.run("curve.box.clientWidth"),
            "the curve follows",
        )
        page = browser.run(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert page[0] == width, "nothing sticks out to the side"
        assert page[1] == height or width == 360, "it fits without scrolling"

        found, text_width = ticks(browser)
        times = [tick[0] for tick in found]
        counts[width] = len(times)
        step = times[1] - times[0]
        assert step in (1, 2, 5, 10, 15, 20, 30, 60) and all(time % step == 0 for time in times)
        assert [tick[1] for tick in found] == [
            f"00:{time % 60:02}" for time in times if time < 60
        ] + [f"01:{time % 60:02}" for time in times if time >= 60]
        for a, b in itertools.pairwise(found):
            assert b[2] - a[2] > text_width + 10, "labels do not overlap"

        # The plot has a phone's width, and a desk's.
        plot = browser.run("curve.plot.over.clientWidth")
        assert plot > (0.75 if width == 360 else 0.65) * width
        # What is at 0 or at 100 lies inside the frame.
        top, bottom = (browser.run(f"curve.plot.valToPos({value}, 'y')") for value in (100, 0))
        assert top >= 4 and bottom <= browser.run("curve.plot.over.clientHeight") - 4

        for control in browser.find_elements(By.CSS_SELECTOR, CONTROLS):
            assert min(control.size.values()) >= 24, control.get_attribute("outerHTML")
        for theme in ("light", "dark"):
            browser.theme(theme)
            browser.until(lambda dark=theme == "dark": is_dark(browser) == dark, "its colors")
            browser.run("hear()")
            assert browser.faults() == []
            picture(browser, f"{target.name}-{width}-{theme}")
    assert counts[360] < counts[1280] <= counts[1920]
    dash = "getComputedStyle(document.querySelector('.legend .target'), '::before').borderTopStyle"
    assert browser.run(dash) == "dashed"


@process
@pytest.mark.timeout(300)
def test_ticks_move_with_the_curve(base, browser):
    browser.get(base)
    browser.until(lambda: is_live(browser), "the WebSocket is open")
    show_a_minute(browser)
    before = {time: x for time, _, x in ticks(browser)[0]}
    last = browser.run("1000 * curve.data[0].at(-1)")
    browser.execute_script("takeReadings([arguments[0]])", [last + 3000, 60, 60, 50, 0])
    after = {time: x for time, _, x in ticks(browser)[0]}
    both = before.keys() & after.keys()
    assert len(both) >= 4
    moved = 3 / 60 * browser.run("curve.plot.over.clientWidth")
    for time in both:
        assert before[time] - after[time] == pytest.approx(moved, abs=1.5)


# ---- What it notices ---------------------------------------------------------------------------


@process
@pytest.mark.timeout(300)
def test_page_comes_back_after_a_restart(run_demo, page, browser):
    """The program is stopped and started again: the page reconnects by itself."""
    port = free_port()
    first = run_demo(port, "--page", page)
    first.line()
    browser.get(f"http://127.0.0.1:{port}")
    browser.until(lambda: is_live(browser), "live")
    first.interrupt()
    assert first.exit_code() == 0
    browser.until(lambda: browser.text("live") == "Reconnecting", "the loss is seen")
    for theme in ("light", "dark"):
        browser.theme(theme)
        assert browser.faults() == []
    second = run_demo(port, "--page", page)
    assert second.line().startswith("Serving on ")
    browser.until(lambda: is_live(browser), "live again")
    before = points(browser)[0]
    browser.until(lambda: points(browser)[0] > before, "and moving")
    second.interrupt()
    assert second.exit_code() == 0


@process
@pytest.mark.timeout(300)
def test_page_notices_a_server_that_hangs(run_demo, page, browser):
    """No connection ends, but nothing comes any more."""
    server = run_demo(0, "--page", page)
    browser.get(server.line().split()[2])
    browser.until(lambda: is_live(browser), "live")
    assert browser.run("SILENCE_MS + CHECK_MS") <= 5000
    server.signal(signal.SIGSTOP)
    try:
        browser.until(lambda: browser.text("live") == "No answer", "the silence is heard")
        # Should the server's machine be off, no connection will ever say so.
        browser.until(lambda: browser.text("live") == "Reconnecting", "new connections")
    finally:
        server.signal(signal.SIGCONT)
    browser.until(lambda: is_live(browser), "live again")
    before = points(browser)[0]
    browser.until(lambda: points(browser)[0] > before, "and moving")
    server.interrupt()
    assert server.exit_code() == 0


# ---- The tests' own tool -----------------------------------------------------------------------

HANGS = """\
#!{python}
import os, socket, sys, time
try:
    n = len(open({file!r}).read())
except OSError:
    n = 0
open({file!r}, "a").write("x")
if n == 2:
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
if n == 1:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    print(f"ChromeDriver was started successfully on port {{port}}.", flush=True)
time.sleep(1000)
"""


def test_another_chromedriver_is_started(tmp_path):
    """The first says nothing, the second takes connections and does not answer."""
    fake = tmp_path / "chromedriver"
    real = shutil.which("chromedriver")
    fake.write_text(HANGS.format(python=sys.executable, file=str(tmp_path / "runs"), real=real))
    fake.chmod(0o755)
    with browsers.started(tmp_path, str(fake), seconds(4)) as browser:
        browser.get("data:text/html,<p id='it'>here</p>")
        assert browser.text("it") == "here"
    assert (tmp_path / "runs").read_text() == "xxx"
