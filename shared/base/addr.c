// SPDX-License-Identifier: GPL-2.0-only
//
// Addresses as text.

#include "base.h"

static char *dec(char *p, unsigned n) {
    char tmp[10];
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

// Mongoose's field for the zone has a byte, and systems that make and drop interfaces all day count on
// for ever. A larger number stands in the address, where a link-local one has zeros (RFC 4291, section
// 2.5.6), and the byte says so.
#define ZONE_INSIDE UINT8_MAX
#define ZONE_AT 2

bool pmg_addr_set_zone(struct mg_addr *a, uint32_t zone) {
    static const uint8_t zeros[4] = {0};
    uint8_t *inside = a->addr.ip + ZONE_AT;
    if (zone >= ZONE_INSIDE && memcmp(inside, zeros, sizeof(zeros)) != 0) {
        return false;
    }
    a->scope_id = zone < ZONE_INSIDE ? (uint8_t)zone : ZONE_INSIDE;
    if (zone >= ZONE_INSIDE) {
        memcpy(inside, &zone, sizeof(zone));
    }
    return true;
}

uint32_t pmg_addr_zone(const struct mg_addr *a, uint8_t ip[16]) {
    uint32_t zone = a->scope_id;
    memcpy(ip, a->addr.ip, 16);
    if (zone == ZONE_INSIDE) {
        memcpy(&zone, ip + ZONE_AT, sizeof(zone));
        memset(ip + ZONE_AT, 0, sizeof(zone));
    }
    return zone;
}

void pmg_addr_text(const struct mg_addr *a, pmg_addr_t *out) {
    char *p = out->host;
    out->port = mg_ntohs(a->port);
    out->is_ip6 = a->is_ip6;
    bool any = a->port == 0 && !a->is_ip6 && a->addr.ip4 == 0;
    if (a->is_ip6) {
        uint8_t ip[16];
        uint32_t zone = pmg_addr_zone(a, ip);
        p = text6(p, ip);
        if (zone != 0) { // as it is taken in a URL; a name may be another's by then
            *p++ = '%';
            p = dec(p, zone);
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
