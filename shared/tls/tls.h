// SPDX-License-Identifier: GPL-2.0-only
//
// TLS as a binding uses it, and what open/ hangs on to.
#ifndef PMG_TLS_H
#define PMG_TLS_H

#include "../base/protocol.h"

#if PMG_HAS_TLS
// Certificates and key, parsed once, shared by reference: connections of several threads may use
// one where mbedTLS is ours (CPython), else those of one thread.
typedef struct pmg_tls_conf pmg_tls_conf_t;
typedef struct {
    struct mg_str ca, cert, key; // PEM or DER; buf NULL: not given
    const char *name;            // a client's: whom to expect instead of the URL's host; or NULL
    bool skip_verification;
    bool legacy;               // a client offers ciphers without forward secrecy or by CBC, too
    const struct mg_str *alpn; // names of protocols (RFC 7301), the preferred first
    size_t alpn_len;
} pmg_tls_opts_t;
#define PMG_MAX_ALPN 16
// -EINVAL or -ENOMEM: *conf is NULL and `text` says what is wrong. The caller has one reference.
int pmg_tls_conf_new(const pmg_tls_opts_t *opts, pmg_tls_conf_t **conf, char *text, size_t size);
void pmg_tls_conf_ref(pmg_tls_conf_t *conf);
void pmg_tls_conf_unref(pmg_tls_conf_t *conf); // NULL is accepted
// When the first certificate of `cert` expires, in milliseconds since 1970; 0: there is none.
long long pmg_tls_conf_not_after(const pmg_tls_conf_t *conf);

// Which of several certificates a server shows, by the name that the client asks for; of one manager.
typedef struct pmg_tls_sni pmg_tls_sni_t;
// For so many names; NULL: no memory. `strict`: a client that asks for none of them is refused.
pmg_tls_sni_t *pmg_tls_sni_new(size_t size, bool strict);
// "host.name", or "*.name" for hosts of one label more. -EINVAL and -ENOMEM with their `text`.
int pmg_tls_sni_add(pmg_tls_sni_t *sni, struct mg_str name, pmg_tls_conf_t *conf, char *text,
    size_t size);
void pmg_tls_sni_unref(pmg_tls_sni_t *sni); // NULL is accepted

// Gives a connection TLS: a client before its handshake, an accepted connection, or a listener for
// all that it will accept. `sni` is a server's, or NULL. -EINVAL: a server without certificate, a
// client without CA or name, UDP; -EALREADY: the handshake has begun; -EBUSY: what is being sent in the
// clear is not complete. May run Python, by pmg_tls_failed().
int pmg_tls_init(struct mg_connection *c, pmg_tls_conf_t *conf, pmg_tls_sni_t *sni);
// What a failure of that comes to, here and in a binding that finds an argument wrong: the connection
// is closed with MG_EV_ERROR, so that nothing goes on in the clear. One whose TLS runs is untouched; a
// listener that has TLS keeps it, any other accepts nothing until it has.
void pmg_tls_failed(struct mg_connection *c, const char *why);
// The protocol that both sides agreed on by ALPN; NULL: none. Valid as long as the connection.
const char *pmg_conn_alpn(struct mg_connection *c);
// What a certificate says; times in milliseconds since 1970. Valid as long as its owner.
typedef struct {
    const char *subject, *issuer; // as RFC 4514 writes them
    const char *serial, *sha256;  // in hex
    const char *const *names;     // hosts and addresses, of subjectAltName
    size_t names_len;
    int64_t not_before, not_after;
} pmg_tls_cert_t;
// The peer's own; *out is NULL before the end of the handshake, and when it gave none. 0, -ENOMEM.
int pmg_conn_peer_cert(struct mg_connection *c, const pmg_tls_cert_t **out);
// Ends TLS: what follows is plain text. Of a listener: for what it will accept.
int pmg_tls_free(struct mg_connection *c);

// What open/ asks, if this build has TLS (open/schemes.c says so).
// May another handshake begin? If *victim is set, then when that is closed: its peer is silent.
bool pmg_tls_room(pmg_mgr_t *m, struct mg_connection **victim);
void pmg_tls_accepted(struct mg_connection *listener, struct mg_connection *c); // after ACCEPT
void pmg_tls_connected(struct mg_connection *c);                                // after CONNECT
#endif

#endif
