/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MySQL and MariaDB.
 *
 * Containers: github.com/docker-library/docs, mysql/README and mariadb/README ("Environment
 * Variables"). Their users may do everything in their own database and nothing elsewhere; suites
 * that create databases have to be root: `user: root`.
 */
#include "mysql.h"

#include <string.h>

#include "common.h"
#include "database.h"

#define LONGEST_NAME 32 /* of a user in MySQL; databases may have 64 */
#define X_PORT       33060

const struct override_def mysql_overrides[MYSQL_OVERRIDES] = {
    {"host", OVERRIDE_STRING, "use the server there instead of starting one", false},
    {"port", OVERRIDE_PORT, "port of the server", false},
    {"user", OVERRIDE_STRING, "user name (default: the application's id); root may do all", false},
    {"password", OVERRIDE_STRING, "password (default: a random one for each shard)", true},
    {"name", OVERRIDE_STRING, "database (default: the application's id)", false},
    {"path", OVERRIDE_STRING, "path of the URL: the database, as '/name'", false},
    {"urls", OVERRIDE_LIST, "use the server at this URL instead of starting one", false},
};

/* What differs. The options of each bound the memory that its log takes on the tmpfs. */
static const struct flavour {
    const char *name, *prefix, *server, *client, *log;
} flavours[] = {
    {"mysql", "MYSQL", "mysqld", "mysql", "--loose-innodb-redo-log-capacity=32M"}, /* 8.0.30 */
    {"mariadb", "MARIADB", "mariadbd", "mariadb", "--innodb-log-file-size=32M"},
};

/* Durability off: nothing outlives the shard. */
static const char *const server_argv[] = {
    "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=0",
    "--skip-innodb-doublewrite",
};

static const struct flavour *find_flavour(const struct provider *provider)
{
    return strcmp(provider->name, flavours[0].name) == 0 ? &flavours[0] : &flavours[1];
}

static bool is_reserved(const char *name)
{
    static const char *const reserved[] = {
        "root", "mysql", "sys", "information_schema", "performance_schema", "healthcheck"};

    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
        if (strcmp(name, reserved[i]) == 0)
            return true;
    }
    return false;
}

static void set_env(struct service_plan *out, const char *prefix, const char *key,
                    const char *value)
{
    _cleanup_free_ char *name = xasprintf("%s_%s", prefix, key);
    strvec_setenv(&out->env, name, value);
}

static void set_container(struct service_plan *out, const struct provider *provider,
                          const struct provider_input *in, const struct database *db)
{
    const struct flavour *f = find_flavour(provider);

    strvec_push(&out->argv, f->server);
    for (size_t i = 0; i < ARRAY_SIZE(server_argv); i++)
        strvec_push(&out->argv, server_argv[i]);
    strvec_push(&out->argv, f->log);
    if (out->port != provider->port)
        strvec_pushf(&out->argv, "--port=%u", out->port);
    if (f == &flavours[0] && common_port(in, out, X_PORT) != X_PORT)
        strvec_pushf(&out->argv, "--loose-mysqlx-port=%u", X_PORT + in->shift);

    if (in->shared)
        strvec_push(&out->argv, "--max-connections=" COMMON_CLIENTS);
    bool root = strcmp(db->user, "root") == 0;
    if (root || in->shared) /* who makes namespaces is root */
        set_env(out, f->prefix, "ROOT_PASSWORD", db->password);
    else
        set_env(out, f->prefix, "RANDOM_ROOT_PASSWORD", "yes");
    if (!root) {
        set_env(out, f->prefix, "USER", db->user);
        set_env(out, f->prefix, "PASSWORD", db->password);
    }
    set_env(out, f->prefix, "DATABASE", db->first);
    /* Time zones by name: 1800 tables' rows that take most of initialising, and are seldom asked.
     */
    set_env(out, f->prefix, "INITDB_SKIP_TZINFO", "yes");
    out->probe_arg = xstrdup("");
}

/* An identifier in quotes; of a GRANT, where '_' and '%' are patterns. */
static void add_quoted(struct strbuf *out, const char *name, bool pattern)
{
    strbuf_addc(out, '`');
    for (; *name; name++)
        strbuf_addf(out, "%s%c",
                    *name == '`'                                ? "`"
                    : pattern && (*name == '_' || *name == '%') ? "\\"
                                                                : "",
                    *name);
    strbuf_addc(out, '`');
}

/* Over the unix socket; root's password is in the container's environment. */
static void set_namespace(struct service_plan *out, const struct provider *provider,
                          const struct database *db)
{
    const struct flavour *f = find_flavour(provider);
    _cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

    strbuf_adds(&sql, "CREATE DATABASE ");
    add_quoted(&sql, db->name, false);
    if (strcmp(db->user, "root") != 0) {
        strbuf_adds(&sql, "; GRANT ALL ON ");
        add_quoted(&sql, db->name, true);
        strbuf_adds(&sql, ".* TO ");
        mysql_add_quoted(&sql, db->user);
        strbuf_adds(&sql, "@'%'");
    }
    strvec_push(&out->namespace_words, "sh");
    strvec_push(&out->namespace_words, "-c");
    strvec_pushf(&out->namespace_words,
                 "MYSQL_PWD=$%s_ROOT_PASSWORD exec %s --user=root --execute=\"$0\"", f->prefix,
                 f->client);
    strvec_push(&out->namespace_words, sql.buf);
}

int mysql_plan(const struct provider *provider, const struct provider_input *in,
               struct service_plan *out, struct error *err)
{
    _cleanup_database_ struct database db = {0};
    _cleanup_free_ char *id = database_identifier(in->application_id, LONGEST_NAME, is_reserved);
    _cleanup_free_ char *variable = common_db_variable(in);
    /* One scheme for both: it names the protocol, and few libraries know 'mariadb'. */
    const struct database_kind kind = {
        .scheme = "mysql", .variable = variable, .id = id, .name_key = "name"};

    if (common_begin(provider, in, out, err) < 0 || database_init(&db, &kind, in, out, err) < 0)
        return -1;
    if (out->external)
        return 0;
    set_container(out, provider, in, &db);
    if (in->shared && in->shard)
        set_namespace(out, provider, &db);
    return common_finish(in, out, err);
}

const struct provider provider_mysql = {
    .name = "mysql",
    .doc = "MySQL: DB_DEFAULT_URL",
    .image = "mysql:8.4",
    .port = 3306,
    .overrides = mysql_overrides,
    .override_count = MYSQL_OVERRIDES,
    .plan = mysql_plan,
    .probe = &mysql_probe,
    .recipe = &mysql_recipe,
    .namespaces = "a database each",
    .names_instances = true,
    .by_the_book = true,
};

const struct provider provider_mariadb = {
    .name = "mariadb",
    .doc = "MariaDB: DB_DEFAULT_URL",
    .image = "mariadb:11.4",
    .port = 3306,
    .overrides = mysql_overrides,
    .override_count = MYSQL_OVERRIDES,
    .plan = mysql_plan,
    .probe = &mysql_probe,
    .recipe = &mysql_recipe,
    .namespaces = "a database each",
    .names_instances = true,
};
