#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Is there a way to the packages? Asked before a fetch: network.sh pip|apt|npm WHO
# Their own attempts and retries take up to a minute in which nothing is said. Here one connection
# is tried, and within a second WHO says what it came to. Where a proxy or a folder of packages is
# set up, they know the way better, and nothing is asked.
set -eu

who=$2
setting() { # of pip: by the environment or a file
    value=$(printenv "PIP_$(echo "$1" | tr a-z- A-Z_)") || value=$(
        for file in "${PIP_CONFIG_FILE:-/dev/null}" "$HOME/.pip/pip.conf" \
            "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" /etc/xdg/pip/pip.conf /etc/pip.conf; do
            sed -n "s/^ *$1 *[=:] *//p" "$file" 2>/dev/null || true
        done | head -n 1
    )
    echo "$value"
}

case ${http_proxy:-}${https_proxy:-}${all_proxy:-}${HTTP_PROXY:-}${HTTPS_PROXY:-}${ALL_PROXY:-} in ?*) exit 0 ;; esac
case $1 in
pip)
    for name in proxy no-index find-links extra-index-url; do
        [ -z "$(setting $name)" ] || exit 0
    done
    urls=$(setting index-url)
    urls=${urls:-https://pypi.org/}
    ;;
apt)
    [ -z "$(apt-config shell P Acquire::http::Proxy Q Acquire::https::Proxy 2>/dev/null)" ] || exit 0
    # Others' archives may be among them: one that is reached is enough.
    urls=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        sed -n '/^ *#/d; s/^\(deb \|URIs:\).*\(https\{0,1\}:[^ ]*\).*/\2/p' | sort -u | head -n 5)
    ;;
npm)
    [ -z "${npm_config_registry:-}${npm_config_proxy:-}${npm_config_https_proxy:-}" ] || exit 0
    urls=$(npm config get registry)
    ;;
esac

command -v bash >/dev/null && command -v timeout >/dev/null || exit 0

reach() { # no longer than so many seconds
    # shellcheck disable=SC2016
    LC_ALL=C timeout "$1" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>&1
}
first=
for url in $urls; do
    case $url in
    https://*) port=443 ;;
    http://*) port=80 ;;
    *) exit 0 ;;
    esac
    host=${url#*://}
    host=${host%%/*}
    host=${host##*@}
    case $host in
    *\]) ;;
    *:*) port=${host##*:} host=${host%:*} ;;
    esac
    host=${host#\[} host=${host%\]}
    status=0
    said=$(reach 0.8) || status=$?
    if [ "$status" -eq 124 ]; then
        echo "$who: $host has not answered for a second; waiting for it, ten seconds at most" >&2
        status=0
        said=$(reach 10) || status=$?
    fi
    [ "$status" -ne 0 ] || exit 0
    case $status in 124) reason="no answer" ;; *) reason=$(echo "$said" | sed -n '1s/.*: //p') ;; esac
    first=${first:-"$host is not reached ($reason)"}
done
[ -n "$first" ] || exit 0
echo "$who: no network: $first" >&2
echo "$who: run make again when it is; it goes on from here. A proxy is named by http_proxy and https_proxy" >&2
exit 1
