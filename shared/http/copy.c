// SPDX-License-Identifier: GPL-2.0-only
//
// A copy of a message: one block, with the head as it was received, into which its fields point.

#include "../core/core_int.h"
#include "http.h"

// What is no part of the head is a constant.
static void move(struct mg_str *s, struct mg_str from, const char *to) {
    if (s->buf != NULL && s->buf >= from.buf && s->buf <= from.buf + from.len) {
        s->buf = (char *)(size_t)to + (s->buf - from.buf);
    }
}

pmg_copy_t *pmg_http_copy(pmg_mgr_t *m, unsigned long id, const pmg_http_msg_t *hm) {
    size_t headers = (size_t)hm->num_headers * sizeof(pmg_header_t);
    pmg_copy_t *copy =
        pmg_copy_new(m, id, sizeof(pmg_http_msg_t) + headers + hm->head.len + hm->body.len);
    if (copy == NULL) {
        return NULL;
    }
    pmg_http_msg_t *to = (void *)(copy + 1);
    pmg_header_t *list = (void *)(to + 1);
    char *at = (char *)list + headers;
    *to = *hm;
    to->headers = list;
    to->head = pmg_copy_str(&at, hm->head);
    to->body = pmg_copy_str(&at, hm->body);
    struct mg_str *fields[] = {&to->method, &to->uri, &to->query, &to->proto};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        move(fields[i], hm->head, to->head.buf);
    }
    for (int i = 0; i < hm->num_headers; i++) {
        list[i] = hm->headers[i];
        move(&list[i].name, hm->head, to->head.buf);
        move(&list[i].value, hm->head, to->head.buf);
    }
    copy->msg = to;
    return copy;
}
