# SPDX-License-Identifier: GPL-2.0-only
# What transfer.py compares with on MicroPython: its sockets, and no more of HTTP than a length.
# argv: port, path, times.
import socket
import sys

port, path, times = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
piece = bytearray(65536)
got = 0
sock = socket.socket()
sock.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
for _ in range(times):
    sock.write("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    left = 0
    while (line := sock.readline()) != b"\r\n":
        if line.lower().startswith(b"content-length:"):
            left = int(line[15:])
    while left > 0:
        n = sock.readinto(piece, min(left, len(piece)))
        got += n
        left -= n
print(got)
