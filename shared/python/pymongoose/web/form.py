# SPDX-License-Identifier: GPL-2.0-only
"""Forms: the fields and files of a request that is there as a whole, or came in pieces."""

from pymongoose import http_parse_multipart, safe_filename
from pymongoose.web.request import Fields, form_pairs


class File:
    """A file of a form, in memory (`data`) or on the disk (`path`)."""

    kept = False  # one on the disk that was not saved goes with the request

    def __init__(self, name, filename, content_type, data=None, path=None):
        self.name = name
        self.filename = filename  # already what safe_filename() makes of the client's
        self.content_type = content_type
        self.path = path
        self._data = data

    def read(self):
        """The content, bytes."""
        if self._data is None:
            with open(self.path, "rb") as f:
                return f.read()
        return self._data

    @property
    def size(self):
        """Bytes."""
        if self._data is None:
            import os

            return os.stat(self.path)[6]
        return len(self._data)

    def save(self, path):
        """Keeps it under `path`; what was there is replaced."""
        if self._data is None:
            try:
                _rename(self.path, path)
            except OSError:  # it came in on another file system, perhaps
                _copy(self.path, path)
            self.path = path
            self.kept = True
            return
        with open(path, "wb") as f:
            f.write(self._data)


def _rename(path, to):
    import os

    if hasattr(os, "replace"):
        os.replace(path, to)
    else:
        os.rename(path, to)


def _copy(path, to):
    import os

    part = to + ".part"
    try:
        with open(path, "rb") as source, open(part, "wb") as f:
            while True:
                piece = source.read(4096)
                if not piece:
                    break
                f.write(piece)
        _rename(part, to)
    except BaseException:
        try:
            os.remove(part)
        except OSError:
            pass
        raise
    os.remove(path)


def load(request):
    """(fields, files) of a request's Notes."""
    if request.upload is not None:
        return Fields(request.upload.fields), Fields(request.upload.files)
    kind = request.content_type
    if kind == "application/x-www-form-urlencoded":
        return Fields(form_pairs(request.message.body_text)), Fields()
    fields, files = [], []
    if kind == "multipart/form-data":
        body = request.message.body_bytes
        boundary = request.message.header_var("Content-Type", "boundary") or ""
        offset = 0
        while True:
            offset, part = http_parse_multipart(body, offset, boundary)
            if part is None:
                break
            name, filename = part["name"], part["filename"]
            if filename:
                filename = safe_filename(filename)
                files.append((name, File(name, filename, part["content_type"], part["body"])))
            elif part["body"] or not part["content_type"]:
                # (A file that was not chosen comes as an empty one without a name.)
                fields.append((name, text_of(part["body"])))
    return Fields(fields), Fields(files)


def text_of(data):
    try:
        return data.decode()
    except UnicodeError:
        from pymongoose import DecodeError

        raise DecodeError("a field of the form is no UTF-8")
