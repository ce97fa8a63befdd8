// SPDX-License-Identifier: GPL-2.0-only
//
// Included ahead of MicroPython's machine_uart.c. A UART whose buffer is full waits for it by running
// what is pending: scheduled Python, an exception of Ctrl-C. Inside lwIP neither may happen.
// Interrupts go on and drain the buffer.
#include "py/mphal.h"
#include "py/runtime.h"
#include "ppp_output.h"

static inline void pmg_uart_wait(mp_uint_t ms) {
    if (pmg_ppp_output == 0) {
        mp_event_wait_ms(ms);
    }
}

#define mp_event_wait_ms pmg_uart_wait

#undef MICROPY_PY_MACHINE_UART_INCLUDEFILE
#define MICROPY_PY_MACHINE_UART_INCLUDEFILE "uart_port.h"
