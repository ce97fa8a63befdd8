# SPDX-License-Identifier: GPL-2.0-only
HEADERS = [("content-type", "text/plain; charset=utf-8")]


async def app(scope, protocol):
    protocol.response_bytes(200, HEADERS, b"Hello, world!\n")
