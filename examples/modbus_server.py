# SPDX-License-Identifier: GPL-2.0-only
"""A Modbus device: modbus_server.py [PORT]

Holding registers 0 to 99 can be written and read back; input register 0 counts seconds, 1 counts
requests. Try it with pymodbus: pymodbus.client.ModbusTcpClient("127.0.0.1", port=5020).
"""

import sys

from pymongoose import (
    MG_EV_ACCEPT,
    MG_EV_MODBUS_REQ,
    MG_MODBUS_ERR_ILLEGAL_ADDRESS,
    MG_MODBUS_ERR_ILLEGAL_FUNCTION,
    MG_MODBUS_FUNC_READ_HOLDING_REGISTERS,
    MG_MODBUS_FUNC_READ_INPUT_REGISTERS,
    MG_MODBUS_FUNC_WRITE_MULTIPLE_REGISTERS,
    MG_MODBUS_FUNC_WRITE_SINGLE_REGISTER,
    Manager,
)

WRITES = (MG_MODBUS_FUNC_WRITE_SINGLE_REGISTER, MG_MODBUS_FUNC_WRITE_MULTIPLE_REGISTERS)

holding = [0] * 100
inputs = [0, 0]


def handler(conn, ev, data):
    if ev == MG_EV_ACCEPT:
        print("%s:%d came" % conn.remote_addr[:2])
    elif ev == MG_EV_MODBUS_REQ:
        inputs[1] = (inputs[1] + 1) & 0xFFFF
        table = inputs if data.func == MG_MODBUS_FUNC_READ_INPUT_REGISTERS else holding
        end = data.address + data.count
        if end > len(table):
            conn.modbus_reply(error=MG_MODBUS_ERR_ILLEGAL_ADDRESS)
        elif data.func in WRITES:
            holding[data.address : end] = data.values
            conn.modbus_reply()
        elif data.func == MG_MODBUS_FUNC_READ_HOLDING_REGISTERS or table is inputs:
            conn.modbus_reply(table[data.address : end])
        else:
            conn.modbus_reply(error=MG_MODBUS_ERR_ILLEGAL_FUNCTION)


def tick():
    inputs[0] = (inputs[0] + 1) & 0xFFFF


manager = Manager(handler, events=(MG_EV_ACCEPT, MG_EV_MODBUS_REQ))
manager.timer_add(1000, tick, repeat=True)
listener = manager.modbus_listen(
    "modbus://127.0.0.1:" + (sys.argv[1] if len(sys.argv) > 1 else "5020")
)
print("Listening on 127.0.0.1:%d (Ctrl-C stops)" % listener.local_addr[1])
manager.run()
