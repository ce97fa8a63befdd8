# SPDX-License-Identifier: GPL-2.0-only
"""Time servers of the host: one that answers as a test wants, in packets that ntplib makes, and
chrony's where it is installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time

import ntplib

from .clients import free_port, here, seconds
from .names import send_each

ERA = 1 << 32  # seconds of the protocol's 32 bits
FROM_1900 = ntplib.NTP.NTP_DELTA


def reply(query, seconds=None, **fields):
    """The bytes of an answer to an ntplib.NTPPacket: `seconds` since 1970, and fields of its packet."""
    packet = ntplib.NTPPacket(version=4, mode=4)
    now = (time.time() if seconds is None else seconds) + FROM_1900
    packet.stratum = 2
    packet.ref_id = 0x7F000001
    packet.recv_timestamp = packet.tx_timestamp = packet.ref_timestamp = now % ERA
    for name, value in fields.items():
        setattr(packet, name, value)
    data = bytearray(packet.to_data())
    if "orig_timestamp" not in fields:  # as it came: ntplib keeps it as a float
        data[24:32] = query.raw[40:48]
    return bytes(data)


class TimeServer:
    """Sends what `answers` yields for a request: datagrams or (seconds to wait, datagram) pairs."""

    def __init__(self, answers):
        self.answers = answers
        self.queries: list[ntplib.NTPPacket] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((here(), 0))
        self.port = self.socket.getsockname()[1]
        self._closing = False
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._closing = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _serve(self):
        while not self._closing:
            try:
                data, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            if self._closing:
                return
            query = ntplib.NTPPacket()
            query.from_data(data)
            query.raw, query.peer = data, peer
            self.queries.append(query)
            threading.Thread(target=self._answer, args=(query, peer), daemon=True).start()

    def _answer(self, query, peer):
        send_each(self.socket, self.answers, query, peer)


CHRONYD = shutil.which("chronyd", path=os.environ.get("PATH", "") + ":/usr/sbin")


@contextlib.contextmanager
def chrony(folder):
    """chronyd as a server that takes this host's clock for right, and leaves it alone."""
    port = free_port(socket.SOCK_DGRAM)
    conf = folder / "chrony.conf"
    conf.write_text(
        f"port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 3\ncmdport 0\n"
        f"pidfile {folder}/chronyd.pid\nbindcmdaddress /\n"
    )
    with open(folder / "chronyd.log", "w") as log:
        process = subprocess.Popen(
            [
                CHRONYD,
                "-x",
                "-d",
                "-U",
                "-u",
                "root" if os.getuid() == 0 else str(os.getuid()),
                "-f",
                conf,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + seconds()
        while True:
            try:
                ntplib.NTPClient().request("127.0.0.1", version=4, port=port, timeout=0.3)
                break
            except (ntplib.NTPException, OSError):
                text = (folder / "chronyd.log").read_text()
                assert process.poll() is None and time.monotonic() < deadline, text
        yield port
    finally:
        process.terminate()
        process.wait()
