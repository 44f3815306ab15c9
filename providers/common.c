/* SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#include <string.h>

#include "url.h"

const char *common_address(const struct provider_input *in)
{
    return in->address ? in->address : POD_ADDRESS;
}

bool common_is_external(const struct provider_input *in)
{
    return provider_input_get(in, "host", NULL) || provider_input_get(in, "hosts", NULL) ||
           provider_input_get(in, "urls", NULL);
}

int common_parse_size(const char *text, uint64_t *out, struct error *err)
{
    static const char units[] = "kmgt";
    uint64_t value = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9' && value < UINT64_C(1) << 48; p++)
        value = value * 10 + (uint64_t)(*p - '0');
    const char *unit = p > text && *p ? strchr(units, *p | 0x20) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (unit)
        p++;
    if (p > text && (*p == 'b' || *p == 'B'))
        p++;
    if (p == text || *p || value > UINT64_MAX >> shift || value << shift > INT64_MAX)
        return error_set(err, ERROR_CONFIG, "'%s' is not a size: write it as 512m or 2g", text);
    *out = value << shift;
    return 0;
}

static int parse_switch(const char *text, bool *out, struct error *err)
{
    static const char *const names[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcasecmp(text, names[i]) == 0) {
            *out = i % 2 == 1;
            return 0;
        }
    }
    return error_set(err, ERROR_CONFIG, "'%s' is neither yes nor no", text);
}

/* A port that the tables have already accepted. */
static uint16_t port_value(const char *text, uint16_t fallback)
{
    return text ? (uint16_t)strtoul(text, NULL, 10) : fallback;
}

int common_begin(const struct provider *provider, const struct provider_input *in,
                 struct service_plan *out, struct error *err)
{
    const char *memory = provider_input_get(in, "memory", NULL);
    const char *tmpfs = provider_input_get(in, "tmpfs", "yes");
    const char *snapshot = provider_input_get(in, "snapshot", "yes");

    out->external = common_is_external(in);
    out->port = port_value(provider_input_get(in, "port", NULL),
                           (uint16_t)(provider->port + in->shift));
    if (memory && common_parse_size(memory, &out->memory, err) < 0)
        return error_wrap(err, "override 'memory'");
    if (parse_switch(tmpfs, &out->tmpfs_volumes, err) < 0)
        return error_wrap(err, "override 'tmpfs'");
    if (parse_switch(snapshot, &out->snapshot, err) < 0)
        return error_wrap(err, "override 'snapshot'");
    if (out->external) {
        out->memory = 0;
        out->tmpfs_volumes = false;
        return 0;
    }

    out->image = xstrdup(provider_input_get(in, "image", provider->image));
    if (!*out->image)
        return error_set(err, ERROR_CONFIG, "override 'image' is empty");
    return 0;
}

/* It holds nothing that a copy could lack. */
const struct recipe common_sink_recipe = {.version = 1, .stateless = true};

int common_sink(const struct provider *provider, const struct provider_input *in,
                enum sink_kind kind, struct service_plan *out, char **host, struct error *err)
{
    const char *given = provider_input_get(in, "host", NULL);
    uint16_t own_port = 0;

    for (size_t i = 0; i < provider_common_override_count; i++) {
        const char *key = provider_common_overrides[i].key;
        if (provider_input_get(in, key, NULL))
            return error_set(err, ERROR_CONFIG,
                             "override '%s' is of containers, and this service has none", key);
    }
    out->snapshot = true; /* nothing of it has to be copied */
    out->external = given != NULL;
    out->sink = given ? SINK_NONE : kind;
    if (given && url_host_port(given, host, &own_port, err) < 0)
        return error_wrap(err, "override 'host'");
    if (!given)
        *host = xstrdup(common_address(in));
    out->port = own_port ? own_port
                         : port_value(provider_input_get(in, "port", NULL),
                                      (uint16_t)(provider->port + in->shift));
    return 0;
}

uint16_t common_port(const struct provider_input *in, struct service_plan *out, uint16_t port)
{
    size_t i = 0;

    while (i + 1 < SERVICE_PORTS && out->more_ports[i])
        i++;
    out->more_ports[i] = (uint16_t)(port + in->shift);
    return out->more_ports[i];
}

char *common_db_variable(const struct provider_input *in)
{
    char *key = xasprintf("DB_%s_URL", in->instance ? in->instance : "DEFAULT");

    for (char *p = key; *p; p++) {
        bool letter = *p >= 'a' && *p <= 'z';
        bool good = (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        *p = letter ? (char)(*p & ~0x20) : good ? *p : '_';
    }
    return key;
}

size_t common_namespace_room(const struct provider_input *in)
{
    return in->shared ? 1 + (size_t)snprintf(NULL, 0, "%d", in->shards) : 0;
}

char *common_namespace(const struct provider_input *in, const char *name, char joint)
{
    if (!in->shared || in->shard == 0)
        return xstrdup(name);
    return xasprintf("%s%c%0*d", name, joint, (int)common_namespace_room(in) - 1, in->shard);
}

static void apply_environment(struct service_plan *out, const char *lines)
{
    _cleanup_strvec_ struct strvec entries = STRVEC_INIT;

    strvec_split(&entries, lines, "\n");
    for (size_t i = 0; i < entries.len; i++) {
        char *equals = strchr(entries.items[i], '=');
        if (!equals)
            continue;
        *equals = '\0';
        strvec_setenv(&out->env, entries.items[i], equals + 1);
    }
}

int common_finish(const struct provider_input *in, struct service_plan *out, struct error *err)
{
    const char *command = provider_input_get(in, "command", NULL);

    apply_environment(out, provider_input_get(in, "environment", ""));
    if (!command)
        return 0;
    strvec_deinit(&out->argv);
    if (provider_split_words(&out->argv, command, err) < 0)
        return error_wrap(err, "override 'command'");
    if (out->argv.len == 0)
        return error_set(err, ERROR_CONFIG, "override 'command' is empty");
    return 0;
}

bool common_is_official(const struct recipe_image *image)
{
    const char *user = image->user;

    if (image->entrypoint->len != 1 ||
        (*user && strcmp(user, "0") != 0 && strcmp(user, "root") != 0))
        return false;
    const char *slash = strrchr(image->entrypoint->items[0], '/');
    return strcmp(slash ? slash + 1 : image->entrypoint->items[0], "docker-entrypoint.sh") == 0;
}

bool common_is_below(const char *path, const char *directory)
{
    size_t len = strlen(directory);

    while (len > 1 && directory[len - 1] == '/')
        len--;
    return strncmp(path, directory, len) == 0 && (path[len] == '/' || !path[len] || len == 1);
}

void common_secret(struct service_plan *plan, const char *plain, const char *quoted)
{
    if (*plain && !strvec_contains(&plan->secrets, plain))
        strvec_push(&plan->secrets, plain);
    if (*quoted && !strvec_contains(&plan->secrets, quoted))
        strvec_push(&plan->secrets, quoted);
}

void common_url_secret(struct service_plan *plan, const struct url *url)
{
    if (!url->password)
        return;
    _cleanup_free_ char *plain = url_unquote(url->password);
    common_secret(plan, plain, url->password);
}

/* Adds one "host" or "host:port" of the configuration. */
static int add_host(struct strvec *hosts, const char *item, uint16_t port, struct error *err)
{
    _cleanup_free_ char *host = NULL;
    uint16_t own_port;

    if (url_host_port(item, &host, &own_port, err) < 0)
        return -1;
    url_add_host_port(hosts, host, own_port ? own_port : port);
    return 0;
}

/* Adds the host of one URL; the first one's path is the name. */
static int add_url(struct strvec *hosts, const char *item, uint16_t port,
                   struct common_endpoint *out, struct service_plan *plan, struct error *err)
{
    _cleanup_url_ struct url u = {0};

    if (url_parse(&u, item, err) < 0)
        return -1;
    if (!*u.host)
        return error_set(err, ERROR_CONFIG, "a URL has no host");
    common_url_secret(plan, &u);
    if (!out->name && u.path[0] && u.path[1])
        out->name = url_unquote(u.path + 1);
    url_add_host_port(hosts, u.host, u.port ? u.port : port);
    return 0;
}

/* The more particular override wins: hosts, then host, then urls. */
static int collect_hosts(const struct provider_input *in, uint16_t port, struct strvec *hosts,
                         struct common_endpoint *out, struct service_plan *plan, struct error *err)
{
    _cleanup_strvec_ struct strvec urls = STRVEC_INIT, items = STRVEC_INIT;
    const char *list = provider_input_get(in, "hosts", provider_input_get(in, "host", NULL));

    strvec_split(&urls, provider_input_get(in, "urls", ""), "|");
    for (size_t i = 0; i < urls.len; i++) {
        if (add_url(hosts, urls.items[i], port, out, plan, err) < 0)
            return error_wrap(err, "override 'urls'");
    }
    if (!list)
        return 0;

    strvec_deinit(hosts);
    strvec_split(&items, list, "|");
    for (size_t i = 0; i < items.len; i++) {
        if (add_host(hosts, items.items[i], port, err) < 0)
            return error_wrap(err, "override 'host'");
    }
    return 0;
}

int common_endpoint(const struct provider_input *in, const char *name_key, uint16_t port,
                    struct common_endpoint *out, struct service_plan *plan, struct error *err)
{
    _cleanup_strvec_ struct strvec hosts = STRVEC_INIT;
    const char *path = provider_input_get(in, "path", NULL);
    const char *name = provider_input_get(in, name_key, NULL);

    if (collect_hosts(in, port, &hosts, out, plan, err) < 0)
        return -1;
    if (hosts.len == 0 && plan->external)
        return error_set(err, ERROR_CONFIG, "the list of hosts is empty");
    if (hosts.len == 0)
        url_add_host_port(&hosts, common_address(in), port);
    out->hosts = strvec_join(&hosts, "|");

    if (path) {
        free(out->name);
        out->name = url_unquote(path + strspn(path, "/"));
    }
    if (name)
        replace_str(&out->name, name);
    return 0;
}

void common_endpoint_deinit(struct common_endpoint *e)
{
    free(e->hosts);
    free(e->name);
    *e = (struct common_endpoint){0};
}

/* Reads one quoted stretch that began at *p with `quote`; leaves *p behind the closing one. */
static int read_quoted(const char **p, char quote, struct strbuf *word, struct error *err)
{
    for ((*p)++; **p && **p != quote; (*p)++) {
        if (quote == '"' && **p == '\\' && (*p)[1] && strchr("\"\\$`", (*p)[1]))
            (*p)++;
        strbuf_addc(word, **p);
    }
    if (!**p)
        return error_set(err, ERROR_CONFIG, "a quotation mark (%c) is not closed", quote);
    (*p)++;
    return 0;
}

static int read_word(const char **p, struct strbuf *word, struct error *err)
{
    while (**p && !strchr(" \t\r\n", **p)) {
        if (**p == '\'' || **p == '"') {
            if (read_quoted(p, **p, word, err) < 0)
                return -1;
            continue;
        }
        if (**p == '\\' && (*p)[1])
            (*p)++;
        strbuf_addc(word, *(*p)++);
    }
    return 0;
}

int provider_split_words(struct strvec *out, const char *text, struct error *err)
{
    const char *p = text + strspn(text, " \t\r\n");

    while (*p) {
        _cleanup_strbuf_ struct strbuf word = STRBUF_INIT;
        if (read_word(&p, &word, err) < 0)
            return -1;
        strvec_push(out, word.buf);
        p += strspn(p, " \t\r\n");
    }
    return 0;
}

void common_reason(char *why, size_t size, const void *text, size_t len)
{
    const unsigned char *s = text;
    size_t n = len < size ? len : size - 1;

    for (size_t i = 0; i < n; i++)
        why[i] = s[i] >= ' ' && s[i] < 0x7f ? (char)s[i] : '?';
    why[n] = '\0';
}

long common_line(const unsigned char *data, size_t len)
{
    const unsigned char *end = memchr(data, '\n', len);

    if (!end)
        return -1;
    if (end > data && end[-1] == '\r')
        end--;
    return end - data;
}

bool common_starts(const unsigned char *data, size_t len, const char *word)
{
    size_t n = strlen(word);

    return memcmp(data, word, len < n ? len : n) == 0;
}
