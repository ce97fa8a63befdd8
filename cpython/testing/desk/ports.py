# SPDX-License-Identifier: GPL-2.0-only
# The second and further devices of a test at the desk: a program listens on a free port of the
# computer's instead of the one that it names, and says which in a file. In the subset that both
# Pythons run.
import os

import pymongoose

_Real = pymongoose.Manager


def _free(url):
    """The URL with port 0, and the port that stood there; None for what has no port."""
    scheme, slashes, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    name, colon, port = host.rpartition(":")
    if not (slashes and colon and port.isdigit()) or port == "0":
        return url, None
    return "%s://%s:0%s%s" % (scheme, name, slash, path), int(port)


def _note(port, conn):
    with open(os.getenv("PMG_DESK") + "/ports", "a") as f:
        f.write("%d %d\n" % (port, conn.local_addr[1]))
    return conn


class Manager(_Real):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def listen(self, url, *arguments, **options):
        url, port = _free(url)
        conn = super().listen(url, *arguments, **options)
        return conn if port is None else _note(port, conn)

    def mqtt_listen(self, url, *arguments, **options):
        url, port = _free(url)
        conn = super().mqtt_listen(url, *arguments, **options)
        return conn if port is None else _note(port, conn)


def install():
    pymongoose.Manager = Manager
