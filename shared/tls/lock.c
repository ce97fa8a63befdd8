// SPDX-License-Identifier: GPL-2.0-only
//
// What the threads that use mbedTLS share: a lock, and a source of random numbers.

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

int pmg_tls_rng(void *ctx, unsigned char *buf, size_t len) {
    (void)ctx;
    return pmg_port_random(buf, len) ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

#endif
