#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# First start: the system tables, a temporary server without a port, users, database and init
# scripts, stop. Every start: the server. Written from the documented behaviour of the official image.
set -eo pipefail
shopt -s nullglob

note() { printf '%s [Note] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*"; }
die() {
    printf '%s [ERROR] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*" >&2
    exit 1
}

# setting NAME DEFAULT: $MARIADB_NAME or $MYSQL_NAME, or the content of a file named by either with
# _FILE, or DEFAULT. Exported under both names.
setting() {
    local prefix value='' file
    for prefix in MYSQL MARIADB; do
        local name="${prefix}_$1"
        file="${name}_FILE"
        if [[ -n ${!name:-} && -n ${!file:-} ]]; then
            die "both $name and $file are set (but are exclusive)"
        elif [[ -n ${!file:-} ]]; then
            value=$(<"${!file}")
        elif [[ -n ${!name:-} ]]; then
            value=${!name}
        fi
        unset "$file"
    done
    value=${value:-$2}
    export "MYSQL_$1=$value" "MARIADB_$1=$value"
}

read_settings() {
    setting ROOT_HOST '%'
    setting DATABASE ''
    setting USER ''
    setting PASSWORD ''
    setting ROOT_PASSWORD ''
    setting RANDOM_ROOT_PASSWORD ''
    setting ALLOW_EMPTY_ROOT_PASSWORD "${MYSQL_ALLOW_EMPTY_PASSWORD:-}"
    setting INITDB_SKIP_TZINFO ''
}

# What the server would take, by its files and these arguments.
server_value() { # NAME COMMAND...
    local name=$1
    shift
    "$@" --verbose --help 2> /dev/null | awk -v name="$name" '$1 == name && /^[^ \t]/ { print $2; exit }'
}

own_directories() {
    mkdir -p "$data"
    if [[ $(id -u) == 0 ]]; then
        find "$data" ! -user mysql -exec chown mysql: '{}' +
        find "${socket%/*}" -maxdepth 0 ! -user mysql -exec chown mysql: '{}' \;
    fi
}

sql() { # of root, over the socket
    MYSQL_PWD=$root_now mariadb --protocol=socket --user=root --socket="$socket" "$@"
}

quoted() { # a string in SQL
    local text=${1//\\/\\\\}
    printf "'%s'" "${text//\'/\\\'}"
}

start_temporary_server() {
    "$@" --skip-networking --default-time-zone=SYSTEM --socket="$socket" \
        --loose-innodb_buffer_pool_load_at_startup=0 &
    temporary=$!
    local i
    for ((i = 0; i < 300; i++)); do
        if sql --database=mysql <<< 'SELECT 1' &> /dev/null; then
            return 0
        fi
        kill -0 "$temporary" 2> /dev/null || break
        read -rt 0.1 <> <(:) || :
    done
    die 'unable to start server.'
}

create_accounts() {
    if [[ -n $MARIADB_RANDOM_ROOT_PASSWORD ]]; then
        MARIADB_ROOT_PASSWORD=$(pwgen --numerals --capitalize -1 32)
        note "GENERATED ROOT PASSWORD: $MARIADB_ROOT_PASSWORD"
    fi
    local password
    password=$(quoted "$MARIADB_ROOT_PASSWORD")
    {
        echo "DROP USER IF EXISTS root@'127.0.0.1', root@'::1';"
        printf '%s\n' "EXECUTE IMMEDIATE CONCAT('DROP USER IF EXISTS root@\'', @@hostname, '\'');"
        if [[ $MARIADB_ROOT_HOST != localhost ]]; then
            echo "CREATE USER root@'$MARIADB_ROOT_HOST' IDENTIFIED BY $password;"
            echo "GRANT ALL ON *.* TO root@'$MARIADB_ROOT_HOST' WITH GRANT OPTION;"
        fi
        echo "SET PASSWORD FOR root@localhost = PASSWORD($password);"
        if [[ -n $MARIADB_DATABASE ]]; then
            echo "CREATE DATABASE IF NOT EXISTS \`$MARIADB_DATABASE\`;"
        fi
        if [[ -n $MARIADB_USER && -n $MARIADB_PASSWORD ]]; then
            echo "CREATE USER '$MARIADB_USER'@'%' IDENTIFIED BY $(quoted "$MARIADB_PASSWORD");"
            if [[ -n $MARIADB_DATABASE ]]; then
                echo "GRANT ALL ON \`${MARIADB_DATABASE//_/\\_}\`.* TO '$MARIADB_USER'@'%';"
            fi
        fi
    } | sql --database=mysql
    root_now=$MARIADB_ROOT_PASSWORD
}

run_init_scripts() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        note "$0: running $file"
        case $file in
        *.sh)
            # shellcheck source=/dev/null
            if [[ -x $file ]]; then "$file"; else . "$file"; fi
            ;;
        *.sql) sql --database="$MARIADB_DATABASE" < "$file" ;;
        *.sql.gz) gunzip -c "$file" | sql --database="$MARIADB_DATABASE" ;;
        esac
    done
}

initialise() {
    if [[ -z $MARIADB_ROOT_PASSWORD$MARIADB_ALLOW_EMPTY_ROOT_PASSWORD$MARIADB_RANDOM_ROOT_PASSWORD ]]; then
        die 'database is uninitialized and password option is not specified: set one of' \
            'MARIADB_ROOT_PASSWORD, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD and MARIADB_RANDOM_ROOT_PASSWORD'
    fi
    note 'Initializing database files'
    mariadb-install-db --datadir="$data" --rpm --auth-root-authentication-method=normal "${@:2}" \
        --skip-test-db --skip-log-bin --default-time-zone=SYSTEM \
        --loose-innodb_buffer_pool_load_at_startup=0 > /dev/null
    note 'Starting temporary server'
    root_now=''
    start_temporary_server "$@"
    if [[ -z $MARIADB_INITDB_SKIP_TZINFO ]]; then
        mariadb-tzinfo-to-sql --skip-write-binlog /usr/share/zoneinfo 2> /dev/null | sql --database=mysql
    fi
    create_accounts
    run_init_scripts
    note 'Stopping temporary server'
    kill "$temporary"
    wait "$temporary"
    note 'MariaDB init process done. Ready for start up.'
}

case "${1:-}" in
-*) set -- mariadbd "$@" ;;
esac
if [[ ${1:-} == mariadbd || ${1:-} == mysqld ]] && [[ " $* " != *' --help '* && " $* " != *' --version '* ]]; then
    data=$(server_value datadir "$@")
    socket=$(server_value socket "$@")
    read_settings
    own_directories
    if [[ $(id -u) == 0 ]]; then
        exec gosu mysql "$0" "$@"
    fi
    if [[ ! -d $data/mysql ]]; then
        initialise "$@"
    fi
fi
exec "$@"
