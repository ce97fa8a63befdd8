# SPDX-License-Identifier: GPL-2.0-only
# The core of pymongoose.mqtt.MqttSession: what outlives a connection. It belongs to a Manager and is
# used as that is.


cdef extern from "pmg.h":
    ctypedef struct pmg_mqtt_session_t:
        pass
    ctypedef struct pmg_mqtt_session_opts_t:
        uint32_t queue_max
        size_t queue_bytes
        int version, policy
        bint tell_messages, tell_filters
        void (*ring)(void *) noexcept
        void *ring_arg
    ctypedef struct pmg_mqtt_result_t:
        int what, reason, qos
        uint32_t token
        mg_str filter
    enum: PMG_MQTT_SUBSCRIBED, PMG_MQTT_COUNTS, PMG_MQTT_COUNT_RESULTS

    ctypedef union pmg_mqtt_session_room_t:
        uint64_t aligned

    pmg_mqtt_session_t *pmg_mqtt_session_init(
        pmg_mqtt_session_room_t *, pmg_mgr_t *, const pmg_mqtt_session_opts_t *
    )
    void pmg_mqtt_session_fini(pmg_mqtt_session_t *)
    void pmg_mqtt_session_close(pmg_mqtt_session_t *)
    int pmg_mqtt_session_attach(pmg_mqtt_session_t *, mg_connection *)
    bint pmg_mqtt_session_attached(const pmg_mqtt_session_t *)
    int pmg_mqtt_session_pub(
        pmg_mqtt_session_t *, mg_str, mg_str, int qos, bint retain, mg_str, uint32_t
    )
    int pmg_mqtt_session_sub(pmg_mqtt_session_t *, mg_str, int qos, int options)
    int pmg_mqtt_session_unsub(pmg_mqtt_session_t *, mg_str)
    void pmg_mqtt_session_pump(pmg_mqtt_session_t *)
    bint pmg_mqtt_session_result(const pmg_mqtt_session_t *, pmg_mqtt_result_t *)
    void pmg_mqtt_session_told(pmg_mqtt_session_t *)
    uint32_t pmg_mqtt_session_count(const pmg_mqtt_session_t *, int)


cdef object ZERO = 0  # what is given where nothing is

# What became of a message, by its number.
cdef tuple MQTT_STATES = ("acknowledged", "refused", "dropped", "expired")


cdef class _MqttSession:
    cdef pmg_mqtt_session_room_t room
    cdef pmg_mqtt_session_t *s
    cdef Manager manager
    cdef Timer teller  # brought up when there are results; or None

    def __init__(
        self, manager, queue_max, queue_bytes, version, policy, tell_messages, tell_filters
    ):
        cdef pmg_mqtt_session_opts_t opts
        cdef size_t limit
        if self.s != NULL:
            raise TypeError("a session begins once")
        pmg_py_size(queue_max, "queue_max", &limit)
        if not isinstance(manager, Manager):
            pmg_py_bad_type("%s must be a Manager, not %s", "manager", manager)
        opts.queue_max = <uint32_t>(limit if limit < 0xffffffff else 0xffffffff)
        pmg_py_size(queue_bytes, "queue_bytes", &opts.queue_bytes)
        opts.version = small_int_arg(version, "version")
        opts.policy = small_int_arg(policy, "queue_policy")
        opts.tell_messages = tell_messages
        opts.tell_filters = tell_filters
        opts.ring = session_ring
        opts.ring_arg = <void *>self
        self.s = pmg_mqtt_session_init(&self.room, (<Manager>manager).core(), &opts)
        self.manager = manager

    def __dealloc__(self):
        if self.s != NULL:
            pmg_mqtt_session_fini(self.s)

    # The core's manager, NULL once closed; the caller is its thread.
    cdef pmg_mgr_t *mgr(self) except? NULL:
        if self.s == NULL:
            raise TypeError("a session begins with __init__()")
        check_thread(self.manager)
        return self.manager.m

    cdef int checked(self, pmg_mgr_t *m, int rc) except -1:
        if rc < 0:
            pmg_py_fail(m, rc)
        return rc

    def publish(self, topic, message, qos=0, retain=False, *, expiry=0, properties=None):
        """A token, 1 or more: it was sent (QoS 0) or is kept until the server has it. 0: not taken."""
        cdef pmg_py_data_t d
        cdef mg_str name
        cdef size_t seconds = 0
        self.mgr()
        cdef int level = small_int_arg(qos, "qos")
        cdef bint keep = retain
        if expiry is not ZERO:
            pmg_py_size(expiry, "expiry", &seconds)
            if seconds > 0xffffffff:
                raise ValueError("expiry must be less than 4294967296 seconds")
        cdef bytes props = None if properties is None else encode_properties(properties, "properties")
        pmg_py_str(topic, "topic", &name)
        pmg_py_data(message, "message", &d)
        cdef pmg_mgr_t *m = self.manager.m
        cdef int rc = pmg_mqtt_session_pub(
            self.s, name, d.s, level, keep, bytes_str(b"" if props is None else props), <uint32_t>seconds
        )
        pmg_py_release(&d)
        return self.checked(m, rc)

    def subscribe(self, topic, qos=0, *, options=0):
        """Subscribes, now and after each reconnect."""
        cdef mg_str name
        cdef pmg_mgr_t *m = self.mgr()
        cdef int level = small_int_arg(qos, "qos")
        cdef int bits = small_int_arg(options, "options")
        pmg_py_str(topic, "topic", &name)
        self.checked(m, pmg_mqtt_session_sub(self.s, name, level, bits))

    def unsubscribe(self, topic):
        """Ends a subscription."""
        cdef mg_str name
        cdef pmg_mgr_t *m = self.mgr()
        pmg_py_str(topic, "topic", &name)
        self.checked(m, pmg_mqtt_session_unsub(self.s, name))

    def _attach(self, conn):
        self.mgr()
        if not isinstance(conn, Connection):
            pmg_py_bad_type("%s must be a Connection, not %s", "conn", conn)
        cdef mg_connection *c = alive(<Connection>conn)
        pmg_py_done(c, pmg_mqtt_session_attach(self.s, c), NULL)

    def _attached(self):
        self.mgr()
        return pmg_mqtt_session_attached(self.s)

    def _pump(self):
        self.mgr()
        pmg_mqtt_session_pump(self.s)

    def _told_by(self, timer):
        self.teller = timer

    def _tell(self, on_delivery, on_subscribed):
        cdef pmg_mqtt_result_t r
        self.mgr()
        while pmg_mqtt_session_result(self.s, &r):
            if r.what == PMG_MQTT_SUBSCRIBED:
                topic_filter = pmg_py_text(r.filter)
                pmg_mqtt_session_told(self.s)
                if on_subscribed is not None:
                    on_subscribed(topic_filter, r.qos, r.reason)
            else:
                pmg_mqtt_session_told(self.s)
                if on_delivery is not None:
                    on_delivery(r.token, MQTT_STATES[r.what], r.reason)

    # Has a timer come after `ms`, without memory. False: it has ended, or will with its Manager.
    def _later(self, timer, ms):
        cdef size_t wait
        if not isinstance(timer, Timer):
            pmg_py_bad_type("%s must be a Timer, not %s", "timer", timer)
        pmg_py_size(ms, "ms", &wait)
        cdef pmg_timer_t *t = (<Timer>timer).t
        return self.mgr() != NULL and t != NULL and pmg_timer_again(t, wait)

    def _count(self, which):
        self.mgr()
        cdef int number = small_int_arg(which, "which")
        if not 0 <= number < PMG_MQTT_COUNTS:
            raise ValueError("no such counter")
        return pmg_mqtt_session_count(self.s, number)

    def _end(self):
        self.mgr()
        pmg_mqtt_session_close(self.s)


cdef void session_ring(void *arg) noexcept:
    cdef PyObject *teller = <PyObject *>(<_MqttSession>arg).teller
    if teller != Py_None and (<Timer>teller).t != NULL:
        pmg_timer_again((<Timer>teller).t, 0)
