# SPDX-License-Identifier: GPL-2.0-only
"""JSON-RPC 2.0 (jsonrpc.org), the server's side; frames come and go by whatever carries text."""

import json
import sys

from pymongoose import Error, json_get, json_get_str, json_items, match

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INTERNAL_ERROR = -32603


def _answer(frame_id, member):
    return '{"jsonrpc": "2.0", "id": ' + frame_id + ", " + member + "}"


def _error(frame_id, code, message):
    member = '"error": {"code": %d, "message": %s}' % (code, json.dumps(message))
    return _answer(frame_id, member)


def _print(e):
    if hasattr(sys, "print_exception"):
        sys.print_exception(e)
    else:
        from traceback import print_exception

        print_exception(e)


class RpcReq:
    """A request or notification, for the handler of its method; it ends when that returns."""

    def __init__(self, frame):
        self._frame = frame
        self._sent = None

    @property
    def frame(self):
        """The request as JSON text; "" after the handler."""
        return self._frame or ""

    def ok(self, result_json="null"):
        """Answers with a result: a str is JSON text, anything else becomes JSON."""
        if not isinstance(result_json, str):
            result_json = json.dumps(result_json)
        if json_get(result_json, "$") is None:
            raise ValueError("the result is not JSON")
        self._send('"result": ' + result_json.strip(" \t\r\n"))

    def err(self, code, message):
        """Answers with an error: an int and a str."""
        if not isinstance(code, int):
            raise TypeError("code must be int, not " + type(code).__name__)
        if not isinstance(message, str):
            raise TypeError("message must be str, not " + type(message).__name__)
        self._send('"error": {"code": %d, "message": %s}' % (code, json.dumps(message)))

    def _send(self, member):
        if self._frame is None:
            raise Error("RpcReq is no longer valid")
        if self._sent is not None:
            raise Error("Response already sent")
        self._sent = member


class Rpc:
    """Finds the handler of a request's method and gives what is to be answered."""

    #: Requests that one batch may hold: a batch of many tiny ones asks for much larger answers.
    max_batch = 64

    def __init__(self, *, show_errors=False, error_handler=None):
        self._handlers = []
        self.show_errors = show_errors  # may tell a peer what is none of its business
        self.error_handler = error_handler

    def add(self, method, handler):
        """Calls handler(req) for each method that fits the pattern; the newest comes first."""
        if not isinstance(method, str):
            raise TypeError("method must be str, not " + type(method).__name__)
        if not callable(handler):
            raise TypeError("handler must be callable, not " + type(handler).__name__)
        self._handlers.insert(0, (method, handler))

    @property
    def methods(self):
        """The patterns that were added, the newest first."""
        return [method for method, _ in self._handlers if method]

    def process(self, frame):
        """Does what a frame asks for; the answer as text, "" if there is none to send."""
        text = json_get(frame, "$")
        if text is None:
            return _error("null", PARSE_ERROR, "Parse error")
        if text[0] != "[":
            return self._request(text)
        if json_get(text, "$[%d]" % self.max_batch) is not None:
            return _error("null", INVALID_REQUEST, "Batch too large")
        frames = json_items(text)
        if not frames:
            return _error("null", INVALID_REQUEST, "Invalid Request")
        answers = [answer for answer in map(self._request, frames) if answer]
        return "[" + ", ".join(answers) + "]" if answers else ""

    def _find(self, method):
        for pattern, handler in self._handlers:
            if pattern == method or (pattern and match(method, pattern)[0]):
                return handler
        if method == "rpc.list":
            return lambda req: req.ok(self.methods)
        return None

    def _request(self, frame):
        members = {"": ""}  # by name, as JSON text; of equal names the first
        for name, value in json_items(frame) if frame[0] == "{" else ():
            members.setdefault(name, value)
        if "method" not in members and ("result" in members or "error" in members):
            handler = self._find("")  # an answer to a request of ours
            if handler:
                self._call(handler, RpcReq(frame))
            return ""
        frame_id = members.get("id", "")  # "" of a notification
        method = json_get_str(frame, "$.method") if "method" in members else None
        good_id = frame_id in ("", "null") or frame_id[0] in '"-0123456789'
        if (
            method is None
            or not good_id
            or members.get("params", "[")[0] not in "[{"
            or members.get("jsonrpc", '"2.0"') != '"2.0"'
        ):
            known = frame_id if good_id and frame_id else "null"
            return _error(known, INVALID_REQUEST, "Invalid Request")
        handler = self._find(method) if method else None
        if handler is None:
            answer = _error(frame_id, METHOD_NOT_FOUND, method + " not found")
        else:
            answer = _answer(frame_id, self._call(handler, RpcReq(frame)))
        return answer if frame_id else ""

    def _call(self, handler, req):
        try:
            handler(req)
        except Exception as e:
            if req._sent is None:
                req.err(INTERNAL_ERROR, str(e) if self.show_errors else "Internal error")
            if self.error_handler:
                self.error_handler(e)
            elif not self.show_errors:
                _print(e)
        if req._sent is None:
            req.err(INTERNAL_ERROR, "handler produced no response")
        member = req._sent
        req._frame = None
        return member
