# SPDX-License-Identifier: GPL-2.0-only
"""nginx, in a folder of its own, with the server block that a test wants."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time

import pytest

from .clients import Raw, free_port, seconds

CONF = """\
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off; client_max_body_size 1m;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ""; }}
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"""


@contextlib.contextmanager
def nginx(folder, server: str):
    """The port of a running nginx; its files are in the folder, `server` is what its server does."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not program:
        pytest.skip("this computer has no nginx")
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(CONF.format(folder=folder, port=port, server=server))
    process = subprocess.Popen(
        [program, "-p", str(folder), "-c", str(conf)], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + seconds(20)
        while True:
            try:
                Raw(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()
