# SPDX-License-Identifier: GPL-2.0-only
"""Undoes gzip and deflate, as far as this Python can: feed() it, then read() until b""."""

STEP = 65536


class _Zlib:
    """CPython's, piece by piece."""

    def __init__(self, zlib, coding):
        self._zlib = zlib
        self._raw = coding == "deflate"  # some servers leave the header out
        self._coder = zlib.decompressobj(47)
        self._rest = b""
        self._fed = False

    def feed(self, data):
        self._rest = self._rest + data if self._rest else data
        self._fed = True

    def read(self):
        while len(self._rest) >= (2 if self._raw else 1):  # two tell whether there is a header
            try:
                piece = self._coder.decompress(self._rest, STEP)
            except self._zlib.error as e:
                if not self._raw:
                    raise ValueError(str(e)) from None
                self._raw = False
                self._coder = self._zlib.decompressobj(-15)
                continue
            self._raw = False
            self._rest = self._coder.unconsumed_tail
            if not self._coder.eof:
                return piece
            self._rest = self._coder.unused_data
            if not self._rest.startswith(b"\x1f\x8b"):
                self._rest = b""
                return piece
            self._coder = self._zlib.decompressobj(47)  # a gzip body may have several members
            if piece:
                return piece
        return b""

    def finish(self):
        if self._fed and not self._coder.eof:
            raise ValueError("it ends too early")


class _Deflate:
    """MicroPython's reads from a stream, so that all of it must be there."""

    def __init__(self, deflate):
        self._deflate = deflate
        self._pieces = []
        self._stream = self._data = None

    def feed(self, data):
        self._pieces.append(data)

    def read(self):
        while self._stream:
            try:
                piece = self._stream.read(1024)
            except EOFError:
                raise ValueError("it ends too early") from None
            except OSError:
                raise ValueError("it is damaged") from None
            if piece:
                return piece
            rest = self._data.read()
            if not rest.startswith(b"\x1f\x8b"):
                break
            self._start(rest)
        return b""

    def finish(self):
        if self._stream is None and self._pieces:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces = []
            self._start(data)

    def _start(self, data):
        import io

        deflate = self._deflate
        form = deflate.GZIP if data[:2] == b"\x1f\x8b" else deflate.ZLIB
        if form == deflate.ZLIB and (
            len(data) < 2 or data[0] & 15 != 8 or (data[0] << 8 | data[1]) % 31
        ):
            form = deflate.RAW
        self._data = io.BytesIO(data)
        self._stream = deflate.DeflateIO(self._data, form, 0 if form == deflate.ZLIB else 15)


def decoder(coding):
    """What undoes a Content-Encoding; None: the body is given as it comes."""
    if coding not in ("gzip", "x-gzip", "deflate"):
        return None
    try:
        import zlib

        if hasattr(zlib, "decompressobj"):
            return _Zlib(zlib, coding)
    except ImportError:
        pass
    try:
        return _Deflate(__import__("deflate"))
    except ImportError:
        return None
