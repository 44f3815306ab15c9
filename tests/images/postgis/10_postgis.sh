#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The extensions in a template database and in the database the app is given.
set -eu
export PGUSER="$POSTGRES_USER"

psql --dbname postgres -v ON_ERROR_STOP=1 \
    -c 'CREATE DATABASE template_postgis IS_TEMPLATE true'
for database in template_postgis "$POSTGRES_DB"; do
    psql --dbname "$database" -v ON_ERROR_STOP=1 \
        -c 'CREATE EXTENSION IF NOT EXISTS postgis' \
        -c 'CREATE EXTENSION IF NOT EXISTS postgis_topology' \
        -c 'CREATE EXTENSION IF NOT EXISTS fuzzystrmatch' \
        -c 'CREATE EXTENSION IF NOT EXISTS postgis_tiger_geocoder'
done
