# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""Where a redirect leads: the URL, method, headers and body of a Fetch that goes on there."""

from pymongoose import url_join
from pymongoose.request import END, bare, quoted, split
from pymongoose.response import REDIRECTS

_HERE = ("authorization", "cookie", "proxy-authorization", "host")  # not for another origin
_OURS = _HERE[:3]  # nor for who listens


class Redirected:
    """Of a Fetch: what follows redirects."""

    def _moves(self, status, msg):
        """Is it a redirect to follow?"""
        if self.moved:
            return True
        if status not in REDIRECTS or not self.follow:
            return False
        place = msg.header("Location")
        if not place:
            return False
        gone = self.pool._kind(self, status, msg.proto, self.url, msg.headers())
        gone._content = b""
        if self.pool.cookies is not None:
            self.pool.cookies.take(self, gone.headers)
        self.history = list(self.history) + [gone]
        self.moved = (status, place)
        return True

    def _nowhere(self, e):
        return self.trouble("a redirect leads nowhere: %s" % e, "EPROTO", phase=END)

    def _same(self, before):
        (secure, host, port, _), (was, name, number, _) = self.at, before
        return secure == was and port == number and host.lower() == name.lower()

    def _follow(self):
        status, place = self.moved
        try:
            most = self.pool.max_redirects
            if len(self.history) > most:
                raise self.trouble("more than %d redirects" % most, "ELOOP", phase=END)
            before, old = self.at, self.url
            url = bare(quoted(url_join(old, place)))
            if "#" in old and "#" not in place:  # RFC 9110, 10.2.2
                url += old[old.find("#") :]
            try:
                self.at = split(url)
            except ValueError as e:
                raise self._nowhere(e) from None
            names = [name.lower() for name, _ in self.headers]
            if not self._same(before):
                known = [name for name in names if name in _OURS]
                if before[0] and not self.at[0] and (self.auth or known):
                    text = "a redirect leads from https to http, where credentials can be read: "
                    raise self.trouble(text + url, "EACCES", phase=END)
                self.auth = None
                self.headers = [each for each in self.headers if each[0].lower() not in _HERE]
            get = self.method not in ("GET", "HEAD") if status == 303 else self.method == "POST"
            if status < 304 and get:
                self.method = "GET"
                self.body = None
                self.headers = [
                    each for each in self.headers if not each[0].lower().startswith("content-")
                ]
            elif not self._rewound():
                text = "a redirect asks for the body again, which is gone"
                raise self.trouble(text, "EIO", phase=END)
            self.url = url
            self.retried = False
            self.again()
        except Exception as e:
            self.fail(e)
