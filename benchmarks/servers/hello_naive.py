# SPDX-License-Identifier: GPL-2.0-only
# The least a program in MicroPython can do without a library: it splits the request line, trusts
# that a request comes in one piece, and knows nothing else of HTTP.
import select
import socket
import sys

REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 14\r\n\r\nHello, world!\n"
)

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(socket.getaddrinfo("127.0.0.1", int(sys.argv[1]))[0][-1])
listener.listen(1024)
poller = select.poll()
poller.register(listener, select.POLLIN)
while True:
    for sock, _ in poller.ipoll():
        if sock is listener:
            poller.register(sock.accept()[0], select.POLLIN)
            continue
        data = sock.recv(4096)
        if not data:
            poller.unregister(sock)
            sock.close()
            continue
        method, path, proto = data.split(b"\r\n", 1)[0].split(b" ")
        sock.send(REPLY)
