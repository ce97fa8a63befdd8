# SPDX-License-Identifier: GPL-2.0-only
"""HTTP servers and proxies of others, for clients: aiohttp's, Python's, nginx, squid. Each a context
manager, on the address where devices reach this host."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import http.server
import os
import pwd
import ssl
import tempfile
import threading
import zlib
from pathlib import Path

from aiohttp import web

from peers.clients import free_port, here
from peers.pki import pki
from peers.tls_servers import program, running, until_left

CODED = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw": lambda data: zlib.compress(data)[2:-4],
}


def own_context(folder, name):
    """For a server with one of the certificates of pki.py."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*pki()[name].files(folder))
    return made


class Site:
    """aiohttp's server, with pages for what clients do. `seen` are (method, path, headers) of all
    that came, `peers` the connections that they came on."""

    def __init__(self, ssl_context=None):
        self.seen = []
        self.peers = []
        self._ssl = ssl_context
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self.port = self._run(self._start())
        return self

    def __exit__(self, *_):
        self._run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, job):
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(60)

    async def _start(self):
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{tail:.*}", self._page)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, here(), 0, ssl_context=self._ssl)
        await site.start()
        return self._runner.addresses[0][1]

    async def _page(self, request):
        self.seen.append((request.method, request.path_qs, dict(request.headers)))
        self.peers.append(request.transport.get_extra_info("peername"))
        name, _, rest = request.path[1:].partition("/")
        page = getattr(self, "page_" + name, None)
        if page is None:
            return web.Response(status=404, text="no such page")
        return await page(request, rest)

    async def page_echo(self, request, rest):
        body = await request.read()
        return web.json_response(
            {
                "method": request.method,
                "path": request.path_qs,
                "size": len(body),
                "sha": hashlib.sha256(body).hexdigest(),
                "text": body[:100].decode("latin-1"),
                "type": request.headers.get("Content-Type"),
                "headers": {name.lower(): value for name, value in request.headers.items()},
            }
        )

    async def page_form(self, request, rest):
        form = await request.post()
        found = {}
        for name, value in form.items():
            if isinstance(value, web.FileField):
                data = value.file.read()
                value = [value.filename, value.content_type, len(data), data[:20].decode("latin-1")]
            found.setdefault(name, []).append(value)
        return web.json_response(found)

    async def page_move(self, request, rest):
        await request.read()
        return web.Response(
            status=int(rest), headers={"Location": request.query["to"]}, text="moved"
        )

    async def page_loop(self, request, rest):
        return web.Response(status=302, headers={"Location": f"/loop/{int(rest or 0) + 1}"})

    async def page_size(self, request, rest):
        return web.Response(body=pattern(int(rest)))

    async def page_chunks(self, request, rest):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(int(rest)):
            await response.write(b"a line\r\nand half ")
        return response

    async def page_hang(self, request, rest):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(600)
        return response

    async def page_coded(self, request, rest):
        how, _, size = rest.partition("/")
        data = CODED[how](pattern(int(size)))
        coding = "deflate" if how == "raw" else how
        return web.Response(body=data, headers={"Content-Encoding": coding})

    async def page_text(self, request, rest):
        return web.Response(
            body=bytes.fromhex(rest),
            content_type="text/plain",
            charset=request.query.get("charset"),
        )

    async def page_bytes(self, request, rest):
        return web.Response(body=bytes.fromhex(rest))

    async def page_cookie(self, request, rest):
        headers = [("Set-Cookie", line) for line in request.query.getall("set", [])]
        response = web.Response(text=request.headers.get("Cookie", ""))
        for name, value in headers:
            response.headers.add(name, value)
        return response

    async def page_close(self, request, rest):
        return web.Response(text="last", headers={"Connection": "close"})

    async def page_status(self, request, rest):
        return web.Response(status=int(rest), text="body")

    async def page_early(self, request, rest):
        """Answers before it has read the body."""
        return web.Response(status=413, text="too much", headers={"Connection": "close"})


def pattern(size):
    """So many bytes that are not all the same."""
    return (b"0123456789abcdef-" * (size // 17 + 1))[:size]


@contextlib.contextmanager
def python_files(folder):
    """What `python3 -m http.server` serves files with, HTTP/1.0."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer((here(), 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def nginx(folder, pair=None):
    """Serves `folder`/www, by TLS with `pair`; keep-alive ends after 5 requests, gzip is on."""
    path, port = program("nginx"), free_port()
    (folder / "www").mkdir(exist_ok=True)
    tls = ""
    if pair:
        cert, key = pair.files(folder)
        tls = f"ssl_certificate {cert}; ssl_certificate_key {key};\n"
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = f"user {pwd.getpwuid(os.geteuid()).pw_name};\n" if os.geteuid() == 0 else ""
    conf = folder / "nginx.conf"
    conf.write_text(
        f"daemon off;\n{user}pid {folder}/pid;\nerror_log {folder}/error.log;\n"
        "master_process off;\nevents {}\n"
        f"http {{ access_log off; {paths} keepalive_requests 5; gzip on; gzip_min_length 1;\n"
        f"gzip_types text/plain; default_type text/plain; client_max_body_size 1k;\n"
        f"server {{ listen {here()}:{port}{' ssl' if pair else ''}; root {folder}/www; {tls}\n"
        "location = /moved { return 301 /page.txt; }\n"
        "location = /private { auth_basic x; auth_basic_user_file passwords; } } }\n"
    )
    (folder / "passwords").write_text("me:{PLAIN}secret word\n")
    process = running([path, "-p", str(folder), "-c", str(conf)], port)
    return until_left(process, port)


#: Squid gives each user and password in a line, and is told OK or ERR.
ASKS = """#!/bin/sh
while read -r line; do
    if [ "$line" = "{}" ]; then echo OK; else echo ERR; fi
done
"""


@contextlib.contextmanager
def squid(user=None):
    """As another user where we are root; caches nothing. `user`, "name password", is asked for."""
    path, port = program("squid"), free_port()
    with tempfile.TemporaryDirectory(prefix="pymongoose-squid-") as name:
        folder = Path(name)
        lines = [
            f"http_port {here()}:{port}",
            f"pid_filename {folder}/pid",
            "access_log none",
            f"cache_log {folder}/log",
            "cache deny all",
            f"coredump_dir {folder}",
            "pinger_enable off",
            "netdb_filename none",
            "shutdown_lifetime 0 seconds",
            "visible_hostname squid.test",
            "icp_port 0",
        ]
        if user:
            helper = folder / "ask"  # nobody may have no Python of ours
            helper.write_text(ASKS.format(user))
            helper.chmod(0o755)
            lines += [
                f"auth_param basic program {helper}",
                "auth_param basic realm squid.test",
                "acl known proxy_auth REQUIRED",
                "http_access allow known",
            ]
        lines.append("http_access deny all" if user else "http_access allow all")
        (folder / "conf").write_text("\n".join(lines) + "\n")
        as_user = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        process = running([path, "-N", "-f", str(folder / "conf")], port, cwd="/", **as_user)
        with until_left(process, port):
            yield port
