#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# First start: initdb, a temporary server on the unix socket alone, database and init scripts, stop.
# Every start: the server. Written from the documented behaviour of the official image.
set -Eeuo pipefail

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# setting NAME DEFAULT: $NAME, or the content of the file named by $NAME_FILE, or DEFAULT.
setting() {
    local file="${1}_FILE"
    if [[ -n ${!1:-} && -n ${!file:-} ]]; then
        die "both $1 and $file are set (they exclude each other)"
    elif [[ -n ${!file:-} ]]; then
        export "$1=$(<"${!file}")"
    else
        export "$1=${!1:-$2}"
    fi
    unset "$file"
}

read_settings() {
    setting POSTGRES_PASSWORD ''
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    setting POSTGRES_INITDB_ARGS ''
    export POSTGRES_HOST_AUTH_METHOD="${POSTGRES_HOST_AUTH_METHOD:-}"
}

require_password() {
    if [[ -z $POSTGRES_PASSWORD && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
        die 'the database is uninitialized and no superuser password is given:' \
            'set POSTGRES_PASSWORD (or POSTGRES_HOST_AUTH_METHOD=trust, which lets anybody in)'
    fi
    if [[ $POSTGRES_HOST_AUTH_METHOD == trust ]]; then
        echo 'warning: POSTGRES_HOST_AUTH_METHOD=trust lets anybody in without a password' >&2
    fi
}

# Root prepares the directories and comes back as postgres; any other user takes them as they are.
own_directories() {
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 700 "$PGDATA" 2> /dev/null || :
    chmod 3775 /var/run/postgresql 2> /dev/null || :
    if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
        mkdir -p "$POSTGRES_INITDB_WALDIR"
        chmod 700 "$POSTGRES_INITDB_WALDIR" || :
    fi
    if [[ $(id -u) == 0 ]]; then
        find "$PGDATA" /var/run/postgresql ${POSTGRES_INITDB_WALDIR:+"$POSTGRES_INITDB_WALDIR"} \
            ! -user postgres -exec chown postgres '{}' +
    fi
}

# initdb wants its user to have a name; `--user 1234` has none.
borrow_name() {
    local wrapper
    wrapper=$(echo /usr/lib/*/libnss_wrapper.so)
    if getent passwd "$(id -u)" > /dev/null || [[ ! -e $wrapper ]]; then
        return 0
    fi
    NSS_WRAPPER_PASSWD=$(mktemp)
    NSS_WRAPPER_GROUP=$(mktemp)
    printf 'postgres:x:%s:%s:PostgreSQL:%s:/bin/false\n' "$(id -u)" "$(id -g)" "$PGDATA" \
        > "$NSS_WRAPPER_PASSWD"
    printf 'postgres:x:%s:\n' "$(id -g)" > "$NSS_WRAPPER_GROUP"
    export LD_PRELOAD=$wrapper NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
}

return_name() {
    if [[ -n ${NSS_WRAPPER_PASSWD:-} ]]; then
        rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"
        unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    fi
}

init_cluster() {
    local -a args=()
    borrow_name
    if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
        args+=(--waldir "$POSTGRES_INITDB_WALDIR")
    fi
    # Word by word on purpose: POSTGRES_INITDB_ARGS is a command line.
    eval 'args+=('"$POSTGRES_INITDB_ARGS"')'
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${args[@]}"
    return_name
}

# The server's own idea of how passwords are kept decides how the network is let in.
allow_network() {
    local method=$POSTGRES_HOST_AUTH_METHOD
    if [[ -z $method ]]; then
        method=$(postgres -C password_encryption "$@")
    fi
    printf '\nhost all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"
}

temporary_server() {
    local action=$1
    shift
    if [[ $action == start ]]; then
        local options
        printf -v options '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}"
        NOTIFY_SOCKET='' PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -o "$options" -w start
    else
        PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -m fast -w stop
    fi
}

sql() {
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password \
        --username "$POSTGRES_USER" "$@"
}

create_database() {
    if [[ $POSTGRES_DB == postgres ]]; then
        return 0
    fi
    # Through psql's own quoting, so that any name does.
    sql --dbname postgres --set name="$POSTGRES_DB" <<< 'CREATE DATABASE :"name";'
}

run_init_scripts() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sh)
            echo "$0: running $file"
            # shellcheck source=/dev/null
            if [[ -x $file ]]; then "$file"; else . "$file"; fi
            ;;
        *.sql)
            echo "$0: running $file"
            sql --dbname "$POSTGRES_DB" --file "$file"
            ;;
        *.sql.gz)
            echo "$0: running $file"
            gunzip -c "$file" | sql --dbname "$POSTGRES_DB"
            ;;
        '/docker-entrypoint-initdb.d/*') ;;
        *) echo "$0: ignoring $file" ;;
        esac
    done
}

initialise() {
    require_password
    init_cluster
    allow_network "$@"
    export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
    temporary_server start "$@"
    create_database
    run_init_scripts
    temporary_server stop
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

wants_help() {
    local arg
    for arg in "$@"; do
        case $arg in
        -'?' | --help | --describe-config | -V | --version) return 0 ;;
        esac
    done
    return 1
}

main() {
    if [[ ${1:-} == -* ]]; then
        set -- postgres "$@"
    fi
    if [[ ${1:-} == postgres ]] && ! wants_help "$@"; then
        read_settings
        own_directories
        if [[ $(id -u) == 0 ]]; then
            exec gosu postgres "$0" "$@"
        fi
        if [[ -s $PGDATA/PG_VERSION ]]; then
            printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
        else
            initialise "${@:2}"
        fi
    fi
    exec "$@"
}

# Sourced, it only lends its functions.
if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    main "$@"
fi
