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
#include "url.h"

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

/* The application's id as a name that serves as user and database without quotes in SQL. */
static char *identifier(const char *id)
{
    static const char *const digits[] = {"zero", "one", "two",   "three", "four",
                                         "five", "six", "seven", "eight", "nine"};
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    bool digit = *id >= '0' && *id <= '9';

    if (digit)
        strbuf_adds(&out, digits[*id - '0']);
    for (const char *p = digit ? id + 1 : id; *p; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
        bool keep = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        strbuf_addc(&out, keep ? c : '_');
    }
    if (out.len > 63) /* NAMEDATALEN - 1 */
        strbuf_truncate(&out, 63);
    if (out.len == 0 || is_reserved(out.buf))
        return xasprintf("app%s%.58s", out.len ? "_" : "", out.buf);
    return strbuf_detach(&out);
}

/* Who connects to what; all as the server knows it, not percent-encoded. */
struct account {
    char *user;
    char *password; /* NULL: none */
    char *name;
};

static void account_deinit(struct account *a)
{
    free(a->user);
    free(a->password);
    free(a->name);
}
#define _cleanup_account_ _cleanup_(account_deinit)

/* Precedence: the override, then what the URL has (base), without a URL the application's id. */
static int account_init(struct account *a, const struct provider_input *in, const struct url *base,
                        bool external, struct error *err)
{
    _cleanup_free_ char *id = base->scheme ? xstrdup("") : identifier(in->application_id);
    const char *user = provider_input_get(in, "user", NULL);
    const char *password = provider_input_get(in, "password", external ? NULL : in->secret);
    const char *name = provider_input_get(in, "name", NULL);
    const char *path = provider_input_get(in, "path", base->path);

    if (user)
        a->user = xstrdup(user);
    else
        a->user = base->user ? url_unquote(base->user) : xstrdup(id);
    if (password)
        a->password = xstrdup(password);
    else if (base->password)
        a->password = url_unquote(base->password);

    const char *bare = path ? path + strspn(path, "/") : "";
    if (name)
        a->name = xstrdup(name);
    else
        a->name = *bare ? url_unquote(bare) : xstrdup(id);

    if (!external && (!*a->user || !a->password || !*a->password || !*a->name))
        return error_set(err, ERROR_CONFIG, "user, password and name must not be empty");
    return 0;
}

/* The URL of the overrides, or an empty one. */
static int base_url(const struct provider_input *in, struct url *base, struct error *err)
{
    _cleanup_strvec_ struct strvec urls = STRVEC_INIT;
    const char *value = provider_input_get(in, "urls", NULL);

    if (!value)
        return 0;
    strvec_split(&urls, value, "|");
    if (urls.len != 1)
        return error_set(err, ERROR_CONFIG,
                         "override 'urls' needs one URL, and has %zu: DB_DEFAULT_URL holds one",
                         urls.len);
    if (url_parse(base, urls.items[0], err) < 0)
        return error_wrap(err, "override 'urls'");
    return 0;
}

/* Host and port: overrides, the URL's, or this shard's own server. */
static int set_location(struct url *u, const struct provider_input *in, uint16_t port,
                        struct error *err)
{
    const char *host = provider_input_get(in, "host", NULL);
    uint16_t host_port = 0;

    if (host) {
        free(TAKE_PTR(u->host));
        if (url_host_port(host, &u->host, &host_port, err) < 0)
            return error_wrap(err, "override 'host'");
    } else if (!u->host) {
        u->host = xstrdup(POD_ADDRESS);
    }
    if (host_port)
        u->port = host_port;
    else if (provider_input_get(in, "port", NULL) || host || !u->port)
        u->port = port;
    return 0;
}

static void set_account(struct url *u, const struct account *a)
{
    _cleanup_free_ char *name = url_quote(a->name);

    free(u->user);
    free(u->password);
    free(u->path);
    u->user = *a->user ? url_quote(a->user) : NULL;
    u->password = a->password ? url_quote(a->password) : NULL;
    u->path = xasprintf("%s%s", *name ? "/" : "", name);
}

static void set_container(struct service_plan *out, const struct provider *provider,
                          const struct account *a, const struct url *u)
{
    for (size_t i = 0; i < ARRAY_SIZE(server_argv); i++)
        strvec_push(&out->argv, server_argv[i]);
    strvec_setenv(&out->env, "POSTGRES_USER", a->user);
    strvec_setenv(&out->env, "POSTGRES_PASSWORD", a->password);
    strvec_setenv(&out->env, "POSTGRES_DB", a->name);
    strvec_setenv(&out->env, "POSTGRES_INITDB_ARGS", POSTGRES_INITDB_ARGS);
    /* Not "-c port=": the image's start-up script talks to its temporary server by PGPORT too. */
    if (out->port != provider->port)
        strvec_pushf(&out->env, "PGPORT=%u", out->port);
    out->shm_size = SHM_SIZE;
    out->probe_arg = xasprintf("%s%s", u->user, u->path);
}

int postgres_plan(const struct provider *provider, const struct provider_input *in,
                  struct service_plan *out, struct error *err)
{
    _cleanup_url_ struct url u = {0};
    _cleanup_account_ struct account account = {0};

    if (common_begin(provider, in, out, err) < 0 || base_url(in, &u, err) < 0 ||
        account_init(&account, in, &u, out->external, err) < 0 ||
        set_location(&u, in, out->port, err) < 0)
        return -1;
    set_account(&u, &account);
    if (!u.scheme)
        u.scheme = xstrdup(provider->name);
    if (!u.rest)
        u.rest = xstrdup("");

    _cleanup_free_ char *url = url_format(&u);
    _cleanup_free_ char *variable = common_db_variable(in);
    strvec_setenv(&out->app_env, variable, url);
    if (account.password)
        common_secret(out, account.password, u.password);
    if (account.password && strcmp(account.password, in->secret) == 0)
        out->password = xstrdup(account.password);
    out->port = u.port;
    if (out->external)
        return 0;
    set_container(out, provider, &account, &u);
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
    .names_instances = true,
};
