# SPDX-License-Identifier: GPL-2.0-only
"""JSON Web Tokens (RFC 7519), signed with HMAC-SHA256 ("HS256", RFC 7515 and 7518)."""

import json
import time

from pymongoose import (
    DecodeError,
    base64_decode,
    base64_encode,
    compare_digest,
    hmac_sha256,
    json_get,
    json_get_bool,
    json_get_long,
    json_get_num,
    json_get_str,
    json_items,
)

#: Seconds from 1970 to what some ports of MicroPython count time from.
_EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0


def _encode(data):
    return base64_encode(data).rstrip("=").replace("+", "-").replace("/", "_")


def _decode(text):
    if "+" in text or "/" in text or "=" in text:
        raise DecodeError("not base64url")
    data = base64_decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
    if _encode(data) != text:
        raise DecodeError("not base64url")
    return data


def _key(key):
    if len(key) == 0:
        raise ValueError("the key is empty")
    return key


def jwt_sign(claims, key):
    """A token that carries claims, a dict of what JSON can hold; key is str or bytes."""
    if not isinstance(claims, dict):
        raise TypeError("claims must be dict, not " + type(claims).__name__)
    payload = json.dumps(claims)
    if json_get(payload, "$") is None:
        raise ValueError("the claims are not JSON")
    signed = _encode('{"alg":"HS256","typ":"JWT"}') + "." + _encode(payload)
    return signed + "." + _encode(hmac_sha256(_key(key), signed))


def _load(text):
    # MicroPython's json.loads() makes two halves of a pair of surrogates.
    items = json_items(text)
    if items is not None:
        if text[0] == "[":
            return [_load(item) for item in items]
        return {name: _load(item) for name, item in items}
    if text[0] == '"':
        return json_get_str(text, "$")
    if text[0] in "tfn":
        return json_get_bool(text, "$")
    value = None
    if not ("." in text or "e" in text or "E" in text):
        value = json_get_long(text, "$", None)
    return json_get_num(text, "$") if value is None else value


def _date(claims, name):
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value - value != 0:
        raise DecodeError("token: %s is no date" % name)
    return value


def jwt_verify(token, key, now=None, leeway=0):
    """The claims of a token that the key signed and that is valid now, else DecodeError, a
    ValueError.

    now, seconds since 1970, is the clock's time by default; exp and nbf may be missed by leeway
    seconds. All other claims (aud, iss ...) are the program's to check.
    """
    if isinstance(token, (bytes, bytearray, memoryview)):
        token = bytes(token)
    elif not isinstance(token, str):
        raise TypeError("token must be str or bytes, not " + type(token).__name__)
    try:  # both ways: a str of MicroPython, and a surrogate in one of CPython, may be no UTF-8
        token = (token.encode() if isinstance(token, str) else token).decode()
    except ValueError:
        raise DecodeError("token: malformed")
    parts = token.split(".")
    if len(parts) != 3:
        raise DecodeError("token: malformed")
    signature = hmac_sha256(_key(key), parts[0] + "." + parts[1])
    try:
        header = _decode(parts[0])
        given = _decode(parts[2])
    except ValueError:
        raise DecodeError("token: malformed")
    # The header says how to verify, so it is read first, and only one way is known.
    names = [name for name, _ in json_items(header) or ()]
    if json_get_str(header, "$.alg") != "HS256" or names.count("alg") != 1:
        raise DecodeError("token: not signed by HS256")
    if "crit" in names:
        raise DecodeError("token: asks for what is not known here")
    if not compare_digest(given, signature):
        raise DecodeError("token: wrong signature")
    try:
        payload = _decode(parts[1])
    except ValueError:
        raise DecodeError("token: malformed")
    text = json_get(payload, "$")
    if text is None or text[0] != "{":
        raise DecodeError("token: the claims are no JSON object")
    try:
        claims = _load(text)
    except RuntimeError:  # nested too deep for this runtime
        raise DecodeError("token: malformed")
    if now is None:
        now = int(time.time()) + _EPOCH
    expires = _date(claims, "exp")
    if expires is not None and now >= expires + leeway:
        raise DecodeError("token: expired")
    starts = _date(claims, "nbf")
    if starts is not None and now < starts - leeway:
        raise DecodeError("token: not yet valid")
    return claims
