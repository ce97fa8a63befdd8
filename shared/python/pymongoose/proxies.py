# SPDX-License-Identifier: GPL-2.0-only
"""Which proxy a request goes through: HTTP_PROXY, HTTPS_PROXY, NO_PROXY, or what the program says."""

import os

from pymongoose import url_decode, url_pass, url_user
from pymongoose.request import basic, split


def _env(name):
    return os.getenv(name.lower()) or os.getenv(name) or ""


def from_environment():
    """None if there is none."""
    http = os.getenv("http_proxy") or ""
    if not http and not os.getenv("REQUEST_METHOD"):  # where a CGI's peer sets HTTP_PROXY
        http = os.getenv("HTTP_PROXY") or ""
    https = _env("HTTPS_PROXY")
    if not http and not https:
        return None
    return Proxies({"http": http, "https": https, "no": _env("NO_PROXY")})


class Proxies:
    def __init__(self, urls):
        self._found = {}
        for scheme in ("http", "https"):
            self._found[scheme] = self._parse(urls.get(scheme))
        self._none = [each.strip().lower() for each in (urls.get("no") or "").split(",")]

    def _parse(self, url):
        if not url:
            return None
        if not isinstance(url, str):
            raise TypeError("a proxy's URL must be str, not " + type(url).__name__)
        try:
            secure, host, port, _ = split(url if "://" in url else "http://" + url)
        except ValueError as e:
            raise ValueError("a proxy: %s" % e) from None
        user = url_user(url)
        return (
            secure,
            host,
            port,
            basic(url_decode(user), url_decode(url_pass(url))) if user else None,
        )

    def find(self, secure, host, port):
        """(is it https?, host, port, Proxy-Authorization), or None."""
        bare = host.strip("[]").lower()
        for each in self._none:
            if each == "*":
                return None
            name, _, number = each.rpartition(":")
            if number.isdigit() and ":" not in name:
                if int(number) != port:
                    continue
                each = name
            each = each.lstrip("*").strip("[]")
            if each and (bare == each.lstrip(".") or bare.endswith("." + each.lstrip("."))):
                return None
        found = self._found["https" if secure else "http"]
        if secure and found and found[0]:
            raise ValueError(
                "https through a proxy that is itself reached by https is not possible"
            )
        return found
