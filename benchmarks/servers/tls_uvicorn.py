# SPDX-License-Identifier: GPL-2.0-only
# What tls.py compares with: Python's ssl, by uvicorn. argv: port, certificate, key.
import sys

import uvicorn

BULK = b"x" * (1 << 20)


async def app(scope, receive, send):
    body = BULK if scope["path"] == "/bulk" else b"Hello, world!\n"
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


uvicorn.run(
    app,
    port=int(sys.argv[1]),
    ssl_certfile=sys.argv[2],
    ssl_keyfile=sys.argv[3],
    loop="uvloop",
    http="httptools",
    lifespan="off",
    access_log=False,
    log_level="warning",
)
