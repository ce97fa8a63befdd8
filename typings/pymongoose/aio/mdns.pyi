# SPDX-License-Identifier: GPL-2.0-only
"""Names and services of the local network, for tasks."""

from pymongoose import MdnsResponse

class Answer:
    """A record that somebody announces, with the properties of MdnsResponse."""

    name: str
    type: int
    ttl: int
    instance: str
    host: str
    address: str
    port: int
    txt: dict[str, bytes | None]
    def __init__(self, r: MdnsResponse) -> None: ...

async def query(
    name: str, type: int = ..., *, timeout: float = 2, interface: str | None = None
) -> list[Answer]:
    """All answers that come within `timeout` seconds, of services unless `type` says otherwise."""

async def resolve(name: str, *, timeout: float = 2, interface: str | None = None) -> str | None:
    """The address of a host, "desk" or "desk.local"; None if nobody answers."""
