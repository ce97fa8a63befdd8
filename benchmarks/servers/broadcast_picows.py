# SPDX-License-Identifier: GPL-2.0-only
import asyncio
import sys

import uvloop
from picows import WSListener, WSMsgType, ws_create_server

peers = set()


class All(WSListener):
    def on_ws_connected(self, transport):
        peers.add(transport)

    def on_ws_disconnected(self, transport):
        peers.discard(transport)

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.TEXT:
            data = frame.get_payload_as_bytes()
            for peer in peers:
                peer.send(WSMsgType.TEXT, data)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


async def main():
    server = await ws_create_server(lambda request: All(), "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


uvloop.install()
asyncio.run(main())
