# SPDX-License-Identifier: GPL-2.0-only
"""Bodies of requests that are not at hand as a whole: files, iterators, forms with files.

A source has a `length` (None: it is sent in chunks), read(n) gives up to n bytes and b"" at its end,
rewind() says whether it can be had again.
"""

from pymongoose import random_str


def _bytes(data):
    return data.encode() if isinstance(data, str) else data


class Bytes:
    def __init__(self, data):
        self._data = memoryview(_bytes(data))
        self.length = len(self._data)
        self._at = 0

    def rewind(self):
        self._at = 0
        return True

    def read(self, n):
        piece = self._data[self._at : self._at + n]
        self._at += len(piece)
        return bytes(piece)


class File:
    """From where it stands to its end; one that cannot seek is sent in chunks."""

    def __init__(self, file):
        self._file = file
        self.length = None
        try:
            self._start = file.tell()
            self.length = file.seek(0, 2) - self._start
            file.seek(self._start)
        except (AttributeError, OSError, ValueError, TypeError):
            pass
        self._left = self.length

    def rewind(self):
        if self.length is None:
            return False
        self._file.seek(self._start)
        self._left = self.length
        return True

    def read(self, n):
        if self._left is None:
            return _bytes(self._file.read(n) or b"")
        piece = self._file.read(min(n, self._left))
        if isinstance(piece, str):
            raise TypeError("open the file in binary mode, 'rb'")
        if not piece and self._left:
            raise ValueError("the file ends %d bytes earlier than it did" % self._left)
        self._left -= len(piece)
        return piece


class Pieces:
    """What an iterator gives, once."""

    length = None

    def __init__(self, pieces):
        self._pieces = iter(pieces)

    def rewind(self):
        return False

    def read(self, n):
        for piece in self._pieces:
            piece = _bytes(piece)
            if not isinstance(piece, (bytes, bytearray, memoryview)):
                raise TypeError(
                    "a piece of the body must be bytes or str, not " + type(piece).__name__
                )
            if len(piece):
                return piece
        return b""


class Sized:
    """Of a length that the program gives."""

    def __init__(self, source, length):
        self._source = source
        self.length = length
        self._done = 0

    def rewind(self):
        self._done = 0
        return self._source.rewind()

    def read(self, n):
        piece = self._source.read(n)
        self._done += len(piece)
        if self._done > self.length or (not piece and self._done < self.length):
            text = "Content-Length says %d, the body has %s%d bytes"
            more = "at least " if piece else ""
            raise ValueError(text % (self.length, more, self._done))
        return piece


class Chain:
    """Several, one after the other."""

    def __init__(self, sources):
        self._sources = sources
        self._at = 0
        lengths = [each.length for each in sources]
        self.length = None if None in lengths else sum(lengths)

    def rewind(self):
        self._at = 0
        return all([each.rewind() for each in self._sources])

    def read(self, n):
        while self._at < len(self._sources):
            piece = self._sources[self._at].read(n)
            if piece:
                return piece
            self._at += 1
        return b""


def source(data):
    """Of a file, bytes or an iterator."""
    if isinstance(data, (bytes, bytearray, memoryview, str)):
        return Bytes(data)
    if hasattr(data, "read"):
        return File(data)
    try:
        return Pieces(data)
    except TypeError:
        text = "data must be bytes, str, a dict, pairs, a file or an iterator, not "
        raise TypeError(text + type(data).__name__) from None


def _quoted(name):
    # As browsers do (HTML standard, "multipart form data").
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def multipart(fields, files):
    """(source, Content-Type) of a form; `fields` and `files` are pairs."""
    boundary = random_str(24)
    sources = []

    def part(name, content, filename=None, kind=None, headers=None):
        lines = ['Content-Disposition: form-data; name="%s"' % _quoted(name)]
        if filename is not None:
            lines[0] += '; filename="%s"' % _quoted(filename)
            kind = kind or "application/octet-stream"
        if kind:
            lines.append("Content-Type: " + kind)
        for key, value in (headers or {}).items():
            lines.append("%s: %s" % (key, value))
        for line in lines:
            if "\r" in line or "\n" in line:
                raise ValueError("a header of a part has a line end in it")
        sources.append(Bytes("--%s\r\n%s\r\n\r\n" % (boundary, "\r\n".join(lines))))
        sources.append(source(content))
        sources.append(Bytes("\r\n"))

    for name, value in fields:
        part(name, value if isinstance(value, (bytes, str)) else str(value))
    for name, value in files:
        name = str(name)
        if isinstance(value, (tuple, list)):
            if not 2 <= len(value) <= 4 or not isinstance(value[0], (str, type(None))):
                text = "files: a tuple is (filename, content), with a type and a dict of headers if wanted"
                raise TypeError(text)
            part(name, value[1], value[0], *value[2:])
        else:
            path = getattr(value, "name", None)
            filename = path.replace("\\", "/").rpartition("/")[2] if isinstance(path, str) else name
            part(name, value, filename)
    sources.append(Bytes("--%s--\r\n" % boundary))
    return Chain(sources), "multipart/form-data; boundary=" + boundary
