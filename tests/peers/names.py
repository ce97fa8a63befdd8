# SPDX-License-Identifier: GPL-2.0-only
"""Name servers of the host: dnsmasq, and one that answers as a test wants."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections import namedtuple

from .clients import free_port, here, seconds

A, CNAME, TXT, AAAA = 1, 5, 16, 28
OK, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)

Query = namedtuple("Query", "id name type port by_tcp raw")
SO_TIMESTAMPNS = 35


def encode_name(name):
    labels = [label.encode("latin-1") for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def record(kind, data, ttl=60, owner=b"\xc0\x0c"):
    """A resource record; the owner is the name of the question unless given."""
    if kind in (A, AAAA) and isinstance(data, str):
        data = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, data)
    elif isinstance(data, str):
        data = encode_name(data)
    owner = encode_name(owner) if isinstance(owner, str) else owner
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def answer(query, *records, rcode=OK, flags=0x8180, id=None, question=None, count=None):
    """The bytes of an answer to a Query."""
    if question is None:
        question = encode_name(query.name) + struct.pack(">HH", query.type, 1)
    head = struct.pack(
        ">HHHHHH",
        query.id if id is None else id,
        flags | rcode,
        1,
        len(records) if count is None else count,
        0,
        0,
    )
    return head + question + b"".join(records)


def parse_query(data, port, by_tcp=False):
    ident, flags, questions, *others = struct.unpack(">HHHHHH", data[:12])
    assert flags == 0x0100 and questions == 1 and others == [0, 0, 0], data
    labels, pos = [], 12
    while data[pos]:
        labels.append(data[pos + 1 : pos + 1 + data[pos]].decode())
        pos += 1 + data[pos]
    kind, klass = struct.unpack(">HH", data[pos + 1 :])
    assert klass == 1
    return Query(ident, ".".join(labels), kind, port, by_tcp, data)


def send_each(sock, answers, query, peer):
    """What `answers` yields for a query, as NameServer says."""
    with contextlib.suppress(OSError):
        for each in answers(query) or ():
            if isinstance(each, tuple):
                time.sleep(each[0])
                each = each[1]
            if callable(each):
                each(sock, peer)
            else:
                sock.sendto(each, peer)


class NameServer:
    """Answers over UDP, and over TCP on the same port, what `answers` yields for a Query: datagrams,
    (seconds to wait, datagram) pairs, or functions that take the socket and the asker's address."""

    def __init__(self, answers):
        self.answers = answers
        self.queries: list[Query] = []
        #: Somebody asked again, since the answer took a second: counts of queries say nothing.
        self.late = False
        self._times: dict[tuple, float] = {}
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:
            self.udp.bind((here(), 0))
            self.port = self.udp.getsockname()[1]
            self.tcp = socket.socket()
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                self.tcp.bind((here(), self.port))
                break
            except OSError:
                self.udp.close()
                self.tcp.close()
                self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.tcp.listen(10)
        self._closing = False
        for target in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=target, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._closing = True
        for each in (self.udp, self.tcp):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def names(self):
        return [query.name for query in self.queries]

    def _serve_udp(self):
        while not self._closing:
            try:
                data, notes, _, peer = self.udp.recvmsg(65536, 1024)
            except OSError:
                return
            if self._closing:
                return
            query = parse_query(data, peer[1])
            # By the kernel's clock: this thread may be late as well.
            seconds, nanoseconds = struct.unpack("=qq", notes[0][2])
            now, key = seconds + nanoseconds / 1e9, (query.name, query.type)
            self.late |= now - self._times.get(key, now) > 0.9
            self._times[key] = now
            self.queries.append(query)
            threading.Thread(target=self._answer, args=(query, peer), daemon=True).start()

    def _answer(self, query, peer):
        send_each(self.udp, self.answers, query, peer)

    def _serve_tcp(self):
        while not self._closing:
            try:
                conn, peer = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._answer_tcp, args=(conn, peer), daemon=True).start()

    def _answer_tcp(self, conn, peer):
        with conn, contextlib.suppress(OSError):
            conn.settimeout(seconds())
            data = b""
            while len(data) < 2 or len(data) < 2 + struct.unpack(">H", data[:2])[0]:
                more = conn.recv(4096)
                if not more:
                    return
                data += more
            query = parse_query(data[2:], peer[1], by_tcp=True)
            self.queries.append(query)
            for each in self.answers(query) or ():
                if callable(each):
                    each(conn, peer)
                else:
                    conn.sendall(struct.pack(">H", len(each)) + each)
            conn.recv(1)  # until the asker is done


def one(address="192.0.2.1", ttl=60):
    """Answers A questions with one address, AAAA with none."""

    def answers(query):
        return [answer(query, *([record(A, address, ttl)] if query.type == A else []))]

    return answers


@contextlib.contextmanager
def dnsmasq(folder, *lines):
    """A dnsmasq that knows these lines of its configuration alone; gives its port."""
    for _ in range(5):  # another program may take the port meanwhile
        port = _free_for_both()
        process, log = _start_dnsmasq(folder, port, lines)
        deadline = time.monotonic() + 30
        while not _answers(port) and process.poll() is None:
            assert time.monotonic() < deadline, log.read_text()
        if process.poll() is None:
            break
    else:
        raise AssertionError(log.read_text())
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def _free_for_both():
    """A port that neither UDP nor TCP uses, nor remembers a connection on."""
    while True:
        port = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            with contextlib.suppress(OSError):
                s.bind((here(), port))
                return port


def _start_dnsmasq(folder, port, lines):
    program = shutil.which("dnsmasq", path=os.environ.get("PATH", "") + ":/usr/sbin")
    common = (
        f"port={port}",
        f"listen-address={here()}",
        "bind-interfaces",
        "no-resolv",
        "no-hosts",
        "no-poll",
        "no-daemon",
        "user=",
        "local=/test/",
        "local-ttl=60",
    )
    conf, log = folder / "dnsmasq.conf", folder / "dnsmasq.log"
    conf.write_text("\n".join((*common, *lines)) + "\n")
    with open(log, "w") as out:
        process = subprocess.Popen(
            [program, f"--conf-file={conf}", f"--pid-file={folder / 'dnsmasq.pid'}"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    return process, log


def _answers(port):
    question = struct.pack(">HHHHHH", 1, 0x0100, 1, 0, 0, 0) + encode_name("x.test") + b"\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.2)
        s.connect((here(), port))
        try:
            s.send(question)
            return s.recv(512)
        except OSError:
            time.sleep(0.02)
            return None


#: A device script: look(name) connects by UDP to the name, which sends nothing, and notes what
#: happens in seen[name].
LOOKUPS = r"""
seen = {}

def handler(c, ev, data):
    if c.userdata is None:
        return
    seen[c.userdata].append((event_name(ev)[6:], data, c.remote_addr))
    if ev == MG_EV_CONNECT:
        c.close()

def look(name, key=None, scheme="udp", port=9, **options):
    key = key or name
    seen[key] = []
    kept.append(m.connect("%s://%s:%d" % (scheme, name, port), first(key)))
    kept[-1].set_handler(handler)
    return kept[-1]

def first(key):
    def opened(c, ev, data):
        c.userdata = key
        handler(c, ev, data)
    return opened

def done(key):
    return [e[0] for e in seen[key]].count("CLOSE") == 1

def what(key):
    # The address that was found, or the error's text.
    for name, data, remote in seen[key]:
        if name == "RESOLVE":
            return remote[0]
        if name == "ERROR":
            return data

def lookup(name, ms=15000):
    look(name)
    until("done(%r)" % name, ms)
    return what(name)

def servers(ports):
    return [peer("udp", port) for port in ports]

kept = []
m = Manager(dns=servers(PARAMS["dns"]), **PARAMS.get("limits", {}))
serve(m)
"""
