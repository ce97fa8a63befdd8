# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""Who is it: Basic and Bearer authentication (RFC 7617, RFC 6750).

An object of these decorates a handler, or is a hook: app.before_request(auth)."""

from pymongoose import HttpRequest, base64_decode
from pymongoose.web.request import named
from pymongoose.web.response import HTTPError


class _Auth:
    def __init__(self, check, realm):
        if not callable(check):
            raise TypeError("the check is a function, not " + type(check).__name__)
        if '"' in realm or "\\" in realm:
            raise ValueError("a realm has neither quotes nor backslashes")
        self.check = check
        self.realm = realm

    def __call__(self, what):
        if type(what) is HttpRequest:  # as a hook
            self._admit(what)
            return None

        def guarded(request, *args, **values):
            self._admit(request)
            return what(request, *args, **values)

        return named(guarded, what)

    def _admit(self, request):
        text = request.message.header("Authorization") or ""
        kind, _, rest = text.partition(" ")
        user = None
        if kind.lower() == self._scheme.lower():
            user = self._who(request, rest.strip())
        if not user:
            raise HTTPError(401, None, {"WWW-Authenticate": self._challenge(bool(text))})
        request.user = user


class BasicAuth(_Auth):
    """`check(request, username, password)` gives the user, or True; false refuses. What it gave is
    request.user, the name if it was True. Compare passwords by compare_digest()."""

    _scheme = "Basic"

    def __init__(self, check, realm="Login"):
        super().__init__(check, realm)

    def _who(self, request, rest):
        try:
            name, colon, password = base64_decode(rest).decode().partition(":")
        except (ValueError, UnicodeError):
            return None
        if not colon:
            return None
        user = self.check(request, name, password)
        return name if user is True else user

    def _challenge(self, given):
        return 'Basic realm="%s", charset="UTF-8"' % self.realm


class BearerAuth(_Auth):
    """`check(request, token)` gives the user, or True; false refuses."""

    _scheme = "Bearer"

    def __init__(self, check, realm="Login"):
        super().__init__(check, realm)

    def _who(self, request, rest):
        return self.check(request, rest) if rest else None

    def _challenge(self, given):
        return 'Bearer realm="%s"%s' % (self.realm, ', error="invalid_token"' if given else "")
