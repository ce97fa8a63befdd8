# SPDX-License-Identifier: GPL-2.0-only
# The same by asyncio: a timer is moved by canceling it and making another.
import asyncio
import sys

count, rounds = int(sys.argv[1]), int(sys.argv[2])


async def main():
    loop = asyncio.get_running_loop()
    timers = [loop.call_later(60 + i / 1000, print) for i in range(count)]
    for _ in range(rounds):
        for i in range(count):
            timers[i].cancel()
            timers[i] = loop.call_later(60, print)
        await asyncio.sleep(0)


asyncio.run(main())
