# SPDX-License-Identifier: GPL-2.0-only
# Echo by asyncio's protocols, with uvloop: what work.py compares with.
import asyncio
import sys

import uvloop

port, case = int(sys.argv[1]), sys.argv[2]


class Tcp(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Udp(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def main():
    loop = asyncio.get_running_loop()
    if case == "udp":
        await loop.create_datagram_endpoint(Udp, ("127.0.0.1", port))
    await (await loop.create_server(Tcp, "127.0.0.1", port)).serve_forever()


uvloop.run(main())
