// SPDX-License-Identifier: GPL-2.0-only
//
// What the socket backend asks of ESP-IDF's network interfaces. A connected socket, which tells a
// desktop such things, tells nothing here: lwIP's UDP connects to anything, from no address.

#if defined(ESP_PLATFORM) && !defined(NO_QSTR)

#include "../sock/sock.h"

#include "esp_netif.h"
#include "lwip/dns.h"

// Those that MicroPython's network module makes, by the keys that ESP-IDF gives them.
static const char *const keys[] = {"WIFI_STA_DEF", "WIFI_AP_DEF", "ETH_DEF"};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static esp_netif_t *netif_up(size_t i) {
    esp_netif_t *netif = esp_netif_get_handle_from_ifkey(keys[i]);
    return netif != NULL && esp_netif_is_netif_up(netif) ? netif : NULL;
}

bool pmg_io_esp_has_ip6(void) {
    for (size_t i = 0; i < KEYS; i++) {
        esp_netif_t *netif = netif_up(i);
        esp_ip6_addr_t ip;
        if (netif != NULL && esp_netif_get_ip6_global(netif, &ip) == ESP_OK) {
            return true;
        }
    }
    return false;
}

#if PMG_MULTICAST
int pmg_io_ifaces(pmg_io_iface_t *out, int max, const struct mg_addr *only) {
    int n = 0;
    for (size_t i = 0; i < KEYS && n < max; i++) {
        esp_netif_t *netif = netif_up(i);
        esp_netif_ip_info_t info;
        if (netif != NULL && esp_netif_get_ip_info(netif, &info) == ESP_OK && info.ip.addr != 0 &&
            (only == NULL || info.ip.addr == only->addr.ip4)) {
            out[n++] = (pmg_io_iface_t) {.ip = info.ip.addr, .mask = info.netmask.addr};
        }
    }
    return n;
}
#endif

int pmg_io_dns_servers(struct mg_addr *out, int max) {
    int n = 0;
    for (u8_t i = 0; i < DNS_MAX_SERVERS && n < max; i++) {
        const ip_addr_t *ip = dns_getserver(i);
        if (!ip_addr_isany(ip) && IP_IS_V4(ip)) {
            memset(&out[n], 0, sizeof(*out));
            out[n].addr.ip4 = ip_2_ip4(ip)->addr;
            out[n++].port = mg_htons(53);
        }
    }
    return n;
}

#endif
