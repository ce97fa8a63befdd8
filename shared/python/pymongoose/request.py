# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""What a request is made of, out of what a program gives: the URL, fields, a body, credentials, times
and a proxy. Nothing here knows of a connection."""

import os
import sys

from _pymongoose import __version__, _http_url

from pymongoose import base64_encode, json_get, url_encode, url_host, url_port

MICROPYTHON = sys.implementation.name == "micropython"
USER_AGENT = "pymongoose/" + __version__
# A board has no room for the 32 KB that undoing gzip takes, unless the program asks for it.
FIELDS = [("User-Agent", USER_AGENT), ("Accept", "*/*")]
if not MICROPYTHON:
    FIELDS.append(("Accept-Encoding", "gzip, deflate"))
# A body that is longer goes out in pieces of PIECE, while less than MARK is queued.
LONG, PIECE, MARK = (1024, 1024, 2048) if MICROPYTHON else (65536, 65536, 131072)
# The largest body that is read at once, as the core's max_body.
BODY = 16384 if MICROPYTHON and sys.platform not in ("linux", "darwin") else 16777216

# Phases, each with its own time; TOTAL is that of all of them.
POOL, CONNECT, TLS, SEND, FIRST, READ, TOTAL, END = range(8)
PHASES = ("pool", "connect", "tls", "send", "first_byte", "read", "total")
SAID = ("waiting for a connection", "connect", "tls", "send", "first byte", "read", "total")
TIMES = (60000, 15000, 20000, 60000, 60000, 30000, None)


def split(url):
    """(is it https?, host, port, path and query), ValueError for what is no URL of HTTP."""
    found = _http_url(url)
    if found:
        return found
    if not isinstance(url, str):
        raise TypeError("url must be str, not " + type(url).__name__)
    scheme, sep, _ = url.partition("://")
    if not sep:
        raise ValueError("the URL has no scheme, write http:// or https:// in front: %r" % url)
    if scheme.lower() not in ("http", "https"):
        raise ValueError("the scheme of the URL is neither http nor https: %r" % bare(url))
    if not url_host(url):
        raise ValueError("the URL has no host: %r" % bare(url))
    try:
        url_port(url)
    except ValueError as e:  # DecodeError, which a server's handler takes for its peer's fault
        raise ValueError(str(e)) from None
    raise ValueError("this is no URL of HTTP: %r" % bare(url))


def pairs_of(data, what):
    try:
        return [(name, value) for name, value in (data.items() if hasattr(data, "items") else data)]
    except (TypeError, ValueError):
        text = "%s must be a dict or pairs (name, value), not %s"
        raise TypeError(text % (what, type(data).__name__)) from None


def pairs(data, what):
    """(name, value) of a dict or of pairs, a value that is a list as several; None is left out."""
    found = []
    for name, value in pairs_of(data, what):
        for each in value if isinstance(value, (list, tuple)) else (value,):
            if each is not None:
                found.append((str(name), each))
    return found


def text_of(value):
    return value if isinstance(value, (str, bytes)) else str(value)


def encode(data, what):
    """A dict or pairs as a query or form."""
    parts = [url_encode(name) + "=" + url_encode(text_of(v)) for name, v in pairs(data, what)]
    return "&".join(parts)


def json_of(value):
    from json import dumps

    if MICROPYTHON:  # whose own prints what it does not know
        text = dumps(value)
        if json_get(text, "$") is None:
            raise TypeError("json: this is no JSON: " + text[:60])
        return text
    try:
        return dumps(value, allow_nan=False)
    except (TypeError, ValueError) as e:
        raise TypeError("json: %s" % e) from None


def body_of(data, json, files):
    """(body, Content-Type) of what the program gave."""
    kind = None
    if json is not None:
        if data is not None or files:
            raise ValueError("json= and data= or files= are different bodies: give one")
        data, kind = json_of(json), "application/json"
    elif files:
        from pymongoose.upload import multipart

        return multipart(pairs(data or (), "data beside files"), pairs_of(files, "files"))
    elif data is None:
        return None, None
    elif isinstance(data, dict) or (
        isinstance(data, (list, tuple)) and data and isinstance(data[0], (list, tuple))
    ):
        data, kind = encode(data, "data"), "application/x-www-form-urlencoded"
    if isinstance(data, str):
        data = data.encode()
    if not isinstance(data, bytes) or len(data) > LONG:
        from pymongoose.upload import source

        data = source(data)
    return data, kind


def fields_of(headers):
    fields = pairs_of(headers, "headers")
    for name, _ in fields:
        if not isinstance(name, str):
            raise TypeError("the name of a header must be str, not " + type(name).__name__)
    return fields


def framed(fields, body):
    """The body, of the length that its fields give. What frames it is written with it, not twice."""
    # None: it goes out in chunks
    length = 0 if body is None else len(body) if isinstance(body, bytes) else body.length
    for field in list(fields):
        name, value = field[0].lower(), field[1]
        if value is None:
            continue
        if name == "transfer-encoding":
            if length is not None or value != "chunked":
                text = "leave Transfer-Encoding out: an iterator as data is sent in chunks"
                raise ValueError(text)
            fields.remove(field)
        elif name == "content-length":
            try:
                given = int(value)
            except (TypeError, ValueError):
                given = -1
            if given < 0:
                raise ValueError("Content-Length must be a number of bytes, not %r" % (value,))
            if length is None:
                from pymongoose.upload import Sized

                body, length = Sized(body, given), given
            elif given != length:
                raise ValueError("Content-Length says %d, the body has %d bytes" % (given, length))
            fields.remove(field)
    return body


def with_params(url, params):
    if not params:
        return url
    query = params if isinstance(params, str) else encode(params, "params")
    url, sep, fragment = url.partition("#")
    if query:
        url += ("&" if "?" in url else "?") + query
    return url + sep + fragment


def quoted(url):
    """What may not stand in a URL is percent-encoded, what is so already stays."""
    for c in url:
        if not "!" <= c <= "~":
            return "".join([c if "!" <= c <= "~" else url_encode(c) for c in url])
    return url


def basic(user, password):
    return "Basic " + base64_encode("%s:%s" % (user, password))


def authorization(auth):
    if auth is None:
        return None
    if not isinstance(auth, (tuple, list)) or len(auth) != 2:
        raise TypeError("auth must be a tuple (user, password)")
    for each in auth:
        if not isinstance(each, str):
            raise TypeError("auth must be two str, not " + type(each).__name__)
    if ":" in auth[0]:
        raise ValueError("a user's name has no colon")
    return basic(auth[0], auth[1])


def milliseconds(seconds, name):
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError("timeout must be a number of seconds, not " + type(seconds).__name__)
    if not seconds > 0:
        raise ValueError("timeout (%s) must be more than 0 seconds" % name)
    return max(1, int(min(seconds, 1e6) * 1000))


def times(timeout, base=TIMES):
    """The milliseconds of each phase. `timeout`: seconds for each of them but the wait for a
    connection, (connect, read), or a dict of those that differ."""
    if timeout is None:
        return base
    if isinstance(timeout, dict):
        found = list(base)
        for name in timeout:
            if name not in PHASES:
                raise ValueError("timeout has no %r: these are %s" % (name, ", ".join(PHASES)))
            found[PHASES.index(name)] = milliseconds(timeout[name], name)
        return found
    if isinstance(timeout, (tuple, list)):
        if len(timeout) != 2:
            raise ValueError("timeout as a tuple is (connect, read)")
        connect, read = [milliseconds(each, "connect, read") for each in timeout]
    else:
        connect = read = milliseconds(timeout, "each phase")
    return (base[POOL], connect, connect, read, read, read, base[TOTAL])


def check_tls(tls):
    if tls is not None and not hasattr(tls, "skip_verification"):  # some firmware has no TlsOpts
        raise TypeError("tls must be TlsOpts, not " + type(tls).__name__)
    return tls


def environment():
    if hasattr(os, "getenv"):  # a board has no environment
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            if os.getenv(name):
                from pymongoose.proxies import from_environment

                return from_environment()
    return None


def proxies_of(given):
    if hasattr(given, "find") and not isinstance(given, str):
        return given
    if not hasattr(given, "get"):
        text = "proxies must be a dict such as {'http': 'http://host:3128'}, not "
        raise TypeError(text + type(given).__name__)
    from pymongoose.proxies import Proxies

    return Proxies(given)


def bare(url):
    """Without a user and password."""
    scheme, sep, rest = url.partition("://")
    end = len(rest)
    for c in "/?#":
        at = rest.find(c)
        if 0 <= at < end:
            end = at
    at = rest[:end].rfind("@")
    return scheme + sep + rest[at + 1 :]
