// SPDX-License-Identifier: GPL-2.0-only
//
// Manager: the event loop as Python sees it. From its making to its close it hangs on a root
// pointer, so a program that drops its last reference keeps a running loop; a soft reset runs the
// finalizer, which closes every socket without calling Python.

#include "py/gc.h"
#include "py/mperrno.h"
#include "py/mpstate.h"
#include "py/stream.h"

#include "mod_util.h"
#include "port/port.h"
#if PMG_CAN_BARE
#include "port/port_lwip.h"
#endif

// A wait is cut here, so that timers, scheduled callbacks and Ctrl-C get their turn. On the unix
// port a signal ends the wait by itself, unless it must be held back (mod_pymongoose.h).
#if (defined(__unix__) || defined(__APPLE__)) && !MICROPY_ASYNC_KBD_INTR
#define SLICE_MS (250)
#elif defined(ESP_PLATFORM)
#define SLICE_MS (20) // select() sees none of them
#else
#define SLICE_MS (50)
#endif

#if PMG_CAN_BARE
// An interrupt may call wakeup(), too.
#define LOCK_INIT(self)
#define LOCK(self) pmg_port_lock()
#define UNLOCK(self) pmg_port_unlock()
#elif MICROPY_PY_THREAD
#define LOCK_INIT(self) mp_thread_mutex_init(&(self)->lock)
#define LOCK(self) mp_thread_mutex_lock(&(self)->lock, 1)
#define UNLOCK(self) mp_thread_mutex_unlock(&(self)->lock)
#else
#define LOCK_INIT(self)
#define LOCK(self)
#define UNLOCK(self)
#endif

MP_REGISTER_ROOT_POINTER(struct _mpy_manager_t *mpy_managers);

// For what must not run inside a handler.
static void check_idle(mpy_manager_t *self) {
    if (pmg_mgr_in_hook(self->m)) {
        mpy_raise_error(EBUSY, PMG_MSG_POLL_IN_HANDLER);
    }
}

// Handlers of MG_EV_CLOSE still find `m`: the engine itself refuses what they must not do.
static void free_engine(mpy_manager_t *self, bool silent) {
    LOCK(self);
    self->closing = true;
    UNLOCK(self);
    pmg_mgr_free(self->m, silent);
    self->m = NULL;
}

// Closes what is open. `silent`: from the finalizer, no Python may run. Does not raise.
static void shut(mpy_manager_t *self, bool silent) {
    if (self->m == NULL) {
        return;
    }
    MPY_ENGINE_DO(free_engine(self, silent));
    for (mpy_manager_t **p = &MP_STATE_VM(mpy_managers); *p != NULL; p = &(*p)->next) {
        if (*p == self) {
            *p = self->next;
            break;
        }
    }
    self->next = NULL;
}

// ---------------------------------------------------------------------------------------------
// Making one

enum {
    ARG_handler,
    ARG_enable_wakeup,
    ARG_error_handler,
    ARG_events,
    ARG_poll_events,
    ARG_dns,
    ARG_watch,
#define X(name, desktop, board) ARG_##name,
    PMG_LIMITS(X)
#undef X
};

static const mp_arg_t make_args[] = {MPY_OPTIONAL(handler, MP_ROM_NONE),
    MPY_OPTIONAL(enable_wakeup, MP_ROM_FALSE), MPY_OPTIONAL(error_handler, MP_ROM_NONE),
    MPY_KEYWORD(events, MP_ROM_NONE), MPY_KEYWORD(poll_events, MP_ROM_FALSE),
    MPY_KEYWORD(dns, MP_ROM_NONE), MPY_KEYWORD(watch, MP_ROM_NONE),
#define X(name, desktop, board) MPY_KEYWORD(name, MP_ROM_NONE),
    PMG_LIMITS(X)
#undef X
};

#define ARG_COUNT MP_ARRAY_SIZE(make_args)

// A misspelled limit is named, as nothing else would.
static void check_keywords(size_t n_kw, const mp_obj_t *kw) {
    for (size_t i = 0; i < n_kw; i++) {
        qstr name = mp_obj_str_get_qstr(kw[2 * i]);
        size_t k = 0;
        while (k < ARG_COUNT && make_args[k].qst != name) {
            k++;
        }
        if (k == ARG_COUNT) {
            nlr_raise(mp_obj_new_exception_msg_varg(&mp_type_TypeError,
                (mp_rom_error_text_t)PMG_MSG_LIMIT_UNKNOWN, qstr_str(name)));
        }
    }
}

// The `dns` argument: None, or a tuple of str without a NUL.
static mp_obj_t get_servers(mp_obj_t dns) {
    if (dns == mp_const_none) {
        return dns;
    }
    mp_obj_t tuple = mp_obj_is_str(dns) ? mp_obj_new_tuple(1, &dns)
                                        : mp_call_function_1(MP_OBJ_FROM_PTR(&mp_type_tuple), dns);
    size_t n;
    mp_obj_t *items;
    mp_obj_get_array(tuple, &n, &items);
    for (size_t i = 0; i < n; i++) {
        (void)mpy_get_cstr(items[i], "dns");
    }
    return tuple;
}

static MP_NORETURN void refuse(mpy_manager_t *self, int result) {
    vstr_t text; // the engine that holds it goes first
    vstr_init(&text, 64);
    vstr_add_str(&text, pmg_error_text(self->m, result));
    MPY_ENGINE_DO(free_engine(self, true));
    mpy_raise_result(result, vstr_null_terminated_str(&text));
}

static mp_obj_t manager_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *all_args) {
    mp_arg_val_t args[ARG_COUNT];
    check_keywords(n_kw, all_args + n_args);
    mp_arg_parse_all_kw_array(n_args, n_kw, all_args, ARG_COUNT, make_args, args);

    pmg_limits_t limits;
    pmg_limits_default(&limits);
#define X(name, desktop, board)                                    \
    if (args[ARG_##name].u_obj != mp_const_none) {                 \
        limits.name = mpy_get_size(args[ARG_##name].u_obj, #name); \
    }
    PMG_LIMITS(X)
#undef X

    mp_obj_t handler = mpy_get_handler(args[ARG_handler].u_obj, "handler");
    mp_obj_t error_handler = mpy_get_handler(args[ARG_error_handler].u_obj, "error_handler");
    uint32_t events = mpy_get_events(args[ARG_events].u_obj);
    mp_obj_t watch = mpy_get_handler(args[ARG_watch].u_obj, "watch");
    bool poll_events = mp_obj_is_true(args[ARG_poll_events].u_obj);
    mp_obj_t dns = get_servers(args[ARG_dns].u_obj);
    size_t n_servers = 0;
    mp_obj_t *servers = NULL;
    if (dns != mp_const_none) {
        mp_obj_get_array(dns, &n_servers, &servers);
    }

    mpy_manager_t *self = mp_obj_malloc_with_finaliser(mpy_manager_t, type);
    self->m = NULL;
    self->next = NULL;
    self->live = NULL;
    self->closing = true; // until there is something to close
    self->pending = MP_OBJ_NULL;
    self->handler = handler;
    self->error_handler = error_handler;
    self->watch = watch;
    self->core = self->start = self->later = MP_OBJ_NULL;
#if MICROPY_PY_THREAD
    self->thread = mp_thread_get_id();
    LOCK_INIT(self);
#endif
    int r = MPY_ENGINE(pmg_mgr_new(&self->m, &mpy_hooks, &limits, self));
    if (r < 0) {
        self->m = NULL;
        mpy_raise_result(r, pmg_error_text(NULL, r));
    }
    pmg_mgr_events(self->m, events, poll_events);
    for (int i = -1; i < (int)n_servers; i++) {
        const char *url = i >= 0 ? mp_obj_str_get_str(servers[i]) : NULL;
        r = dns != mp_const_none && r >= 0 ? MPY_ENGINE(pmg_dns_server(self->m, url)) : r;
    }
    if (watch != mp_const_none && r >= 0) {
        r = MPY_ENGINE(pmg_mgr_watch(self->m));
    }
    if (r < 0) {
        refuse(self, r);
    }
    self->closing = false;
    self->next = MP_STATE_VM(mpy_managers);
    MP_STATE_VM(mpy_managers) = self;
    return MP_OBJ_FROM_PTR(self);
}

// As the collector calls it. Called by hand it does nothing: the engine may be running.
static mp_obj_t manager_del(mp_obj_t self_in) {
    if (mpy_in_finalizer()) {
        shut(MP_OBJ_TO_PTR(self_in), true);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(manager_del_obj, manager_del);

// ---------------------------------------------------------------------------------------------
// Connections

// http=None: as the URL's scheme says.
static const pmg_protocol_t *speaks_arg(mp_obj_t http, const char *url) {
    if (http == mp_const_none) {
        return pmg_url_speaks(url);
    }
    return mp_obj_is_true(http) ? &pmg_http : &pmg_raw;
}

static mp_obj_t manager_listen(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_url, ARG_handler, ARG_http, ARG_fd, ARG_broadcast, ARG_events, ARG_reuse_port };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(url),
        MPY_OPTIONAL(handler, MP_ROM_NONE),
        MPY_KEYWORD(http, MP_ROM_NONE),
        MPY_KEYWORD(fd, MP_ROM_NONE),
        MPY_KEYWORD(broadcast, MP_ROM_FALSE),
        MPY_KEYWORD(events, MP_ROM_NONE),
        MPY_KEYWORD(reuse_port, MP_ROM_FALSE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mpy_open_t arg = mpy_open_arg(args[ARG_handler].u_obj, args[ARG_events].u_obj);
    const char *url = mpy_get_cstr(args[ARG_url].u_obj, "url");
    const pmg_protocol_t *speaks = speaks_arg(args[ARG_http].u_obj, url);
    bool reuse_port = mp_obj_is_true(args[ARG_reuse_port].u_obj);
    int fd = reuse_port ? -2 : -1;
    if (args[ARG_fd].u_obj != mp_const_none) {
        mp_uint_t n = mpy_get_size(args[ARG_fd].u_obj, "fd");
        if (reuse_port) {
            mpy_raise_value(PMG_MSG_FD_SHARED, NULL);
        }
        fd = n < INT_MAX ? (int)n : INT_MAX; // no descriptor either, and the engine says so
    }
    bool broadcast = mp_obj_is_true(args[ARG_broadcast].u_obj);
    mpy_manager_t *self = mpy_manager_open(pos_args[0]);
    if (broadcast) {
        pmg_open_broadcast(self->m);
    }
    return mpy_manager_start(self, url, speaks, true, fd, arg);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_listen_obj, 1, manager_listen);

static mp_obj_t manager_connect(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_url, ARG_handler, ARG_http, ARG_broadcast, ARG_events };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(url),
        MPY_OPTIONAL(handler, MP_ROM_NONE),
        MPY_KEYWORD(http, MP_ROM_NONE),
        MPY_KEYWORD(broadcast, MP_ROM_FALSE),
        MPY_KEYWORD(events, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mpy_open_t arg = mpy_open_arg(args[ARG_handler].u_obj, args[ARG_events].u_obj);
    const char *url = mpy_get_cstr(args[ARG_url].u_obj, "url");
    const pmg_protocol_t *speaks = speaks_arg(args[ARG_http].u_obj, url);
    bool broadcast = mp_obj_is_true(args[ARG_broadcast].u_obj);
    mpy_manager_t *self = mpy_manager_open(pos_args[0]);
    if (broadcast) {
        pmg_open_broadcast(self->m);
    }
    return mpy_manager_start(self, url, speaks, false, -1, arg);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_connect_obj, 1, manager_connect);

// ---------------------------------------------------------------------------------------------
// The loop

// Waits at most `ms` (< 0: no limit) until something was done. A callback that MicroPython's
// scheduler runs between two slices may close the manager: that ends the wait, too. The clock is
// asked for longer waits only; a shorter one may end early by a signal.
static void poll_for(mpy_manager_t *self, mp_int_t ms) {
    uint64_t end = ms > SLICE_MS ? pmg_port_millis() + (uint64_t)ms : 0;
    for (;;) {
        int slice = ms >= 0 && ms < SLICE_MS ? (int)ms : SLICE_MS;
        int r = MPY_ENGINE(pmg_mgr_poll(self->m, slice));
        mpy_check(self, self->m, r);
        mp_event_handle_nowait();
        if (r > 0 || self->m == NULL) {
            return;
        }
        if (ms >= 0) {
            uint64_t now = end > 0 ? pmg_port_millis() : 0;
            if (now >= end) {
                return;
            }
            ms = (mp_int_t)(end - now);
        }
    }
}

static mp_obj_t manager_poll(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed_args[] = {
        MPY_OPTIONAL(timeout_ms, MP_ROM_INT(0)),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mp_int_t ms = mpy_get_int(args[0].u_obj, "timeout_ms");
    mpy_manager_t *self = mpy_manager_open(pos_args[0]);
    check_idle(self);
    poll_for(self, ms);
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_poll_obj, 1, manager_poll);

// Polls until the manager is closed. MP_OBJ_NULL, or what was raised.
static MP_NOINLINE mp_obj_t poll_forever(mpy_manager_t *self, mp_int_t ms) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        while (self->m != NULL) {
            poll_for(self, ms);
        }
        nlr_pop();
        return MP_OBJ_NULL;
    }
    return MP_OBJ_FROM_PTR(nlr.ret_val);
}

// KeyboardInterrupt ends it normally, any other exception goes on; the manager is closed in
// both cases.
static mp_obj_t manager_run(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed_args[] = {
        MPY_OPTIONAL(poll_ms, MP_ROM_INT(100)),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mp_int_t ms = mpy_get_int(args[0].u_obj, "poll_ms");
    mpy_manager_t *self = mpy_manager_open(pos_args[0]);
    check_idle(self);
    mp_obj_t exc = poll_forever(self, ms);
    shut(self, false);
    mp_obj_t interrupt = MP_OBJ_FROM_PTR(&mp_type_KeyboardInterrupt);
    if (exc != MP_OBJ_NULL && !mp_obj_exception_match(exc, interrupt)) {
        self->pending = exc; // ahead of what a handler of MG_EV_CLOSE left
    }
    mpy_check(self, NULL, 0);
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_run_obj, 1, manager_run);

// ---------------------------------------------------------------------------------------------
// Somebody else's loop

static mp_obj_t manager_fileno(mp_obj_t self_in) {
    mpy_manager_t *self = mpy_manager_open(self_in);
    return MP_OBJ_NEW_SMALL_INT(mpy_check(self, self->m, MPY_ENGINE(pmg_mgr_fd(self->m))));
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_manager_fileno_obj, manager_fileno);

static mp_obj_t manager_next_timeout(mp_obj_t self_in) {
    mpy_manager_t *self = mpy_manager_open(self_in);
    long ms;
    mpy_check(self, self->m, MPY_ENGINE(pmg_mgr_timeout(self->m, &ms)));
    return ms < 0 ? mp_const_none : mp_obj_new_int(ms);
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_manager_next_timeout_obj, manager_next_timeout);

// As a stream for select.poll() and asyncio: readable when there is something to poll for.
static mp_uint_t manager_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    mpy_manager_t *self = MP_OBJ_TO_PTR(self_in);
    if (request == MP_STREAM_POLL) {
        if (self->m == NULL) {
            return MP_STREAM_POLL_NVAL;
        }
        return (arg & MP_STREAM_POLL_RD) && MPY_ENGINE(pmg_mgr_ready(self->m)) ? MP_STREAM_POLL_RD
                                                                               : 0;
    }
    if (request == MP_STREAM_GET_FILENO) {
        int fd = self->m != NULL ? MPY_ENGINE(pmg_mgr_fd(self->m)) : -EBADF;
        if (fd >= 0) {
            return (mp_uint_t)fd;
        }
    }
    *errcode = MP_EINVAL;
    return MP_STREAM_ERROR;
}

static const mp_stream_p_t manager_stream = {.ioctl = manager_ioctl};

// ---------------------------------------------------------------------------------------------
// The end

static mp_obj_t manager_close(mp_obj_t self_in) {
    mpy_manager_t *self = MP_OBJ_TO_PTR(self_in);
    mpy_check_caller(self);
    if (self->m != NULL) {
        check_idle(self);
        shut(self, false);
        mpy_check(self, NULL, 0);
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_manager_close_obj, manager_close);

static mp_obj_t manager_exit(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    return manager_close(args[0]);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(manager_exit_obj, 4, 4, manager_exit);

// ---------------------------------------------------------------------------------------------
// Wake-ups and timers

// The lock keeps close() from pulling the engine away under another thread's feet.
static int locked_wakeup(mpy_manager_t *self, unsigned long id, const mp_buffer_info_t *data) {
    struct pmg_wakeup *w = NULL;
    int r = -EBADF;
    if (id != 0 && (w = pmg_wakeup_new(id, data->buf, data->len)) == NULL) {
        return -ENOMEM;
    }
    LOCK(self);
    if (!self->closing) {
        r = pmg_wakeup_put(self->m, w);
    }
    UNLOCK(self);
    if (r < 0) {
        pmg_wakeup_free(w);
    }
    return r;
}

#ifdef PMG_WAKEUP_SLOTS
// In a hard interrupt, where the heap is locked. (MicroPython runs none on ESP32.)
static int irq_wakeup(mpy_manager_t *self, unsigned long id, const mp_buffer_info_t *data) {
    LOCK(self);
    int r = !self->closing ? pmg_mgr_wakeup_irq(self->m, id, data->buf, data->len) : -EBADF;
    UNLOCK(self);
    return r;
}
#endif

// The one method that any thread may call, and an interrupt.
static mp_obj_t manager_wakeup(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_connection_id, ARG_data };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(connection_id),
        MPY_OPTIONAL(data, MP_ROM_QSTR(MP_QSTR_)),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    unsigned long id = mpy_get_size(args[ARG_connection_id].u_obj, "connection_id");
    mp_buffer_info_t data;
    mpy_get_data(args[ARG_data].u_obj, "data", &data);
    mpy_manager_t *self = MP_OBJ_TO_PTR(pos_args[0]);
    if (mpy_in_finalizer()) {
        mpy_check_caller(self);
    }
#ifdef PMG_WAKEUP_SLOTS
    int r = gc_is_locked() ? irq_wakeup(self, id, &data) : locked_wakeup(self, id, &data);
#else
    int r = MPY_ENGINE(locked_wakeup(self, id, &data));
#endif
    if (r == -EBADF) {
        mpy_raise_error(EBADF, PMG_MSG_MGR_CLOSED);
    }
    return mp_obj_new_bool(r >= 0);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_wakeup_obj, 1, manager_wakeup);

static mp_obj_t manager_timer_add(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_milliseconds, ARG_callback, ARG_repeat, ARG_run_now };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(milliseconds),
        MPY_REQUIRED(callback),
        MPY_KEYWORD(repeat, MP_ROM_FALSE),
        MPY_KEYWORD(run_now, MP_ROM_FALSE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mp_uint_t ms = mpy_get_size(args[ARG_milliseconds].u_obj, "milliseconds");
    mp_obj_t callback = args[ARG_callback].u_obj;
    if (!mp_obj_is_callable(callback)) {
        mpy_raise_type("%s must be callable, not %s", "callback", callback);
    }
    bool repeat = mp_obj_is_true(args[ARG_repeat].u_obj);
    bool run_now = mp_obj_is_true(args[ARG_run_now].u_obj);
    return mpy_timer_new(mpy_manager_open(pos_args[0]), callback, ms, repeat, run_now);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_timer_add_obj, 1, manager_timer_add);

// Is this called, however deep, by a handler or timer of any Manager, by a scheduled callback or a
// finalizer? For pymongoose.client, which waits.
static mp_obj_t in_handler(void) {
#if MICROPY_ENABLE_SCHEDULER
    bool found = mpy_in_finalizer() || MP_STATE_VM(sched_state) == MP_SCHED_LOCKED;
#else
    bool found = mpy_in_finalizer();
#endif
    for (mpy_manager_t *m = MP_STATE_VM(mpy_managers); m != NULL && !found; m = m->next) {
#if MICROPY_PY_THREAD
        found = m->thread == mp_thread_get_id() && m->m != NULL && pmg_mgr_in_hook(m->m);
#else
        found = m->m != NULL && pmg_mgr_in_hook(m->m);
#endif
    }
    return mp_obj_new_bool(found);
}
MP_DEFINE_CONST_FUN_OBJ_0(module__in_handler_obj, in_handler);

// ---------------------------------------------------------------------------------------------
// Properties and type

static mp_obj_t manager_connections(mpy_manager_t *self) {
    mpy_check_caller(self);
    if (self->m == NULL) {
        return mp_const_empty_tuple;
    }
    size_t count = pmg_mgr_count(self->m);
    if (count == 0) {
        return mp_const_empty_tuple; // in ROM, unlike the one below
    }
    mp_obj_tuple_t *tuple = MP_OBJ_TO_PTR(mp_obj_new_tuple(count, NULL));
    size_t len = 0;
    struct mg_connection *c = NULL;
    while (len < count && (c = pmg_mgr_next(self->m, c)) != NULL) {
        if (*pmg_conn_obj(c) != NULL) {
            tuple->items[len++] = MP_OBJ_FROM_PTR(*pmg_conn_obj(c));
        }
    }
    tuple->len = len;
    return MP_OBJ_FROM_PTR(tuple);
}

static mp_obj_t manager_wakeup_id(mpy_manager_t *self) {
    (void)self;
    return MP_OBJ_NEW_SMALL_INT(0); // wakeup() needs no connection of its own
}

static void manager_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    if (dest[0] != MP_OBJ_NULL) {
        return; // read-only
    }
    switch (attr) {
#define X(name) \
    case MP_QSTR_##name: dest[0] = manager_##name(MP_OBJ_TO_PTR(self_in)); break;
        PMG_MANAGER_PROPS(X)
#undef X
        default: dest[1] = MP_OBJ_SENTINEL; break;
    }
}

static const mp_rom_map_elem_t manager_locals_dict_table[] = {
    {MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&manager_del_obj)},
    {MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&mp_identity_obj)},
    {MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&manager_exit_obj)},
#define X(name, min, max) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&mpy_manager_##name##_obj)},
    PMG_MANAGER_METHODS(X)
#undef X
};
static MP_DEFINE_CONST_DICT(manager_locals_dict, manager_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(mpy_type_Manager, MP_QSTR_Manager, MP_TYPE_FLAG_NONE, make_new,
    manager_make_new, attr, manager_attr, protocol, &manager_stream, locals_dict,
    &manager_locals_dict);
