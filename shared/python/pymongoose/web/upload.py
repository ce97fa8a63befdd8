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
from pymongoose.web.response import HTTPError
from pymongoose.web.routes import special_of

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


def begin(app, request):
    """In front of the body: has it come in pieces, if it is a form with files."""
    route, notes, conn = request.listed[request.number], notes_of(request), request.conn
    notes.route = route
    if notes.content_type != "multipart/form-data":
        return
    # Who is not let in shall not fill the disk: the hooks run now.
    early = None
    try:
        for hook in app._hooks_before(route.app):
            if early is None:
                early = hook(request)
                if app._waits(early):
                    raise TypeError("an async before_request does not go with upload=True")
        notes.hooked = True
    except Exception as e:
        failure = e
    else:
        if early is not None:
            app._drive(request, app._early(request, early, route.app))
            return
        upload = Upload(app, request)
        conn.set_handler(
            upload.handle,
            events=(MG_EV_HTTP_PART, MG_EV_HTTP_BODY, MG_EV_HTTP_MSG, MG_EV_ERROR, MG_EV_CLOSE),
        )
        conn.http_stream_form(max_size=special_of(route)[1])
        return
    app._drive(request, app._failed(request, failure, route.app))


class Upload:
    """A form under way."""

    def __init__(self, app, request):
        self.app = app
        self.request = request
        self.fields = []
        self.files = []
        self.field = None  # [name, its bytes] of the one that comes
        self.size = 0  # of all fields

    def handle(self, conn, ev, data):
        if ev in (MG_EV_ERROR, MG_EV_CLOSE):
            self.drop()
            return
        try:
            self.take(conn, ev, data)
        except Exception as e:
            failure = e
        else:
            if ev == MG_EV_HTTP_MSG:
                self.whole(conn, data)
            return
        # What comes of it now, and the next request, are no business of it any more.
        self.done(conn)
        self.drop()
        app, request = self.app, self.request
        app._drive(request, app._failed(request, failure, request.notes.route.app))

    def take(self, conn, ev, data):
        """A piece of the form; its end is one, too."""
        if ev == MG_EV_HTTP_BODY:
            self.size += len(data)
            if self.size > _FIELDS:
                raise HTTPError(413, "the fields of the form are too long")
            self.field[1].extend(data)
            return
        self.end_field()
        if ev == MG_EV_HTTP_PART:
            if data.filename:
                path = folder_of(self.app).rstrip("/") + "/upload-" + random_str(12)
                data.save(path)
                file = File(data.name, data.filename, data.content_type, None, path)
                self.files.append((data.name, file))
            else:
                self.field = [data.name, bytearray()]
                # An empty one with a type is a file that was not chosen.
                self.unchosen = bool(data.content_type)

    def whole(self, conn, message):
        """All of it has come."""
        self.done(conn)
        notes = self.request.notes
        notes.upload = self
        notes._form = notes._files = None  # a hook may have looked before it was there
        try:
            self.request.message = notes.message = message
            self.app._go(self.request)
        finally:
            if not notes.kept:
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
