// SPDX-License-Identifier: GPL-2.0-only
//
// The lock of the threads that use mbedTLS.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

#ifdef PMG_TLS_OWNS_MBEDTLS
#include <pthread.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void pmg_tls_lock(void) {
    (void)pthread_mutex_lock(&lock);
}

void pmg_tls_unlock(void) {
    (void)pthread_mutex_unlock(&lock);
}
#else
// The firmware's copy serves one thread.
void pmg_tls_lock(void) {}
void pmg_tls_unlock(void) {}
#endif

#endif
