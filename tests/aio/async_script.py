# SPDX-License-Identifier: GPL-2.0-only
"""What the device scripts of these tests begin with."""

BEGIN = r"""
import asyncio

from pymongoose import aio

EAGER = MICROPYTHON or sys.version_info >= (3, 12)


def run(coro, seconds=20):
    async def guarded():
        return await asyncio.wait_for(coro, seconds)
    result = asyncio.run(guarded())
    if MICROPYTHON:
        asyncio.new_event_loop()
    return result


async def until(condition, ms=15000):
    start = ticks_ms()
    while not condition():
        assert ticks_diff(ticks_ms(), start) < ms, "it did not come true"
        await asyncio.sleep(0.002)


async def fails(kind, awaitable, text):
    try:
        result = await awaitable
    except kind as e:
        assert text.lower() in str(e).lower(), str(e)
        return e
    raise AssertionError("gave %r" % (result,))


def nothing_left():
    gc.collect()
    eq(live()[:3], (0, 0, 0), "managers, connections, timers")
"""
