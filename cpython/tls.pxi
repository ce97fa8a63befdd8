# SPDX-License-Identifier: GPL-2.0-only
# TLS: TlsOpts, which is the core's parsed form and, to be read, what the program gave, and the
# methods of Connection.


cdef extern from "pmg.h":
    ctypedef struct pmg_tls_conf_t:
        pass
    enum: PMG_MAX_ALPN
    ctypedef struct pmg_tls_opts_t:
        mg_str ca, cert, key
        const char *name
        bint skip_verification, legacy
        const mg_str *alpn
        size_t alpn_len

    int pmg_tls_conf_new(const pmg_tls_opts_t *, pmg_tls_conf_t **, char *, size_t)
    void pmg_tls_conf_unref(pmg_tls_conf_t *)
    long long pmg_tls_conf_not_after(const pmg_tls_conf_t *)
    ctypedef struct pmg_tls_sni_t:
        pass
    pmg_tls_sni_t *pmg_tls_sni_new(size_t, bint)
    int pmg_tls_sni_add(pmg_tls_sni_t *, mg_str, pmg_tls_conf_t *, char *, size_t)
    void pmg_tls_sni_unref(pmg_tls_sni_t *)
    int pmg_tls_init(mg_connection *, pmg_tls_conf_t *, pmg_tls_sni_t *)
    void pmg_tls_failed(mg_connection *, const char *)
    int pmg_tls_free(mg_connection *)


cdef extern from "pmg_messages.h":
    const char *PMG_MSG_STRS
    const char *PMG_MSG_TLS_FAILED
    const char *PMG_MSG_TLS_OPTS


@cython.final
cdef class TlsOpts:
    """Certificates and key for Connection.tls_init(), parsed once; any number may share it."""

    cdef pmg_tls_conf_t *conf
    cdef readonly bytes ca
    cdef readonly bytes cert
    cdef readonly bytes key
    cdef readonly bytes name
    cdef readonly bint skip_verification
    cdef readonly tuple alpn
    cdef readonly bint legacy
    cdef object __weakref__

    def __cinit__(self, ca=None, cert=None, key=None, name=None, skip_verification=False, *,
                  alpn=(), legacy=False):
        cdef pmg_tls_opts_t opts
        cdef mg_str protocols[PMG_MAX_ALPN]
        cdef pmg_py_data_t data[3]
        cdef char why[200]
        cdef int i
        cdef int rc = 0
        if isinstance(alpn, (str, bytes)):
            pmg_py_bad_type(PMG_MSG_STRS, "alpn", alpn)
        self.alpn = tuple(alpn) if alpn is not None else ()
        for i in range(min(len(self.alpn), PMG_MAX_ALPN)):
            pmg_py_str(self.alpn[i], "alpn", &protocols[i])
        opts.alpn, opts.alpn_len = protocols, len(self.alpn)
        for i in range(3):
            pmg_py_none(&data[i])
        opts.name = NULL
        opts.skip_verification = skip_verification
        opts.legacy = legacy
        host = (<bytes>name).decode() if isinstance(name, bytes) else name
        if name is not None:
            pmg_py_cstr(host, "name", &opts.name)
        try:
            if ca is not None:
                pmg_py_data(ca, "ca", &data[0])
            if cert is not None:
                pmg_py_data(cert, "cert", &data[1])
            if key is not None:
                pmg_py_data(key, "key", &data[2])
            opts.ca, opts.cert, opts.key = data[0].s, data[1].s, data[2].s
            rc = pmg_tls_conf_new(&opts, &self.conf, why, sizeof(why))
        finally:
            for i in range(3):
                pmg_py_release(&data[i])
        if rc < 0:
            pmg_py_raise(rc, why)
        self.ca, self.cert, self.key, self.name = as_bytes(ca), as_bytes(cert), as_bytes(key), \
            as_bytes(name)
        self.skip_verification = skip_verification
        self.legacy = legacy

    @property
    def not_after(self):
        cdef long long when = pmg_tls_conf_not_after(self.conf)
        return None if when == 0 else when

    def __dealloc__(self):
        pmg_tls_conf_unref(self.conf)

    def __repr__(self):
        given = [n for n in ("ca", "cert", "key", "name") if getattr(self, n)]
        return f"<TlsOpts {' '.join(given)}{' unverified' if self.skip_verification else ''}>"


cdef bytes as_bytes(object given):
    if given is None:
        return b""
    return (<str>given).encode() if isinstance(given, str) else bytes(given)


cdef pmg_tls_sni_t *sites_of(sni, strict) except? NULL:
    cdef char why[200]
    cdef mg_str name
    cdef bint is_strict = strict
    cdef int rc = 0
    if sni is None:
        return NULL
    if not isinstance(sni, dict):
        pmg_py_bad_type(PMG_MSG_DICT, "sni", sni)
    pairs = list(sni.items())
    cdef pmg_tls_sni_t *sites = pmg_tls_sni_new(len(pairs), is_strict)
    if sites == NULL:
        raise MemoryError()
    try:
        for key, opts in pairs:
            pmg_py_str(key, "sni", &name)
            if not isinstance(opts, TlsOpts):
                pmg_py_bad_type(PMG_MSG_TLS_OPTS, "sni", opts)
            rc = pmg_tls_sni_add(sites, name, (<TlsOpts>opts).conf, why, sizeof(why))
            if rc < 0:
                pmg_py_raise(rc, why)
    except BaseException:
        pmg_tls_sni_unref(sites)
        raise
    return sites


# Without a conf: what a failure comes to.
cdef int give_tls(Connection self, pmg_tls_conf_t *conf, pmg_tls_sni_t *sites) except -1:
    m = manager(self)
    cdef bint held = hold(m)
    try:
        if conf != NULL:
            settle(m, pmg_tls_init(self.state.c, conf, sites))
        else:
            pmg_tls_failed(self.state.c, PMG_MSG_TLS_FAILED)
            settle(m, 0)
    finally:
        if held:
            m.holder = 0


@cython.internal
cdef class TlsConnection(Connection):
    def tls_init(self, opts, *, sni=None, strict_sni=False):
        """Gives this connection, or all that this listener accepts, TLS."""
        cdef pmg_tls_sni_t *sites = NULL
        try:
            if not isinstance(opts, TlsOpts):
                pmg_py_bad_type(PMG_MSG_TLS_OPTS, "opts", opts)
            sites = sites_of(sni, strict_sni)
        except BaseException:
            if ours(self) != NULL:  # what it got is of no use: it is not to go on in the clear
                give_tls(self, NULL, NULL)
            raise
        try:
            give_tls(self, (<TlsOpts>opts).conf, sites)
        finally:
            pmg_tls_sni_unref(sites)

    def tls_free(self):
        """Ends TLS on this connection; what follows is plain text."""
        cdef mg_connection *c = alive(self)
        pmg_py_done(c, pmg_tls_free(c), NULL)


pmg_py_add_methods(Connection, TlsConnection)
