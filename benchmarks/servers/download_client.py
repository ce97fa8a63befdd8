# SPDX-License-Identifier: GPL-2.0-only
# What transfer.py compares with: the standard library's http.client. argv: port, path, times.
import http.client
import sys

port, path, times = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
piece = bytearray(65536)
got = 0
link = http.client.HTTPConnection("127.0.0.1", port)
for _ in range(times):
    link.request("GET", path)
    reply = link.getresponse()
    while n := reply.readinto(piece):
        got += n
print(got)
