// SPDX-License-Identifier: GPL-2.0-only
//
// What TLS connections are told: certificates, key and roots, parsed once and shared by reference.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

// How long a session may be resumed.
#define TICKET_SECONDS 86400

// ---------------------------------------------------------------------------------------------
// The library as a whole

#ifdef PMG_TLS_OWNS_MBEDTLS
// While set: counts what mbedTLS allocates and keeps for good.
static __thread long *kept;
// What mbedTLS was refused. It goes on then: with the next form of a key, with one authority less.
static __thread unsigned missed;

void *pmg_tls_calloc(size_t count, size_t size) {
    void *p = mg_calloc(count, size);
    missed += p == NULL;
    if (p != NULL && kept != NULL) {
        ++*kept;
    }
    return p;
}

void pmg_tls_dealloc(void *p) {
    if (p != NULL && kept != NULL) {
        --*kept;
    }
    pmg_free(p);
}
#else
static const unsigned missed = 0; // not told by the firmware's copy
#endif

static int users;                    // confs alive
static pmg_tls_conf_t *default_conf; // alive while a connection uses it

static int library_begin(void) {
    int err = 0;
#ifdef MBEDTLS_PSA_CRYPTO_C
    err = !PMG_TLS_MAY_13 || psa_crypto_init() == PSA_SUCCESS ? 0 : -ENOMEM;
#endif
    users += err == 0;
    return err;
}

static void library_end(void) {
    users--;
#if defined(MBEDTLS_PSA_CRYPTO_C) && (defined(PMG_TLS_OWNS_MBEDTLS) || PMG_CAN_BARE)
    if (users == 0 &&
        PMG_TLS_MAY_13) { // on a board its keys lie in a heap that ends with the program
        mbedtls_psa_crypto_free();
    }
#endif
}

// ---------------------------------------------------------------------------------------------
// The system's roots: read at the first need, kept until the process ends

#ifndef PMG_TLS_SYSTEM_ROOTS
#if defined(PMG_BOARD) || !(defined(__unix__) || defined(__APPLE__))
#define PMG_TLS_SYSTEM_ROOTS 0
#else
#define PMG_TLS_SYSTEM_ROOTS 1
#endif
#endif

#if PMG_TLS_SYSTEM_ROOTS
static mbedtls_x509_crt roots;
static bool roots_ready;

static char *read_file(const char *path, size_t *len) {
    FILE *f = path != NULL ? fopen(path, "rb") : NULL;
    char *text = NULL;
    if (f == NULL) {
        return NULL;
    }
    long size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    if (size > 0 && fseek(f, 0, SEEK_SET) == 0) {
        text = pmg_alloc((size_t)size + 1);
        if (text != NULL) {
            *len = fread(text, 1, (size_t)size, f);
            text[*len] = '\0';
        }
    }
    fclose(f);
    return text;
}

static void roots_load(void) {
    const char *paths[] = {
        getenv("SSL_CERT_FILE"), // as OpenSSL names it
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    };
    size_t len = 0;
    char *text = NULL;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && text == NULL; i++) {
        text = read_file(paths[i], &len);
    }
    if (text == NULL) {
        return;
    }
#ifdef PMG_TLS_OWNS_MBEDTLS
    long blocks = 0;
    kept = &blocks;
#endif
    mbedtls_x509_crt_init(&roots);
    // A root that is not understood is one that is not trusted, nothing worse.
    (void)mbedtls_x509_crt_parse(&roots, (const unsigned char *)text, len + 1);
    roots_ready = roots.raw.p != NULL;
#ifdef PMG_TLS_OWNS_MBEDTLS
    kept = NULL;
    pmg_mem_forget(blocks);
#endif
    pmg_free(text);
}
#endif

int pmg_tls_conf_client(pmg_tls_conf_t *conf) {
    int err = 0;
    pmg_tls_lock();
    if (!conf->client_ready && !conf->has_ca && !conf->skip) {
        err = -ENOENT;
#if PMG_TLS_SYSTEM_ROOTS
        if (!roots_ready) {
            roots_load();
        }
        if (roots_ready) {
            mbedtls_ssl_conf_ca_chain(&conf->client, &roots, NULL);
            err = 0;
        }
#endif
    }
    conf->client_ready = err == 0;
    pmg_tls_unlock();
    return err;
}

// ---------------------------------------------------------------------------------------------
// Parsing

typedef struct {
    char *text;
    size_t size;
} out_t;

static int bad(const out_t *out, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    pmg_vsnprintf(out->text, out->size, fmt, &ap);
    va_end(ap);
    return -EINVAL;
}

static int refused(const out_t *out, const char *what, const char *is_no, int err) {
    if (pmg_tls_no_memory(err)) {
        bad(out, "no memory to read %s", what);
        return -ENOMEM;
    }
    char why[100] = "";
    mbedtls_strerror(err, why, sizeof(why));
    return bad(out, "%s is no %s: %s", what, is_no, why);
}

// Somebody gave what open() takes. A key is not repeated: it might be one, badly written.
static bool is_path(struct mg_str s) {
    static const char *const ends[] = {".pem", ".crt", ".cer", ".key", ".der", ".p12", ".pfx"};
    while (s.len > 0 && (unsigned char)s.buf[s.len - 1] <= ' ') { // a line that was read
        s.len--;
    }
    if (s.len < 5 || s.len > 200 || memchr(s.buf, '\n', s.len) != NULL) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.buf[i] < ' ') {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (mg_strcasecmp(mg_str_n(s.buf + s.len - 4, 4), mg_str(ends[i])) == 0) {
            return true;
        }
    }
    return false;
}

static int not_a_path(const out_t *out, const char *what) {
    return bad(out, "%s is a file's name: give what stands in the file, open(...).read()", what);
}

static bool is_pem(struct mg_str s) {
    for (size_t i = 0; i + 10 < s.len; i++) {
        if (s.buf[i] == '-' && memcmp(s.buf + i, "-----BEGIN", 10) == 0) {
            return true;
        }
    }
    return false;
}

// As mbedTLS wants it, with a NUL behind; or why not.
static int pem_text(const out_t *out, const char *what, struct mg_str s, char **text) {
    if (memchr(s.buf, '\0', s.len) != NULL) {
        return bad(out, "%s contains a NUL", what);
    }
#ifndef MBEDTLS_PEM_PARSE_C
    return bad(out, "%s is PEM, which this firmware cannot read: give it as DER", what);
#endif
    *text = pmg_strndup(s.buf, s.len);
    return *text != NULL ? 0 : bad(out, "no memory to read %s", what) + EINVAL - ENOMEM;
}

static void wipe(char *text, size_t len) {
    mbedtls_platform_zeroize(text, len);
    pmg_free(text);
}

static int count(const char *text, const char *mark) {
    int n = 0;
    for (; (text = strstr(text, mark)) != NULL; text += strlen(mark)) {
        n++;
    }
    return n;
}

// DER is one certificate, PEM as many as there are. `all`: each of them must be right; else one, and
// none may be cut.
static int parse_cert(const out_t *out, const char *what, struct mg_str s, bool all,
    mbedtls_x509_crt *crt) {
    char *text = NULL;
    if (s.len == 0) {
        return bad(out, "%s is empty", what);
    }
    if (!is_pem(s)) {
        if (is_path(s)) {
            return not_a_path(out, what);
        }
        int r = mbedtls_x509_crt_parse_der(crt, (const unsigned char *)s.buf, s.len);
        if (r != 0) {
            return refused(out, what, "certificate, neither PEM nor DER", r);
        }
        return crt->raw.len == s.len ? 0 : bad(out, "%s has bytes after its certificate", what);
    }
    int err = pem_text(out, what, s, &text);
    if (err < 0 || text == NULL) {
        return err;
    }
    int want = count(text, "-----BEGIN CERTIFICATE-----"), have = 0, r = 0;
    int whole = count(text, "-----END CERTIFICATE-----");
    if (want == 0) {
        err = bad(out, "%s holds no certificate%s", what,
            strstr(text, "PRIVATE KEY-----") != NULL ? " but a private key" : "");
    } else {
        r = mbedtls_x509_crt_parse(crt, (const unsigned char *)text, s.len + 1);
        for (mbedtls_x509_crt *p = crt; p != NULL && p->raw.p != NULL; p = p->next) {
            have++;
        }
        if (r < 0 && have == 0) {
            err = refused(out, what, "valid certificate", r);
        } else if (r == MBEDTLS_ERR_X509_ALLOC_FAILED) {
            err = refused(out, what, "", r);
        } else if (have < want && (all || whole < want)) {
            err = bad(out, "%s: %d of its %d certificates cannot be read", what, want - have, want);
        }
    }
    pmg_free(text);
    return err;
}

static int parse_key(const out_t *out, struct mg_str s, mbedtls_pk_context *key) {
    char *text = NULL;
    int err = 0;
    if (s.len == 0) {
        return bad(out, "key is empty");
    }
    bool pem = is_pem(s);
    if (!pem && is_path(s)) {
        return not_a_path(out, "key");
    }
    if (pem) {
        err = pem_text(out, "key", s, &text);
        if (err < 0 || text == NULL) {
            return err;
        }
        if (strstr(text, "PRIVATE KEY-----") == NULL) {
            err = bad(out, "key holds no private key%s",
                strstr(text, "BEGIN CERTIFICATE") != NULL ? " but a certificate" : "");
        }
    }
    if (err == 0) {
        int r = mbedtls_pk_parse_key(key, (const unsigned char *)(pem ? text : s.buf),
            s.len + (pem ? 1 : 0), NULL, 0, pmg_tls_rng, NULL);
        bool locked = r == MBEDTLS_ERR_PK_PASSWORD_REQUIRED ||
                      r == MBEDTLS_ERR_PK_PASSWORD_MISMATCH ||
                      (pem && strstr(text, "ENCRYPTED") != NULL);
        if (r != 0) {
            err = locked ? bad(out, "key is encrypted: give it without a password")
                         : refused(out, "key", "private key", r);
        }
    }
    if (text != NULL) {
        wipe(text, s.len);
    }
    return err;
}

// ---------------------------------------------------------------------------------------------
// Making one

// As mbedTLS wants them: a list of C strings that outlives its connections.
static int copy_alpn(pmg_tls_conf_t *conf, const pmg_tls_opts_t *opts, const out_t *out) {
    size_t size = (opts->alpn_len + 1) * sizeof(char *);
    if (opts->alpn_len > PMG_MAX_ALPN) {
        return bad(out, "alpn has more than %d names", PMG_MAX_ALPN);
    }
    for (size_t i = 0; i < opts->alpn_len; i++) {
        struct mg_str s = opts->alpn[i];
        if (s.len == 0 || s.len > 255 || memchr(s.buf, '\0', s.len) != NULL) {
            return bad(out, "a name of alpn has 1 to 255 bytes, none of them NUL");
        }
        size += s.len + 1;
    }
#ifdef MBEDTLS_SSL_ALPN
    conf->alpn = pmg_alloc(size);
    if (conf->alpn == NULL) {
        bad(out, "no memory for TLS");
        return -ENOMEM;
    }
    char *p = (char *)(conf->alpn + opts->alpn_len + 1);
    for (size_t i = 0; i < opts->alpn_len; i++) {
        conf->alpn[i] = p;
        memcpy(p, opts->alpn[i].buf, opts->alpn[i].len);
        p += opts->alpn[i].len;
        *p++ = '\0';
    }
    conf->alpn[opts->alpn_len] = NULL;
    return 0;
#else
    (void)conf, (void)size;
    return bad(out, "this firmware's Mbed TLS was built without ALPN");
#endif
}

static int roles(pmg_tls_conf_t *conf) {
    int r = mbedtls_ssl_config_defaults(&conf->client, MBEDTLS_SSL_IS_CLIENT,
        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (r == 0 && conf->has_cert) {
        r = mbedtls_ssl_config_defaults(&conf->server, MBEDTLS_SSL_IS_SERVER,
            MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    }
    mbedtls_ssl_conf_ciphersuites(&conf->client, pmg_tls_suites(conf->legacy));
    mbedtls_ssl_conf_ciphersuites(&conf->server, pmg_tls_suites(false));
    conf->has_13 = PMG_TLS_MAY_13;
    if (!conf->has_13) {
        mbedtls_ssl_conf_max_tls_version(&conf->client, MBEDTLS_SSL_VERSION_TLS1_2);
        mbedtls_ssl_conf_max_tls_version(&conf->server, MBEDTLS_SSL_VERSION_TLS1_2);
    }
    mbedtls_ssl_conf_rng(&conf->client, pmg_tls_rng, NULL);
    mbedtls_ssl_conf_rng(&conf->server, pmg_tls_rng, NULL);
    mbedtls_ssl_conf_authmode(&conf->client,
        conf->skip ? MBEDTLS_SSL_VERIFY_NONE : MBEDTLS_SSL_VERIFY_REQUIRED);
    conf->server_auth = !conf->has_ca ? MBEDTLS_SSL_VERIFY_NONE
                        : conf->skip  ? MBEDTLS_SSL_VERIFY_OPTIONAL
                                      : MBEDTLS_SSL_VERIFY_REQUIRED;
    mbedtls_ssl_conf_authmode(&conf->server, conf->server_auth);
#if defined(MBEDTLS_SSL_PROTO_TLS1_3) && defined(MBEDTLS_SSL_SESSION_TICKETS)
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(&conf->client,
        MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
#ifdef MBEDTLS_SSL_ALPN
    if (r == 0 && conf->alpn != NULL) {
        r = mbedtls_ssl_conf_alpn_protocols(&conf->client, conf->alpn);
        if (r == 0 && conf->has_cert) {
            r = mbedtls_ssl_conf_alpn_protocols(&conf->server, conf->alpn);
        }
    }
#endif
    if (conf->has_ca) {
        mbedtls_ssl_conf_ca_chain(&conf->client, &conf->ca, NULL);
        mbedtls_ssl_conf_ca_chain(&conf->server, &conf->ca, NULL);
    }
    if (r == 0 && conf->has_cert) {
        r = mbedtls_ssl_conf_own_cert(&conf->client, &conf->cert, &conf->key);
        if (r == 0) {
            r = mbedtls_ssl_conf_own_cert(&conf->server, &conf->cert, &conf->key);
        }
    }
#if HAS_TICKETS
    if (r == 0 && conf->has_cert) {
        r = mbedtls_ssl_ticket_setup(&conf->tickets, pmg_tls_rng, NULL, MBEDTLS_CIPHER_AES_256_GCM,
            TICKET_SECONDS);
        mbedtls_ssl_conf_session_tickets_cb(&conf->server, mbedtls_ssl_ticket_write,
            mbedtls_ssl_ticket_parse, &conf->tickets);
    }
#if defined(MBEDTLS_SSL_PROTO_TLS1_3)
    if (conf->has_ca) { // a ticket of 1.3 would not say who the client is
        mbedtls_ssl_conf_new_session_tickets(&conf->server, 0);
    }
#endif
#endif
    return r;
}

static void destroy(pmg_tls_conf_t *conf) {
    mbedtls_ssl_config_free(&conf->client);
    mbedtls_ssl_config_free(&conf->server);
#if HAS_TICKETS
    mbedtls_ssl_ticket_free(&conf->tickets);
#endif
    mbedtls_x509_crt_free(&conf->ca);
    mbedtls_x509_crt_free(&conf->cert);
    mbedtls_pk_free(&conf->key);
    pmg_tls_sessions_free(conf);
    pmg_free(conf->name);
    pmg_free((void *)conf->alpn);
    pmg_free(conf);
}

// The message that carries it is one record at least, and mbedTLS writes no message of several.
#define CHAIN_ROOM (MBEDTLS_SSL_OUT_CONTENT_LEN - 64)
static int look_at_chain(pmg_tls_conf_t *conf, const out_t *out) {
    size_t size = 0;
    for (const mbedtls_x509_crt *p = &conf->cert; p != NULL; p = p->next) {
        int64_t end = pmg_tls_millis(&p->valid_to);
        if (conf->not_after == 0 || end < conf->not_after) {
            conf->not_after = end;
        }
        size += p->raw.len + 5;
    }
    return size <= CHAIN_ROOM ? 0
                              : bad(out, "cert has %u bytes with its chain: %u can be sent here",
                                    (unsigned)size, (unsigned)CHAIN_ROOM);
}

static int fill(pmg_tls_conf_t *conf, const pmg_tls_opts_t *opts, const out_t *out) {
    int err = 0;
    conf->skip = opts->skip_verification;
    conf->legacy = opts->legacy;
    if (opts->legacy && pmg_tls_suites(true) == NULL) {
        return bad(out, "legacy: no board has these ciphers");
    }
    conf->has_ca = opts->ca.buf != NULL;
    conf->has_cert = opts->cert.buf != NULL;
    if (conf->has_cert != (opts->key.buf != NULL)) {
        return bad(out,
            conf->has_cert ? "cert is given without its key" : "key is given without a cert");
    }
    if (opts->name != NULL &&
        (opts->name[0] == '\0' || strcmp(opts->name, ".") == 0 || strlen(opts->name) > 253)) {
        return bad(out, "name has 1 to 253 characters");
    }
    for (const char *p = opts->name; p != NULL && *p != '\0'; p++) {
        if ((unsigned char)*p >= 0x80) {
            return bad(out,
                "name is not ASCII: write its xn-- form, such as xn--bcher-kva.example");
        }
    }
    if (opts->name != NULL && (conf->name = pmg_strndup(opts->name, strlen(opts->name))) == NULL) {
        return -ENOMEM;
    }
    if (opts->alpn_len > 0) {
        err = copy_alpn(conf, opts, out);
    }
    if (err == 0 && conf->has_ca) {
        err = parse_cert(out, "ca", opts->ca, false, &conf->ca);
    }
    if (err == 0 && conf->has_cert) {
        err = parse_cert(out, "cert", opts->cert, true, &conf->cert);
        if (err == 0) {
            err = look_at_chain(conf, out);
        }
        if (err == 0) {
            err = parse_key(out, opts->key, &conf->key);
        }
        int r = err == 0 ? mbedtls_pk_check_pair(&conf->cert.pk, &conf->key, pmg_tls_rng, NULL) : 0;
        if (r != 0) {
            err = pmg_tls_no_memory(r) ? refused(out, "key", "", r)
                                       : bad(out, "key does not belong to cert");
        }
    }
    if (err == 0 && roles(conf) != 0) {
        bad(out, "no memory for TLS");
        err = -ENOMEM;
    }
    return err;
}

// The lock is held.
static int make(const pmg_tls_opts_t *opts, pmg_tls_conf_t **made, const out_t *out) {
    int err = -ENOMEM;
    pmg_tls_conf_t *conf = pmg_alloc(sizeof(*conf));
    bad(out, "no memory for TLS");
    if (conf == NULL) {
        return err;
    }
    memset(conf, 0, sizeof(*conf));
    conf->refs = 1;
    mbedtls_x509_crt_init(&conf->ca);
    mbedtls_x509_crt_init(&conf->cert);
    mbedtls_pk_init(&conf->key);
    mbedtls_ssl_config_init(&conf->client);
    mbedtls_ssl_config_init(&conf->server);
#if HAS_TICKETS
    mbedtls_ssl_ticket_init(&conf->tickets);
#endif
    unsigned before = missed;
    bool begun = library_begin() == 0;
    if (begun) {
        err = fill(conf, opts, out);
    }
    if (missed != before) {
        bad(out, "no memory for TLS");
        err = -ENOMEM;
    }
    if (err < 0) {
        destroy(conf);
        if (begun) {
            library_end();
        }
        return err;
    }
    *made = conf;
    return 0;
}

int pmg_tls_conf_new(const pmg_tls_opts_t *opts, pmg_tls_conf_t **conf, char *text, size_t size) {
    out_t out = {text, size};
    *conf = NULL;
    pmg_tls_lock();
    int err = make(opts, conf, &out);
    pmg_tls_unlock();
    return err;
}

pmg_tls_conf_t *pmg_tls_conf_default(void) {
    pmg_tls_opts_t opts = {0};
    char text[40];
    out_t out = {text, sizeof(text)};
    pmg_tls_lock();
    if (default_conf != NULL) {
        default_conf->refs++;
    } else {
        (void)make(&opts, &default_conf, &out);
    }
    pmg_tls_conf_t *conf = default_conf;
    pmg_tls_unlock();
    return conf;
}

long long pmg_tls_conf_not_after(const pmg_tls_conf_t *conf) {
    return conf->not_after;
}

void pmg_tls_conf_ref(pmg_tls_conf_t *conf) {
    pmg_tls_lock();
    conf->refs++;
    pmg_tls_unlock();
}

void pmg_tls_conf_unref(pmg_tls_conf_t *conf) {
    if (conf == NULL) {
        return;
    }
    pmg_tls_lock();
    if (--conf->refs == 0) {
        if (conf == default_conf) {
            default_conf = NULL;
        }
        destroy(conf);
        library_end();
    }
    pmg_tls_unlock();
}

#endif
