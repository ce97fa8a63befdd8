# SPDX-License-Identifier: GPL-2.0-only
"""Fetches a program by HTTP and installs it if its signature is right: main.py URL FOLDER [KEY_FILE]"""

import hashlib
import json
import os
import sys

from pymongoose import client

ARGS = getattr(sys, "argv", [""])[1:]  # a board has none: write them here

TARGET = "app.py"
EXPONENT = 65537
# PKCS #1 v1.5 for SHA-256 (RFC 8017, section 9.2).
SHA256 = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"


class Refused(Exception):
    pass


def is_signed(message, signature, modulus):
    """RSA: who has the private key alone can make a number whose power looks so."""
    size = (len("%x" % modulus) + 1) // 2
    number = int.from_bytes(signature, "big")
    if size < 256 or len(signature) != size or number >= modulus:
        return False
    power = number
    for _ in range(16):  # to the power of 65537 = 2**16 + 1
        power = power * power % modulus
    power = power * number % modulus
    tail = SHA256 + hashlib.sha256(message).digest()
    padding = b"\x00\x01" + b"\xff" * (size - 3 - len(tail)) + b"\x00"
    return power.to_bytes(size, "big") == padding + tail


def get(url):
    r = client.get(url, max_body=4096, timeout=15)
    r.raise_for_status()
    return r.content


def installed(folder):
    try:
        with open(folder + "/version") as f:
            return int(f.read())
    except OSError:
        return 0


def fetch(url, path, size, digest):
    """Downloads into a file, in constant memory; what is wrong leaves none behind."""
    found, got = hashlib.sha256(), 0
    with client.get(url, stream=True, timeout=15) as r:
        r.raise_for_status()
        try:
            with open(path, "wb") as f:
                for piece in r.iter_content():
                    got += len(piece)
                    if got > size:
                        break
                    found.update(piece)
                    f.write(piece)
            if got != size or "".join(["%02x" % byte for byte in found.digest()]) != digest:
                raise Refused("the file is not the one that was signed")
        except BaseException:
            os.remove(path)
            raise


def update(base, folder, modulus):
    """True if there is a new version now. Raises Refused, or what the client raises."""
    text = get(base + "/manifest.json")
    if not is_signed(text, get(base + "/manifest.sig"), modulus):
        raise Refused("the manifest's signature is wrong")
    # Only from here on is anything believed that the server said.
    manifest = json.loads(text)
    if manifest["version"] <= installed(folder):
        return False  # an old one, though signed, is not taken: it may have had a hole
    fetch(base + "/" + TARGET, folder + "/new", manifest["size"], manifest["sha256"])
    os.rename(folder + "/new", folder + "/" + TARGET)  # nobody sees half of it
    with open(folder + "/version", "w") as f:
        f.write(str(manifest["version"]))
    return True


def main(base, folder, key_file):
    with open(key_file) as f:
        modulus = int(f.read().strip().split("=")[-1], 16)
    try:
        if update(base, folder, modulus):
            print("updated to %d" % installed(folder))
            # On a board now: machine.reset()
        else:
            print("nothing new, %d stays" % installed(folder))
    except (Refused, client.RequestError) as e:
        print("refused: %s" % e)
        sys.exit(1)


if len(ARGS) < 2:
    print("usage: main.py http://HOST/FOLDER WHERE [KEY_FILE]")
    sys.exit(2)
main(ARGS[0], ARGS[1], ARGS[2] if len(ARGS) > 2 else "update.pub")
