# SPDX-License-Identifier: GPL-2.0-only
"""Undoes gzip and deflate, as far as this Python can: feed() it, then read() until b""."""

STEP = 65536
WINDOW = 4096
#: Of one gzip body on MicroPython, where each takes 32 KB that a collection gives back.
MEMBERS = 100


class _Zlib:
    """CPython's, piece by piece."""

    def __init__(self, zlib, coding):
        self._zlib = zlib
        self._raw = coding == "deflate"  # some servers leave the header out
        self._coder = zlib.decompressobj(47)
        self._rest = b""
        self._at = 0
        self._more = False  # what it has taken may give more
        self._fed = False
        self._over = False

    def feed(self, data):
        if self._over:
            return
        self._rest = self._rest[self._at :] + data
        self._at = 0
        self._fed = True

    def read(self):
        if self._raw and len(self._rest) - self._at < 2:  # two tell whether there is a header
            return b""
        # A little at a time: what is not taken is copied, and a body may be of thousands of members.
        while self._at < len(self._rest) or self._more:
            coder = self._coder
            if coder.eof:  # a gzip body may have several members
                begin = self._rest[self._at : self._at + 2]
                if begin != b"\x1f\x8b":
                    self._over = begin != b"\x1f"
                    return b""
                coder = self._coder = self._zlib.decompressobj(47)
            window = self._rest[self._at : self._at + WINDOW]
            if self._raw and len(window) < 2:  # two tell whether there is a header
                return b""
            try:
                piece = coder.decompress(window, STEP)
            except self._zlib.error as e:
                if not self._raw:
                    raise ValueError(str(e)) from None
                self._raw = False
                self._coder = self._zlib.decompressobj(-15)
                continue
            self._raw = False
            self._at += len(window) - len(coder.unconsumed_tail) - len(coder.unused_data)
            self._more = len(piece) == STEP and not coder.eof
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
        self._source = self._stream = None
        self._members = 1

    def feed(self, data):
        self._pieces.append(data)

    def read(self):
        try:
            piece = self._stream.read(1024) if self._stream else b""
            while not piece and self._source and self._source.read(2) == b"\x1f\x8b":
                self._members += 1
                if self._members > MEMBERS:
                    raise ValueError("more than %d members" % MEMBERS)
                self._source.seek(-2, 1)
                self._stream = self._deflate.DeflateIO(self._source, self._deflate.GZIP, 15)
                piece = self._stream.read(1024)
        except EOFError:
            raise ValueError("it ends too early") from None
        except OSError:
            raise ValueError("it is damaged") from None
        return piece

    def finish(self):
        if self._stream is None and self._pieces:
            import io

            deflate = self._deflate
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces = []
            form = deflate.GZIP if data[:2] == b"\x1f\x8b" else deflate.ZLIB
            if form == deflate.ZLIB and (
                len(data) < 2 or data[0] & 15 != 8 or (data[0] << 8 | data[1]) % 31
            ):
                form = deflate.RAW
            source = io.BytesIO(data)
            self._stream = deflate.DeflateIO(source, form, 0 if form == deflate.ZLIB else 15)
            if form == deflate.GZIP:  # of which there may be several, one behind the other
                self._source = source


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
