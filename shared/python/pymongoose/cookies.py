# SPDX-License-Identifier: GPL-2.0-only
"""Cookies of a session (RFC 6265), for `cookies=True`."""

from pymongoose import millis

MAX_COOKIES = 64


def _until(number):
    return millis() + number * 1000


def _past(date):
    """Is it before this was written? Servers take such a date to delete."""
    words = date.replace("-", " ").split()
    return any([len(each) == 4 and each.isdigit() and int(each) < 2026 for each in words])


class Jar:
    """A value stands under (domain, path, name). `Expires` in the past deletes; otherwise such a cookie
    lasts as long as the session does, since a board may not know the time."""

    def __init__(self):
        self._kept = {}

    def take(self, fetch, headers):
        secure, host, _, _ = fetch.at
        host = host.lower()
        number = host.replace(".", "").isdigit()  # an address, which has no domain
        for line in headers.get_all("set-cookie"):
            first, _, rest = line.partition(";")
            name, sep, value = first.partition("=")
            name = name.strip()
            if not sep or not name:
                continue
            domain, path, only, until = host, self._folder(fetch.url), False, None
            exact = True
            for part in rest.split(";"):
                key, _, word = part.partition("=")
                key, word = key.strip().lower(), word.strip()
                if key == "domain" and word:
                    domain, exact = word.lstrip(".").lower(), False
                elif key == "path" and word.startswith("/"):
                    path = word
                elif key == "secure":
                    only = True
                elif key == "max-age":
                    try:
                        until = _until(int(word))
                    except ValueError:
                        pass
                elif key == "expires" and until is None and _past(word):
                    until = 0
            if not exact and domain == host:
                exact = "." not in host or number
            elif not exact and (number or not (host.endswith("." + domain) and "." in domain)):
                continue  # another's
            if only and not secure:
                continue
            key = (domain, path, name)
            self._kept.pop(key, None)
            if until is None or until > millis():
                while len(self._kept) >= MAX_COOKIES:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[key] = (value.strip(), exact, only, until)

    def _path(self, url):
        path = url.partition("://")[2].partition("#")[0].partition("?")[0]
        return "/" + path.partition("/")[2]

    def _folder(self, url):
        return self._path(url).rpartition("/")[0] or "/"

    def header(self, fetch):
        """What is sent to this URL, the longest paths first."""
        secure, host, _, _ = fetch.at
        host = host.lower()
        path = self._path(fetch.url)
        found = []
        for (domain, under, name), (value, exact, only, until) in list(self._kept.items()):
            if until is not None and until <= millis():
                del self._kept[(domain, under, name)]
                continue
            fits = host == domain or (not exact and host.endswith("." + domain))
            inside = path == under or path.startswith(under if under.endswith("/") else under + "/")
            if fits and inside and (secure or not only):
                found.append((-len(under), name + "=" + value))
        return "; ".join([each for _, each in sorted(found)])

    def get(self, name, default=None):
        for (_, _, key), found in self._kept.items():
            if key == name:
                return found[0]
        return default

    def clear(self):
        self._kept.clear()

    def __len__(self):
        return len(self._kept)
