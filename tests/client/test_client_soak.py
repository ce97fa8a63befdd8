# SPDX-License-Identifier: GPL-2.0-only
"""A day of a device that asks for something every few seconds: the heap and the descriptors stay flat.

By `--long` 20,000 requests of client and 2,000 of aio, otherwise some.
"""

import os
from statistics import median

import pytest
from client_script import SCRIPT
from peers.pki import NOW

#: What is still the same heap, in bytes or objects: over 20,000
#: requests one word each is 80 KB.
SLACK = 500
SAMPLES = 10

PROGRAM = (
    SCRIPT.replace("serve()\n", "")
    + r"""
import asyncio
import gc
from pymongoose import aio

base = "http://%s:%d" % (PEER, PARAMS["port"])
gone = "http://127.0.0.1:1/"
session = client.Session(cookies=True)


def refused(n):
    try:
        session.get(gone)
    except client.RequestError:
        return True


def late(n):
    try:
        client.get(base + "/hang", timeout={"read": 0.001})
    except client.Timeout:
        return True


def left(n):
    r = session.get(base + "/size/9000", stream=True)
    next(r.iter_content(100))
    r.close()
    return True


KINDS = (
    lambda n: session.get(base + "/echo", params={"n": n}).json()["method"] == "GET",
    lambda n: len(session.get(base + "/size/1000").content) == 1000,
    lambda n: session.post(base + "/echo", json={"n": n}).json()["size"] > 6,
    lambda n: client.get(base + "/echo").ok,
    lambda n: len(client.get(base + "/chunks/3").content) > 0,
    lambda n: client.get(base + "/move/302?to=/echo").history[0].status_code == 302,
    lambda n: session.get(base + "/cookie", params={"set": "n=%d" % n}).ok,
    left,
    refused,
    late,
)
# Nine in ten are the first three, as a device's are.
def ask(first, count):
    for n in range(first, first + count):
        kind = KINDS[n // 10 % len(KINDS)] if n % 10 == 0 else KINDS[n % 3]
        assert kind(n), (n, KINDS.index(kind))


async def one(s, n):
    if n % 10 == 0:
        async with aio.request("GET", base + "/echo") as r:
            return r.ok
    if n % 10 == 5:
        try:
            async with s.get(gone) as r:
                pass
        except client.RequestError:
            return True
    if n % 10 == 6:
        task = asyncio.create_task(one(s, 1))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        return True
    async with s.get(base + "/size/1000") as r:
        if n % 10 == 7:
            return True
        return len(await r.read()) == 1000


def ask_async(first, count):
    async def main():
        async with aio.Session() as s:
            for n in range(first, first + count):
                assert await one(s, n), n
    asyncio.run(main())
    if MICROPYTHON:
        asyncio.new_event_loop()


def rest():
    gc.collect()
    gc.collect()
    return gc.mem_alloc() if MICROPYTHON else len(gc.get_objects()), live()

serve()
"""
)


@pytest.mark.needs("process")
@pytest.mark.parametrize(
    ("call", "count"),
    [
        ("ask", 400),
        ("ask_async", 100),
        pytest.param("ask", 20_000, marks=pytest.mark.long),
        pytest.param("ask_async", 2000, marks=pytest.mark.long),
    ],
)
def test_a_day_of_requests(target, site, call, count):
    device = target.start(PROGRAM, {"now": int(NOW.timestamp()), "port": site.port})
    try:
        device.eval(
            f"{call}(0, 110)", 60
        )  # what is loaded once and cached is not what is looked for
        found = []
        step = count // SAMPLES
        for n in range(SAMPLES):
            device.eval(f"{call}({n * step}, {step})", 300)
            heap, live = device.eval("rest()")
            found.append((heap, live, len(os.listdir(f"/proc/{device.pid}/fd"))))
        device.exec("session.close()")
    finally:
        stopped = device.stop()
    heaps = [heap for heap, _, _ in found]
    print(f"{count} requests by {call}: heap {heaps}, descriptors {[fds for _, _, fds in found]}")
    assert median(heaps[-3:]) <= median(heaps[:3]) + SLACK, heaps
    assert {live[:3] for _, live, _ in found[1:]} <= {live[:3] for _, live, _ in found[:2]}, found
    assert max(fds for _, _, fds in found[-3:]) <= max(fds for _, _, fds in found[:3]), found
    assert stopped == [0, 0, 0, 0]
