// SPDX-License-Identifier: GPL-2.0-only
//
// Whom to ask, and what needs no asking. On a system with files that is /etc/resolv.conf and
// /etc/hosts, read as libc reads them; on a board the servers that the network gave.

#include "../port/backend.h"

#if PMG_CAN_ETC
// Not _GNU_SOURCE, by which strtoul() becomes one that glibc has since 2.38 alone.
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE // if_nametoindex, st_mtim
#endif
#include <fcntl.h>
#include <net/if.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "dns_int.h"

#define NDOTS 1
#define NDOTS_MAX 15
#define TIMEOUT_MS 1000
#define TIMEOUT_MAX_MS 30000
#define ATTEMPTS 3
#define ATTEMPTS_MAX 5

static void defaults(pmg_dns_conf_t *conf) {
    memset(conf, 0, sizeof(*conf));
    conf->ndots = NDOTS;
    conf->attempts = ATTEMPTS;
    conf->timeout = TIMEOUT_MS;
}

void pmg_dns_conf_init(pmg_dns_conf_t *conf) {
    defaults(conf);
    conf->stamp[0] = UINT64_MAX; // nothing was read yet
}

static void add_addr(pmg_dns_addrs_t *out, const struct mg_addr *a) {
    if (out->count < PMG_DNS_ADDRS) {
        out->a[out->count++] = *a;
    }
}

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), k = strlen(end);
    return n >= k && strcmp(name + n - k, end) == 0;
}

#if PMG_CAN_ETC

#define RESOLV_CONF "/etc/resolv.conf"
#define HOSTS "/etc/hosts"

// Calls fn for each word of each line, `index` counting from 0 in its line. A word that is longer
// than any address or name comes as an empty one.
typedef void (*word_fn_t)(void *arg, int index, const char *word);

static void each_word(const char *path, bool semicolon, word_fn_t fn, void *arg) {
    char buf[512], word[PMG_DNS_NAME_SIZE + 1];
    size_t n = 0;
    int index = 0;
    bool comment = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    for (ssize_t got = 1; got > 0;) {
        got = read(fd, buf, sizeof(buf));
        if (got < 0 && errno == EINTR) {
            got = 1;
            continue;
        }
        if (got <= 0) { // the last line may lack its end
            buf[0] = '\n';
        }
        for (ssize_t i = 0; i < (got > 0 ? got : 1); i++) {
            char ch = buf[i];
            if (ch == '#' || (semicolon && ch == ';')) {
                comment = true;
            }
            if (!comment && ch != ' ' && ch != '\t' && ch != '\r' && ch != '\n') {
                if (n < sizeof(word)) {
                    word[n++] = ch;
                }
                continue;
            }
            if (n > 0) {
                word[n < sizeof(word) ? n : 0] = '\0';
                fn(arg, index++, word);
                n = 0;
            }
            if (ch == '\n') {
                index = 0;
                comment = false;
            }
        }
    }
    close(fd);
}

// An address as a file has it: with the name of an interface, too.
static bool to_addr(const char *text, struct mg_addr *a) {
    const char *scope = strchr(text, '%');
    size_t n = scope != NULL ? (size_t)(scope - text) : strlen(text);
    memset(a, 0, sizeof(*a));
    if (n == 0 || strspn(text, "0123456789abcdefABCDEF.:") < n || !mg_aton(mg_str_n(text, n), a)) {
        return false;
    }
    if (scope != NULL) {
        unsigned index = if_nametoindex(scope + 1);
        (void)pmg_addr_set_zone(a, index > 0 ? index : (uint32_t)strtoul(scope + 1, NULL, 10));
    }
    return true;
}

typedef struct {
    pmg_dns_conf_t *conf;
    enum { OTHER, SERVER, SEARCH, OPTIONS } line;
} resolv_t;

static unsigned option(const char *word, const char *name, unsigned max, unsigned keep) {
    size_t n = strlen(name);
    if (strncmp(word, name, n) != 0 || word[n] < '0' || word[n] > '9') {
        return keep;
    }
    unsigned long value = strtoul(word + n, NULL, 10);
    return value < max ? (unsigned)value : max;
}

static void add_search(pmg_dns_conf_t *conf, const char *domain) {
    size_t used = 0, n = strlen(domain);
    if (n > 0 && domain[n - 1] == '.') {
        n--;
    }
    if (conf->searches > 0) {
        used = conf->search[conf->searches - 1];
        used += strlen(conf->domains + used) + 1;
    }
    if (n == 0 || conf->searches == PMG_DNS_SEARCH || used + n + 1 > sizeof(conf->domains)) {
        return;
    }
    memcpy(conf->domains + used, domain, n);
    conf->domains[used + n] = '\0';
    conf->search[conf->searches++] = (uint8_t)used;
}

static void resolv_word(void *arg, int index, const char *word) {
    resolv_t *r = arg;
    pmg_dns_conf_t *conf = r->conf;
    if (index == 0) {
        bool search = strcmp(word, "search") == 0 || strcmp(word, "domain") == 0;
        r->line = strcmp(word, "nameserver") == 0 ? SERVER
                  : search                        ? SEARCH
                  : strcmp(word, "options") == 0  ? OPTIONS
                                                  : OTHER;
        if (search) { // the last such line holds
            conf->searches = 0;
        }
    } else if (r->line == SERVER && index == 1 && conf->servers < PMG_DNS_SERVERS) {
        struct mg_addr *a = &conf->server[conf->servers];
        if (to_addr(word, a)) {
            a->port = mg_htons(53);
            conf->servers++;
        }
    } else if (r->line == SEARCH) {
        add_search(conf, word);
    } else if (r->line == OPTIONS) {
        conf->ndots = (uint8_t)option(word, "ndots:", NDOTS_MAX, conf->ndots);
        conf->attempts = (uint8_t)option(word, "attempts:", ATTEMPTS_MAX, conf->attempts);
        unsigned s = option(word, "timeout:", TIMEOUT_MAX_MS / 1000, conf->timeout / 1000u);
        conf->timeout = (uint16_t)(s > 0 ? s * 1000 : TIMEOUT_MS);
    }
}

bool pmg_dns_conf_refresh(pmg_mgr_t *m, pmg_dns_conf_t *conf) {
    struct stat st;
    uint64_t stamp[3] = {0, 0, 0};
    (void)m;
    if (conf->fixed) {
        return false;
    }
    if (stat(RESOLV_CONF, &st) == 0) {
#ifdef __APPLE__
        stamp[0] = (uint64_t)st.st_mtime;
#else
        stamp[0] = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
#endif
        stamp[1] = (uint64_t)st.st_size;
        stamp[2] = (uint64_t)st.st_ino;
    }
    if (memcmp(stamp, conf->stamp, sizeof(stamp)) == 0) {
        return false;
    }
    defaults(conf);
    memcpy(conf->stamp, stamp, sizeof(stamp));
    resolv_t r = {conf, OTHER};
    each_word(RESOLV_CONF, true, resolv_word, &r);
    if (conf->attempts == 0) {
        conf->attempts = 1;
    }
    if (conf->servers == 0) { // as libc has it: one on this host
        conf->server[0].addr.ip4 = mg_htonl(0x7f000001);
        conf->server[0].port = mg_htons(53);
        conf->servers = 1;
    }
    return true;
}

typedef struct {
    const char *name;
    struct mg_addr addr;
    bool valid;
    pmg_dns_addrs_t *out;
} hosts_t;

static void hosts_word(void *arg, int index, const char *word) {
    hosts_t *h = arg;
    if (index == 0) {
        h->valid = to_addr(word, &h->addr);
    } else if (h->valid) {
        const char *a = word, *b = h->name;
        while (*a != '\0' && (*a >= 'A' && *a <= 'Z' ? *a + 'a' - 'A' : *a) == *b) {
            a++;
            b++;
        }
        if (*b == '\0' && (*a == '\0' || (*a == '.' && a[1] == '\0'))) {
            add_addr(h->out, &h->addr);
            h->valid = false; // once a line
        }
    }
}

static void hosts_file(const char *name, pmg_dns_addrs_t *out) {
    hosts_t h = {.name = name, .valid = false, .out = out};
    each_word(HOSTS, false, hosts_word, &h);
}

#else

bool pmg_dns_conf_refresh(pmg_mgr_t *m, pmg_dns_conf_t *conf) {
    struct mg_addr now[PMG_DNS_SERVERS];
    (void)m;
    if (conf->fixed) {
        return false;
    }
    memset(now, 0, sizeof(now));
    int n = pmg_io_dns_servers(now, PMG_DNS_SERVERS);
    if (n == conf->servers && memcmp(now, conf->server, sizeof(now)) == 0) {
        return false;
    }
    conf->servers = (uint8_t)n;
    memcpy(conf->server, now, sizeof(now));
    return true;
}

static void hosts_file(const char *name, pmg_dns_addrs_t *out) {
    (void)name, (void)out;
}

#endif

void pmg_dns_local(pmg_mgr_t *m, const char *name, pmg_dns_addrs_t *out) {
    struct mg_addr a;
    out->count = 0;
    if (strcmp(name, "localhost") != 0 && !ends_with(name, ".localhost")) {
        hosts_file(name, out);
        pmg_dns_sort(m, out);
        return;
    }
    // IPv4 first, unlike the order of the rest: servers that mean this host alone bind that.
    memset(&a, 0, sizeof(a));
    a.addr.ip4 = mg_htonl(0x7f000001);
    add_addr(out, &a);
    memset(&a, 0, sizeof(a));
    a.is_ip6 = true;
    a.addr.ip[15] = 1;
    add_addr(out, &a);
}
