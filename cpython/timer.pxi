# SPDX-License-Identifier: GPL-2.0-only
# A timer. The Manager's set of timers keeps it, and its callback, alive while it runs.


@cython.final
cdef class Timer:
    """A call in the future, made by Manager.timer_add()."""

    cdef pmg_timer_t *t  # NULL once ended
    cdef object callback
    cdef object owner  # a weak reference: a timer keeps no Manager alive
    cdef uint64_t ms
    cdef bint repeat
    cdef object __weakref__

    def __init__(self):
        raise TypeError("cannot create 'Timer' instances")

    def __dealloc__(self):
        if self.t != NULL:
            self.t.arg = NULL

    @property
    def active(self):
        return self.t != NULL and pmg_timer_active(self.t)

    def restart(self, ms=None):
        """Has it fire once more in `ms`, in its old time if None, whatever became of it."""
        cdef uint64_t wait = self.ms
        if ms is not None:
            pmg_py_millis(ms, "ms", &wait)
        m = <Manager>self.owner()
        if m is None:
            raise_closed()
        cdef pmg_mgr_t *core = m.core()
        cdef int rc = 0
        if self.t != NULL:
            if not pmg_timer_restart(self.t, wait):
                raise_closed()
        else:
            m.timers.add(self)
            rc = pmg_timer_add(core, wait, self.repeat, False, <void *>self, &self.t)
            if rc < 0:
                m.timers.discard(self)
                settle(m, rc)
        self.ms = wait

    def cancel(self):
        """Ends the timer; harmless when it has ended."""
        if self.t != NULL:
            m = <Manager>pmg_mgr_owner(self.t.mgr)
            check_thread(m)
            pmg_timer_cancel(self.t)
            m.bury()
