# SPDX-License-Identifier: GPL-2.0-only
"""The examples that find services and take uploads."""

import re

import httpx
import pytest
from peers.mdns_peer import unique
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.file_detector import UselessFileDetector
from zeroconf import ServiceInfo, Zeroconf

process = pytest.mark.needs("process")


@process
@pytest.mark.needs("multicast")
def test_mdns_finder(example):
    kind = f"_{unique()}._tcp"
    running = example("mdns_finder", kind, "127.0.0.1")
    line = running.line(f"find-services.{kind}.local")
    assert re.fullmatch(r"at find-services(-\d+)?\.local \(127\.0\.0\.1\), port \d+", line)
    port = int(line.split()[-1])
    assert httpx.get(f"http://127.0.0.1:{port}/").text == "This is the finder\n"
    with Zeroconf(interfaces=["127.0.0.1"]) as zc:
        info = ServiceInfo(f"{kind}.local.", f"Other.{kind}.local.", 1, server="o.local.")
        info.addresses = [b"\x0a\x01\x02\x03"]
        zc.register_service(info)
        assert running.line(f"Other.{kind}.local") == "at o.local (10.1.2.3), port 1"
        zc.unregister_service(info)
        running.line("gone:")


@process
@pytest.mark.needs("multicast")
def test_two_devices(example):
    """The second one's service takes another name; each shows what the other measures, and not itself."""
    kind = f"_{unique()}._tcp"
    one = example("two_devices", kind, "127.0.0.1")
    one.line("Looking")
    two = example("two_devices", kind, "127.0.0.1")
    shown = [[running.line("heard:") for _ in range(2)] for running in (one, two)]
    for lines in shown:
        first, second = (line.split(", of device", 1) for line in lines)
        assert first[1] == second[1] and int(second[0]) == int(first[0]) + 1
    names = [lines[0].split(", of device", 1)[1] for lines in shown]
    assert sorted(names) == [f" (2).{kind}.local", f".{kind}.local"]


@process
def test_uploads(example, tmp_path):
    data = bytes(range(256)) * 20000
    folder = tmp_path / "up"
    base = example("upload_page", str(folder), "0").url()
    assert httpx.put(base + "/a.bin", content=data).text == "stored /a.bin\n"
    got = httpx.get(base + "/a.bin")
    assert (got.content, got.headers["content-disposition"]) == (data, "attachment")
    (folder / 'odd"<name>.txt').write_text("not of an upload")
    page = httpx.get(base + "/").text
    assert '<a href="a.bin">a.bin</a>' in page and "odd" not in page
    for path in ("/.hidden", "/a%2fb", "/sub/a", "/%3Cb%3E", "/"):
        assert httpx.put(base + path, content=b"x").status_code == 400
    names = {path.name for path in folder.iterdir()}
    assert names == {"a.bin", 'odd"<name>.txt'}


@process
@pytest.mark.timeout(300)
def test_the_upload_page(example, browser, tmp_path):
    """A person picks a file, sees 100 %, follows the link; a name that is refused is said so."""
    data = bytes(range(256)) * 40000
    (tmp_path / "picked.bin").write_bytes(data)
    (tmp_path / "two words").write_bytes(b"x")
    base = example("upload_page", str(tmp_path / "up"), "0").url()
    browser.file_detector = UselessFileDetector()  # it runs here
    browser.get(base + "/")
    picker = browser.find_element(By.ID, "file")
    picker.send_keys(str(tmp_path / "picked.bin"))
    browser.until(lambda: browser.text("said").startswith("stored /picked.bin"), "it is stored")
    assert browser.run("document.getElementById('bar').value") == 1
    link = browser.find_element(By.LINK_TEXT, "picked.bin").get_attribute("href")
    assert httpx.get(link).content == data
    picker.send_keys(str(tmp_path / "two words"))
    browser.until(lambda: browser.text("said") == "a plain file name, please", "it is refused")
    assert [path.name for path in (tmp_path / "up").iterdir()] == ["picked.bin"]
    assert browser.faults() == []
