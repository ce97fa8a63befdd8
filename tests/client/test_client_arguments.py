# SPDX-License-Identifier: GPL-2.0-only
"""What client is asked wrongly."""

import pytest


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        ("client.get('example.com/x')", "ValueError", "has no scheme, write http://"),
        ("client.get('/x')", "ValueError", "has no scheme"),
        ("client.get('ftp://x/')", "ValueError", "neither http nor https"),
        ("client.get('http:///x')", "ValueError", "has no host"),
        ("client.get('http://h:99999/')", "ValueError", "port"),
        ("client.get(7)", "TypeError", "url must be str, not int"),
        ("client.get('http://h', auth='x')", "TypeError", "auth must be a tuple"),
        ("client.get('http://h', timeout='x')", "TypeError", "timeout must be a number"),
        ("client.get('http://h', timeout=0)", "ValueError", "more than 0"),
        ("client.get('http://h', timeout=(1, 2, 3))", "ValueError", "(connect, read)"),
        (
            "client.get('http://h', timeout={'x': 1})",
            "ValueError",
            "connect, tls, send, first_byte",
        ),
        ("client.post('http://h', data=7)", "TypeError", "data must be bytes, str, a dict"),
        ("client.post('http://h', data='x', json=1)", "ValueError", "give one"),
        ("client.get('http://h', nonsense=1)", "TypeError", ""),
        ("client.get('http://127.0.0.1:1', headers={'a b': 'c'})", "ValueError", ""),
        ("client.get('http://127.0.0.1:1', headers={'a': 'c\\r\\nd'})", "ValueError", ""),
        ("client.get('http://127.0.0.1:1', proxies={'http': 'socks://h'})", "ValueError", "proxy"),
    ],
)
def test_wrong_arguments(device, call, kind, text):
    found = device.eval(f"failed(lambda: {call})")
    assert found[0] == kind and text in found[1]
    assert device.eval("live()") == (0, 0, 0, 0)
