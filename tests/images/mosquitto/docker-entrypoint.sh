#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Written from the documented behaviour of the official image.
set -e

if [ "$(id -u)" = 0 ] && [ -d /mosquitto ]; then
    chown -R mosquitto:mosquitto /mosquitto || :
fi
exec "$@"
