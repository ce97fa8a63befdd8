# SPDX-License-Identifier: GPL-2.0-only
"""The bare ASGI application of uvicorn's own documentation."""

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"14")],
}
BODY = {"type": "http.response.body", "body": b"Hello, world!\n"}


async def app(scope, receive, send):
    await send(START)
    await send(BODY)
