# SPDX-License-Identifier: GPL-2.0-only
import sys

import uvicorn
from asgi_app import app

uvicorn.run(
    app,
    port=int(sys.argv[1]),
    loop="uvloop",
    http="httptools",
    lifespan="off",
    access_log=False,
    log_level="warning",
    timeout_keep_alive=3600,
)
