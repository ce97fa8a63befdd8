# SPDX-License-Identifier: GPL-2.0-only
# Downloads a URL into a file, past redirects, in constant memory:
#   python3 http_client.py http://example.com/ page.html
import sys

from pymongoose import (
    MG_EV_CLOSE,
    MG_EV_ERROR,
    MG_EV_HTTP_BODY,
    MG_EV_HTTP_HDRS,
    MG_EV_HTTP_MSG,
    Manager,
    url_join,
    url_uri,
)

REDIRECTS = 5
MAX_SIZE = 1000 * 1000 * 1000


EVENTS = (MG_EV_HTTP_HDRS, MG_EV_HTTP_BODY, MG_EV_HTTP_MSG, MG_EV_ERROR, MG_EV_CLOSE)


class Download:
    """One file; `done` when it is there, or `error` says why not."""

    def __init__(self, manager, url, path):
        self.manager, self.url, self.path = manager, url, path
        self.left = REDIRECTS
        self.done, self.error = False, None
        self.ask()

    def ask(self):
        self.next = None
        conn = self.manager.connect(self.url.partition("#")[0], self.handle, events=EVENTS)
        headers = {"Accept": "*/*", "User-Agent": "pymongoose", "Connection": "close"}
        conn.http_request("GET", url_uri(self.url), headers=headers)

    def handle(self, conn, ev, data):
        if ev == MG_EV_HTTP_HDRS:
            status = data.status()
            if status == 200:
                conn.http_stream_body(self.path, max_size=MAX_SIZE)
            else:
                conn.http_stream_body(max_size=1000000)  # whatever page comes with it
                self.next = data.header("Location") if 300 < status < 309 else None
                if not self.next:
                    self.error = "the server answers %d" % status
        elif ev == MG_EV_HTTP_BODY:
            pass
        elif ev == MG_EV_HTTP_MSG:
            self.done = not self.next and not self.error
            conn.close()
        elif ev == MG_EV_ERROR:
            self.error = data
        elif ev == MG_EV_CLOSE and self.next and not self.error:
            if self.left == 0:
                self.error = "more than %d redirects" % REDIRECTS
                return
            self.left -= 1
            try:
                self.url = url_join(self.url, self.next)
                print("->", self.url)
                self.ask()
            except ValueError as e:
                self.error = "where the server sends us: %s" % e
        elif ev == MG_EV_CLOSE and not self.done and not self.error:
            self.error = "no answer"


def main(url, path):
    with Manager() as manager:
        download = Download(manager, url, path)
        while not download.done and not download.error:
            manager.poll(1000)
    print(download.error or "stored " + path)
    return 1 if download.error else 0


if len(sys.argv) < 3:
    print("usage: http_client.py URL FILE")
    sys.exit(2)
sys.exit(main(sys.argv[1], sys.argv[2]))
