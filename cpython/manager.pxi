# SPDX-License-Identifier: GPL-2.0-only
# The Manager owns the core's manager and, by `conns` and `timers`, the objects of all that lives in
# it. These references are Python's own, so that the garbage collector sees a cycle that leads
# through a handler back here; the core holds its pointers borrowed.

cdef enum:
    SLICE_MS = 250  # a wait is cut so that Ctrl-C is seen even if another thread got the signal

cdef PyObject *all_managers = NULL


# What listen() and connect() hand to the open hook.
cdef struct open_arg_t:
    PyObject *handler
    uint32_t events


cdef class Manager:
    """The event loop and everything that it owns."""

    cdef pmg_mgr_t *m  # NULL before __init__ and after close
    cdef object handler
    cdef object error_handler
    cdef object watch
    cdef object start  # see coroutine.pxi
    cdef object later
    cdef dict conns
    cdef set timers
    cdef list dead  # ended objects: dropping one runs Python, which must wait until the core is done
    cdef unsigned long holder  # the thread in a call that fires events, 0 if none is
    cdef bint polling
    cdef bint stop  # a signal asked run() to end
    cdef PyObject *pending  # an exception that must leave the call that fired the event
    cdef PyObject *before  # its neighbors among all Managers
    cdef PyObject *after
    cdef object __weakref__

    def __cinit__(self):
        global all_managers
        self.after = all_managers
        if self.after != NULL:
            (<Manager>self.after).before = <PyObject *>self
        all_managers = <PyObject *>self
        self.conns = {}
        self.timers = set()
        self.dead = []

    def __init__(
        self, handler=None, enable_wakeup=False, error_handler=None, *, events=None,
        poll_events=False, dns=None, watch=None, **limits
    ):
        cdef pmg_limits_t values
        pmg_py_callable(handler, "handler")
        pmg_py_callable(error_handler, "error_handler")
        cdef uint32_t mask = events_arg(events)
        cdef bint polls = bool(poll_events)
        pmg_py_callable(watch, "watch")
        pmg_limits_default(&values)
        for name, value in limits.items():
            set_limit(&values, name, value)
        if self.m != NULL:
            raise TypeError("a Manager is initialized once")
        self.handler = handler
        self.error_handler = error_handler
        self.watch = watch
        cdef int rc = pmg_mgr_new(&self.m, &HOOKS, &values, <void *>self)
        if rc < 0:
            pmg_py_fail(NULL, rc)
        pmg_mgr_events(self.m, mask, polls)
        try:
            if dns is not None:
                set_servers(self.m, dns)
            if watch is not None:
                settle(self, pmg_mgr_watch(self.m))
        except BaseException:
            self.drop()
            raise

    def __del__(self):
        self.drop()

    def __dealloc__(self):
        global all_managers
        if self.after != NULL:
            (<Manager>self.after).before = self.before
        if self.before != NULL:
            (<Manager>self.before).after = self.after
        else:
            all_managers = self.after
        self.drop()
        Py_XDECREF(self.pending)

    # Closes without a word: no Python may run in a finalizer's place of the program.
    cdef void drop(self) noexcept:
        cdef pmg_mgr_t *m = self.m
        if m != NULL:
            self.m = NULL
            pmg_mgr_free(m, True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Closes all connections and timers; MG_EV_CLOSE is fired. Harmless when closed."""
        cdef pmg_mgr_t *m = self.m
        if m == NULL:
            return
        self.core()
        if self.polling or pmg_mgr_in_hook(m):
            raise_busy()
        hold(self)
        pmg_mgr_free(m, False)
        self.m = NULL
        self.holder = 0
        self.bury()
        settle(self, 0)

    # Opening

    def listen(
        self, url, handler=None, *, http=None, fd=None, broadcast=False, events=None,
        reuse_port=False
    ):
        """Listens on a URL and returns the listener's Connection."""
        cdef long long number = -2 if reuse_port else -1
        if fd is not None:
            pmg_py_int(fd, "fd", &number)
            if not 0 <= number <= INT_MAX:
                raise ValueError("fd must be a socket's number")
            if reuse_port:
                raise ValueError(text(PMG_MSG_FD_SHARED))
        return self.open(url, handler, events, http, True, <int>number, &pmg_raw, broadcast)

    def connect(self, url, handler=None, *, http=None, broadcast=False, events=None):
        """Starts a connection and returns it at once."""
        return self.open(url, handler, events, http, False, -1, &pmg_raw, broadcast)

    # `speaks` pmg_raw: as the URL and `http` say; `fd` is for a listener.
    cdef Connection open(
        self, object url, object handler, object events, object http, bint listen, int fd,
        const pmg_protocol_t *speaks, bint broadcast=False
    ):
        cdef open_arg_t arg = open_arg(handler, events)
        cdef const char *line
        cdef mg_connection *c = NULL
        cdef int rc
        pmg_py_cstr(url, "url", &line)
        if speaks == &pmg_raw:
            speaks = pmg_url_speaks(line)
        if http is not None:
            speaks = &pmg_http if http else &pmg_raw
        cdef bint held = hold(self)
        try:
            if broadcast:
                pmg_open_broadcast(self.core())
            if listen:
                rc = pmg_listen(self.core(), line, speaks, fd, &arg, &c)
            else:
                rc = pmg_connect(self.core(), line, speaks, NULL, &arg, &c)
            settle(self, rc)
            return <Connection>pmg_conn_obj(c)[0]
        finally:
            if held:
                self.holder = 0

    # The loop

    def poll(self, timeout_ms=0):
        """Waits for something to do, then does it."""
        cdef long long ms = int_arg(timeout_ms, "timeout_ms")
        self.core()
        self.loop(ms)

    # One poll, in slices. Ends early when the Manager is closed meanwhile (by a signal's handler).
    cdef int loop(self, long long ms) except -1:
        cdef uint64_t end = 0
        cdef int n
        if ms > SLICE_MS:  # a shorter wait may end early, by a signal
            end = pmg_port_millis() + <uint64_t>ms
        while self.m != NULL and not self.stop:
            n = self.poll_once(SLICE_MS if ms < 0 or ms > SLICE_MS else <int>ms)
            if n == -EBUSY:
                raise_busy()
            if self.dead:
                self.bury()
            settle(self, n)
            PyErr_CheckSignals()
            if n != 0 or ms == 0 or (ms > 0 and end == 0):
                break
            if ms > 0:
                ms = <long long>(end - pmg_port_millis())
                if ms <= 0:
                    break
        return 0

    cdef int poll_once(self, int ms) except? -1:
        cdef int n
        if not hold(self):
            return -EBUSY
        self.polling = True
        n = pmg_mgr_poll(self.m, ms)
        self.polling = False
        self.holder = 0
        return n

    def run(self, poll_ms=100):
        """Polls until SIGINT or SIGTERM, then closes."""
        cdef long long ms = int_arg(poll_ms, "poll_ms")
        self.core()
        self.stop = False
        previous = catch_signals(self)
        try:
            while self.m != NULL and not self.stop:
                self.loop(ms)
        except KeyboardInterrupt:
            pass
        finally:
            self.stop = False
            restore_signals(previous)
            self.close()

    def fileno(self):
        """A descriptor that is readable when there is something to poll for."""
        return settle(self, pmg_mgr_fd(self.core()))

    def next_timeout(self):
        """Milliseconds until poll(0) has something to do besides; None: nothing is due."""
        cdef long ms
        settle(self, pmg_mgr_timeout(self.core(), &ms))
        return None if ms < 0 else ms

    def wakeup(self, connection_id, data=b""):
        """Sends MG_EV_WAKEUP with a copy of data; from any thread. False: no room for it."""
        cdef pmg_py_data_t d
        cdef size_t number
        pmg_py_size(connection_id, "connection_id", &number)
        pmg_py_data(data, "data", &d)
        cdef int rc = -EBADF
        if self.m != NULL:
            rc = pmg_mgr_wakeup(self.m, <unsigned long>number, d.s.buf, d.s.len)
        pmg_py_release(&d)
        if rc == -EBADF:
            raise_closed()
        if rc == -ECHILD:
            pmg_py_fail(self.m, rc)
        return rc >= 0

    def timer_add(self, milliseconds, callback, *, repeat=False, run_now=False):
        """Calls callback() later, once or again and again."""
        cdef uint64_t ms
        pmg_py_millis(milliseconds, "milliseconds", &ms)
        if not callable(callback):
            pmg_py_bad_type("%s must be callable, not %s", "callback", callback)
        cdef Timer timer = Timer.__new__(Timer)
        timer.callback = callback
        timer.owner = PyWeakref_NewRef(self, None)
        timer.ms = ms
        cdef bint again = repeat
        timer.repeat = again
        cdef bint now = run_now
        self.core()
        self.timers.add(timer)
        cdef int rc = pmg_timer_add(self.m, ms, again, now, <void *>timer, &timer.t)
        if rc < 0:
            self.timers.discard(timer)
            settle(self, rc)
        return timer

    @property
    def connections(self):
        return tuple(self.conns.values())

    @property
    def wakeup_id(self):
        return 0

    cdef pmg_mgr_t *core(self) except NULL:
        if self.m == NULL:
            raise_closed()
        check_thread(self)
        return self.m

    # A handler raised.
    cdef int report(self) noexcept:
        return pmg_py_report(<PyObject *>self.error_handler, &self.pending)

    cdef int bury(self) except -1:
        dead = self.dead
        self.dead = []
        dead.clear()


# One thread at a time: an event runs Python, Python may hand the GIL to another thread, and that one
# could free what the first still works on. MicroPython's boards know no other rule.
cdef inline int check_thread(Manager m) except -1:
    if m.holder != 0 and m.holder != PyThread_get_thread_ident():
        pmg_py_raise(-EBUSY, PMG_MSG_WRONG_THREAD)
    return 0


# Takes the Manager for a call that fires events; False: this thread has it already.
cdef inline bint hold(Manager m) except -1:
    check_thread(m)
    if m.holder != 0:
        return False
    m.holder = PyThread_get_thread_ident()
    return True


cdef open_arg_t open_arg(object handler, object events) except *:
    cdef open_arg_t arg
    pmg_py_callable(handler, "handler")
    arg.handler = <PyObject *>handler
    arg.events = events_arg(events)
    return arg


# The mask of an `events` argument; 0: it is None.
cdef uint32_t events_arg(object events) except? 0:
    cdef uint32_t mask = PMG_EVENTS_GIVEN, bit
    if events is None:
        return 0
    try:
        items = list(events)
    except TypeError:
        pmg_py_bad_type(PMG_MSG_EVENTS, "events", events)
    for item in items:
        bit = pmg_event_bit(int_arg(item, "an event"))
        if bit == 0:
            raise ValueError(text(PMG_MSG_NO_EVENT) % event_name(item))
        mask |= bit
    return mask


cdef inline int settle(Manager m, int rc) except -1:
    if m.pending != NULL:
        exc = <object>m.pending
        decref(m.pending)
        m.pending = NULL
        raise exc
    if rc < 0:
        pmg_py_fail(m.m, rc)
    return rc


def _in_handler():
    """Is this called, however deep, by a handler or timer of any Manager? For pymongoose.client."""
    cdef PyObject *m = all_managers
    cdef unsigned long me = PyThread_get_thread_ident()
    while m != NULL:
        if (<Manager>m).holder == me:
            return True
        m = (<Manager>m).after
    return False


cdef int raise_closed() except -1:
    return pmg_py_raise(-EBADF, PMG_MSG_MGR_CLOSED)


cdef int raise_busy() except -1:
    return pmg_py_raise(-EBUSY, PMG_MSG_POLL_IN_HANDLER)


cdef int set_limit(pmg_limits_t *values, object name, object value) except -1:
    cdef const pmg_py_limit_t *row = pmg_py_limits
    cdef size_t number
    key = name.encode()
    while row.name != NULL:
        if key == row.name:
            pmg_py_size(value, row.name, &number)
            (<size_t *>(<char *>values + row.offset))[0] = number
            return 0
        row += 1
    raise TypeError(text(PMG_MSG_LIMIT_UNKNOWN) % name)


cdef int set_servers(pmg_mgr_t *m, object dns) except -1:
    cdef const char *line
    cdef int rc = pmg_dns_server(m, NULL)
    for url in (dns,) if isinstance(dns, str) else dns:
        pmg_py_cstr(url, "dns", &line)
        if rc >= 0:
            rc = pmg_dns_server(m, line)
    if rc < 0:
        pmg_py_fail(m, rc)
    return 0


# Only the main thread of the main interpreter may set signal handlers; elsewhere run() goes on
# until an exception or close() ends it.
cdef dict catch_signals(Manager m):
    import signal

    def stop(number, frame):
        m.stop = True

    previous = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            previous[number] = signal.signal(number, stop)
        except ValueError:
            break
    return previous


cdef int restore_signals(dict previous) except -1:
    import signal

    for number, handler in previous.items():
        if handler is not None:
            signal.signal(number, handler)
