# SPDX-License-Identifier: GPL-2.0-only
"""What is remembered about a client: a dict that the client keeps, signed, in a cookie."""

import json
import time

from pymongoose import base64_decode, base64_encode, compare_digest, hmac_sha256, json_get

_MOST = 3800  # bytes: browsers keep 4096 with name and attributes
_EARLY = 1764547200  # a clock before December of 2025 was never set


def _to_url(data):
    return base64_encode(data).replace("+", "-").replace("/", "_").rstrip("=")


def _from_url(text):
    return base64_decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def _mac(key, name, payload):
    # The name belongs to it: a cookie of another name that is signed by the same key is none of ours.
    return _to_url(hmac_sha256(key, name + "=" + payload))


def now():
    """Seconds since 1970; 0 where the clock was never set."""
    seconds = int(time.time())
    if time.gmtime(0)[0] == 2000:
        seconds += 946684800
    return seconds if seconds > _EARLY else 0


def load(request):
    """The session of a request: empty without a cookie, and for one that is forged or stale."""
    app = request.app
    if not app.secret_keys:
        raise RuntimeError("sessions need a key: App(secret_key=...)")
    request._session_text = "{}"
    text = request.cookies.get(app.session_cookie)
    if text:
        payload, _, mac = text.rpartition(".")
        try:
            if any(
                [
                    compare_digest(mac, _mac(key, app.session_cookie, payload))
                    for key in app.secret_keys
                ]
            ):
                data, _, stamp = payload.partition(".")
                stamp, present = int(stamp), now()
                if not (stamp and present and present - stamp > app.session_max_age):
                    request._session_text = _from_url(data).decode()
        except (ValueError, UnicodeError):
            pass
    try:
        session = json.loads(request._session_text)
        if isinstance(session, dict):
            return session
    except ValueError:
        pass
    request._session_text = "{}"
    return {}


def save(request, response):
    """Adds the cookie to the answer, if the session is another than it was."""
    app = request.app
    text = json.dumps(request._session)
    if request._session == json.loads(request._session_text):
        return
    # (MicroPython writes anything: the client would come back with what nobody can read.)
    if json_get(text, "$") is None:
        raise TypeError("a session holds what JSON has")
    name = app.session_cookie
    secure = request.scheme == "https"
    if not request._session:
        response.set_cookie(name, "", max_age=0, secure=secure)
        return
    payload = _to_url(text) + "." + str(now())
    value = payload + "." + _mac(app.secret_keys[0], name, payload)
    if len(value) > _MOST:
        raise ValueError("a session of %d bytes fits in no cookie" % len(value))
    response.set_cookie(name, value, max_age=app.session_max_age, secure=secure)
