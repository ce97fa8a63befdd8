# SPDX-License-Identifier: GPL-2.0-only
"""A Modbus device: pymodbus's server."""

from __future__ import annotations

import asyncio
import threading

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from peers.clients import here, seconds


class PymodbusServer:
    """pymodbus's server on a free port, in a thread; value n stands at address n; tests write at 5000."""

    def __init__(self, port=0):
        self.address = (here(), port)
        bits = SimData(0, values=[n % 3 == 0 for n in range(8000)], datatype=DataType.BITS)
        numbers = SimData(0, values=list(range(8000)), datatype=DataType.REGISTERS)
        blocks = ([bits], [bits], [numbers], [numbers])
        self.devices = [SimDevice(number, simdata=blocks) for number in (1, 9)]
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self.main(),))

    async def main(self):
        server = ModbusTcpServer(self.devices, address=self.address)
        await server.serve_forever(background=True)
        self.port = server.transport.sockets[0].getsockname()[1]
        self.end = asyncio.Event()
        self.ready.set()
        await self.end.wait()
        await server.shutdown()

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(seconds())
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.end.set)
        self.thread.join()
        self.loop.close()
