// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of TLS share: the only ones that know mbedTLS, but for base/hash.c.
#ifndef PMG_TLS_INT_H
#define PMG_TLS_INT_H

// The alert that a peer sent has no getter, nor has the session without a copy.
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include "../core/core_int.h"
#include "tls.h"

#include "mbedtls/error.h"
#include "mbedtls/platform_util.h"
#include "mbedtls/ssl.h"
#include "mbedtls/ssl_ticket.h"
#include "mbedtls/x509_crt.h"
#if defined(MBEDTLS_ECDH_VARIANT_EVEREST_ENABLED)
#error "Mbed TLS's Everest is under Apache-2.0 alone, which does not go with GPL-2.0"
#endif
#ifdef MBEDTLS_PSA_CRYPTO_C
#include "psa/crypto.h"
#endif

#if defined(MBEDTLS_SSL_SESSION_TICKETS) && defined(MBEDTLS_SSL_TICKET_C)
#define HAS_TICKETS 1
#else
#define HAS_TICKETS 0
#endif

// TLS 1.3 keeps its keys in a table of PSA's, which without threads in mbedTLS has no lock: of two
// cores the first has it.
#if PMG_CAN_BARE && defined(MBEDTLS_PSA_CRYPTO_C)
#include "../port/port_lwip.h"
#define PMG_TLS_MAY_13 (pmg_port_core() == 0)
#else
#define PMG_TLS_MAY_13 true
#endif

// Of our read and write functions, beside mbedTLS's own results: see io_err.
#define PMG_TLS_IO_FAILED (-0x004C) // MBEDTLS_ERR_NET_RECV_FAILED

// Parsed once, then read only, so that connections of several threads may share it.
struct pmg_tls_conf {
    int refs;
    bool has_ca, has_cert, skip, legacy, client_ready;
    bool has_13; // made where that may be, and used there alone
    int64_t not_after;
    int server_auth; // MBEDTLS_SSL_VERIFY_ ...
    char *name;
    const char **alpn;                // ends with NULL; one block with its texts
    struct pmg_tls_session *sessions; // that clients may resume, the latest first
    mbedtls_x509_crt ca, cert;
    mbedtls_pk_context key;
    mbedtls_ssl_config client, server; // server: only with a certificate
#if HAS_TICKETS
    mbedtls_ssl_ticket_context tickets;
#endif
};

// mbedTLS asks for a record's head, then for its body: reading more at a time saves system calls. On
// a board there are none to save. A manager's connections take turns with one buffer.
#ifdef PMG_BOARD
#define PMG_TLS_AHEAD 0
#else
#define PMG_TLS_AHEAD 32768
#endif

typedef struct pmg_tls {
    mbedtls_ssl_context ssl;
    struct mg_connection *c;
    pmg_tls_conf_t *conf;
    pmg_tls_sni_t *sni;      // of a server, or NULL
    pmg_tls_conf_t *site;    // what that has for its client, once it asked; NULL: `conf`
    pmg_tls_cert_t *peer;    // what its certificate says, once it was asked for
    unsigned char *peer_der; // of a client that resumes in TLS 1.3, where no certificate is sent
    size_t peer_der_len;
    size_t pending_write; // mbedTLS took so much into a record that is not all sent yet
    int read_err;         // found while there was data to give first
    int io_err;           // what the socket said, a negative errno
    unsigned turn;        // of the loop in which the handshake was last worked on
    unsigned char *ahead; // read from the socket, not yet taken by mbedTLS; or NULL
    size_t ahead_pos, ahead_len;
    uint8_t reads;
    bool reading, drained;
    bool dry;       // the socket had nothing more
    uint32_t moved; // bytes in the handshake
    bool counted;   // among those of pmg_mgr_t
    bool waiting;   // the peer has the next word in the handshake
    bool begun, heard, want_write, plain_http, eof, closed;
    bool asked, unknown_name;
    bool alerted;   // the peer has been told
    bool was_plain; // TLS began on a connection that was in use
    bool early;     // with bytes that nobody had read
    size_t clear;   // bytes that are queued and leave ahead of it
    // Of the peer's certificates, for the error's text.
    mbedtls_x509_time bad_time;
    bool self_signed, is_address;
    uint8_t address[16];
    uint8_t address_len;
    char wanted[64], named[64];
} pmg_tls_t;

extern const pmg_layer_t pmg_tls_layer;

// NULL: this connection has no TLS; of a listener NULL, too.
static inline pmg_tls_t *pmg_tls_of(struct mg_connection *c) {
    return pmg_x(c)->layer == &pmg_tls_layer ? pmg_x(c)->layer_state : NULL;
}

// suites.c: the same for each version of TLS, wherever it was built
const int *pmg_tls_suites(bool legacy); // with the lock held; NULL: not in this build

// conf.c
// Guards what the confs of several threads share; nothing where mbedTLS serves one thread.
void pmg_tls_lock(void);
void pmg_tls_unlock(void);
int pmg_tls_rng(void *ctx, unsigned char *buf, size_t len);
// Makes a conf fit for clients (the roots). 0, -ENOENT: there are no roots here, -ENOMEM.
int pmg_tls_conf_client(pmg_tls_conf_t *conf);
// The conf of clients that gave none, with a reference; or NULL.
pmg_tls_conf_t *pmg_tls_conf_default(void);

// bio.c: what mbedTLS calls, and what was read ahead of it
int pmg_tls_send(void *ctx, const unsigned char *buf, size_t len);
int pmg_tls_recv(void *ctx, unsigned char *buf, size_t len);
int pmg_tls_early(pmg_tls_t *t, const void *buf, size_t len); // read already: comes first. -ENOMEM
void pmg_tls_give_back(pmg_tls_t *t);  // what came early, if there will be no TLS after all
bool pmg_tls_ahead_keep(pmg_tls_t *t); // false: no memory
void pmg_tls_ahead_free(pmg_tls_t *t);

// verify.c
int pmg_tls_set_name(struct mg_connection *c,
    pmg_tls_t *t); // -EDESTADDRREQ: there is none, -ENOMEM
int pmg_tls_verify(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags);

// sni.c
void pmg_tls_sni_ref(pmg_tls_sni_t *sni);                              // NULL is accepted
void pmg_tls_sni_bind(pmg_tls_sni_t *sni, const pmg_tls_conf_t *conf); // beside this, which stays
const mbedtls_ssl_config *pmg_tls_sni_config(const pmg_tls_sni_t *sni);

// alert.c
void pmg_tls_alert(pmg_tls_t *t, int err); // tells the peer, unless it was told
void pmg_tls_note_alert(pmg_tls_t *t, const unsigned char *record, size_t len);
void pmg_tls_application_keys(pmg_tls_t *t);
void pmg_tls_give_up(struct mg_connection *c, int err); // ends the connection, with what it was

// data.c: of pmg_layer_t
long pmg_tls_read(struct mg_connection *c, void *buf, size_t len);
long pmg_tls_write(struct mg_connection *c, const void *buf, size_t len);
bool pmg_tls_is_early(struct mg_connection *c); // is there data that nobody asked for?

// cert.c: what certificates say, for a program to read
int64_t pmg_tls_millis(const mbedtls_x509_time *t);             // since 1970
pmg_tls_cert_t *pmg_tls_cert_read(const mbedtls_x509_crt *crt); // NULL: no memory
void pmg_tls_cert_free(pmg_tls_cert_t *cert);                   // NULL is accepted
size_t pmg_tls_cert_size(const pmg_tls_cert_t *cert);           // bytes that it holds; NULL: 0
// A host name, or as much as there is room for: what could be none is written as "?".
void pmg_tls_name_text(char *out, size_t size, const unsigned char *p, size_t len);

// cert.c, too
size_t pmg_tls_peer_size(const pmg_tls_t *t); // bytes of what Mbed TLS keeps of its certificates

// session.c: of clients, one for each host, in the conf
void pmg_tls_session_resume(pmg_tls_t *t); // before the handshake
void pmg_tls_session_keep(pmg_tls_t *t);   // the connection has one that can be resumed
void pmg_tls_sessions_free(pmg_tls_conf_t *conf);

// turns.c
bool pmg_tls_may_step(pmg_mgr_t *m);       // is there time for a step in this turn?
void pmg_tls_count(pmg_tls_t *t, bool on); // among the handshakes of its manager

// text.c: what a failure was, in one line
void pmg_tls_explain(const pmg_tls_t *t, int err, char *buf, size_t size);

#endif
