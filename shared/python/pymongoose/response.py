# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""What a request comes to: a response with its fields, or an error."""

import errno

from pymongoose import Error, json_get, url_decode
from pymongoose.request import MICROPYTHON

REDIRECTS = (301, 302, 303, 307, 308)
# Where errno has none: MicroPython's lacks some.
_NUMBERS = (
    ("ETIMEDOUT", 110),
    ("ECONNRESET", 104),
    ("ECONNREFUSED", 111),
    ("EHOSTUNREACH", 113),
    ("EPROTO", 71),
    ("EMSGSIZE", 90),
    ("ELOOP", 40),
    ("EACCES", 13),
    ("EIO", 5),
)


def number_of(name):
    for known, number in _NUMBERS:
        if known == name:
            return getattr(errno, name, number)


class RequestError(Error):
    """A request failed: in `phase`, and `url` is what was asked for."""

    def __init__(self, text, errno=0, phase="", url=""):
        super().__init__(text)
        self.errno = errno
        self.phase = phase
        self.url = url


class Timeout(RequestError):
    """It took too long: `phase` says what."""


class HTTPError(RequestError):
    """Of raise_for_status(): `response` has a status from 400 on."""

    response = None


class Headers:
    """The header fields of a response, found in any case."""

    def __init__(self, pairs):
        self._pairs = pairs

    def get_all(self, name):
        name = name.lower()
        return [value for key, value in self._pairs if key.lower() == name]

    def get(self, name, default=None):
        found = self.get_all(name)
        return ", ".join(found) if found else default

    def __getitem__(self, name):
        found = self.get_all(name)
        if not found:
            raise KeyError(name)
        return ", ".join(found)

    def __contains__(self, name):
        return bool(self.get_all(name))

    def __iter__(self):
        return iter(self.keys())

    def __len__(self):
        return len(self._pairs)

    def keys(self):
        return [key for key, _ in self._pairs]

    def values(self):
        return [value for _, value in self._pairs]

    def items(self):
        return list(self._pairs)

    def __repr__(self):
        return "Headers(%r)" % (self._pairs,)


class Response:
    """What both faces show of a response. `history` are the redirects that led to it."""

    encoding = None
    _history = ()

    # To set an attribute of a class with properties costs MicroPython as much as to call some functions.
    def __init__(self, fetch, *head):
        self._fetch = fetch
        self._head = head  # status, reason, URL, fields

    @property
    def status_code(self):
        return self._head[0]

    @property
    def status(self):
        return self._head[0]

    @property
    def reason(self):
        return self._head[1]

    @property
    def url(self):
        return self._head[2]

    @property
    def history(self):
        return list(self._history)

    @property
    def headers(self):
        return Headers(self._head[3])

    @property
    def ok(self):
        return self.status_code < 400

    @property
    def is_redirect(self):
        return self.status_code in REDIRECTS and "location" in self.headers

    def raise_for_status(self):
        """Raises HTTPError for a status from 400 on."""
        if self.status_code >= 400:
            text = "%s %s: the server answers %d %s"
            text %= (self._fetch.method, self.url, self.status_code, self.reason)
            e = HTTPError(text, 0, "", self.url)
            e.response = self
            raise e

    def _saving(self, path, progress):
        from pymongoose.saving import Saving

        total = self.headers.get("content-length", "")
        known = total.isdigit() and not self._fetch.decoder
        return Saving(path, progress, int(total) if known else None)

    def __repr__(self):
        return "<Response [%d]>" % self.status_code

    def _text(self, content):
        charset = self.encoding
        if charset is None:
            kind = self.headers.get("content-type", "").lower()
            charset = kind.partition("charset=")[2].partition(";")[0].strip(" \"'")
        charset = charset.lower()
        if charset in ("", "utf-8", "utf8", "us-ascii", "ascii"):
            try:
                return content.decode()
            except UnicodeError:
                return url_decode(content.replace(b"%", b"%25"))  # U+FFFD for what is no UTF-8
        if charset in ("iso-8859-1", "latin-1", "latin1"):
            return "".join([chr(byte) for byte in content])
        if MICROPYTHON:
            raise ValueError("this Python cannot decode " + charset)
        try:
            return content.decode(charset, "replace")
        except LookupError:
            raise ValueError("this Python cannot decode " + charset) from None

    def _json(self, content):
        import json

        try:
            if MICROPYTHON:  # whose own parser takes what is cut off
                return json.loads(json_get(content, "$") or "")
            return json.loads(content)
        except ValueError:
            text = "%s %s: the body is no JSON: %r"
            raise ValueError(text % (self._fetch.method, self.url, content[:60])) from None
