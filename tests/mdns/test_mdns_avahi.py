# SPDX-License-Identifier: GPL-2.0-only
"""Multicast DNS with Avahi, by IPv4 and IPv6, in a network of its own."""

import contextlib

import pytest
from peers.avahi import Avahi
from peers.island import Island
from peers.mdns_peer import PTR, unique
from test_mdns_ip6 import announced, device_of

pytestmark = [pytest.mark.needs("namespaces", "avahi"), pytest.mark.cost(2.5)]

HOST = "avahihost"


@pytest.fixture(scope="module")
def avahi():
    with contextlib.closing(Island()) as island:
        if not island.usable:
            pytest.skip("this computer has no IPv6 on the loopback of a network of its own")
        with contextlib.closing(Avahi(island, HOST)) as found:
            yield found


@pytest.fixture
def device(avahi, target, tmp_path, request):
    with device_of(avahi.island, target, tmp_path, request) as running:
        yield running


def families(target):
    return ("IPv4", "IPv6") if "multicast6" in target.capabilities else ("IPv4",)


def test_found_by_avahi(device, avahi, target, wait_for):
    """A service, by its type and by its subtype, and its host; later on, that it is gone."""
    name, kind = unique(), f"_{unique()}._tcp"
    announced(device, name, f"[('{kind},_printer', 8080, {{'a': 'b c'}}, 'Zw\\xf6lf')]")
    wanted = {
        (family, "Zw\\195\\182lf", f"{name}.local", "127.0.0.1", "8080", '"a=b c"')
        for family in families(target)
    }

    def shown(found):  # it may prefer any address of the host
        return {(*each[:3], "127.0.0.1", *each[4:]) for each in found}

    assert shown(avahi.browse(kind)) == wanted
    assert shown(avahi.browse(f"_printer._sub.{kind}")) == wanted
    assert avahi.browse(f"_other._sub.{kind}") == set()
    assert avahi.lines("avahi-resolve", "-4", "-n", f"{name}.local") == [f"{name}.local\t127.0.0.1"]
    if "multicast6" in target.capabilities:
        wanted = [f"{name}.local\tfe80::1"]
        assert avahi.lines("avahi-resolve", "-6", "-n", f"{name}.local") == wanted
    device.exec("c.close()")
    device.until("not m.connections")
    wait_for(lambda: avahi.browse(kind) == set(), "it is gone, a second after the goodbye")


def test_avahi_is_found(device, avahi):
    """Its services by type and subtype; its host by connect()."""
    name, kind = unique(), f"_{unique()}._tcp"
    published = avahi.publish(
        f"{name} x", kind, "631", "k=v", options=("-s", f"--subtype=_col._sub.{kind}")
    )
    device.exec("start()")
    for asked in (kind, f"_col._sub.{kind}"):
        device.exec(f"log.clear()\nc.mdns_query({asked!r})")
        device.until(f"[e for e in log if e[1] == '{asked}.local' and e[7]]")
        found = device.eval(f"[e for e in log if e[1] == '{asked}.local' and e[7]][0]")
        assert found[2] == PTR and found[4:6] == (f"{name} x.{kind}.local", f"{HOST}.local")
        assert found[7:] == (631, {"k": b"v"})
    device.exec(f"look('{HOST}.local')")
    device.until("seen")
    assert device.eval("seen[0][1]") is None
    assert device.eval("seen[0][2]") in ("127.0.0.1", "::1", "fd00::7", "fe80::1%1", "fe80::2%1")
    published.terminate()
    device.until(f"[e for e in log if e[1] == '{kind}.local' and e[3] == 0]")


def test_name_that_avahi_has(device, avahi, target):
    """Its host's, and its service's: both are left to it."""
    name, kind = unique(), f"_{unique()}._tcp"
    device.exec("start()")
    published = avahi.publish(name, kind, "631", options=("-s",))
    published_host = avahi.publish(f"{name}.local", "10.9.8.7", options=("-a", "-R"))
    # While Avahi announces a name it answers nobody who asks for it, but this host alone, where it is
    # Avahi that hears that. It does so four times: after 1 second, 2 more, and 4.
    count = 3 * len(families(target))
    device.until(f"len([e for e in log if e[1] == '{name}.local']) >= {count}", 20)
    device.exec("pause(600)\nc.close()")
    device.exec(f"start({name!r}, [({kind!r}, 80)])")
    device.until("c.mdns_name")
    assert device.eval("c.mdns_name") == f"{name}-2.local"
    found = {(each[1], each[4]) for each in avahi.browse(kind)}
    assert found == {(name, "631"), (f"{name}\\032\\0402\\041", "80")}
    published.terminate()
    published_host.terminate()
