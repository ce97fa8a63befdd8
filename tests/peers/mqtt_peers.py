# SPDX-License-Identifier: GPL-2.0-only
"""MQTT peers: the mosquitto server, paho's client, and packets made by hand."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import time
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from .clients import Raw, free_port, seconds
from .pki import pki

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(8, 16)


class Broker:
    """A mosquitto of our own, plain and with TLS: whoever gives a name is one of `users`, with "secret"."""

    def __init__(self, folder, port=0, more="", users=("user",)):
        self.folder = folder
        self.port = port or free_port()
        self.tls = free_port()
        files = {"ca": pki()["ca"].cert, "cert": pki()["ec"].cert, "key": pki()["ec"].key}
        for name, text in files.items():
            (folder / f"{name}.pem").write_bytes(text)
        (folder / "passwd").write_text("".join(f"{name}:secret\n" for name in users))
        subprocess.run(["mosquitto_passwd", "-U", str(folder / "passwd")], check=True)
        (folder / "mosquitto.conf").write_text(
            f"""
user root
allow_anonymous true
password_file {folder}/passwd
listener {self.port} 127.0.0.1
listener {self.tls} 127.0.0.1
cafile {folder}/ca.pem
certfile {folder}/cert.pem
keyfile {folder}/key.pem
{more}
"""
        )
        self.start()

    def start(self):
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            ["/usr/sbin/mosquitto", "-c", str(self.folder / "mosquitto.conf")],
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + seconds()
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.tls), 1).close()
                return
            except ConnectionRefusedError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, "mosquitto does not come up"
                time.sleep(0.02)

    def stop(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait()
        self.log.close()

    def publish(self, topic, message, *options):
        run = ["mosquitto_pub", "-p", str(self.port), "-t", topic, "-m", message, *options]
        subprocess.run(run, check=True, timeout=seconds())


EJABBERD = """
hosts: [localhost]
loglevel: 3
auth_method: [anonymous]
anonymous_protocol: login_anon
allow_multiple_connections: true
listen:
  - {{port: {port}, ip: "127.0.0.1", module: mod_mqtt}}
modules:
  mod_mqtt: {{max_queue: 100000, session_expiry: 3600}}
"""


class Ejabberd:
    """Another server that grants QoS 2; whoever gives a name is let in. Its sessions end with it."""

    def __init__(self, folder):
        self.port = free_port()
        self.folder = folder
        (folder / "ejabberd.yml").write_text(EJABBERD.format(port=self.port))
        files = {
            "mnesia": ("dir", folder / "db"),
            "ejabberd": ("config", folder / "ejabberd.yml"),
            "ejabberd ": ("log_path", folder / "ejabberd.log"),
        }
        command = ["erl", "+sbwt", "none", "+S", "1", "-noinput", "-s", "ejabberd"]
        for name, (option, path) in files.items():
            command += [f"-{name.strip()}", option, f'"{path}"']
        libraries = next(Path("/usr/lib").glob("*/ejabberd-*")).parent
        env = {**os.environ, "HOME": str(folder), "ERL_LIBS": str(libraries)}
        self.log = open(folder / "out", "wb")
        self.process = subprocess.Popen(
            command, env=env, cwd=folder, stdout=self.log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + seconds(60)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except ConnectionRefusedError:
                assert self.process.poll() is None, (folder / "out").read_text()
                assert time.monotonic() < deadline, "ejabberd does not come up"
                time.sleep(0.05)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Client(paho.Client):
    """paho's client in a thread; what happens comes out of queues."""

    def __init__(self, address, version=4, client_id="", connect=True, **kwargs):
        super().__init__(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version, **kwargs
        )
        self.address = address
        self.connect_timeout = seconds()  # and of the TLS handshake
        self.messages = queue.Queue()
        self.codes = queue.Queue()
        self.subscribed = queue.Queue()
        self.ends = queue.Queue()
        self.on_message = lambda c, u, m: self.messages.put(m)
        self.on_connect = lambda c, u, flags, reason, p: self.codes.put((reason, flags, p))
        self.on_subscribe = lambda c, u, mid, reasons, p: self.subscribed.put(reasons)
        self.on_unsubscribe = lambda c, u, mid, reasons, p: self.subscribed.put(reasons)
        self.on_disconnect = lambda c, u, flags, reason, p: self.ends.put(reason)
        self.reconnect_delay_set(30, 60)
        if connect:
            self.open()

    def open(self, **kwargs):
        self.connect(*self.address, **kwargs)
        self.loop_start()
        return self.codes.get(timeout=seconds())

    def listen(self, topic, qos=0):
        self.subscribe(topic, qos)
        return [reason.value for reason in self.subscribed.get(timeout=seconds())]

    def next(self):
        """(topic, payload, qos, retain) of the next message."""
        m = self.messages.get(timeout=seconds())
        return m.topic, m.payload, m.qos, m.retain

    def send(self, topic, payload, qos=0, retain=False, **kwargs):
        """Publishes and waits for the acknowledgment."""
        self.publish(topic, payload, qos, retain, **kwargs).wait_for_publish(seconds())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.disconnect()
        self.loop_stop()


# ---- By hand -----------------------------------------------------------------------------------


def number(n):
    out = b""
    while True:
        n, rest = divmod(n, 128)
        out += bytes([rest | 0x80 if n else rest])
        if not n:
            return out


def text(s):
    s = s.encode() if isinstance(s, str) else s
    return len(s).to_bytes(2, "big") + s


def packet(cmd, body=b"", flags=None):
    if flags is None:
        flags = 2 if cmd in (PUBREL, SUBSCRIBE, UNSUBSCRIBE) else 0
    return bytes([cmd << 4 | flags]) + number(len(body)) + body


def connect(client_id="raw", version=4, flags=2, keepalive=60, props=b"", rest=b""):
    five = number(len(props)) + props if version == 5 else b""
    head = text("MQTT") + bytes([version, flags]) + keepalive.to_bytes(2, "big")
    return packet(CONNECT, head + five + text(client_id) + rest)


def publish(topic="t", payload=b"x", qos=0, mid=1, retain=False, dup=False, version=4, props=b""):
    body = text(topic) + (mid.to_bytes(2, "big") if qos else b"")
    if version == 5:
        body += number(len(props)) + props
    return packet(PUBLISH, body + payload, dup << 3 | qos << 1 | retain)


def ack(cmd, mid, more=b""):
    return packet(cmd, mid.to_bytes(2, "big") + more)


def read_packet(raw):
    """(command, flags, body), or None when the peer has closed."""
    try:
        first = raw.recv_exactly(1)[0]
    except (EOFError, ConnectionResetError):
        return None
    length = shift = 0
    while True:
        b = raw.recv_exactly(1)[0]
        length |= (b & 127) << shift
        shift += 7
        if b < 128:
            return first >> 4, first & 15, raw.recv_exactly(length)


def login(address, receive_buffer=None, **kwargs):
    """A raw client that has been let in."""
    raw = Raw(address, receive_buffer=receive_buffer)
    raw.send(connect(**kwargs))
    assert read_packet(raw)[0] == CONNACK
    return raw
