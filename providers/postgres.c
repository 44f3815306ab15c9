/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL.
 *
 * Container: github.com/docker-library/docs, postgres/README ("Environment Variables"). Forklift's
 * names: user and database are the application's id, as an identifier. Wire protocol:
 * postgresql.org/docs/current/protocol-message-formats.html (StartupMessage, Authentication*,
 * ErrorResponse) and errcodes-appendix.html.
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

/* --no-sync: initdb alone issues 1000 fsyncs. --auth-host: by default initdb trusts 127.0.0.1, and
   the whole shard is 127.0.0.1: a wrong password would pass here and fail in production. */
#define INITDB_ARGS "--no-sync --auth-host=scram-sha-256"

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
    strvec_setenv(&out->env, "POSTGRES_INITDB_ARGS", INITDB_ARGS);
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
    strvec_setenv(&out->app_env, "DB_DEFAULT_URL", url);
    if (account.password)
        common_secret(out, account.password, u.password);
    out->port = u.port;
    if (out->external)
        return 0;
    set_container(out, provider, &account, &u);
    return common_finish(in, out, err);
}

static void add_u32(struct strbuf *out, size_t value)
{
    const unsigned char bytes[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                    (unsigned char)(value >> 8), (unsigned char)value};
    strbuf_add(out, bytes, sizeof(bytes));
}

static void add_pair(struct strbuf *out, const char *key, const char *value)
{
    strbuf_add(out, key, strlen(key) + 1);
    strbuf_add(out, value, strlen(value) + 1);
}

/* StartupMessage. arg: "user/database", percent-encoded. */
static int request(const char *arg, struct strbuf *out)
{
    const char *slash = strchr(arg, '/');
    if (!slash || slash == arg || !slash[1])
        return -1;

    _cleanup_free_ char *user_part = xstrndup(arg, (size_t)(slash - arg));
    _cleanup_free_ char *user = url_unquote(user_part);
    _cleanup_free_ char *name = url_unquote(slash + 1);
    _cleanup_strbuf_ struct strbuf body = STRBUF_INIT;

    add_u32(&body, 196608); /* protocol 3.0 */
    add_pair(&body, "user", user);
    add_pair(&body, "database", name);
    add_pair(&body, "application_name", "cleanroom");
    strbuf_addc(&body, '\0');
    add_u32(out, body.len + 4);
    strbuf_add(out, body.buf, body.len);
    return 0;
}

static size_t get_u32(const unsigned char *p)
{
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* One field of an ErrorResponse's body ("C": SQLSTATE, "M": message), NUL-terminated, or NULL. */
static const char *error_field(const unsigned char *body, size_t len, char type)
{
    while (len > 0 && *body) {
        const unsigned char *end = memchr(body, '\0', len);
        if (!end)
            return NULL;
        if (*body == (unsigned char)type)
            return (const char *)body + 1;
        len -= (size_t)(end + 1 - body);
        body = end + 1;
    }
    return NULL;
}

/*
 * Does an error with this SQLSTATE mean that the server does not serve now? Anything else is the
 * answer of a server at work to a stranger without a password: "no such role" (28000), "no entry in
 * pg_hba.conf" (28000), "permission denied" (42501). The app may well be known to it.
 */
static bool is_not_serving(const char *state)
{
    static const char *const classes[] = {
        "08",    /* connection exception */
        "3D000", /* no such database: a pre-seeded image may create it last */
        "53",    /* insufficient resources */
        "55",    /* not in prerequisite state */
        "57",    /* 57P03 starting up, 57P01 shutting down */
        "58",    /* system error */
        "XX",    /* internal error */
    };

    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        if (strncmp(state, classes[i], strlen(classes[i])) == 0)
            return true;
    }
    return false;
}

static enum probe_verdict judge_error(const unsigned char *data, size_t len, char *why, size_t size)
{
    size_t total = get_u32(data + 1);

    /* A server that cannot even fork answers in the old protocol: "E", text, NUL. */
    if (total < 8 || total > 30000) {
        const unsigned char *end = memchr(data, '\0', len);
        common_reason(why, size, data + 1, end ? (size_t)(end - data - 1) : len - 1);
        return PROBE_NOT_YET;
    }
    if (len < total + 1)
        return PROBE_MORE;

    const char *state = error_field(data + 5, total - 4, 'C');
    const char *message = error_field(data + 5, total - 4, 'M');
    if (!state || !message) {
        common_reason(why, size, "not a PostgreSQL error", 22);
        return PROBE_WRONG;
    }
    common_reason(why, size, message, strlen(message));
    return is_not_serving(state) ? PROBE_NOT_YET : PROBE_READY;
}

static enum probe_verdict answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    static const char wrong[] = "not the PostgreSQL protocol";

    common_reason(why, size, "", 0);
    if (len == 0)
        return PROBE_MORE;
    if (*data != 'R' && *data != 'E') {
        common_reason(why, size, wrong, strlen(wrong));
        return PROBE_WRONG;
    }
    if (len < 9)
        return PROBE_MORE;
    if (*data == 'E')
        return judge_error(data, len, why, size);

    /* An authentication request; the kinds known today are 0 to 12, the longest is SASL's list. */
    size_t total = get_u32(data + 1), kind = get_u32(data + 5);
    if (total < 8 || total > 2000 || kind > 99) {
        common_reason(why, size, wrong, strlen(wrong));
        return PROBE_WRONG;
    }
    return PROBE_READY;
}

/*
 * Why 127.0.0.2: the official image's temporary server, which runs the init scripts, listens on the
 * unix socket only, but older forks of its start-up script let it listen on 'localhost'. A listener
 * on all addresses, as the final server is, accepts here; one on localhost alone does not.
 */
const struct probe postgres_probe = {
    .address = "127.0.0.2",
    .request = request,
    .answer = answer,
};

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
};
