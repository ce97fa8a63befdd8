# SPDX-License-Identifier: GPL-2.0-only
# What work.py compares with: bare ASGI.
import json
import sys

import uvicorn

PAGE = b"x" * 10240


async def app(scope, receive, send):
    parts = []
    while True:
        message = await receive()
        if scope["path"] == "/json":
            parts.append(message["body"])
        if not message.get("more_body"):
            break
    body = PAGE if scope["path"] == "/page" else b""
    if parts:
        body = json.dumps({"sum": sum(json.loads(b"".join(parts))["values"])}).encode()
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


uvicorn.run(
    app,
    port=int(sys.argv[1]),
    loop="uvloop",
    http="httptools",
    lifespan="off",
    access_log=False,
    log_level="warning",
)
