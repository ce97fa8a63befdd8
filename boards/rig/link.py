# SPDX-License-Identifier: GPL-2.0-only
# The emulated board's boot.py: opens the network link, PPP over UART1. After a soft reset too.
import time

import machine
import network

ppp = network.PPP(
    machine.UART(1, 921600, tx=machine.Pin(4), rx=machine.Pin(5), rxbuf=4096, txbuf=4096)
)
ppp.connect()
_start = time.ticks_ms()
while not ppp.isconnected() and time.ticks_diff(time.ticks_ms(), _start) < 10000:
    time.sleep_ms(2)
if ppp.isconnected():
    # To PPP a link has two ends; this one leads to a network where other boards may be.
    _found = list(ppp.ifconfig())
    _found[1] = "255.255.255.0"
    ppp.ifconfig(tuple(_found))
print("LINK", "up" if ppp.isconnected() else "down")
