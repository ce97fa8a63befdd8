// SPDX-License-Identifier: GPL-2.0-only
//
// What a runtime supplies besides port.h where lwIP runs without an operating system.
//
//   pmg_port_lwip_lock, _unlock   exclude lwIP's interrupt; recursive
//   pmg_port_lock, _unlock        exclude other threads, cores and interrupts, for a few stores;
//                                 may be taken twice, not more
//   pmg_port_lwip_timers          sees to it that lwIP's timers run; without the lock
//   pmg_port_idle                 sleeps until an interrupt has made done() true or wants the
//                                 runtime's attention, at most ms and at most a slice of the
//                                 runtime's choice; runs no Python and raises nothing
//   pmg_port_wake                 ends it from another core
//   pmg_port_core                 the core that runs this; the main program's is 0
#ifndef PMG_PORT_LWIP_H
#define PMG_PORT_LWIP_H

#include <stdbool.h>

void pmg_port_lwip_lock(void);
void pmg_port_lwip_unlock(void);
void pmg_port_lwip_timers(void);
void pmg_port_lock(void);
void pmg_port_unlock(void);
void pmg_port_idle(int ms, bool (*done)(void *arg), void *arg);
void pmg_port_wake(void);
unsigned pmg_port_core(void);

#define PMG_LWIP_ENTER pmg_port_lwip_lock();
#define PMG_LWIP_EXIT pmg_port_lwip_unlock();

#endif
