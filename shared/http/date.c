// SPDX-License-Identifier: GPL-2.0-only
//
// The Date of what a server sends (RFC 9110, section 6.6.1): one text a second, and none while
// nobody has set the clock.

#include "../pmg_version.h"
#include "http_int.h"

// "Date: Sun, 06 Nov 1994 08:49:37 GMT" and CR LF.
#define LINE_LEN PMG_DATE_LEN
_Static_assert(sizeof(PMG_TYPE_LINE) - 1 + LINE_LEN == PMG_DATE_TYPE_LEN, "as long as both");

typedef struct {
    pmg_attached_t attached;
    uint64_t until; // of the monotonic clock
    bool is_set;
    char line[PMG_DATE_TYPE_LEN + 1];
} date_t;

static void end(pmg_mgr_t *m, pmg_attached_t *a) {
    (void)m;
    pmg_free(a);
}

static void digits(char *p, unsigned value, int n) {
    while (n-- > 0) {
        p[n] = (char)('0' + value % 10);
        value /= 10;
    }
}

static void format(uint64_t seconds, char *line) {
    static const char names[] = "ThuFriSatSunMonTueWedJanFebMarAprMayJunJulAugSepOctNovDec";
    unsigned days = (unsigned)(seconds / 86400), time = (unsigned)(seconds % 86400);
    // Years that begin in March, so that the leap day is their last; from 0000-03-01 on.
    unsigned d = days + 719468, era = d / 146097, of_era = d % 146097;
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153, day = of_year - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9; // 1: January
    year += era * 400 + (month <= 2);
    memcpy(line, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n" PMG_TYPE_LINE, PMG_DATE_TYPE_LEN + 1);
    memcpy(line + 6, names + 3 * (size_t)(days % 7), 3);
    digits(line + 11, day, 2);
    memcpy(line + 14, names + 3 * (size_t)(6 + month), 3);
    digits(line + 18, year, 4);
    digits(line + 23, time / 3600, 2);
    digits(line + 26, time / 60 % 60, 2);
    digits(line + 29, time % 60, 2);
}

static date_t *renew(pmg_mgr_t *m, date_t *d, uint64_t now) {
    if (d == NULL) {
        d = pmg_alloc(sizeof(*d));
        if (d == NULL) {
            return NULL;
        }
        d->attached.end = end;
        pmg_attach(m, &d->attached);
    }
    uint64_t wall = pmg_port_wall(), seconds = wall / 1000;
    d->until = now + 1000 - wall % 1000;
    d->is_set = false;
    if (seconds >= PMG_RELEASED && seconds < 253402300800) { // the year 10000
        format(seconds, d->line);
        d->is_set = true;
    }
    return d;
}

const char *pmg_http_date(pmg_mgr_t *m) {
    date_t *d = (date_t *)(void *)pmg_attached(m, end);
    uint64_t now = pmg_now(m);
    if (d == NULL || now >= d->until) {
        d = renew(m, d, now);
    }
    return d != NULL && d->is_set ? d->line : NULL;
}
