# SPDX-License-Identifier: GPL-2.0-only
"""A plugin for pytest: the outcome of each test, as JSON lines in the file that OUTCOMES names."""

import asyncio
import inspect
import json
import os

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "network: asks a server")
    config.addinivalue_line("markers", "asyncio: a coroutine")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        names = pyfuncitem._fixtureinfo.argnames
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True


def pytest_runtest_logreport(report):
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # whose reports come to the process that shares the tests out
    if report.when == "call" or report.outcome != "passed":
        with open(os.environ["OUTCOMES"], "a") as out:
            text = "" if report.passed else str(report.longrepr)
            out.write(json.dumps([report.nodeid, report.outcome, text]) + "\n")
