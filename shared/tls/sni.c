// SPDX-License-Identifier: GPL-2.0-only
//
// Several certificates on one port: a server's choice by the name that its client asks for (RFC 6066,
// section 3).

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

typedef struct {
    pmg_tls_conf_t *conf;
    char *name; // as it was given, without a dot at its end; "*.name" stands for one label
} site_t;

struct pmg_tls_sni {
    int refs;
    bool strict;
    mbedtls_ssl_config config; // a copy that owns nothing, without tickets
    size_t len, size;
    site_t sites[];
};

pmg_tls_sni_t *pmg_tls_sni_new(size_t size, bool strict) {
    pmg_tls_sni_t *sni = pmg_alloc(sizeof(*sni) + size * sizeof(site_t));
    if (sni != NULL) {
        memset(sni, 0, sizeof(*sni) + size * sizeof(site_t));
        sni->refs = 1;
        sni->strict = strict;
        sni->size = size;
    }
    return sni;
}

void pmg_tls_sni_ref(pmg_tls_sni_t *sni) {
    if (sni != NULL) {
        sni->refs++;
    }
}

void pmg_tls_sni_unref(pmg_tls_sni_t *sni) {
    if (sni == NULL || --sni->refs > 0) {
        return;
    }
    for (size_t i = 0; i < sni->len; i++) {
        pmg_tls_conf_unref(sni->sites[i].conf);
        pmg_free(sni->sites[i].name);
    }
    pmg_free(sni);
}

const mbedtls_ssl_config *pmg_tls_sni_config(const pmg_tls_sni_t *sni) {
    return &sni->config;
}

// What a host name is made of; a wildcard is a whole label, the first (RFC 6125, section 6.4.3).
static bool is_name(struct mg_str s) {
    bool wild = s.len > 2 && s.buf[0] == '*' && s.buf[1] == '.';
    for (size_t i = wild ? 2 : 0; i < s.len; i++) {
        char ch = s.buf[i];
        bool word = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                    (ch >= '0' && ch <= '9') || ch == '-' || ch == '_';
        if (!word && (ch != '.' || i == 0 || s.buf[i - 1] == '.')) {
            return false;
        }
    }
    return s.len > 0 && s.len <= 253;
}

int pmg_tls_sni_add(pmg_tls_sni_t *sni, struct mg_str name, pmg_tls_conf_t *conf, char *text,
    size_t size) {
    if (name.len > 1 && name.buf[name.len - 1] == '.') {
        name.len--;
    }
    if (!is_name(name)) {
        pmg_snprintf(text, size,
            "sni: \"%.*s\" is no host name: \"a.example\" or \"*.example\", and xn-- where it is "
            "not ASCII",
            (int)(name.len < 64 ? name.len : 64), name.buf);
        return -EINVAL;
    }
    if (!conf->has_cert) {
        pmg_snprintf(text, size, "sni: the TlsOpts of \"%.*s\" has no cert", (int)name.len,
            name.buf);
        return -EINVAL;
    }
    if (sni->len == sni->size) { // a dict that grew meanwhile
        pmg_snprintf(text, size, "sni was changed while it was read");
        return -EINVAL;
    }
    site_t *s = &sni->sites[sni->len];
    s->name = pmg_strndup(name.buf, name.len);
    if (s->name == NULL) {
        pmg_snprintf(text, size, "no memory for TLS");
        return -ENOMEM;
    }
    pmg_tls_conf_ref(conf);
    s->conf = conf;
    sni->len++;
    return 0;
}

static bool is(const char *name, struct mg_str s) {
    return mg_strcasecmp(mg_str(name), s) == 0;
}

static pmg_tls_conf_t *find(const pmg_tls_sni_t *sni, struct mg_str asked) {
    const char *dot = asked.len > 0 ? memchr(asked.buf, '.', asked.len) : NULL;
    pmg_tls_conf_t *wild = NULL;
    for (size_t i = 0; i < sni->len; i++) {
        const site_t *s = &sni->sites[i];
        if (is(s->name, asked)) {
            return s->conf;
        }
        if (wild == NULL && s->name[0] == '*' && dot != NULL && dot > asked.buf &&
            is(s->name + 1, mg_str_n((char *)(size_t)dot, (size_t)(asked.buf + asked.len - dot)))) {
            wild = s->conf;
        }
    }
    return wild;
}

// What mbedTLS calls for each client that names whom it wants; anything but 0 is the alert
// unrecognized_name.
static int choose(void *ctx, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len) {
    pmg_tls_t *t = mbedtls_ssl_get_user_data_p(ssl);
    (void)ctx;
    struct mg_str asked = mg_str_n((char *)(size_t)name, len);
    if (len > 1 && name[len - 1] == '.') {
        asked.len--;
    }
    pmg_tls_conf_t *conf = find(t->sni, asked);
    if (t->asked) { // behind a HelloRetryRequest, and it is the same hello (RFC 8446, section 4.1.2)
        return conf == t->site ? 0 : -1;
    }
    t->asked = true;
    t->site = conf;
    if (conf == NULL) {
        t->unknown_name = t->sni->strict;
        return t->sni->strict ? -1 : 0;
    }
    mbedtls_ssl_set_hs_authmode(ssl, conf->server_auth);
    if (conf->has_ca) {
        mbedtls_ssl_set_hs_ca_chain(ssl, &conf->ca, NULL);
    }
    return mbedtls_ssl_set_hs_own_cert(ssl, &conf->cert, &conf->key);
}

// A session must not lead from one name to another, whose TlsOpts may verify its clients: mbedTLS reads
// a ticket of TLS 1.2 ahead of the name.
void pmg_tls_sni_bind(pmg_tls_sni_t *sni, const pmg_tls_conf_t *conf) {
    sni->config = conf->server;
    mbedtls_ssl_conf_sni(&sni->config, choose, NULL);
#if HAS_TICKETS
    mbedtls_ssl_conf_session_tickets_cb(&sni->config, NULL, NULL, NULL);
#if defined(MBEDTLS_SSL_PROTO_TLS1_3)
    mbedtls_ssl_conf_new_session_tickets(&sni->config, 0);
#endif
#endif
}

#endif
