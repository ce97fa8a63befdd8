# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""Forms whose files come in pieces, into files."""

import os
import sys

from pymongoose import (
    MG_EV_CLOSE,
    MG_EV_ERROR,
    MG_EV_HTTP_BODY,
    MG_EV_HTTP_MSG,
    MG_EV_HTTP_PART,
    random_str,
)
from pymongoose.web.form import File, text_of
from pymongoose.web.request import notes_of
from pymongoose.web.send import send

_FIELDS = 4096 if sys.platform in ("rp2", "esp32") else 1 << 20  # bytes of all that are no file


def folder_of(app):
    """Where files come in."""
    if app.uploads is not None:
        return app.uploads
    try:
        from tempfile import gettempdir

        return gettempdir()
    except ImportError:
        return "/tmp" if sys.platform == "linux" else "/"


def begin(app, request, number):
    """In front of the body: has it come in pieces, if it is a form with files."""
    route, notes, conn = app._listed[number], notes_of(request), request.conn
    notes.route = route
    if notes.content_type != "multipart/form-data":
        return
    # Who is not let in shall not fill the disk: the hooks run now.
    try:
        for hook in app._hooks_before(route.app):
            if notes.early is None:
                result = hook(request)
                if app._waits(result):
                    raise TypeError("an async before_request does not go with upload=True")
                notes.early = result
        notes.hooked = True
        if notes.early is not None:
            send(request, app._response(request, notes.early))
            return
    except Exception as e:
        failure = e
    else:
        upload = Upload(app, request, number)
        conn.set_handler(
            upload.handle,
            events=(MG_EV_HTTP_PART, MG_EV_HTTP_BODY, MG_EV_HTTP_MSG, MG_EV_ERROR, MG_EV_CLOSE),
        )
        conn.http_stream_form(max_size=route.upload)
        return
    app._drive(request, app._failed(request, failure, route.app))


class Upload:
    """A form under way."""

    def __init__(self, app, request, number):
        self.app = app
        self.request = request
        self.number = number
        self.fields = []
        self.files = []
        self.field = None  # [name, its bytes] of the one that comes
        self.size = 0  # of all fields

    def handle(self, conn, ev, data):
        if ev == MG_EV_HTTP_PART:
            self.end_field()
            if data.filename:
                path = folder_of(self.app).rstrip("/") + "/upload-" + random_str(12)
                data.save(path)
                file = File(data.name, data.filename, data.content_type, None, path)
                self.files.append((data.name, file))
            else:
                self.field = [data.name, bytearray()]
                # An empty one with a type is a file that was not chosen.
                self.unchosen = bool(data.content_type)
        elif ev == MG_EV_HTTP_BODY:
            self.size += len(data)
            if self.size > _FIELDS:
                self.done(conn)
                self.drop()
                conn.reply(413, "the fields of the form are too long\n")
                return
            self.field[1].extend(data)
        elif ev == MG_EV_HTTP_MSG:
            self.done(conn)
            try:
                self.end_field()
                self.request.notes.upload = self
                self.app._pending[conn.id] = (self.request, self.number)
                self.app._handle(conn, ev, data)
            finally:
                self.app._pending.pop(conn.id, None)
                if not self.request.notes.kept:
                    self.drop()
        else:
            self.drop()

    def end_field(self):
        if self.field is not None:
            name, data = self.field
            self.field = None
            if data or not self.unchosen:
                self.fields.append((name, text_of(data)))

    def done(self, conn):
        conn.set_handler(self.app._handle, events=self.app._events())

    def drop(self):
        """Removes the files that nobody kept."""
        for _, file in self.files:
            if not file.kept:
                file.kept = True
                try:
                    os.remove(file.path)
                except OSError:
                    pass
