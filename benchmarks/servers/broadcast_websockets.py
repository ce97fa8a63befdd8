# SPDX-License-Identifier: GPL-2.0-only
import asyncio
import sys

import uvloop
from websockets.asyncio.server import broadcast, serve


async def handler(websocket):
    async for message in websocket:
        broadcast(server.connections, message)


async def main():
    global server
    server = await serve(handler, "127.0.0.1", int(sys.argv[1]), compression=None)
    await server.serve_forever()


uvloop.install()
asyncio.run(main())
