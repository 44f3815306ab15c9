/* SPDX-License-Identifier: Apache-2.0 */
#include "database.h"

#include <string.h>

#include "common.h"
#include "url.h"

char *database_identifier(const char *id, size_t longest, bool (*reserved)(const char *name))
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
    if (out.len > longest)
        strbuf_truncate(&out, longest);
    if (out.len == 0 || reserved(out.buf))
        return xasprintf("app%s%.*s", out.len ? "_" : "", (int)longest - 4, out.buf);
    return strbuf_detach(&out);
}

void database_deinit(struct database *db)
{
    free(db->user);
    free(db->password);
    free(db->name);
    free(db->first);
    *db = (struct database){0};
}

/* A path's name: the path without its first slash, which is not part of it. */
static const char *path_name(const char *path)
{
    return path && *path == '/' ? path + 1 : path;
}

static int read_account(struct database *db, const struct database_kind *kind,
                        const struct provider_input *in, const struct url *base, bool external,
                        struct error *err)
{
    const char *id = base->scheme || kind->open ? "" : kind->id;
    const char *random = external || kind->open ? NULL : in->secret;
    const char *user = provider_input_get(in, "user", NULL);
    const char *password = provider_input_get(in, "password", random);
    const char *name = provider_input_get(in, kind->name_key, NULL);
    const char *bare = path_name(provider_input_get(in, "path", base->path));

    if (user)
        db->user = xstrdup(user);
    else
        db->user = base->user ? url_unquote(base->user) : xstrdup(id);
    if (password)
        db->password = xstrdup(password);
    else
        db->password = base->password ? url_unquote(base->password) : NULL;
    if (name)
        db->name = xstrdup(name);
    else
        db->name = bare && *bare ? url_unquote(bare) : xstrdup(id);

    db->first = TAKE_PTR(db->name);
    db->name = common_namespace(in, db->first, '_');

    if (external)
        return 0;
    if (kind->open && (*db->user || db->password))
        return error_set(err, ERROR_CONFIG,
                         "user and password are for a 'host' or 'urls' elsewhere: the server that "
                         "is started here lets everybody in");
    if (!kind->open && (!*db->user || !db->password || !*db->password || !*db->first))
        return error_set(err, ERROR_CONFIG, "user, password and %s must not be empty",
                         kind->name_key);
    return 0;
}

/* Host and port: overrides, the URL's, or this shard's own server. */
static int set_location(struct url *u, const struct provider_input *in, const char *host,
                        uint16_t port, struct error *err)
{
    uint16_t host_port = 0;

    if (host) {
        free(TAKE_PTR(u->host));
        if (url_host_port(host, &u->host, &host_port, err) < 0)
            return error_wrap(err, "override 'host'");
    } else if (!u->host) {
        u->host = xstrdup(common_address(in));
    }
    if (host_port)
        u->port = host_port;
    else if (provider_input_get(in, "port", NULL) || host || !u->port)
        u->port = port;
    return 0;
}

static void set_account(struct url *u, const struct database *db)
{
    _cleanup_free_ char *name = url_quote(db->name);

    free(u->user);
    free(u->password);
    free(u->path);
    u->user = *db->user ? url_quote(db->user) : NULL;
    u->password = db->password ? url_quote(db->password) : NULL;
    u->path = xasprintf("%s%s", *name ? "/" : "", name);
}

/* One URL of the app's: from this one of the overrides', and with this host. Either may be NULL. */
static char *make_url(struct database *db, const struct database_kind *kind,
                      const struct provider_input *in, const char *base, const char *host,
                      struct service_plan *plan, struct error *err)
{
    _cleanup_url_ struct url u = {0};

    if (base && url_parse(&u, base, err) < 0) {
        error_wrap(err, "override 'urls'");
        return NULL;
    }
    if (read_account(db, kind, in, &u, plan->external, err) < 0 ||
        set_location(&u, in, host, plan->port, err) < 0)
        return NULL;
    set_account(&u, db);
    if (!u.scheme)
        u.scheme = xstrdup(kind->scheme);
    if (!u.rest)
        u.rest = xstrdup("");
    if (db->password)
        common_secret(plan, db->password, u.password);
    if (!kind->several)
        plan->port = u.port;
    return url_format(&u);
}

/* What 'urls' and 'hosts' (or 'host') have; without them both are empty. */
static int read_lists(const struct database_kind *kind, const struct provider_input *in,
                      struct strvec *urls, struct strvec *hosts, struct error *err)
{
    const char *given = provider_input_get(in, "urls", NULL);
    const char *host = provider_input_get(in, "hosts", provider_input_get(in, "host", NULL));

    strvec_split(urls, given ? given : "", "|");
    if (given && !kind->several && urls->len != 1)
        return error_set(err, ERROR_CONFIG,
                         "override 'urls' needs one URL, and has %zu: %s holds one", urls->len,
                         kind->variable);
    if (host && kind->several)
        strvec_split(hosts, host, "|");
    else if (host)
        strvec_push(hosts, host);
    if ((host && hosts->len == 0) || (given && !host && urls->len == 0))
        return error_set(err, ERROR_CONFIG, "the list of hosts is empty");
    return 0;
}

int database_init(struct database *db, const struct database_kind *kind,
                  const struct provider_input *in, struct service_plan *plan, struct error *err)
{
    _cleanup_strvec_ struct strvec urls = STRVEC_INIT, hosts = STRVEC_INIT, made = STRVEC_INIT;

    if (read_lists(kind, in, &urls, &hosts, err) < 0)
        return -1;
    size_t count = hosts.len ? hosts.len : urls.len ? urls.len : 1;
    for (size_t i = 0; i < count; i++) {
        /* Hosts of their own share everything else, which the first URL has. */
        size_t from = hosts.len ? 0 : i;
        database_deinit(db);
        char *url = make_url(db, kind, in, from < urls.len ? urls.items[from] : NULL,
                             hosts.len ? hosts.items[i] : NULL, plan, err);
        if (!url)
            return -1;
        strvec_take(&made, url);
    }
    _cleanup_free_ char *all = strvec_join(&made, "|");
    strvec_setenv(&plan->app_env, kind->variable, all);
    if (db->password && strcmp(db->password, in->secret) == 0)
        plan->password = xstrdup(db->password);
    return 0;
}
