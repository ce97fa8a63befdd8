# SPDX-License-Identifier: GPL-2.0-only
"""A headless Chromium, as the browser of a visitor."""

from __future__ import annotations

import base64
import contextlib
import functools
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.remote_connection import ChromeRemoteConnection
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.support.ui import WebDriverWait
from targets import ROOT
from urllib3.exceptions import HTTPError

from peers.clients import seconds

TRIES = 3
OPTIONS = (
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
)
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
AXE_OPTIONS = {
    "runOnly": {"type": "tag", "values": RULES},
    "rules": {"target-size": {"enabled": True}},
}


class StartError(Exception):
    """A chromedriver that does not start, or does not answer."""


@functools.cache
def dependency(name):
    """The folder of one of the project's inputs."""
    run = [sys.executable, str(ROOT / "tools" / "deps" / "deps.py"), "--path", name]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()


class Browser(webdriver.Remote):
    """Of a chromedriver that is our own process group: what hangs is ended with all it started."""

    def __init__(self, options, program, patience):
        self.driver = subprocess.Popen(
            [program, "--port=0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{self._port(patience)}"
            config = ClientConfig(address, timeout=patience)
            connection = ChromeRemoteConnection(address, client_config=config)
            try:
                super().__init__(connection, options=options)
            except (WebDriverException, HTTPError, OSError) as e:
                raise StartError(f"chromedriver does not answer: {e}") from None
        except BaseException:
            self.kill()
            raise

    def _port(self, patience):
        said = b""
        until = time.monotonic() + patience
        while not (found := re.search(rb"started successfully on port (\d+)", said)):
            if not select.select([self.driver.stdout], [], [], max(0, until - time.monotonic()))[0]:
                raise StartError(f"chromedriver does not start: {said!r}")
            if not (data := os.read(self.driver.stdout.fileno(), 4096)):
                raise StartError(f"chromedriver has ended: {said!r}")
            said += data
        return int(found[1])

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.driver.pid, signal.SIGKILL)
        self.driver.wait()
        self.driver.stdout.close()

    def command(self, name, **parameters):
        """One of the DevTools protocol's."""
        return self.execute("executeCdpCommand", {"cmd": name, "params": parameters})["value"]

    def size(self, width, height):
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def theme(self, name):
        self.command(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": name}],
        )

    def picture(self):
        """The whole page, also what one would scroll to: a PNG file's bytes."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        found = self.command(
            "Page.captureScreenshot", captureBeyondViewport=True, clip={**size, "scale": 1}
        )
        return base64.b64decode(found["data"])

    def run(self, script, *arguments):
        """Runs a script in the page; gives its value."""
        return self.execute_script("return " + script, *arguments)

    def errors(self):
        """What its console has been told as an error."""
        entries = self.execute("getLog", {"type": "browser"})["value"]
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def until(self, condition, what, patience=60):
        return WebDriverWait(self, seconds(patience), 0.1).until(lambda _: condition(), what)

    def text(self, name):
        return self.find_element(By.ID, name).text

    def faults(self, where="document"):
        """What axe-core objects to, a line of text each."""
        with open(f"{dependency('axe')}/axe.min.js") as script:
            self.execute_script(script.read())
        found = self.execute_async_script(
            "const done = arguments[1];"
            f"axe.run({where}, arguments[0]).then(r => done(r.violations), e => done(String(e)))",
            AXE_OPTIONS,
        )
        assert isinstance(found, list), found
        return [
            f"{fault['id']}: {node['html']}: {node['failureSummary']}"
            for fault in found
            for node in fault["nodes"]
        ]


@contextlib.contextmanager
def started(folder, program=None, patience=None):
    """A browser whose profile and downloads are in this folder.

    On a busy machine a chromedriver now and then does not answer; another one does, or takes longer.
    """
    patience = patience or 30 + seconds(30)
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for option in OPTIONS:
        options.add_argument(option)
    options.add_argument(f"--user-data-dir={folder / 'profile'}")
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(folder), "download.prompt_for_download": False}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for tries_left in range(TRIES - 1, -1, -1):
        try:
            browser = Browser(options, program or shutil.which("chromedriver"), patience)
            break
        except StartError:
            if not tries_left:
                raise
            patience *= 3
            shutil.rmtree(folder / "profile", ignore_errors=True)
    try:
        browser.set_page_load_timeout(seconds(90))
        browser.set_script_timeout(seconds(90))
        yield browser
        with contextlib.suppress(WebDriverException, HTTPError):
            browser.quit()
    finally:
        browser.kill()
