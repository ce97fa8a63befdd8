# SPDX-License-Identifier: GPL-2.0-only
"""Bodies in pieces, as fast as the client takes them."""

import sys

from pymongoose import MG_EV_CLOSE, MG_EV_WRITE

# What may wait to be sent before the next piece is asked for.
ENOUGH = 4096 if sys.platform in ("rp2", "esp32") else 65536


def begin(request, response):
    """Answers with the pieces of a generator, str or bytes; a coroutine goes on if they are awaited."""
    conn, pieces = request.conn, response.body
    if hasattr(pieces, "__anext__") or hasattr(pieces, "web_async"):
        if request.app._runner is None:
            raise TypeError("an async body needs asyncio: app.run(), or await app.serve()")
        from pymongoose.web.tasks import stream

        return stream(request, response)
    start(request, response)
    if request.message.method == "HEAD":
        pieces.close()
        conn.http_chunk(b"")
    else:
        Stream(request.app, conn, pieces).go()
    return None


def start(request, response):
    """The head of a chunked answer."""
    headers = list(response.headers)
    if response.header("Content-Type") != "text/event-stream":
        headers.append(("Transfer-Encoding", "chunked"))
    request.conn.reply(response.status, b"", headers)


class Stream:
    """Pulls the pieces out of a generator when there is room for them."""

    def __init__(self, app, conn, pieces):
        self.app = app
        self.conn = conn
        self.pieces = pieces

    def go(self):
        """Sends what there is room for; goes on when it has left."""
        if self.pump():
            self.conn.set_handler(self.handle, events=(MG_EV_WRITE, MG_EV_CLOSE))

    def handle(self, conn, ev, data):
        if ev == MG_EV_CLOSE:
            self.pieces.close()
        elif not self.pump():
            conn.set_handler(self.app._handle, events=self.app._events())

    def pump(self):
        """Is there more to come?"""
        conn = self.conn
        try:
            while conn.send_len < ENOUGH:
                piece = next(self.pieces)
                if piece is None:
                    raise TypeError(
                        "an async handler runs under asyncio: app.run(), or await app.serve()"
                    )
                self.put(piece)
            return True
        except StopIteration:
            self.end()
            return False
        except Exception:
            # The head has left: the client can only be told by the end that the answer is not whole.
            conn.close()
            raise

    def put(self, piece):
        if piece:  # an empty chunk would be the end
            self.conn.http_chunk(piece)

    def end(self):
        self.conn.http_chunk(b"")
