# SPDX-License-Identifier: GPL-2.0-only
"""Examples that serve pages, readings and pictures."""

import base64
import json
import socket

import httpx
import pytest
from peers.clients import seconds
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from zeroconf import DNSIncoming, DNSOutgoing, DNSQuestion


@pytest.mark.cost(4)
def test_rest_sensor(example):
    base = example("rest_sensor", "{host}:0").url()
    with httpx.Client(base_url=base) as client:
        assert client.put("/settings", json={"interval_ms": 100}).json() == {"interval_ms": 100}
        last = client.get("/readings/last").json()
        after = last["n"]
        while len(found := client.get(f"/readings?after={after}").json()) < 3:
            pass
        assert [each["n"] for each in found] == list(range(after + 1, after + 1 + len(found)))
        # Nothing feeds the sensor of an emulated board.
        assert all(type(each["temperature"]) is float for each in found)
        for body in ("nonsense", "[]", '{"interval_ms": 5}', '{"interval_ms": "1"}', '{"x": 1}'):
            answer = client.put("/settings", content=body)
            assert answer.status_code == 400 and answer.json()["error"]
        assert client.get("/settings").json() == {"interval_ms": 100}
        assert client.get("/readings?after=x").status_code == 400
        assert client.get("/other").status_code == 404
        refused = client.post("/settings", content="{}")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, PUT")


def received(ws):
    return json.loads(ws.recv(seconds()))


@pytest.mark.cost(6)
def test_ws_remote(example):
    """One drives, another watches; who says nothing more, or goes, has the motors stopped."""
    running = example("ws_remote", "{host}:0", "secret")
    page = running.url()
    assert httpx.get(page[:-1]).status_code == 403
    assert "<button" in httpx.get(page).text
    address = page.replace("http", "ws")
    with pytest.raises(InvalidStatus, match="403"):
        connect(address + "x")
    with connect(address) as watcher:
        assert received(watcher) == {"speeds": [0, 0]}
        with connect(address) as driver:
            received(driver)
            for wrong in ('{"drive": [1]}', '{"drive": [1, 2]}', '{"drive": [true, 1]}', "[]", "x"):
                driver.send(wrong)
                assert "error" in received(driver)
            for _ in range(20):
                driver.send('{"drive": [0.5, 1]}')
                assert received(driver) == received(watcher) == {"speeds": [0.5, 1]}
                watcher.send('{"drive": [1, 1]}')
                if (said := received(watcher)) == {"error": "somebody else drives"}:
                    break
                # A busy computer was late, and nobody drove any more.
                assert said == received(driver) == {"speeds": [0, 0]}
                assert received(driver) == received(watcher) == {"speeds": [1, 1]}
                assert received(driver) == received(watcher) == {"speeds": [0, 0]}
            else:
                raise AssertionError("never in time")
            # Nothing more comes: the deadline.
            assert received(driver) == received(watcher) == {"speeds": [0, 0]}
            driver.send('{"drive": [1, 1]}')
            assert received(driver) == received(watcher) == {"speeds": [1, 1]}
        assert received(watcher) == {"speeds": [0, 0]}  # the close


def addresses(port, kind):
    """What a name server at this port says to one question, in zeroconf's reading."""
    query = DNSOutgoing(0, multicast=False)
    query.add_question(DNSQuestion("connectivitycheck.example.", kind, 1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(seconds())
        asking.sendto(b"\x12\x34" + query.packets()[0][2:], ("127.0.0.1", port))
        found = DNSIncoming(asking.recv(512))
    assert found.valid and found.id == 0x1234 and found.is_response()
    assert [each.name for each in found.questions] == ["connectivitycheck.example."]
    return [socket.inet_ntoa(each.address) for each in found.answers()]


@pytest.mark.needs("process")
@pytest.mark.timeout(300)
def test_the_remote_page(example, browser):
    """The motors run while a button is held, longer than their deadline, and not after."""
    running = example("ws_remote", "{host}:0", "secret")
    browser.get(running.url())
    ahead = browser.find_element(By.XPATH, "//button[text()='Ahead']")

    def state(speeds):
        wanted = json.dumps({"speeds": [speeds] * 2})
        browser.until(lambda: browser.text("state") == wanted, wanted)

    state(0)
    for _ in range(20):  # the page of a busy computer may be too late to keep them running
        ActionChains(browser).click_and_hold(ahead).perform()
        state(1)
        before = running.console.count("motors")
        browser.execute_async_script("setTimeout(arguments[0], 700)")
        held = running.console.count("motors") == before
        ActionChains(browser).release().perform()
        state(0)
        if held:
            break
    else:
        raise AssertionError("never in time")
    ends = "motors [1, 1]\nmotors [0, 0]"
    browser.until(lambda: running.console.endswith(ends), "what it prints")
    assert browser.faults() == []


@pytest.mark.cost(4)
def test_captive_portal(example, target):
    """Every name is this device, and a phone's request leads to the page, whose form is kept."""
    running = example("captive_portal", "127.0.0.1", "0", "0")
    port = int(running.line("Names").split()[-1])
    base = running.url()
    if "process" in target.capabilities:  # only TCP is forwarded to an emulated board
        assert addresses(port, 1) == ["127.0.0.1"]
        assert addresses(port, 28) == []
    asked = httpx.get(base + "/generate_204", headers={"Host": "connectivitycheck.example"})
    assert asked.status_code == 302
    assert asked.headers["location"].startswith("http://127.0.0.1:")
    own = {"Host": "127.0.0.1"}
    assert "Which Wi-Fi?" in httpx.get(base + "/", headers=own).text
    assert httpx.get(base + "/x", headers=own).status_code == 404
    for wrong in ({"ssid": ""}, {"ssid": "x" * 33}, {"ssid": "x", "key": "short"}):
        assert httpx.post(base + "/", headers=own, data=wrong).status_code == 400
    form = {"ssid": "Zo\xeb & co", "key": "pass word+%"}
    assert httpx.post(base + "/", headers=own, data=form).status_code == 200
    running.line("saved:")
    assert json.loads(running.read("wifi.json")) == form


def pictures(base, count):
    """The next pictures of the stream, as a browser takes them apart."""
    found, data = [], b""
    with httpx.stream("GET", base + "/stream") as answer:
        assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
        for piece in answer.iter_bytes():
            data += piece
            while b"\r\n\r\n" in data:
                head, _, rest = data.partition(b"\r\n\r\n")
                size = int(head.rpartition(b"Content-Length: ")[2])
                if len(rest) < size + 2:
                    break
                assert head.startswith(b"--frame\r\nContent-Type: image/jpeg\r\n")
                found.append(rest[:size])
                data = rest[size + 2 :]
                if len(found) == count:
                    return found


DECODE = """const done = arguments[1];
createImageBitmap(new Blob([Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0))])).then((image) => {
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, image.width, image.height).data;
  done([image.width, image.height, Array.from(data).filter((_, i) => i % 4 === 0)]);
}, (error) => done(String(error)));"""


@pytest.mark.cost(5)
@pytest.mark.timeout(600)
def test_mjpeg_stream(example, browser):
    """Each part is a picture as a browser reads it, and the squares move; one who does not read holds up nobody."""
    base = example("mjpeg_stream", "{host}:0").url()
    assert "/stream" in httpx.get(base).text
    with httpx.stream("GET", base + "/stream"):
        shown = pictures(base, 2)
    shown.append(httpx.get(base + "/picture.jpg").content)
    for data in shown:
        width, height, points = browser.execute_async_script(
            DECODE, base64.b64encode(data).decode()
        )
        assert (width, height) == (96, 96)
        first = points[0]
        for at in range(0, 96 * 96, 5):
            row, column = at // 96 // 8, at % 96 // 8
            assert points[at] == (first + 16 * (row + column)) % 256
    assert len(set(shown)) == 3
    assert httpx.head(base + "/stream").status_code == 200


@pytest.mark.needs("process")
def test_mjpeg_stream_of_files(example, tmp_path):
    files = [b"\xff\xd8one\xff\xd9", b"\xff\xd8another\xff\xd9"]
    for n, data in enumerate(files):
        (tmp_path / f"{n}.jpg").write_bytes(data)
    (tmp_path / "notes.txt").write_text("none")
    base = example("mjpeg_stream", "{host}:0", str(tmp_path)).url()
    found = pictures(base, 4)
    assert found in (files * 2, files[::-1] * 2)
