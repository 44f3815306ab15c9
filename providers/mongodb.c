/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MongoDB.
 *
 * Container: github.com/docker-library/docs, mongo/README, and docker-entrypoint.sh in
 * github.com/docker-library/mongo. URLs: mongodb.com/docs/manual/reference/connection-string;
 * names: .../reference/limits, "Naming Restrictions". Not run against a real server here.
 *
 * The image's start-up script makes the user with a temporary server at 127.0.0.1:27017, whatever
 * port the final one has. In a pod that has a MongoDB already nobody else gets that address, so
 * there further ones are started without users: they are the ones that have been moved.
 */
#include "mongodb.h"

#include <string.h>
#include <strings.h>

#include "common.h"
#include "url.h"

#define INIT_PORT 27017

static const struct override_def overrides[] = {
    {"host", OVERRIDE_LIST, "use the server there instead of starting one", false},
    {"hosts", OVERRIDE_LIST, "the same, members of one replica set", false},
    {"port", OVERRIDE_PORT, "port of the server", false},
    {"user", OVERRIDE_STRING, "user name (default: the application's id)", false},
    {"password", OVERRIDE_STRING, "password (default: a random one for each shard)", true},
    {"name", OVERRIDE_STRING, "database (default: the application's id)", false},
    {"path", OVERRIDE_STRING, "path of the URL: the database, as '/name'", false},
    {"urls", OVERRIDE_LIST, "use the server at this URL instead of starting one", false},
};

/* The application's id as the name of a database. */
static char *database_name(const struct provider_input *in)
{
    static const char *const reserved[] = {"", "admin", "config", "local"};
    int room = (int)common_namespace_room(in);
    char *name = xasprintf("%.*s", 59 - room, in->application_id);

    for (char *p = name; *p; p++) {
        char letter = (char)(*p | 0x20);
        bool keep = (letter >= 'a' && letter <= 'z') || (*p >= '0' && *p <= '9') || *p == '-';
        if (!keep)
            *p = '_';
    }
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
        if (strcasecmp(name, reserved[i]) != 0)
            continue;
        char *longer = xasprintf("app%s%s", *name ? "_" : "", name);
        free(name);
        return longer;
    }
    return name;
}

/* Parts as they stand in the URL. */
struct target {
    struct url u; /* all but host and port: MongoDB's URLs have several of these */
    char *hosts;  /* "host:port,host:port" */
    char *first; /* the path that the server is begun with: u's, unless it is a shard's namespace */
};

static void target_deinit(struct target *t)
{
    url_deinit(&t->u);
    free(t->hosts);
    free(t->first);
}

/* The URL of the overrides, if there is one. */
static int parse_base(struct target *t, const struct provider_input *in, struct error *err)
{
    _cleanup_strvec_ struct strvec urls = STRVEC_INIT;
    const char *value = provider_input_get(in, "urls", NULL);

    if (!value)
        return 0;
    strvec_split(&urls, value, "|");
    if (urls.len != 1)
        return error_set(err, ERROR_CONFIG,
                         "override 'urls' needs one URL, and has %zu: MONGODB_URL holds one",
                         urls.len);
    const char *text = urls.items[0], *scheme_end = strstr(text, "://");
    const char *hosts = scheme_end ? scheme_end + 3 : text;
    size_t len = strcspn(hosts, "/?#");
    const char *at = memrchr(hosts, '@', len);
    if (at) {
        len -= (size_t)(at + 1 - hosts);
        hosts = at + 1;
    }
    t->hosts = xstrndup(hosts, len);
    _cleanup_free_ char *rest = xasprintf("%.*sx%s", (int)(hosts - text), text, hosts + len);
    if (url_parse(&t->u, rest, err) < 0)
        return error_wrap(err, "override 'urls'");
    if (!*t->hosts)
        return error_set(err, ERROR_CONFIG, "override 'urls': a URL has no host");
    return 0;
}

/* Overrides, the URL's hosts, or this shard's own server. */
static int set_hosts(struct target *t, const struct provider_input *in,
                     const struct service_plan *plan, struct error *err)
{
    _cleanup_strvec_ struct strvec items = STRVEC_INIT, hosts = STRVEC_INIT;
    const char *list = provider_input_get(in, "hosts", provider_input_get(in, "host", NULL));
    bool port = provider_input_get(in, "port", NULL) != NULL;

    if (!list && t->hosts && !port)
        return 0; /* as they are: those of mongodb+srv:// must not have a port */
    strvec_split(&items, list ? list : t->hosts ? t->hosts : common_address(in), list ? "|" : ",");
    if (items.len == 0)
        return error_set(err, ERROR_CONFIG, "the list of hosts is empty");
    for (size_t i = 0; i < items.len; i++) {
        _cleanup_free_ char *host = NULL;
        uint16_t own;
        if (url_host_port(items.items[i], &host, &own, err) < 0)
            return error_wrap(err, "override '%s'", list ? "host" : "urls");
        url_add_host_port(&hosts, host, own && list ? own : plan->port);
    }
    free(t->hosts);
    t->hosts = strvec_join(&hosts, ",");
    return 0;
}

/* The database: overrides, the URL's, for our own server the application's id. */
static void set_path(struct target *t, const struct provider_input *in)
{
    _cleanup_free_ char *usual = database_name(in);
    const char *path = provider_input_get(in, "path", NULL);
    const char *name = provider_input_get(in, "name", t->u.path || path ? NULL : usual);

    if (name) {
        _cleanup_free_ char *quoted = url_quote(name);
        free(t->u.path);
        t->u.path = xasprintf("/%s", quoted);
    } else if (path) {
        free(t->u.path);
        t->u.path = xasprintf("%s%s", *path == '/' ? "" : "/", path);
    }
    if (t->u.path) {
        t->first = TAKE_PTR(t->u.path);
        t->u.path = common_namespace(in, t->first, '_');
    }
}

/* Who connects: overrides, the URL's, for our own server the application's id. */
static int set_account(struct target *t, const struct provider_input *in, bool own,
                       struct error *err)
{
    _cleanup_free_ char *usual = database_name(in);
    bool users = own && !in->shift;
    const char *user = provider_input_get(in, "user", users ? usual : NULL);
    const char *password = provider_input_get(in, "password", users ? in->secret : NULL);

    if (own && !users && (user || password))
        return error_set(err, ERROR_CONFIG,
                         "only the first MongoDB of a shard has users: its image can make them at "
                         "port 27017 alone");
    if (user) {
        free(t->u.user);
        t->u.user = url_quote(user);
    }
    if (password) {
        free(t->u.password);
        t->u.password = url_quote(password);
    }
    if (users && (!*t->u.user || !*t->u.password || !t->first[1]))
        return error_set(err, ERROR_CONFIG, "user, password and name must not be empty");
    if (!t->u.user && t->u.password)
        return error_set(err, ERROR_CONFIG, "override 'password' needs a user");
    return 0;
}

static char *format(const struct target *t)
{
    const struct url *u = &t->u;
    const char *rest = u->rest && *u->rest ? u->rest : "";

    return xasprintf("%s://%s%s%s%s%s%s%s", u->scheme ? u->scheme : "mongodb",
                     u->user ? u->user : "", u->password ? ":" : "", u->password ? u->password : "",
                     u->user ? "@" : "", t->hosts, u->path, rest);
}

/* Half of the machine's memory would be its cache otherwise, in each shard. */
static void set_container(const struct provider_input *in, struct service_plan *out,
                          const struct target *t)
{
    strvec_split(&out->argv, "mongod --bind_ip_all --wiredTigerCacheSizeGB 0.25 --port", " ");
    strvec_pushf(&out->argv, "%u", out->port);
    out->probe_arg = xstrdup("");
    if (!t->u.user)
        return;
    if (out->port != INIT_PORT)
        common_port(in, out, INIT_PORT);
    _cleanup_free_ char *user = url_unquote(t->u.user), *password = url_unquote(t->u.password);
    _cleanup_free_ char *name = url_unquote(t->first + 1);
    strvec_setenv(&out->env, "MONGO_INITDB_ROOT_USERNAME", user);
    strvec_setenv(&out->env, "MONGO_INITDB_ROOT_PASSWORD", password);
    strvec_setenv(&out->env, "MONGO_INITDB_DATABASE", name); /* where init scripts begin */
}

static void note_password(struct service_plan *out, const struct target *t, const char *random)
{
    if (!t->u.password)
        return;
    _cleanup_free_ char *plain = url_unquote(t->u.password);
    common_url_secret(out, &t->u);
    if (strcmp(plain, random) == 0)
        out->password = xstrdup(plain);
}

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    _cleanup_(target_deinit) struct target t = {0};

    if (common_begin(provider, in, out, err) < 0 || parse_base(&t, in, err) < 0 ||
        set_hosts(&t, in, out, err) < 0)
        return -1;
    set_path(&t, in);
    if (set_account(&t, in, !out->external, err) < 0)
        return -1;
    if (!out->external && t.u.user)
        t.u.rest = xstrdup("?authSource=admin"); /* the database that knows the user */

    _cleanup_free_ char *url = format(&t);
    strvec_setenv(&out->app_env, "MONGODB_URL", url);
    note_password(out, &t, in->secret);
    if (out->external)
        return 0;
    set_container(in, out, &t);
    return common_finish(in, out, err);
}

const struct provider provider_mongodb = {
    .name = "mongodb",
    .alias = "mongo",
    .doc = "MongoDB: MONGODB_URL",
    .image = "mongo:7",
    .port = 27017,
    .overrides = overrides,
    .override_count = ARRAY_SIZE(overrides),
    .plan = plan,
    .probe = &mongodb_probe,
    .namespaces = "a database each",
    .by_the_book = true,
};
