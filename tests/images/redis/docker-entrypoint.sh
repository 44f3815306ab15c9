#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Written from the documented behaviour of the official image.
set -e

case "${1:-}" in
-* | *.conf) set -- redis-server "$@" ;;
esac

# Containers reach it over the network without a password. The official server is compiled so;
# Debian's is told, before the caller's own arguments and unless a file of theirs speaks of it.
open_up() {
    shift
    case "${1:-}" in
    *.conf)
        config=$1
        shift
        grep -q '^[[:space:]]*protected-mode' "$config" || set -- --protected-mode no "$@"
        set -- "$config" "$@"
        ;;
    *) set -- --protected-mode no "$@" ;;
    esac
    exec redis-server "$@"
}

if [ "${1:-}" = redis-server ]; then
    if [ "$(id -u)" = 0 ]; then
        find . ! -user redis -exec chown redis '{}' +
        exec gosu redis "$0" "$@"
    fi
    # What redis writes is nobody else's business.
    if [ "$(umask)" = 0022 ]; then
        umask 0077
    fi
    case " $* " in
    *' --version '* | *' -v '* | *' --help '* | *' -h '*) ;;
    *) open_up "$@" ;;
    esac
fi
exec "$@"
