// SPDX-License-Identifier: GPL-2.0-only
//
// Forms in constant memory: http_stream_form() has the parts of a multipart/form-data body arrive one
// after the other, each in pieces or into a file. Kept is what may be the beginning of a delimiter,
// and the header lines of one part.

#include "feed.h"
#include "stream.h"

#if PMG_HAS_FORM

// A part's header lines, at most.
#ifdef PMG_BOARD
#define HOLD 1024
#else
#define HOLD 4096
#endif

typedef struct {
    pmg_feed_t feed;
    size_t max_parts, parts;
    bool opening;     // the handler of MG_EV_HTTP_PART runs
    char texts[HOLD]; // of the part, that its view points to
    size_t held;
    char hold[HOLD]; // what was left over of the pieces before
} pmg_http_form_t;

static pmg_http_form_t *form_of(struct mg_connection *c) {
    pmg_http_t *h = pmg_http_of(c);
    return pmg_is_http(c) && h->sink == PMG_HTTP_BODY_STREAM && h->stream != NULL ? h->stream->form
                                                                                  : NULL;
}

static bool over(struct mg_connection *c) {
    return c->is_closing || c->is_draining;
}

// ---------------------------------------------------------------------------------------------
// Parts

// What the handler does may end the stream: then it is freed when this returns. False: it is no
// more.
static bool fire(struct mg_connection *c, int ev, void *data) {
    pmg_http_stream_t *s = pmg_http_of(c)->stream;
    s->busy = true;
    pmg_http_fire(c, ev, data);
    return pmg_http_stream_leave(s) && !over(c);
}

static bool malformed(struct mg_connection *c, const char *why) {
    char text[100];
    pmg_snprintf(text, sizeof(text), "this is no multipart form: %s", why);
    pmg_http_stream_fail(c, 400, text);
    return false;
}

static bool head_too_long(struct mg_connection *c) {
    char text[80];
    pmg_snprintf(text, sizeof(text), "a form's part has header lines of more than %d bytes", HOLD);
    pmg_http_stream_fail(c, 431, text);
    return false;
}

static struct mg_str part_text(char **room, struct mg_str raw, uint8_t form) {
    struct mg_str text = mg_str_n(*room, pmg_multipart_text(raw, form, *room));
    *room += text.len;
    return text;
}

// Its texts are no longer than its header lines.
static bool begin_part(struct mg_connection *c, pmg_http_form_t *f, struct mg_str lines) {
    pmg_multipart_t raw;
    const char *why;
    char text[60], *room = f->texts;
    if (!pmg_http_stream_save(c)) {
        return false;
    }
    if (++f->parts > f->max_parts && f->max_parts > 0) {
        pmg_snprintf(text, sizeof(text), "form has more than max_parts, %zu parts", f->max_parts);
        pmg_http_stream_fail(c, 413, text);
        return false;
    }
    if (lines.len > HOLD) {
        return head_too_long(c);
    }
    if (pmg_multipart_head(lines, &raw, &why) < 0) {
        return malformed(c, why);
    }
    pmg_form_part_t part = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    part.name = part_text(&room, raw.name, raw.name_form);
    part.content_type = part_text(&room, raw.type, PMG_MULTIPART_RAW);
    part.filename = part_text(&room, raw.filename, raw.filename_form);
    part.filename.len = pmg_multipart_filename(part.filename, part.filename.buf);
    f->opening = true;
    if (!fire(c, MG_EV_HTTP_PART, &part)) {
        return false;
    }
    f->opening = false;
    return true;
}

static bool take_content(struct mg_connection *c, struct mg_str data) {
    return pmg_http_of(c)->stream->upload != NULL ? pmg_http_stream_write(c, data)
                                                  : fire(c, MG_EV_HTTP_BODY, &data);
}

int pmg_http_part_save(struct mg_connection *c, const char *path) {
    pmg_http_form_t *f = form_of(c);
    if (f == NULL || !f->opening) {
        return pmg_fail(pmg_m(c), -EINVAL, "save() works in MG_EV_HTTP_PART, before the reply");
    }
    pmg_http_stream_t *s = pmg_http_of(c)->stream;
    if (s->upload != NULL) {
        return pmg_fail(pmg_m(c), -EALREADY, "save() was called already");
    }
    pmg_http_upload_t *u;
    int err = pmg_http_upload_new(pmg_m(c), path, &u);
    if (err < 0) {
        return err;
    }
    f = form_of(c); // may have ended meanwhile: then it stays until the handler returns
    if (f == NULL || !f->opening || s->upload != NULL || over(c)) {
        pmg_http_upload_free(u);
        return pmg_fail(pmg_m(c), -EALREADY, "the request was answered while its file was made");
    }
    s->upload = u;
    return 0;
}

// ---------------------------------------------------------------------------------------------
// Pieces

// How many bytes are done with; *gone: and the stream is no more.
static size_t run(struct mg_connection *c, const char *p, size_t len, bool last, bool *gone) {
    pmg_http_form_t *f = form_of(c);
    size_t pos = 0;
    while (last || !pmg_m(c)->stop) { // an exception leaves poll(): the rest comes again
        size_t used;
        struct mg_str out;
        int token = pmg_feed(&f->feed, p + pos, len - pos, last, &used, &out);
        pos += used;
        if (token == PMG_FEED_MORE) {
            break;
        }
        bool goes_on = token == PMG_FEED_PART   ? begin_part(c, f, out)
                       : token == PMG_FEED_DATA ? take_content(c, out)
                                                : pmg_http_stream_save(c);
        if (!goes_on) {
            *gone = true;
            break;
        }
    }
    return pos;
}

// Reads what is held with as much of the piece behind it as there is room for. How much of the piece
// is done with.
static size_t run_held(struct mg_connection *c, const char *buf, size_t len, bool *gone) {
    pmg_http_form_t *f = form_of(c);
    size_t old = f->held, add = len < HOLD - old ? len : HOLD - old;
    memcpy(f->hold + old, buf, add);
    size_t n = run(c, f->hold, old + add, false, gone);
    if (*gone) {
        return len;
    }
    if (n >= old) { // what is left came with this piece
        f->held = 0;
        return n - old;
    }
    f->held = old + add - n;
    memmove(f->hold, f->hold + n, f->held);
    return add;
}

static size_t take_piece(struct mg_connection *c, const char *buf, size_t len) {
    pmg_http_form_t *f = form_of(c);
    bool gone = false;
    for (size_t pos = 0; pos < len;) {
        if (f->held > 0) {
            pos += run_held(c, buf + pos, len - pos, &gone);
        } else {
            pos += run(c, buf + pos, len - pos, false, &gone);
            size_t rest = len - pos;
            if (!gone && !pmg_m(c)->stop && rest < HOLD) {
                memcpy(f->hold, buf + pos, rest);
                f->held = rest;
                return len;
            }
            gone = gone || (!pmg_m(c)->stop && !head_too_long(c));
        }
        if (gone) {
            return len;
        }
        if (pmg_m(c)->stop) {
            return pos;
        }
        if (f->held == HOLD) {
            (void)head_too_long(c);
            return len;
        }
    }
    return len;
}

static bool take_end(struct mg_connection *c) {
    pmg_http_form_t *f = form_of(c);
    bool gone = false;
    if (pmg_http_of(c)->body_len == 0) {
        return true; // nothing at all is a form without parts
    }
    (void)run(c, f->hold, f->held, true, &gone);
    if (gone) {
        return false;
    }
    const char *why = pmg_feed_cut(&f->feed);
    return why == NULL || malformed(c, why);
}

// ---------------------------------------------------------------------------------------------
// The beginning

static bool is_form(struct mg_str type) {
    static const char wanted[] = "multipart/form-data";
    size_t n = sizeof(wanted) - 1;
    return type.len > n && mg_strcasecmp(mg_str_n(type.buf, n), mg_str(wanted)) == 0 &&
           (type.buf[n] == ';' || type.buf[n] == ' ' || type.buf[n] == '\t');
}

int pmg_http_stream_form(struct mg_connection *c, size_t max_size, size_t max_parts) {
    pmg_http_stream_t *s;
    int err = pmg_http_stream_new(c, "http_stream_form", max_size, &s);
    if (err < 0) {
        return err;
    }
    const pmg_http_msg_t *hm = pmg_http_of(c)->hm;
    struct mg_str type = mg_str("Content-Type");
    struct mg_str boundary = pmg_http_header_var(hm, type, mg_str("boundary"));
    pmg_feed_t feed;
    pmg_http_form_t *f = NULL;
    s->piece = take_piece;
    s->end = take_end;
    if (!pmg_hears(c, MG_EV_HTTP_PART)) {
        err = pmg_fail(pmg_m(c), -EINVAL,
            "http_stream_form() is of no use: the handler's events lack MG_EV_HTTP_PART");
    } else if (!is_form(pmg_http_header(hm, type)) || !pmg_feed_begin(&feed, boundary)) {
        err = pmg_fail(pmg_m(c), -EILSEQ,
            "this is no multipart form: Content-Type must be multipart/form-data with a boundary");
    } else if (!s->refused && !(s->no_room = !pmg_budget(c, sizeof(*f), false))) {
        f = s->form = pmg_alloc(sizeof(*f));
        err = f == NULL ? pmg_fail(pmg_m(c), -ENOMEM, "no memory for the form") : 0;
    }
    if (err < 0) {
        pmg_http_stream_free(s);
        return err;
    }
    if (f != NULL) {
        memset(f, 0, offsetof(pmg_http_form_t, texts));
        f->feed = feed;
        f->held = 0;
        f->max_parts = max_parts;
        s->form_size = sizeof(*f);
    }
    pmg_http_stream_start(c, s);
    pmg_budget_note(c);
    return 0;
}

#endif
