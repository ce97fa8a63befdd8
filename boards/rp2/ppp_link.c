// SPDX-License-Identifier: GPL-2.0-only
//
// The bytes of a PPP link, in front of lwIP's pppos.c, which spends a hundred cycles on each: here it
// is about twenty. What a packet holds is taken and given in runs; flags, escapes, control packets
// and whatever else is rare goes on to pppos.c. With the lwIP lock held.

#include "py/mpconfig.h"

#if MICROPY_PY_NETWORK_PPP_LWIP

#include <string.h>
#include "lwip/igmp.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/sys.h"
#include "netif/ppp/ppp_impl.h"
#include "netif/ppp/pppos.h"
#include "ppp_link.h"

#define FLAG 0x7e
#define ESCAPE 0x7d
#define ESCAPED 0x20
#define FCS_BEGIN 0xffff
#define FCS_HEAD 0x191c // after the bytes of head[]
#define CHUNK 256

static const u8_t head[] = {0xff, 0x03, 0x00, PPP_IP}; // of an IPv4 packet, uncompressed

// The frame check of RFC 1662, section C.2, byte by byte: what each bit of it adds.
#define BIT(i, n, value) ((i) & (n) ? (value) : 0)
#define FCS(i)                                                                      \
    BIT(i, 1, 0x1189) ^ BIT(i, 2, 0x2312) ^ BIT(i, 4, 0x4624) ^ BIT(i, 8, 0x8c48) ^ \
        BIT(i, 16, 0x1081) ^ BIT(i, 32, 0x2102) ^ BIT(i, 64, 0x4204) ^ BIT(i, 128, 0x8408)
#define FCS4(i) FCS(i), FCS((i) + 1), FCS((i) + 2), FCS((i) + 3)
#define FCS16(i) FCS4(i), FCS4((i) + 4), FCS4((i) + 8), FCS4((i) + 12)
#define FCS64(i) FCS16(i), FCS16((i) + 16), FCS16((i) + 32), FCS16((i) + 48)

static const u16_t fcs_table[256] = {FCS64(0), FCS64(64), FCS64(128), FCS64(192)};

static inline u32_t fcs_add(u32_t fcs, u32_t c) {
    return (fcs >> 8) ^ fcs_table[(u8_t)(fcs ^ c)];
}

// The 32 characters that the two ends may agree to escape.
static u32_t control_map(const u8_t *accm) {
    return accm[0] | (u32_t)accm[1] << 8 | (u32_t)accm[2] << 16 | (u32_t)accm[3] << 24;
}

static inline bool special(u32_t c, u32_t map) {
    return c - ESCAPE <= FLAG - ESCAPE || (c < 32 && (map >> c & 1));
}

// Copies up to a flag or an escape; the number of bytes. Its few variables fit the registers.
static MP_NOINLINE size_t copy_run(u8_t *to, const u8_t *from, const u8_t *end, u32_t *fcs_io) {
    u32_t fcs = *fcs_io;
    const u8_t *begin = from;
    for (; from < end; from++) {
        u32_t c = *from;
        if (c - ESCAPE <= FLAG - ESCAPE) {
            break;
        }
        *to++ = (u8_t)c;
        fcs = fcs_add(fcs, c);
    }
    *fcs_io = fcs;
    return (size_t)(from - begin);
}

// ---- Input ---------------------------------------------------------------------------------------

// As much of the run as is a packet's plain data and fits its buffer. Where control characters are
// to be dropped, which two ends seldom agree on, all is left to pppos.c.
static size_t take(pppos_pcb *os, const u8_t *data, size_t len) {
    struct pbuf *p = os->in_tail;
    size_t room = (size_t)(PBUF_POOL_BUFSIZE - p->len);
    u32_t fcs = os->in_fcs;
    size_t n = copy_run((u8_t *)p->payload + p->len, data, data + (room < len ? room : len), &fcs);
    p->len = (u16_t)(p->len + n);
    os->in_fcs = (u16_t)fcs;
    return n;
}

void pmg_ppp_input(ppp_pcb *ppp, const u8_t *data, size_t len) {
    pppos_pcb *os = ppp->link_ctx_cb;
    while (len > 0) {
        size_t n = 0;
        if (os->open && !os->in_escaped && control_map(os->in_accm) == 0) {
            if (os->in_state == PDDATA && os->in_tail != NULL) {
                n = take(os, data, len);
            } else if (os->in_state == PDADDRESS && len >= sizeof(head) &&
                       memcmp(data, head, sizeof(head)) == 0) {
                os->in_protocol = PPP_IP;
                os->in_state = PDDATA;
                os->in_fcs = FCS_HEAD;
                n = sizeof(head);
            }
        }
        if (n == 0) {
            pppos_input(ppp, data, n = 1);
        }
        data += n;
        len -= n;
    }
}

// ---- Output --------------------------------------------------------------------------------------

typedef struct {
    ppp_pcb *ppp;
    u32_t map, fcs;
    size_t len;
    bool failed;
} writer_t;

static u8_t chunk[CHUNK]; // one packet is sent at a time

static void flush(writer_t *w) {
    pppos_pcb *os = w->ppp->link_ctx_cb;
    if (w->len > 0 && !w->failed) {
        w->failed = os->output_cb(w->ppp, chunk, w->len, w->ppp->ctx_cb) != w->len;
    }
    w->len = 0;
}

static void put(writer_t *w, const u8_t *data, size_t len) {
    for (const u8_t *end = data + len; data < end;) {
        if (w->len > CHUNK - 2) {
            flush(w);
        }
        if (w->map == 0) {
            size_t room = CHUNK - w->len, left = (size_t)(end - data);
            size_t n = copy_run(chunk + w->len, data, data + (room < left ? room : left), &w->fcs);
            w->len += n;
            data += n;
            if (n > 0) {
                continue;
            }
        }
        u32_t c = *data++;
        w->fcs = fcs_add(w->fcs, c);
        if (special(c, w->map)) {
            chunk[w->len++] = ESCAPE;
            c ^= ESCAPED;
        }
        chunk[w->len++] = (u8_t)c;
    }
}

static void put_flag(writer_t *w) {
    if (w->len == CHUNK) {
        flush(w);
    }
    chunk[w->len++] = FLAG;
}

static err_t output(ppp_pcb *ppp, void *ctx, struct pbuf *p, u_short protocol) {
    pppos_pcb *os = ctx;
    u32_t now = sys_now();
    writer_t w = {.ppp = ppp, .map = control_map(os->out_accm), .fcs = FCS_BEGIN};
    if (now - os->last_xmit >= PPP_MAXIDLEFLAG) {
        put_flag(&w);
    }
    const u8_t begin[] = {0xff, 0x03, (u8_t)(protocol >> 8), (u8_t)protocol};
    size_t from = os->accomp ? 2 : 0;
    put(&w, begin + from, 2 - from);
    from = os->pcomp && protocol <= 0xff ? 3 : 2;
    put(&w, begin + from, 4 - from);
    for (; p != NULL; p = p->next) {
        put(&w, p->payload, p->len);
    }
    u32_t fcs = ~w.fcs;
    const u8_t end[] = {(u8_t)fcs, (u8_t)(fcs >> 8)};
    put(&w, end, sizeof(end));
    put_flag(&w);
    flush(&w);
    os->last_xmit = w.failed ? 0 : now; // 0: the next packet begins with a flag
    return w.failed ? ERR_IF : ERR_OK;
}

void pmg_ppp_hook(ppp_pcb *ppp) {
    static struct link_callbacks callbacks;
    callbacks = *ppp->link_cb;
    callbacks.netif_output = output;
    ppp->link_cb = &callbacks;
#if LWIP_IGMP
    // lwIP takes multicast only from an interface that speaks IGMP. A modem hears of it only if the
    // program asks for multicast; the emulator's network carries it from board to board.
    struct netif *netif = ppp->netif;
    netif_set_flags(netif, NETIF_FLAG_IGMP | NETIF_FLAG_BROADCAST);
    (void)igmp_start(netif);
#endif
}

#endif
