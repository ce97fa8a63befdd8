# SPDX-License-Identifier: GPL-2.0-only
"""One event-driven network API for CPython and MicroPython, over the Mongoose C library.

A `Manager` owns connections and runs them; everything that happens is an event, given to a handler
as `handler(conn, ev, data)`. What `data` is:

    MG_EV_ERROR      str, what went wrong; the connection closes after it
    MG_EV_POLL       int, milliseconds of uptime; only with Manager(poll_events=True)
    MG_EV_READ       int, bytes that arrived
    MG_EV_WRITE      int, bytes that left
    MG_EV_HTTP_HDRS  HttpMessage, the head alone: the body is still to come
    MG_EV_HTTP_MSG   HttpMessage, complete
    MG_EV_WS_OPEN    HttpMessage, the handshake
    MG_EV_WS_MSG     WsMessage, text or binary
    MG_EV_WS_CTL     WsMessage, ping, pong or close
    MG_EV_WAKEUP     bytes, what Manager.wakeup() was given
    all others       None

Errors, the same on both Pythons: TypeError and ValueError for a wrong argument, MemoryError, and
`Error` for everything that the network or the state of an object is the reason for.

A handler's exception does not end the loop: it goes to the Manager's error_handler or is printed
with its traceback, and an HTTP request that was not answered gets a 500. KeyboardInterrupt,
SystemExit and other exceptions that are no `Exception` leave the call that fired the event.
"""

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final, NoReturn, TypeAlias, final

from typing_extensions import disjoint_base

__version__: Final[str]

_Data: TypeAlias = str | bytes | bytearray | memoryview
"""Bytes to send: a str goes out as UTF-8."""
_Headers: TypeAlias = (
    dict[str, str] | dict[str, int] | dict[str, str | int] | Iterable[tuple[str, str | int]]
)
"""Header fields; as pairs a name may come several times."""
_Handler: TypeAlias = Callable[[Connection, int, Any], object]
_Address: TypeAlias = tuple[str, int, bool]
"""(host, port, is_ipv6): a numeric host, IPv6 in compressed form; (path, 0, False) of a unix socket;
("", 0, False) where there is none."""

# Events, as Mongoose numbers them.
MG_EV_ERROR: Final[int]
MG_EV_OPEN: Final[int]
MG_EV_POLL: Final[int]
MG_EV_RESOLVE: Final[int]
MG_EV_CONNECT: Final[int]
MG_EV_ACCEPT: Final[int]
MG_EV_TLS_HS: Final[int]
MG_EV_READ: Final[int]
MG_EV_WRITE: Final[int]
MG_EV_CLOSE: Final[int]
MG_EV_HTTP_HDRS: Final[int]
MG_EV_HTTP_MSG: Final[int]
MG_EV_WS_OPEN: Final[int]
MG_EV_WS_MSG: Final[int]
MG_EV_WS_CTL: Final[int]
MG_EV_WAKEUP: Final[int]
MG_EV_USER: Final[int]
# Opcodes of RFC 6455, section 11.8.
WEBSOCKET_OP_CONTINUE: Final[int]
WEBSOCKET_OP_TEXT: Final[int]
WEBSOCKET_OP_BINARY: Final[int]
WEBSOCKET_OP_CLOSE: Final[int]
WEBSOCKET_OP_PING: Final[int]
WEBSOCKET_OP_PONG: Final[int]

class Error(RuntimeError):
    """A network operation failed, or an object was used after its end. `args[0]` is one line."""

    errno: int
    """A positive errno: EADDRINUSE; EBADF closed or expired; EBUSY poll() inside a handler; ENOBUFS
    above a limit; EPIPE draining or closing; EALREADY answered before."""

@final
class HttpMessage:
    """A request or response. Readable until the handler that received it returns; false after that,
    and all its properties and methods raise Error(EBADF).

    A field of the head that is not UTF-8 is read as ISO 8859-1 (RFC 9110, section 5.5).
    """

    def __init__(self, *args: object, **kwargs: object) -> NoReturn: ...
    @property
    def method(self) -> str:
        """As sent: "GET"; in a response the protocol, "HTTP/1.1"."""
    @property
    def uri(self) -> str:
        """The path as sent, percent-escapes included, without the query; in a response the status, "200"."""
    @property
    def query(self) -> str:
        """What follows the question mark, as sent; empty if there is none."""
    @property
    def proto(self) -> str:
        """As sent: "HTTP/1.1"; in a response the reason phrase, "OK"."""
    @property
    def body_bytes(self) -> bytes:
        """The body, chunks joined; empty in MG_EV_HTTP_HDRS."""
    @property
    def body_text(self) -> str:
        """The body as UTF-8, U+FFFD for what is not."""
    def __bool__(self) -> bool: ...
    def header(self, name: str, default: str | None = None) -> str | None:
        """The value of the first header of that name, in any case, or `default`."""
    def headers(self) -> list[tuple[str, str]]:
        """All headers as (name, value) in the order they came; repeated names stand repeatedly."""
    def query_var(self, name: str) -> str | None:
        """A parameter of the query: "+" and percent-escapes decoded, None if it is not there.

        Raises ValueError for an escape that is none.
        """
    def status(self) -> int | None:
        """The status code of a response, None of a request."""
    def header_var(self, header_name: str, var_name: str) -> str | None:
        """A parameter inside a header's value, without quotes: ("Content-Type", "charset")."""

@final
class WsMessage:
    """A WebSocket message, whole. Readable until the handler that received it returns; false after
    that, and all its properties raise Error(EBADF)."""

    def __init__(self, *args: object, **kwargs: object) -> NoReturn: ...
    @property
    def data(self) -> bytes:
        """The payload; of a close frame two bytes of code, then the reason (RFC 6455, 5.5.1)."""
    @property
    def text(self) -> str:
        """The payload as UTF-8, U+FFFD for what is not."""
    @property
    def flags(self) -> int:
        """The opcode, WEBSOCKET_OP_TEXT or another."""
    def __bool__(self) -> bool: ...

@final
class Connection:
    """One connection: a listener, an accepted one or a client's.

    Made by a Manager, never by hand; the same object for all events of a connection. After
    MG_EV_CLOSE every method but close() and drain() raises Error(EBADF), the flags are False, the
    sizes 0, and id, handler, userdata and the addresses stay as they were last.

    Raised by all that send: Error(ENOBUFS) with more unsent than the limit max_send, Error(EPIPE)
    while the connection drains or closes. Nothing is queued then.
    """

    handler: _Handler | None
    """The connection's own handler, taken over from the listener at accept; None: the Manager's."""
    userdata: Any
    """The program's, None at first."""

    def __init__(self, *args: object, **kwargs: object) -> NoReturn: ...
    @property
    def id(self) -> int:
        """Unique within its Manager, from 1."""
    @property
    def is_listening(self) -> bool: ...
    @property
    def is_client(self) -> bool:
        """Made by connect() or ws_connect()."""
    @property
    def is_tls(self) -> bool:
        """It has TLS, or its URL asks for it; MG_EV_TLS_HS says when the handshake is done."""
    @property
    def is_udp(self) -> bool: ...
    @property
    def is_websocket(self) -> bool:
        """The handshake is done."""
    @property
    def is_readable(self) -> bool:
        """Received bytes wait to be read."""
    @property
    def is_writable(self) -> bool:
        """Connected, the TLS handshake done if there is one, and nothing waits to be sent."""
    @property
    def is_closing(self) -> bool: ...
    @property
    def is_full(self) -> bool:
        """The receive buffer is at max_recv: reading has stopped until bytes are taken by recv()."""
    @property
    def is_draining(self) -> bool:
        """drain() was called: the connection closes when all is sent."""
    @property
    def recv_len(self) -> int:
        """Bytes received and not consumed."""
    @property
    def send_len(self) -> int:
        """Bytes that wait to be sent."""
    @property
    def recv_size(self) -> int:
        """Bytes allocated for receiving."""
    @property
    def send_size(self) -> int:
        """Bytes allocated for sending."""
    @property
    def local_addr(self) -> _Address: ...
    @property
    def remote_addr(self) -> _Address: ...
    def send(self, data: _Data) -> None:
        """Queues bytes; they leave when the running event ends, a datagram at once.

        Raises ValueError on a TCP listener, Error(EDESTADDRREQ) on a UDP one that received nothing yet.
        """
    def recv(self, n: int = -1) -> bytes:
        """Takes up to `n` bytes out of the receive buffer, all of them if `n` is negative.

        Raises ValueError where HTTP or WebSocket framing owns what is received.
        """
    def recv_data(self, length: int = -1) -> bytes:
        """The first `length` bytes received, which stay in the buffer; all if negative."""
    def send_data(self, length: int = -1) -> bytes:
        """The first `length` bytes that wait to be sent; all if negative."""
    def reply(self, status_code: int, body: _Data = b"", headers: _Headers | None = None) -> None:
        """Answers an HTTP request.

        Content-Type (text/plain; charset=utf-8), Content-Length and Connection are added where they
        are missing. With Transfer-Encoding: chunked the body is the first chunk and http_chunk()
        goes on; with Content-Type: text/event-stream and no body http_sse() does.

        Raises ValueError for a status outside 200 to 999, a name that is no token, a value with CR,
        LF or NUL or at odds with the body, and on anything but a server's HTTP connection;
        Error(EALREADY) when the request was answered.
        """
    def reply_json(
        self, data: Any, status_code: int = 200, headers: _Headers | None = None
    ) -> None:
        """Answers with json.dumps(data), as application/json unless `headers` say otherwise.

        Raises what json.dumps() and reply() raise.
        """
    def http_chunk(self, data: _Data) -> None:
        """Sends a chunk of a chunked reply; an empty one ends the reply (RFC 9112, section 7.1).

        Raises ValueError if no chunked reply was started.
        """
    def http_sse(self, event_type: str, data: _Data) -> None:
        """Sends a server-sent event; each line of `data` becomes one data: line.

        Raises ValueError for CR or LF in the type, or if no reply was started.
        """
    def http_basic_auth(self, username: str, password: str) -> None:
        """Has the next request sent on this client connection carry Authorization: Basic
        (RFC 7617), and Host where it lacks one.

        Raises ValueError for a colon or control character in the name, or on a server's connection.
        """
    def serve_dir(
        self,
        message: HttpMessage,
        root_dir: str,
        extra_headers: str = "",
        mime_types: str = "",
        page404: str = "",
    ) -> None:
        """Answers a request from the files under `root_dir`, with ranges, ETag, .gz and listings.

        `extra_headers` are "Name: value\\r\\n" lines, `mime_types` is "ext=type,ext2=type2",
        `page404` a file to send for what is not there. A missing file is an answer, not an error.
        Raises as reply().
        """
    def serve_file(
        self, message: HttpMessage, path: str, extra_headers: str = "", mime_types: str = ""
    ) -> None:
        """Answers a request with one file; as serve_dir()."""
    def ws_upgrade(self, message: HttpMessage, extra_headers: _Headers | None = None) -> None:
        """Answers a WebSocket handshake (RFC 6455, section 4.2); MG_EV_WS_OPEN comes before this
        returns. A request that is no handshake is answered with 400 or 426 instead.
        """
    def ws_send(self, data: _Data, op: int = ...) -> None:
        """Sends a message (WEBSOCKET_OP_TEXT unless `op` says otherwise) or a control frame.

        Raises ValueError for another opcode, text that is not UTF-8, a control frame of more than
        125 bytes, a bad close code, or no WebSocket; Error(EPIPE) after a close frame.
        """
    def tls_init(self, opts: TlsOpts) -> None:
        """Gives TLS to a client (in MG_EV_OPEN, MG_EV_CONNECT or right after connect()), to an
        accepted connection in MG_EV_ACCEPT, or to a listener for all that it will accept.

        What is sent before the handshake is over waits for it. A client of https://, wss:// or tls://
        without it verifies the server by the system's CAs.
        Raises ValueError for a server without `cert`, a client with no CA to verify by, or UDP;
        Error(EALREADY) once the handshake has begun.
        """
    def tls_free(self) -> None:
        """Ends TLS: what follows is plain text. On a listener: for what it will accept."""
    def set_handler(self, handler: _Handler | None) -> None:
        """Sets `handler`. A closed connection raises."""
    def error(self, message: str) -> None:
        """Fires MG_EV_ERROR with this text before it returns, then closes the connection."""
    def drain(self) -> None:
        """Sends what is queued, then closes. Harmless on a closed connection."""
    def close(self) -> None:
        """Closes after the running event, unsent bytes are lost. Harmless on a closed connection."""

@final
class TlsOpts:
    """Certificates and key for Connection.tls_init(), parsed once; share it among connections.

    `ca`, `cert` and `key` are PEM or DER, bytes or str; PEM may hold several certificates, in `cert`
    the server's own first. `ca` are the authorities to verify the peer by: a client without it
    takes the system's, a server with it requires a client certificate. `name` is whom a client
    expects instead of the URL's host. `skip_verification`: a client accepts any certificate, a
    server any or none.

    Raises ValueError, with the reason, for what is no certificate or key, and for a key that does
    not belong to `cert`.
    """

    def __new__(
        cls,
        ca: _Data | None = None,
        cert: _Data | None = None,
        key: _Data | None = None,
        name: str | None = None,
        skip_verification: bool = False,
    ) -> TlsOpts: ...
    @property
    def ca(self) -> _Data | None: ...
    @property
    def cert(self) -> _Data | None: ...
    @property
    def key(self) -> _Data | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def skip_verification(self) -> bool: ...

@final
class Timer:
    """A call in the future, made by Manager.timer_add(); lives on if the program drops it."""

    def __init__(self, *args: object, **kwargs: object) -> NoReturn: ...
    @property
    def active(self) -> bool:
        """The call is still to come."""
    def cancel(self) -> None:
        """Ends it; harmless when it has ended."""

@disjoint_base
class Manager:
    """The loop, its connections and its timers.

    `handler` serves every connection without one of its own. `error_handler(exc)` is given the
    exceptions of handlers and timers instead of having them printed. `poll_events` asks for
    MG_EV_POLL, once a poll for every connection. `enable_wakeup` is taken for programs that give
    it: wakeup() always works.

    A Manager is used by one thread at a time; wakeup() alone works from any. A child after fork()
    makes its own: a Manager made before must not be touched there. Dropped without close(), it
    closes everything silently on CPython; on MicroPython it lives until a soft reset. After close() every method but close() raises Error(EBADF).

    Limits, in bytes and milliseconds, 0 for none; their defaults stand in shared/pmg_api.h:

        max_conns        connections at a time; more are refused at accept
        max_recv         raw bytes received: is_full turns true and reading stops
        max_send         unsent bytes above which a send raises Error(ENOBUFS)
        max_head         an HTTP head; more: 431
        max_body         an HTTP body; more: 413
        max_message      a WebSocket message; more: close code 1009
        connect_timeout  from connect() to MG_EV_CONNECT
        handshake_timeout  from there, or from MG_EV_ACCEPT, to MG_EV_TLS_HS
        head_timeout     from the first byte of an HTTP head to its end: 408
        body_timeout     between two pieces of an HTTP body: 408
        idle_timeout     a keep-alive connection without a request is closed
        drain_timeout    a draining connection whose peer takes nothing is closed
    """

    def __init__(
        self,
        handler: _Handler | None = None,
        enable_wakeup: bool = False,
        error_handler: Callable[[Exception], object] | None = None,
        *,
        poll_events: bool = False,
        max_conns: int = ...,
        max_recv: int = ...,
        max_send: int = ...,
        max_head: int = ...,
        max_body: int = ...,
        max_message: int = ...,
        connect_timeout: int = ...,
        handshake_timeout: int = ...,
        head_timeout: int = ...,
        body_timeout: int = ...,
        idle_timeout: int = ...,
        drain_timeout: int = ...,
    ) -> None: ...
    def __enter__(self) -> Manager: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
        /,
    ) -> None: ...
    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connections now, listeners included, oldest first; () after close()."""
    @property
    def wakeup_id(self) -> int:
        """0: no connection of its own is needed to wake the loop."""
    def listen(
        self,
        url: str,
        handler: _Handler | None = None,
        *,
        http: bool | None = None,
        fd: int | None = None,
    ) -> Connection:
        """Listens on http://, ws://, tcp://, udp://host:port or unix:///path; port 0 takes a free one.
        https://, wss:// and tls:// too, with tls_init() on what this returns, or in MG_EV_ACCEPT.

        `http` says whether HTTP is spoken where the URL leaves it open (unix) or says otherwise.
        `fd` adopts a socket that listens already. `handler` goes to all connections accepted.
        Raises ValueError for a URL that is none, Error(EADDRINUSE), Error(EACCES) and the like.
        """
    def connect(
        self, url: str, handler: _Handler | None = None, *, http: bool | None = None
    ) -> Connection:
        """Starts connecting and returns; MG_EV_CONNECT or MG_EV_ERROR follow from poll().

        MG_EV_OPEN comes before it returns. Raises ValueError for a URL that is none.
        """
    def ws_connect(self, url: str, handler: _Handler | None = None) -> Connection:
        """As connect(), then sends the WebSocket handshake; MG_EV_WS_OPEN when it is accepted."""
    def poll(self, timeout_ms: int = 0) -> None:
        """Waits up to `timeout_ms` for something to do, without end if negative, and does it.

        Raises Error(EBUSY) inside a handler and while another thread polls.
        """
    def run(self, poll_ms: int = 100) -> None:
        """Polls until SIGINT, on CPython SIGTERM, or a KeyboardInterrupt, then closes the Manager and returns.

        Signals are caught in the main thread only; other exceptions close the Manager and go on.
        """
    def wakeup(self, connection_id: int, data: _Data = b"") -> bool:
        """Queues MG_EV_WAKEUP with a copy of `data` and ends a wait, from any thread.

        False: there was no room for it, nothing was queued. An id without a connection is ignored,
        0 only ends the wait.
        """
    def timer_add(
        self,
        milliseconds: int,
        callback: Callable[[], object],
        *,
        repeat: bool = False,
        run_now: bool = False,
    ) -> Timer:
        """Calls callback() from poll() after so many milliseconds, and every so many if `repeat`;
        `run_now`: first at the next poll.
        """
    def close(self) -> None:
        """Closes all connections, firing MG_EV_CLOSE, and ends all timers. Harmless when closed.

        Raises Error(EBUSY) inside a handler and while another thread polls.
        """

def event_name(ev: int) -> str:
    """The name of an event: "MG_EV_READ"; "MG_EV_USER+1" from MG_EV_USER on, "MG_EV_UNKNOWN(-1)" for no event."""

def live_objects() -> dict[str, int]:
    """What lives in this process: "managers", "connections", "timers", heap "blocks" of the core."""
