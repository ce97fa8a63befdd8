// SPDX-License-Identifier: GPL-2.0-only
//
// The time of day from a server: SNTP as a client (RFC 4330, RFC 5905 section 14).
//
// The request says nothing of this host's clock: its transmit timestamp is a random number, which
// the server's answer has to repeat. So nobody who does not see the request can forge an answer,
// and what repeats it may be believed, refusals included.

#include "../core/core_int.h"
#include "sntp.h"

#if PMG_HAS_SNTP

#define PACKET_SIZE 48
#define VERSION 4
#define VERSION_OLDEST 3 // some answer so, whatever they were asked
#define MODE_CLIENT 3
#define MODE_SERVER 4
#define STRATUM_MAX 15
#define LEAP_UNKNOWN 3 // the clock is not synchronized
#define TRIES 3
#define TRY_MS 1000 // of the first; each further one has twice as long

// Offsets in a packet.
enum { STRATUM = 1, REFERENCE_ID = 12, ORIGIN = 24, RECEIVE = 32, TRANSMIT = 40 };

#define SECONDS_1900_TO_1970 2208988800u

typedef struct {
    uint8_t cookie[8]; // what the answer must repeat
    uint64_t sent;
    uint8_t tries;
    bool waiting; // for an answer
    bool wanted;  // ask when connected
    bool once;    // close after the answer
} sntp_t;
PMG_FITS(sntp_t, PMG_STATE_SIZE);

static void late(struct mg_connection *c);

static void send_request(struct mg_connection *c) {
    sntp_t *s = pmg_state(c);
    uint8_t packet[PACKET_SIZE] = {VERSION << 3 | MODE_CLIENT};
    if (!pmg_random(pmg_m(c), s->cookie, sizeof(s->cookie))) {
        pmg_fatal(c, "SNTP: " PMG_NO_RANDOM);
        return;
    }
    memcpy(packet + TRANSMIT, s->cookie, sizeof(s->cookie));
    s->waiting = true;
    s->sent = pmg_port_millis();
    pmg_deadline(c, late, (uint64_t)TRY_MS << s->tries++);
    long n = pmg_io_write(c, packet, sizeof(packet));
    if (n < 0 && n != -EAGAIN) {
        pmg_fatal(c, strerror((int)-n));
    }
}

static void late(struct mg_connection *c) {
    const sntp_t *s = pmg_state(c);
    if (s->tries < TRIES) {
        send_request(c);
    } else {
        pmg_fatal(c, "SNTP: no answer from the server");
    }
}

static uint64_t get64(const uint8_t *p) {
    uint64_t n = 0;
    for (int i = 0; i < 8; i++) {
        n = n << 8 | p[i];
    }
    return n;
}

// NULL, or why the answer gives no time.
static const char *refusal(const uint8_t *packet, char *text, size_t size) {
    if (packet[STRATUM] == 0) {
        const char *code = (const char *)packet + REFERENCE_ID;
        for (int i = 0; i < 4; i++) {
            if ((code[i] < 'A' || code[i] > 'Z') && (code[i] < '0' || code[i] > '9')) {
                return "SNTP: the server's clock is not synchronized";
            }
        }
        pmg_snprintf(text, size, "SNTP: the server refuses: %.*s", 4, code);
        return text;
    }
    if (packet[STRATUM] > STRATUM_MAX || packet[0] >> 6 == LEAP_UNKNOWN ||
        get64(packet + TRANSMIT) == 0) {
        return "SNTP: the server's clock is not synchronized";
    }
    return NULL;
}

// Milliseconds since 1970 at the moment when the answer came, `trip` milliseconds after the
// request had left.
static int64_t time_of(const uint8_t *packet, uint64_t trip) {
    uint64_t transmit = get64(packet + TRANSMIT);
    uint64_t held = transmit - get64(packet + RECEIVE); // by the server, in 2^-32 s
    uint64_t held_ms = (held >> 32) * 1000 + ((held & UINT32_MAX) * 1000 >> 32);
    int64_t seconds = (int64_t)(transmit >> 32) - (int64_t)SECONDS_1900_TO_1970;
    if (!(transmit >> 63)) { // the era that begins in 2036 (RFC 4330, section 3)
        seconds += (int64_t)1 << 32;
    }
    int64_t ms = seconds * 1000 + (int64_t)((transmit & UINT32_MAX) * 1000 >> 32);
    return ms + (int64_t)(held_ms <= trip ? trip - held_ms : 0) / 2;
}

static void answered(struct mg_connection *c, const uint8_t *packet, size_t len) {
    sntp_t *s = pmg_state(c);
    char text[48];
    unsigned version = len > 0 ? packet[0] >> 3 & 7u : 0;
    if (!s->waiting || len < PACKET_SIZE || (packet[0] & 7) != MODE_SERVER || version > VERSION ||
        version < VERSION_OLDEST || memcmp(packet + ORIGIN, s->cookie, sizeof(s->cookie)) != 0) {
        return; // somebody else's: the true one may still come
    }
    const char *why = refusal(packet, text, sizeof(text));
    int64_t ms = time_of(packet, pmg_port_millis() - s->sent);
    if (why == NULL && ms <= 0) {
        why = "SNTP: the server's clock is not synchronized";
    }
    s->waiting = false;
    s->tries = 0;
    pmg_no_deadline(c);
    if (why != NULL) {
        pmg_fatal(c, why);
        return;
    }
    uint64_t result = (uint64_t)ms;
    pmg_call(c, MG_EV_SNTP_TIME, &result);
    if (s->once && !s->waiting) {
        pmg_close(c);
    }
}

static int start(struct mg_connection *c, const pmg_opening_t *o) {
    sntp_t *s = pmg_state(c);
    (void)o;
    s->once = s->wanted = true;
    return 0;
}

static void opened(struct mg_connection *c) {
    sntp_t *s = pmg_state(c);
    if (s->wanted) {
        s->wanted = false;
        send_request(c);
    }
}

static void read_input(struct mg_connection *c) {
    answered(c, c->recv.buf, c->recv.len);
    c->recv.len = 0;
}

const pmg_protocol_t pmg_sntp = {
    .name = "SNTP",
    .datagrams = true,
    .start = start,
    .opened = opened,
    .read = read_input,
};

int pmg_sntp_request(struct mg_connection *c) {
    sntp_t *s = pmg_state(c);
    if (!c->is_udp || !c->is_client) {
        return pmg_fail(pmg_m(c), -EINVAL, "time is asked for over UDP: use sntp_connect()");
    }
    int err = pmg_conn_alive(c);
    if (err < 0) {
        return err;
    }
    if (pmg_x(c)->speaks != &pmg_sntp) { // from now on
        pmg_conn_speak(c, &pmg_sntp);
    }
    if (!pmg_x(c)->connected) {
        s->wanted = true;
    } else if (!s->waiting) {
        send_request(c);
    }
    return 0;
}

#endif
