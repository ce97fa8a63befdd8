# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""What a handler answers with."""

import time

from pymongoose.web.headers import Headers, pairs_of

_TEXTS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def http_date(seconds):
    """Seconds since 1970 as an HTTP date (RFC 9110, section 5.6.7)."""
    # MicroPython's boards may count from 2000: what is added is a whole number of days.
    epoch = time.gmtime(0)[0]
    if epoch == 2000:
        seconds -= 946684800
    t = time.gmtime(int(seconds))
    return "%s, %02d %s %d %02d:%02d:%02d GMT" % (
        "MonTueWedThuFriSatSun"[3 * t[6] : 3 * t[6] + 3],
        t[2],
        "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * t[1] - 3 : 3 * t[1]],
        t[0],
        t[3],
        t[4],
        t[5],
    )


def _cookie_part(text, what, forbidden):
    if not isinstance(text, str):
        raise TypeError("a cookie's %s must be str, not %s" % (what, type(text).__name__))
    for ch in text:
        if not 32 < ord(ch) < 127 or ch in forbidden:
            raise ValueError("a cookie's %s cannot hold %r: url_encode() it" % (what, ch))
    return text


HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


class Response:
    """A status, headers and a body: str, bytes, a generator of pieces, or a dict or list for JSON.

    Without a `content_type` a str is HTML, bytes are application/octet-stream; with "" it is plain text."""

    file = None  # a path instead of a body, or folders of static()
    file_type = None
    listing = False
    template = None  # (path, values): its body is made when it is known whose it is

    def __init__(self, body=b"", status=200, headers=None, content_type=None):
        self.status = status
        self.headers = Headers(pairs_of(headers))
        self.body = body
        if isinstance(body, (dict, list)):
            import json

            self.body = json.dumps(body)
            if content_type is None:
                content_type = "application/json"
        elif content_type is None and isinstance(body, (str, bytes, bytearray)) and len(body):
            content_type = HTML if isinstance(body, str) else "application/octet-stream"
        if content_type and not self.header("Content-Type"):
            self.headers.append(("Content-Type", content_type))

    # A program may have set them to a list or dict. (A property would cost MicroPython more, each time that
    # any attribute is set.)
    def _fields(self):
        if not isinstance(self.headers, Headers):
            self.headers = Headers(pairs_of(self.headers))
        return self.headers

    def header(self, name, default=None):
        """The first header of that name, in any case."""
        return self._fields().get(name, default)

    def set_header(self, name, value):
        """Sets a header, in place of those of the same name."""
        self._fields()[name] = value

    def set_cookie(
        self,
        name,
        value="",
        *,
        max_age=None,
        expires=None,
        path="/",
        domain=None,
        secure=False,
        httponly=True,
        samesite="Lax",
    ):
        """Has the client keep a cookie (RFC 6265): `max_age` in seconds, `expires` in seconds since
        1970 or as an HTTP date. ValueError for what a cookie cannot hold."""
        if not name:
            raise ValueError("a cookie has a name")
        text = _cookie_part(name, "name", '()<>@,;:\\"/[]?={}')
        text += "=" + _cookie_part(value, "value", '",;\\')
        if max_age is not None:
            text += "; Max-Age=%d" % max_age
        if expires is not None:
            if not isinstance(expires, str):
                expires = http_date(expires)
            elif ";" in expires:
                raise ValueError("a cookie's expires cannot hold ';'")
            text += "; Expires=" + expires
        if domain:
            text += "; Domain=" + _cookie_part(domain, "domain", ";,")
        if path:
            text += "; Path=" + _cookie_part(path, "path", ";")
        if samesite not in ("Lax", "Strict", "None", None):
            raise ValueError("samesite is Lax, Strict, None or nothing, not %r" % samesite)
        if samesite == "None" and not secure:
            raise ValueError('samesite="None" needs secure=True: browsers refuse it')
        if secure:
            text += "; Secure"
        if httponly:
            text += "; HttpOnly"
        if samesite:
            text += "; SameSite=" + samesite
        self._fields().append(("Set-Cookie", text))

    def delete_cookie(self, name, path="/", domain=None):
        """Has the client forget a cookie."""
        self.set_cookie(name, "", max_age=0, path=path, domain=domain)


class HTTPError(Exception):
    """Ends a request with a status, as abort() raises it."""

    def __init__(self, status, message=None, headers=None):
        if not 400 <= status <= 599:
            raise ValueError("an error has a status from 400 to 599, not %d" % status)
        text = message or _TEXTS.get(status) or "Error"
        super().__init__(status, text)
        self.status = status
        self.message = text
        self.headers = headers or {}


def abort(status, message=None, headers=None):
    """Ends the request: with an error of that status and text."""
    raise HTTPError(status, message, headers)


def redirect(location, status=302):
    """Sends the client elsewhere; 303 after a form, 307 or 308 to have it repeat the request."""
    if status not in (301, 302, 303, 307, 308):
        raise ValueError("a redirect has the status 301, 302, 303, 307 or 308, not %d" % status)
    for ch in location:
        if ord(ch) < 32 or ord(ch) == 127:
            raise ValueError("a location cannot hold %r" % ch)
    return Response(b"", status, {"Location": location})


def send_file(path, *, download=None, content_type=None, headers=None):
    """Answers with a file, with ranges and ETag; `download` is the name under which it is saved.

    `path` is the program's: a name that a client gave belongs through safe_filename()."""
    response = Response(b"", 200, headers)
    response.file = path
    response.file_type = content_type
    if download is not None:
        from pymongoose import safe_filename, url_encode

        name = safe_filename(download)
        # RFC 6266: the plain name for old clients, the encoded one for all characters.
        plain = "".join([ch if 32 <= ord(ch) < 127 and ch not in '"\\%' else "_" for ch in name])
        response._fields().append(
            (
                "Content-Disposition",
                "attachment; filename=\"%s\"; filename*=UTF-8''%s" % (plain, url_encode(name)),
            )
        )
    return response
