// SPDX-License-Identifier: GPL-2.0-only
//
// Copies of messages: blocks that count in max_memory and outlive the handler, the connection and,
// then uncounted, the manager.

#include "core_int.h"

pmg_copy_t *pmg_copy_new(pmg_mgr_t *m, unsigned long id, size_t size) {
    size += sizeof(pmg_copy_t);
    if (m != NULL && !pmg_budget_take(m, size)) {
        return NULL;
    }
    pmg_copy_t *copy = pmg_alloc(size);
    if (copy == NULL) {
        if (m != NULL) {
            pmg_budget_give(m, size);
        }
        return NULL;
    }
    copy->m = m;
    copy->id = id;
    copy->size = size;
    copy->prev = NULL;
    copy->next = m != NULL ? m->copies : NULL;
    if (copy->next != NULL) {
        copy->next->prev = copy;
    }
    if (m != NULL) {
        m->copies = copy;
    }
    return copy;
}

void pmg_copy_free(pmg_copy_t *copy) {
    pmg_mgr_t *m = copy->m;
    if (m != NULL) {
        if (copy->prev != NULL) {
            copy->prev->next = copy->next;
        } else {
            m->copies = copy->next;
        }
        if (copy->next != NULL) {
            copy->next->prev = copy->prev;
        }
        pmg_budget_give(m, copy->size);
    }
    pmg_free(copy);
}

void pmg_copies_leave(pmg_mgr_t *m) {
    while (m->copies != NULL) {
        pmg_copy_t *copy = m->copies;
        m->copies = copy->next;
        copy->m = NULL;
        copy->prev = copy->next = NULL;
    }
}
