// SPDX-License-Identifier: GPL-2.0-only
//
// MicroPython's UART of the rp2 port, which machine_uart.c includes by way of this file: the same
// functions, without several divisions and looks at the clock for each byte.
#include "py/ringbuf.h"
#include "pico/mutex.h"

static inline size_t pmg_ring_have(const ringbuf_t *r) {
    int n = (int)r->iput - (int)r->iget;
    return (size_t)(n < 0 ? n + (int)r->size : n);
}

static inline size_t pmg_ring_room(const ringbuf_t *r) {
    return r->size - 1 - pmg_ring_have(r);
}

#define ringbuf_avail pmg_ring_have
#define ringbuf_free pmg_ring_room
#define mutex_enter_timeout_ms(mutex, ms) mutex_try_enter(mutex, NULL) // only ever with 0
#define mp_machine_uart_read pmg_uart_read_slowly
#define mp_machine_uart_write pmg_uart_write_slowly

#define irq_set_exclusive_handler pmg_uart_set_handler

static void pmg_uart_set_handler(uint number, irq_handler_t handler);
static mp_uint_t mp_machine_uart_read(mp_obj_t self_in, void *buf, mp_uint_t size, int *err);
static mp_uint_t mp_machine_uart_write(mp_obj_t self_in, const void *buf, mp_uint_t size, int *err);

#include "ports/rp2/machine_uart.c"

#undef mp_machine_uart_read
#undef mp_machine_uart_write
#undef irq_set_exclusive_handler

#define SURE (UART_FIFO_TRIGGER_LEVEL_RX - 2) // bytes that are there when the level is reached

// The greater part of what came, without asking the hardware for each byte. Some stay, so that it
// sees the line fall silent after them; all else is left to the port's own interrupt.
static inline void receive(machine_uart_obj_t *self) {
    uart_hw_t *hw = uart_get_hw(self->uart);
    ringbuf_t *r = &self->read_buffer;
    if (!(self->mp_irq_trigger & UART_UARTMIS_RTMIS_BITS) || !read_mutex_try_lock(self)) {
        return; // else the level is another one
    }
    uint8_t *last = r->buf + r->size - 1;
    while ((hw->mis & UART_UARTMIS_RXMIS_BITS) && pmg_ring_room(r) >= SURE) {
        uint8_t *to = r->buf + r->iput;
        for (size_t n = SURE; n > 0; n--) {
            uint32_t c = hw->dr;
            if (!(c & UART_UARTDR_BE_BITS)) {
                *to = (uint8_t)c;
                to = to == last ? r->buf : to + 1;
            }
        }
        __compiler_memory_barrier();
        r->iput = (uint16_t)(to - r->buf);
    }
    read_mutex_unlock(self);
}

static void pmg_uart0_interrupt(void) {
    receive(&machine_uart_obj[0]);
    uart0_irq_handler();
}

static void pmg_uart1_interrupt(void) {
    receive(&machine_uart_obj[1]);
    uart1_irq_handler();
}

static void pmg_uart_set_handler(uint number, irq_handler_t handler) {
    (void)handler;
    irq_set_exclusive_handler(number,
        number == UART0_IRQ ? pmg_uart0_interrupt : pmg_uart1_interrupt);
}

// The interrupt adds to this buffer at its other end only. What is there is taken at once; who wants
// more waits as ever.
static mp_uint_t mp_machine_uart_read(mp_obj_t self_in, void *buf, mp_uint_t size, int *err) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    ringbuf_t *r = &self->read_buffer;
    if (size > pmg_ring_have(r)) {
        return pmg_uart_read_slowly(self_in, buf, size, err);
    }
    size_t end = r->size - r->iget, first = size < end ? size : end;
    memcpy(buf, r->buf + r->iget, first);
    memcpy((uint8_t *)buf + first, r->buf, size - first);
    __compiler_memory_barrier();
    r->iget = (uint16_t)(size < end ? r->iget + size : size - end);
    return size;
}

// While nothing waits in the buffer, bytes go straight to the hardware.
static mp_uint_t mp_machine_uart_write(mp_obj_t self_in, const void *buf, mp_uint_t size,
    int *err) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    const uint8_t *from = buf, *end = from + size;
    if (pmg_ring_have(&self->write_buffer) == 0 && write_mutex_try_lock(self)) {
        uart_hw_t *hw = uart_get_hw(self->uart);
        while (from < end && !(hw->fr & UART_UARTFR_TXFF_BITS)) {
            hw->dr = *from++;
        }
        write_mutex_unlock(self);
    }
    if (from == end) {
        return size;
    }
    mp_uint_t sent = (mp_uint_t)(from - (const uint8_t *)buf);
    mp_uint_t rest = pmg_uart_write_slowly(self_in, from, size - sent, err);
    if (rest == MP_STREAM_ERROR) {
        return sent > 0 ? sent : rest;
    }
    return sent + rest;
}

// For PPP: what is there to be read, or -1 if the stream is no UART.
int pmg_uart_any(mp_obj_t stream) {
    return mp_obj_is_type(stream, &machine_uart_type) ? mp_machine_uart_any(MP_OBJ_TO_PTR(stream))
                                                      : -1;
}
