# SPDX-License-Identifier: GPL-2.0-only
# What workers.py compares with: uvicorn's own two workers.
import os
import sys

import uvicorn


async def app(scope, receive, send):
    body = str(os.getpid()).encode()
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    uvicorn.run(
        "workers_uvicorn:app",
        port=int(sys.argv[1]),
        workers=2,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
