#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Written from the documented behaviour of the official image.
set -euo pipefail

case "${1:-}" in
rabbitmq*)
    if [[ $(id -u) == 0 ]]; then
        if [[ $1 == rabbitmq-server ]]; then
            find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq '{}' +
        fi
        exec gosu rabbitmq "$0" "$@"
    fi
    ;;
esac

# What its own variables do not cover any more has to be in a file of settings.
for gone in RABBITMQ_DEFAULT_PASS_FILE RABBITMQ_DEFAULT_USER_FILE RABBITMQ_VM_MEMORY_HIGH_WATERMARK; do
    if [[ -n ${!gone:-} ]]; then
        echo "error: $gone is set but deprecated" >&2
        exit 1
    fi
done

if [[ -z ${RABBITMQ_USE_LONGNAME:-} && $(hostname) == *.* ]]; then
    export RABBITMQ_USE_LONGNAME=true
fi
exec "$@"
