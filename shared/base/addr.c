// SPDX-License-Identifier: GPL-2.0-only
//
// Addresses as text.

#include "base.h"

static char *dec(char *p, unsigned n) {
    char tmp[8];
    size_t i = 0;
    do {
        tmp[i++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (i > 0) {
        *p++ = tmp[--i];
    }
    return p;
}

// RFC 5952: lower case, no leading zeros, the longest run of zeros (of two or more) as "::".
static char *text6(char *p, const uint8_t *ip) {
    static const char hex[] = "0123456789abcdef";
    int best = -1, best_len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && ip[2 * (i + n)] == 0 && ip[2 * (i + n) + 1] == 0) {
            n++;
        }
        if (n > best_len) {
            best = i;
            best_len = n;
        }
        i += n;
    }
    bool mapped = best == 0 && best_len == 5 && ip[10] == 0xff && ip[11] == 0xff;
    for (int i = 0; i < (mapped ? 6 : 8);) {
        if (i == best) {
            *p++ = ':';
            *p++ = ':';
            i += best_len;
            continue;
        }
        unsigned v = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
        for (int shift = 12, on = 0; shift >= 0; shift -= 4) {
            on |= (v >> shift) != 0 || shift == 0;
            if (on) {
                *p++ = hex[v >> shift & 15];
            }
        }
        if (++i < (mapped ? 6 : 8) && i != best) {
            *p++ = ':';
        }
    }
    if (mapped) {
        *p++ = ':';
        for (int i = 12; i < 16; i++) {
            p = dec(p, ip[i]);
            if (i < 15) {
                *p++ = '.';
            }
        }
    }
    return p;
}

void pmg_addr_text(const struct mg_addr *a, pmg_addr_t *out) {
    char *p = out->host;
    out->port = mg_ntohs(a->port);
    out->is_ip6 = a->is_ip6;
    bool any = a->port == 0 && !a->is_ip6 && a->addr.ip4 == 0;
    if (a->is_ip6) {
        p = text6(p, a->addr.ip);
        if (a->scope_id != 0) { // as it is taken in a URL; a name may be another's by then
            *p++ = '%';
            p = dec(p, a->scope_id);
        }
    } else if (!any) {
        for (int i = 0; i < 4; i++) {
            p = dec(p, a->addr.ip[i]);
            if (i < 3) {
                *p++ = '.';
            }
        }
    }
    *p = '\0';
}
