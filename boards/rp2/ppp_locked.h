// SPDX-License-Identifier: GPL-2.0-only
//
// Included ahead of MicroPython's network_ppp_lwip.c, which calls lwIP without its lock although
// lwIP's timers run from an interrupt. Here those calls take it, reading a UART takes what is there
// and does not wait for more, and writing to one runs no Python (uart_wait.h).
#include <stdint.h>

#include "py/mpconfig.h"

// A board with a network of its own has none of it, nor lwIP's headers of PPP all they need.
#if MICROPY_PY_NETWORK_PPP_LWIP

#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"

#include "netif/ppp/ppp.h"
#include "netif/ppp/pppapi.h"
#include "netif/ppp/pppos.h"

#include "ppp_link.h"
#include "ppp_output.h"

int pmg_uart_any(mp_obj_t stream); // uart_port.h

// A UART that sends nothing for so long (flow control, a wrong baud rate) loses the packet.
#define PMG_PPP_WRITE_MS 500

static inline ppp_pcb *pmg_pppos_create(struct netif *netif, pppos_output_cb_fn output,
    ppp_link_status_cb_fn status, void *ctx) {
    MICROPY_PY_LWIP_ENTER
    ppp_pcb *pcb = pppos_create(netif, output, status, ctx);
    if (pcb != NULL) {
        pmg_ppp_hook(pcb);
    }
    MICROPY_PY_LWIP_EXIT
    return pcb;
}

static inline void pmg_pppos_input(ppp_pcb *pcb, u8_t *data, int len) {
    MICROPY_PY_LWIP_ENTER
    pmg_ppp_input(pcb, data, (size_t)len);
    MICROPY_PY_LWIP_EXIT
}

static inline err_t pmg_ppp_connect(ppp_pcb *pcb, u16_t hold_off) {
    MICROPY_PY_LWIP_ENTER
    err_t err = ppp_connect(pcb, hold_off);
    MICROPY_PY_LWIP_EXIT
    return err;
}

static inline err_t pmg_ppp_close(ppp_pcb *pcb, u8_t no_carrier) {
    MICROPY_PY_LWIP_ENTER
    err_t err = ppp_close(pcb, no_carrier);
    MICROPY_PY_LWIP_EXIT
    return err;
}

static inline err_t pmg_ppp_free(ppp_pcb *pcb) {
    MICROPY_PY_LWIP_ENTER
    err_t err = ppp_free(pcb);
    MICROPY_PY_LWIP_EXIT
    return err;
}

static inline mp_uint_t pmg_ppp_read(mp_obj_t stream, void *buf, mp_uint_t size, int *err) {
    mp_int_t have = pmg_uart_any(stream);
    mp_obj_t any[2] = {MP_OBJ_NULL, MP_OBJ_NULL};
    if (have < 0) {
        mp_load_method_maybe(stream, MP_QSTR_any, any);
    }
    if (any[0] != MP_OBJ_NULL && any[1] != MP_OBJ_NULL) {
        have = mp_obj_get_int(mp_call_method_n_kw(0, 0, any));
    }
    if (have == 0) {
        return 0;
    }
    if (have > 0 && (mp_uint_t)have < size) {
        size = (mp_uint_t)have;
    }
    return mp_stream_rw(stream, buf, size, err, MP_STREAM_RW_READ);
}

static inline mp_uint_t pmg_ppp_write(mp_obj_t stream, const void *buf, mp_uint_t size, int *err) {
    const mp_stream_p_t *p = mp_get_stream(stream);
    mp_uint_t sent = 0, begun = 0;
    pmg_ppp_output++;
    for (;;) {
        mp_uint_t n = p->write(stream, (const char *)buf + sent, size - sent, err);
        bool failed = n == MP_STREAM_ERROR;
        if (failed && !mp_is_nonblocking_error(*err)) {
            break;
        }
        sent += failed ? 0 : n;
        if (sent == size) {
            break;
        }
        mp_uint_t now = mp_hal_ticks_ms();
        if ((!failed && n > 0) || begun == 0) {
            begun = now;
        } else if (now - begun >= PMG_PPP_WRITE_MS) {
            break;
        }
    }
    pmg_ppp_output--;
    return sent;
}

static inline mp_uint_t pmg_ppp_rw(mp_obj_t stream, void *buf, mp_uint_t size, int *err,
    byte flags) {
    return flags & MP_STREAM_RW_WRITE ? pmg_ppp_write(stream, buf, size, err)
                                      : pmg_ppp_read(stream, buf, size, err);
}

// From 1.26 on a link that a soft reset ends asks its UART to stop telling of input. That takes memory,
// which a finalizer has none of, and an exception there would leave lwIP with an interface whose
// memory is gone. The port has stopped the UART already.
static inline mp_obj_t pmg_ppp_call(size_t n_args, size_t n_kw, const mp_obj_t *args) {
    nlr_buf_t nlr;
    if (!gc_is_locked()) {
        return mp_call_method_n_kw(n_args, n_kw, args);
    }
    if (nlr_push(&nlr) == 0) {
        mp_obj_t result = mp_call_method_n_kw(n_args, n_kw, args);
        nlr_pop();
        return result;
    }
    return mp_const_none;
}

#define pppos_create pmg_pppos_create
#define pppos_input pmg_pppos_input
#define ppp_connect pmg_ppp_connect
#define ppp_close pmg_ppp_close
#define ppp_free pmg_ppp_free
#define mp_stream_rw pmg_ppp_rw
#define mp_call_method_n_kw pmg_ppp_call

#endif
