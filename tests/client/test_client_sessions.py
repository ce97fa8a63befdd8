# SPDX-License-Identifier: GPL-2.0-only
"""client.Session: kept connections, cookies, limits."""

from client_script import digest
from peers.clients import Server, seconds
from peers.http_servers import pattern


def test_a_session_keeps_a_connection(device, base, site):
    device.exec("s = client.Session(headers={'X-S': '1'}, auth=('u', 'p'))")
    seen = device.eval(f"[s.get({base + '/echo'!r}).json()['headers'] for n in range(3)]")
    assert {each["x-s"] for each in seen} == {"1"} and "authorization" in seen[0]
    assert len(set(site.peers)) == 1
    device.eval(f"s.get({base + '/close'!r}).text")
    device.eval(f"s.post({base + '/echo'!r}, json=1).text")
    assert len(set(site.peers)) == 2
    device.exec(f"r = s.get({base + '/size/9'!r}, stream=True)")
    assert device.eval(f"len(s.get({base + '/size/9'!r}).content), len(r.content)") == (9, 9)
    device.exec("s.close()")
    assert device.eval(f"failed(s.get, {base!r})")[:2] == ("Error", "the session is closed")


def test_a_session_that_is_changed_between(device, base):
    device.exec("s = client.Session()")
    call = f"s.get({base + '/echo'!r}).json()['headers']"
    assert "x-later" not in device.eval(call)
    device.exec("s.headers['X-Later'] = '1'; s.auth = 'u', 'p'")
    seen = device.eval(call)
    assert (seen["x-later"], seen["authorization"]) == ("1", "Basic dTpw")
    device.exec("s.timeout = {'read': 0.05}")
    assert device.eval(f"failed(s.get, {base + '/hang'!r})")[2] == "read"
    device.exec("s.close()")


def test_streams_that_are_not_read_are_bounded(device, target, base):
    """Their connections wait, the rest of the session goes on."""
    size = target.size(3_000_000, 40_000)
    device.exec(
        f"s = client.Session(); most = {target.size(600_000, 20_000)}\n"
        f"rs = [s.get({base + f'/size/{size}'!r}, stream=True) for n in range(2)]\n"
        "def waiting():\n  return max([sum([len(p) for p in r._fetch.pieces]) for r in rs])\n"
    )
    for _ in range(5):
        assert device.eval(f"s.get({base + '/echo'!r}).status_code", 30) == 200
    assert device.eval("0 < waiting() < most"), device.eval("waiting()")
    wanted = digest(pattern(size))
    assert device.eval("check(rs[0].iter_content(1000))", 60) == wanted
    assert device.eval(f"s.get({base + '/echo'!r}).status_code", 30) == 200
    assert device.eval("waiting() < most"), device.eval("waiting()")
    assert device.eval("check(rs[1].iter_content())", 60) == wanted
    device.exec("s.close()")


def test_limits_of_a_pool(device, base):
    device.exec(
        f"s = client.Session(pool_size=2); rs = [s.get({base + '/hang'!r}, stream=True) for n in (1, 2)]"
    )
    assert "all 2 connections" in device.eval(f"failed(s.get, {base + '/echo'!r})")[1]
    device.exec("rs[0].close()")
    assert device.eval(f"s.get({base + '/echo'!r}).ok")
    device.exec("s.close()")


def test_a_stale_connection(device, site, base):
    """The server has left meanwhile: nobody notices."""
    device.exec("s = client.Session()")
    assert device.eval(f"s.get({base + '/echo'!r}).ok")

    async def close():
        for connection in list(site._runner.server.connections):
            if connection.transport:
                connection.transport.close()

    site._run(close())
    # What is on its way to who has asked already is another matter: a POST is not asked twice.
    device.until("(s.manager.poll(5), not s.idle)[1]")
    assert device.eval(f"s.post({base + '/echo'!r}, data=b'x').ok")
    device.exec("s.close()")


def test_cookies_if_asked(device, site, base):
    device.exec("s = client.Session(cookies=True)")

    def page(*lines, path="/cookie"):
        return device.eval(
            f"s.get({base + path!r}, params={[('set', line) for line in lines]!r}).text"
        )

    assert (
        page("a=1; Path=/", "b=2; Max-Age=100", "c=3; Secure", "d=4; Domain=else.test", "bad") == ""
    )
    assert page() == "a=1; b=2"
    assert page("a=; Max-Age=0; Path=/", "p=5; Path=/cookie/deep") == "a=1; b=2"
    assert page() == "b=2"
    assert page(path="/cookie/deep/er") == "p=5; b=2"
    assert (
        device.eval(f"s.get({base + '/cookie'!r}, headers={{'Cookie': 'own=1'}}).text") == "own=1"
    )
    tail = device.peer.partition(".")[2]
    assert page(f"e=5; Domain={tail}", "f=6; Expires=Thu, 01-Jan-2037 00:00:00 GMT") == "b=2"
    assert page() == "b=2; f=6"  # an address has no domain
    assert page("f=; Expires=Mon, 01-Jan-1990 00:00:00 GMT") == "b=2; f=6"
    assert page() == "b=2"
    device.exec("s.close()")
    device.exec("s = client.Session()")
    page("a=1; Path=/")
    assert page() == ""
    device.exec("s.close()")


def test_an_early_answer(device, base):
    device.exec("def endless():\n  while True: yield b'x' * 500\n")
    assert (
        device.eval(f"client.put({base + '/early'!r}, data=endless()).status_code", seconds())
        == 413
    )


def test_a_server_that_says_more_than_it_was_asked(device):
    """What follows an answer is no answer to the next request; what follows 101 is no HTTP."""
    ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    for said in (ok + ok.replace("ok", "no"), ok + "more", "HTTP/1.1 101 Other\r\n\r\n"):

        def talk(raw, said=said):
            raw.recv_exactly_head()
            raw.send(said)
            raw.closed()

        with Server(talk, count=2) as server:
            url = f"http://{device.peer}:{server.port}/"
            device.exec(f"s = client.Session(); url = {url!r}")
            found = device.eval("[(r.status_code, r.text) for r in (s.get(url), s.get(url))]")
            device.exec("s.close()")
        assert found == [(101, "") if "101" in said else (200, "ok")] * 2
