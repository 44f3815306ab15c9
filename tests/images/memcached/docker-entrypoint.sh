#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Written from the documented behaviour of the official image.
set -e

case "${1:-}" in
-*) set -- memcached "$@" ;;
esac
exec "$@"
