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
    ctypedef struct pmg_mqtt_result_t:
        int what, reason, qos
        uint32_t token
        mg_str filter
    enum: PMG_MQTT_SUBSCRIBED, PMG_MQTT_COUNTS

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
    bint pmg_mqtt_session_result(pmg_mqtt_session_t *, pmg_mqtt_result_t *)
    uint32_t pmg_mqtt_session_count(const pmg_mqtt_session_t *, int)


@cython.final
cdef class _MqttSession:
    cdef pmg_mqtt_session_room_t room
    cdef pmg_mqtt_session_t *s
    cdef Manager manager

    def __cinit__(
        self, manager, queue_max, queue_bytes, version, policy, tell_messages, tell_filters
    ):
        cdef pmg_mqtt_session_opts_t opts
        cdef size_t limit
        pmg_py_size(queue_max, "queue_max", &limit)
        if not isinstance(manager, Manager):
            pmg_py_bad_type("%s must be a Manager, not %s", "manager", manager)
        self.manager = manager
        opts.queue_max = <uint32_t>(limit if limit < 0xffffffff else 0xffffffff)
        pmg_py_size(queue_bytes, "queue_bytes", &opts.queue_bytes)
        opts.version = small_int_arg(version, "version")
        opts.policy = small_int_arg(policy, "queue_policy")
        opts.tell_messages = tell_messages
        opts.tell_filters = tell_filters
        self.s = pmg_mqtt_session_init(&self.room, self.manager.core(), &opts)

    def __dealloc__(self):
        if self.s != NULL:
            pmg_mqtt_session_fini(self.s)

    # The core's manager, NULL once closed; the caller is its thread.
    cdef pmg_mgr_t *mgr(self) except? NULL:
        check_thread(self.manager)
        return self.manager.m

    def attach(self, conn):
        if not isinstance(conn, Connection):
            pmg_py_bad_type("%s must be a Connection, not %s", "conn", conn)
        cdef mg_connection *c = alive(<Connection>conn)
        pmg_py_done(c, pmg_mqtt_session_attach(self.s, c), NULL)

    def attached(self):
        return pmg_mqtt_session_attached(self.s)

    def publish(self, topic, message, qos, retain, properties, expiry):
        cdef pmg_py_data_t d
        cdef mg_str name
        cdef size_t seconds
        cdef pmg_mgr_t *m = self.mgr()
        cdef int level = small_int_arg(qos, "qos")
        cdef bint keep = retain
        cdef int rc = 0
        pmg_py_size(expiry, "expiry", &seconds)
        if seconds > 0xffffffff:
            raise ValueError("expiry must be less than 4294967296 seconds")
        cdef bytes props = encode_properties(properties, "properties")
        pmg_py_str(topic, "topic", &name)
        pmg_py_data(message, "message", &d)
        m = self.manager.m
        if m != NULL:
            rc = pmg_mqtt_session_pub(
                self.s, name, d.s, level, keep, bytes_str(props), <uint32_t>seconds
            )
        pmg_py_release(&d)
        if rc < 0:
            pmg_py_fail(m, rc)
        return rc

    def subscribe(self, topic, qos, options):
        cdef mg_str name
        cdef pmg_mgr_t *m = self.mgr()
        cdef int level = small_int_arg(qos, "qos")
        cdef int bits = small_int_arg(options, "options")
        pmg_py_str(topic, "topic", &name)
        cdef int rc = 0 if m == NULL else pmg_mqtt_session_sub(self.s, name, level, bits)
        if rc < 0:
            pmg_py_fail(m, rc)

    def unsubscribe(self, topic):
        cdef mg_str name
        cdef pmg_mgr_t *m = self.mgr()
        pmg_py_str(topic, "topic", &name)
        cdef int rc = 0 if m == NULL else pmg_mqtt_session_unsub(self.s, name)
        if rc < 0:
            pmg_py_fail(m, rc)

    def pump(self):
        self.mgr()
        pmg_mqtt_session_pump(self.s)

    # (what, token, reason), (what, reason, filter, qos) or None.
    def result(self):
        cdef pmg_mqtt_result_t r
        self.mgr()
        if not pmg_mqtt_session_result(self.s, &r):
            return None
        if r.what == PMG_MQTT_SUBSCRIBED:
            return (r.what, r.reason, pmg_py_text(r.filter), r.qos)
        return (r.what, r.token, r.reason)

    # Has a timer come after `ms`, without memory. False: it has ended, or will with its Manager.
    def later(self, timer, ms):
        cdef size_t wait
        if not isinstance(timer, Timer):
            pmg_py_bad_type("%s must be a Timer, not %s", "timer", timer)
        pmg_py_size(ms, "ms", &wait)
        cdef pmg_timer_t *t = (<Timer>timer).t
        return self.mgr() != NULL and t != NULL and pmg_timer_again(t, wait)

    def count(self, which):
        cdef int number = small_int_arg(which, "which")
        if not 0 <= number < PMG_MQTT_COUNTS:
            raise ValueError("no such counter")
        return pmg_mqtt_session_count(self.s, number)

    def close(self):
        self.mgr()
        pmg_mqtt_session_close(self.s)
