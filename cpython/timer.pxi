# SPDX-License-Identifier: GPL-2.0-only
# A timer. The Manager's set of timers keeps it, and its callback, alive while it runs.


@cython.final
cdef class Timer:
    """A call in the future, made by Manager.timer_add()."""

    cdef pmg_timer_t *t  # NULL once ended
    cdef object callback
    cdef object __weakref__

    def __init__(self):
        raise TypeError("cannot create 'Timer' instances")

    def __dealloc__(self):
        if self.t != NULL:
            self.t.arg = NULL

    @property
    def active(self):
        return self.t != NULL and pmg_timer_active(self.t)

    def cancel(self):
        """Ends the timer; harmless when it has ended."""
        if self.t != NULL:
            m = <Manager>pmg_mgr_owner(self.t.mgr)
            check_thread(m)
            pmg_timer_cancel(self.t)
            m.bury()
