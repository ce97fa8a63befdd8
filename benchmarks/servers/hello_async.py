# SPDX-License-Identifier: GPL-2.0-only
# PORT KIND: hello_pymongoose.py under asyncio, on CPython and on MicroPython. The handler is a plain
# one, or an async one that suspends "never" or "once".
import asyncio
import sys

from pymongoose import MG_EV_HTTP_MSG, aio


def plain(conn, ev, data):
    conn.reply(200, b"Hello, world!\n")


async def never(conn, ev, data):
    conn.reply(200, b"Hello, world!\n")


async def once(conn, ev, data):
    await asyncio.sleep(0)
    conn.reply(200, b"Hello, world!\n")


async def main():
    handler = {"plain": plain, "never": never, "once": once}[sys.argv[2]]
    async with aio.AsyncManager(handler, events=(MG_EV_HTTP_MSG,)) as manager:
        manager.listen("http://127.0.0.1:" + sys.argv[1])
        while True:
            await asyncio.sleep(1000)


asyncio.run(main())
