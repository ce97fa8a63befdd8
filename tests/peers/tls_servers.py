# SPDX-License-Identifier: GPL-2.0-only
"""Real servers that begin in the clear: SMTP, PostgreSQL, NATS; and a proxy. Each a context manager
that gives its port, on the address where devices reach this host."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from peers import clients
from peers.clients import free_port, here, seconds


def running(command, port, **options):
    """The process, when its port is open."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **quiet)
    end = time.monotonic() + seconds()
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex((here(), port)) == 0:
                return process
        assert process.poll() is None, f"{command[0]} has ended"
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"{command[0]} does not listen")


@contextlib.contextmanager
def until_left(process, port):
    try:
        yield port
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def program(name, *places):
    """Where it is; a test without it is skipped."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *places])
    found = shutil.which(name, path=path)
    if not found:
        pytest.skip(f"this computer has no {name}")
    return found


def tinyproxy(folder, auth=""):
    """`auth`: the "user password" that it wants."""
    path, port = program("tinyproxy"), free_port()
    conf = folder / "tinyproxy.conf"
    wants = f"BasicAuth {auth}\n" if auth else ""
    conf.write_text(f"Port {port}\nListen {here()}\nTimeout 60\nMaxClients 20\n{wants}")
    return until_left(running([path, "-d", "-c", str(conf)], port), port)


def nats(folder, pair):
    path, port = program("nats-server"), free_port()
    cert, key = pair.files(folder)
    conf = folder / "nats.conf"
    conf.write_text(
        f'listen: "{here()}:{port}"\n'
        f'tls {{ cert_file: "{cert}", key_file: "{key}", timeout: {seconds(20)} }}\n'
    )
    return until_left(running([path, "-c", str(conf)], port), port)


@contextlib.contextmanager
def postgres(pair):
    """As another user where we are root, whom it does not serve, and so not in pytest's folders."""
    places = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    server, make = program("postgres", *places), program("initdb", *places)
    with tempfile.TemporaryDirectory(prefix="pymongoose-postgres-") as name:
        folder = Path(name)
        as_user, data, port = {}, folder / "data", free_port()
        cert, key = pair.files(folder)
        os.chmod(key, 0o600)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for path in (folder, cert, key):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        quick = ["-A", "trust", "-U", "device", "--no-sync", "--no-instructions", "--locale=C"]
        out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "cwd": "/"}
        made = subprocess.run([make, "-D", str(data), *quick], **out, **as_user)
        assert made.returncode == 0, made.stdout
        settings = {
            "ssl": "on",
            "ssl_cert_file": cert,
            "ssl_key_file": key,
            "listen_addresses": here(),
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with open(data / "pg_hba.conf", "a") as hba:
            hba.write("hostssl all all all trust\n")
        started = running([server, "-D", str(data), *options], port, cwd="/", **as_user)
        with until_left(started, port):
            end = time.monotonic() + seconds()
            while not (data / "postmaster.pid").read_text().rstrip().endswith("ready"):
                assert time.monotonic() < end, "postgres is still starting up"
                time.sleep(0.02)
            yield port


@contextlib.contextmanager
def smtp(made):
    """aiosmtpd, which wants STARTTLS; `made` is an ssl.SSLContext."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Sink

    controller = Controller(
        Sink(),
        hostname=clients.here(),
        port=free_port(),
        tls_context=made,
        require_starttls=True,
        ready_timeout=seconds(10),
    )
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
