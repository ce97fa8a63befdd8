# SPDX-License-Identifier: GPL-2.0-only
"""JSON Web Tokens against PyJWT, in both directions."""

import base64
import hmac

import jwt
import pytest
from batches import each, examples
from hypothesis import given
from hypothesis import strategies as st

SCRIPT = """
from pymongoose import jwt_sign, jwt_verify

def verify(token, key, *args, **kwargs):
    try:
        return jwt_verify(token, key, *args, **kwargs)
    except ValueError as e:
        return str(e)

def verify_all(tokens, key):
    return [verify(token, key) for token in tokens]

serve()
"""

KEY = "a key of thirty-two bytes or more"


@pytest.fixture
def device(shared):
    return shared(SCRIPT)


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header, payload, key=b"a key of thirty-two bytes or more"):
    """A token of any header and payload, rightly signed."""
    text = f"{encode(header)}.{encode(payload)}"
    return f"{text}.{encode(hmac.digest(key, text.encode(), 'sha256'))}"


CLAIMS = st.dictionaries(
    st.sampled_from(["sub", "aud", "é", "x", "admin"]),
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.text('aé😀"\\\0 '))
    | st.lists(st.integers(0, 9), max_size=3),
)


def test_both_directions(device):
    @examples
    @given(CLAIMS)
    def check(claims):
        token = device.eval(f"jwt_sign({claims!r}, {KEY!r})")
        read = jwt.decode(token, KEY, algorithms=["HS256"], options=LENIENT)
        assert read == claims and jwt.get_unverified_header(token)["alg"] == "HS256"
        token = jwt.encode(claims, KEY, headers={"kid": "1"})
        assert device.eval(f"jwt_verify({token!r}, {KEY.encode()!r})") == claims
        assert device.eval(f"jwt_verify({token.encode()!r}, {KEY!r})") == claims

    check()


# The types of registered claims are the program's to check.
LENIENT = {"verify_aud": False, "verify_sub": False}


@pytest.mark.parametrize("size", [1, 32, 63, 64, 65, 100])
def test_keys(device, size):
    key = bytes(range(1, size + 1))
    token = signed(b'{"alg":"HS256"}', b"{}", key)
    assert device.eval(f"jwt_verify({token!r}, {key!r})") == {}
    assert device.eval(f"verify({token!r}, {key[:-1] + b'x'!r})") == "token: wrong signature"


def test_no_bit_of_a_token_can_change(device):
    token = jwt.encode({"sub": "x", "n": 12345}, KEY)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = []
    for at, ch in enumerate(token):
        if ch != ".":
            other = alphabet[alphabet.index(ch) ^ 1]
            changed.append(token[:at] + other + token[at + 1 :])
        changed.append(token[:at] + token[at + 1 :])
        changed.append(token[:at] + "=" + token[at:])
    answers = each(device, "verify_all", changed, KEY)
    for bad, answer in zip(changed, answers, strict=True):
        assert isinstance(answer, str) and answer.startswith("token: "), bad


def test_algorithms(device):
    """Only HS256, whatever the header wishes."""
    payload = b'{"sub": "admin"}'
    headers = [
        b'{"alg":"none"}',
        b'{"alg":"NONE"}',
        b'{"alg":"None"}',
        b'{"alg":""}',
        b'{"alg":"hs256"}',
        b'{"alg":"HS512"}',
        b'{"alg":"RS256"}',
        b'{"alg":["HS256"]}',
        b'{"alg":null}',
        b'{"ALG":"HS256"}',
        b'{"alg":"HS256","alg":"none"}',
        b'{"alg":"none","alg":"HS256"}',
        b"{}",
        b"[]",
        b'"HS256"',
        b"HS256",
        b'{"alg":"HS256"',
    ]
    tokens = [signed(header, payload) for header in headers]
    tokens += [token.rpartition(".")[0] + "." for token in tokens]
    tokens.append(jwt.encode({"sub": "admin"}, None, algorithm="none"))
    for answer in each(device, "verify_all", tokens, KEY):
        assert answer == "token: not signed by HS256"
    tokens = [encode(b'{"alg":"HS256"}') + f".{encode(payload)}."]
    assert device.eval(f"verify_all({tokens!r}, {KEY!r})") == ["token: wrong signature"]
    critical = signed(b'{"alg":"HS256","crit":["exp"],"exp":1}', payload)
    assert "not known here" in device.eval(f"verify({critical!r}, {KEY!r})")


def test_tokens_that_are_none(device):
    header = encode(b'{"alg":"HS256"}')
    tokens = ["", ".", "..", "...", "a.b", "a.b.c.d", "\0", "é.é.é", "a.b.c" * 1000]
    tokens += [f"{header}.a.b", f"{header}.{header}.", f" {signed(b'{}', b'{}')}"]
    for token, answer in zip(tokens, each(device, "verify_all", tokens, KEY), strict=True):
        assert isinstance(answer, str) and answer.startswith("token: "), token
    for payload in b"", b"1", b"[]", b'"a"', b"null", b"{", b'{"a":1}x', b'{"a":\xff}', b"[" * 9000:
        token = signed(b'{"alg":"HS256"}', payload)
        answer = device.eval(f"verify({token!r}, {KEY!r})")
        assert answer == "token: the claims are no JSON object", payload


def test_claims_of_all_kinds(device):
    payload = (
        rb'{"a": [1.5, -2, 1e2, [], {}, {"b": null}], "c": "\ud83d\ude00", "d": false, "d": true}'
    )
    token = signed(b'{"alg":"HS256"}', payload)
    wanted = {"a": [1.5, -2, 100.0, [], {}, {"b": None}], "c": "\U0001f600", "d": True}
    assert device.eval(f"jwt_verify({token!r}, {KEY!r})") == wanted
    token = signed(b'{"alg":"HS256"}', b'{"a": ' + b"9" * 400 + b"}")
    assert device.eval(f"jwt_verify({token!r}, {KEY!r})['a'] > 1e30")  # whatever size of floats
    token = signed(b'{"alg":"HS256"}', b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}")
    assert device.eval(f"type(verify({token!r}, {KEY!r})).__name__") in ("dict", "str")


def test_dates(device):
    def verify(claims, **kwargs):
        token = jwt.encode(claims, KEY)
        arguments = "".join(f", {name}={value!r}" for name, value in kwargs.items())
        return device.eval(f"verify({token!r}, {KEY!r}{arguments})")

    assert verify({"exp": 1000}, now=999) == {"exp": 1000}
    assert verify({"exp": 1000}, now=1000) == "token: expired"
    assert verify({"exp": 1000}, now=1009, leeway=10) == {"exp": 1000}
    assert verify({"exp": 1000}, now=1010, leeway=10) == "token: expired"
    assert verify({"nbf": 1000}, now=999) == "token: not yet valid"
    assert verify({"nbf": 1000}, now=1000) == {"nbf": 1000}
    assert verify({"nbf": 1000}, now=990, leeway=10) == {"nbf": 1000}
    # By the clock of the device.
    assert verify({"exp": 1_000_000_000}) == "token: expired"
    assert verify({"exp": 32_503_680_000}) == {"exp": 32_503_680_000}
    assert verify({"nbf": 32_503_680_000}) == "token: not yet valid"
    for wrong in '"1000"', "true", "null", "[]", "{}", "1e999", "-1e999":
        for name in "exp", "nbf":
            token = signed(b'{"alg":"HS256"}', f'{{"{name}": {wrong}}}'.encode())
            answer = device.eval(f"verify({token!r}, {KEY!r}, now=1)")
            assert answer == f"token: {name} is no date", wrong


def test_wrong_arguments(device):
    device.exec("raises(ValueError, jwt_sign, {}, '', text='key is empty')")
    device.exec("raises(ValueError, jwt_verify, 'a.b.c', b'', text='key is empty')")
    device.exec("raises(TypeError, jwt_sign, [], 'k', text='claims must be dict')")
    device.exec("raises(TypeError, jwt_sign, {}, None)")
    device.exec("raises(TypeError, jwt_verify, None, 'k', text='token must be str or bytes')")
    device.exec("raises(ValueError, jwt_sign, {'a': float('inf')}, 'k', text='not JSON')")
