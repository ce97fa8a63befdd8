// SPDX-License-Identifier: GPL-2.0-only
//
// A thread's semaphore of ESP-IDF's lwIP on a desktop: binary, and select() can wait for it.
#ifndef PMG_UNIX_FREERTOS_SEMPHR_H
#define PMG_UNIX_FREERTOS_SEMPHR_H

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct {
    int fd;
    int given;
} pmg_esp_sem_t;
typedef pmg_esp_sem_t *sys_sem_t;

__attribute__((weak)) pthread_key_t pmg_esp_sem_key;
__attribute__((weak)) pthread_once_t pmg_esp_sem_once = PTHREAD_ONCE_INIT;

static void pmg_esp_sem_free(void *p) {
    sys_sem_t *sem = p;
    close((*sem)->fd);
    free(*sem);
    free(sem);
}

static void pmg_esp_sem_begin(void) {
    (void)pthread_key_create(&pmg_esp_sem_key, pmg_esp_sem_free);
}

static inline sys_sem_t *sys_thread_sem_get(void) {
    (void)pthread_once(&pmg_esp_sem_once, pmg_esp_sem_begin);
    sys_sem_t *sem = pthread_getspecific(pmg_esp_sem_key);
    if (sem == NULL && (sem = malloc(sizeof(*sem))) != NULL) {
        *sem = calloc(1, sizeof(**sem));
        (*sem)->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        (void)pthread_setspecific(pmg_esp_sem_key, sem);
    }
    return sem;
}

static inline void sys_sem_signal(sys_sem_t *sem) {
    uint64_t one = 1;
    __atomic_store_n(&(*sem)->given, 1, __ATOMIC_SEQ_CST);
    if (write((*sem)->fd, &one, sizeof(one)) != sizeof(one)) {
        abort();
    }
}

static inline int sys_sem_signal_isr(sys_sem_t *sem) {
    sys_sem_signal(sem);
    return 1;
}

static inline int xSemaphoreTake(sys_sem_t sem, int ticks) {
    uint64_t count;
    int got = read(sem->fd, &count, sizeof(count)) == sizeof(count);
    (void)ticks;
    if (got) {
        __atomic_store_n(&sem->given, 0, __ATOMIC_SEQ_CST);
    }
    return got;
}

// A call of lwIP's waits for this semaphore: given before, it would return before its time.
static inline void pmg_esp_call(void) {
    if (__atomic_load_n(&(*sys_thread_sem_get())->given, __ATOMIC_SEQ_CST)) {
        abort();
    }
}

#endif
