/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL.
 *
 * Container: github.com/docker-library/docs, postgres/README ("Environment Variables"). Forklift's
 * names: user and database are the application's id, as an identifier.
 */
#include "postgres.h"

#include <string.h>

#include "common.h"
#include "database.h"
#include "url.h"

#define LONGEST_NAME 63 /* NAMEDATALEN - 1 */

#define SHM_SIZE                                                                                   \
    (UINT64_C(128) << 20) /* parallel queries; an engine's default of 64 MiB is tight */

const struct override_def postgres_overrides[POSTGRES_OVERRIDES] = {
    {"host", OVERRIDE_STRING, "use the server there instead of starting one", false},
    {"port", OVERRIDE_PORT, "port of the server", false},
    {"user", OVERRIDE_STRING, "user name (default: the application's id)", false},
    {"password", OVERRIDE_STRING, "password (default: a random one for each shard)", true},
    {"name", OVERRIDE_STRING, "database (default: the application's id)", false},
    {"path", OVERRIDE_STRING, "path of the URL: the database, as '/name'", false},
    {"urls", OVERRIDE_LIST, "use the server at this URL instead of starting one", false},
};

/* Durability off: nothing outlives the shard. Not more: on a no-op suite further tuning buys
   nothing measurable and makes the server less like the one in production. max_wal_size bounds the
   memory that the log takes on the tmpfs. All are known to every version since 9.5. */
static const char *const server_argv[] = {
    "postgres",
    "-c",
    "fsync=off",
    "-c",
    "synchronous_commit=off",
    "-c",
    "full_page_writes=off",
    "-c",
    "max_wal_size=256MB",
};

static bool is_reserved(const char *name)
{
    static const char *const reserved[] = {"public", "none", "template0", "template1"};

    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
        if (strcmp(name, reserved[i]) == 0)
            return true;
    }
    return strncmp(name, "pg_", 3) == 0;
}

static void set_container(struct service_plan *out, const struct provider *provider,
                          const struct provider_input *in, const struct database *db)
{
    _cleanup_free_ char *user = url_quote(db->user);
    _cleanup_free_ char *name = url_quote(db->first);

    for (size_t i = 0; i < ARRAY_SIZE(server_argv); i++)
        strvec_push(&out->argv, server_argv[i]);
    if (in->shared) {
        strvec_push(&out->argv, "-c");
        strvec_push(&out->argv, "max_connections=" COMMON_CLIENTS);
    }
    strvec_setenv(&out->env, "POSTGRES_USER", db->user);
    strvec_setenv(&out->env, "POSTGRES_PASSWORD", db->password);
    strvec_setenv(&out->env, "POSTGRES_DB", db->first);
    strvec_setenv(&out->env, "POSTGRES_INITDB_ARGS", POSTGRES_INITDB_ARGS);
    /* Not "-c port=": the image's start-up script talks to its temporary server by PGPORT too. */
    if (out->port != provider->port)
        strvec_pushf(&out->env, "PGPORT=%u", out->port);
    out->shm_size = SHM_SIZE;
    out->probe_arg = xasprintf("%s/%s", user, name);
}

/* An identifier in quotes. */
static void add_quoted(struct strbuf *out, const char *name)
{
    strbuf_addc(out, '"');
    for (; *name; name++)
        strbuf_addf(out, "%s%c", *name == '"' ? "\"" : "", *name);
    strbuf_addc(out, '"');
}

/* A copy of what the image made, extensions and all, over the unix socket, where it trusts. Nobody
   may be connected to what is copied. */
static void set_namespace(struct service_plan *out, const struct database *db)
{
    static const char *const words[] = {"psql", "--no-psqlrc", "--quiet", "--no-password"};
    bool usual = strcmp(db->first, "postgres") != 0;
    _cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

    strbuf_adds(&sql, "CREATE DATABASE ");
    add_quoted(&sql, db->name);
    strbuf_adds(&sql, " TEMPLATE ");
    add_quoted(&sql, db->first);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        strvec_push(&out->namespace_words, words[i]);
    strvec_pushf(&out->namespace_words, "--dbname=%s", usual ? "postgres" : "template1");
    strvec_pushf(&out->namespace_words, "--username=%s", db->user);
    strvec_pushf(&out->namespace_words, "--command=%s", sql.buf);
}

int postgres_plan(const struct provider *provider, const struct provider_input *in,
                  struct service_plan *out, struct error *err)
{
    _cleanup_database_ struct database db = {0};
    _cleanup_free_ char *id = database_identifier(
        in->application_id, LONGEST_NAME - common_namespace_room(in), is_reserved);
    _cleanup_free_ char *variable = common_db_variable(in);
    const struct database_kind kind = {
        .scheme = provider->name, .variable = variable, .id = id, .name_key = "name"};

    if (common_begin(provider, in, out, err) < 0 || database_init(&db, &kind, in, out, err) < 0)
        return -1;
    if (out->external)
        return 0;
    set_container(out, provider, in, &db);
    if (in->shared && in->shard)
        set_namespace(out, &db);
    return common_finish(in, out, err);
}

const struct provider provider_postgres = {
    .name = "postgres",
    .alias = "postgresql",
    .doc = "PostgreSQL: DB_DEFAULT_URL",
    .image = "postgres:16",
    .port = 5432,
    .overrides = postgres_overrides,
    .override_count = POSTGRES_OVERRIDES,
    .plan = postgres_plan,
    .probe = &postgres_probe,
    .recipe = &postgres_recipe,
    .namespaces = "a database each",
    .names_instances = true,
};
