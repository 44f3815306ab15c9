/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The app's side of Elasticsearch and OpenSearch, and their probe.
 *
 * The app: Forklift's table. Index names: elastic.co/docs, "Create an index" (path parameters).
 * Settings as variables: elastic.co/docs, "Configure Elasticsearch with Docker", and
 * docs.opensearch.org, "Installing OpenSearch, Docker"; a name with a dot in it becomes a setting.
 * Probe: elastic.co/docs/api, "Get the cluster health status", and docs.opensearch.org, "Cluster
 * health". Not run against a real server here: tested against these specifications.
 */
#include "search.h"

#include <string.h>

#include "common.h"
#include "http_probe.h"
#include "json_probe.h"
#include "url.h"

#define TRANSPORT_PORT 9300

/* Left to itself each takes half of the machine's memory. */
#define JAVA_HEAP "-Xms512m -Xmx512m"

const struct override_def search_overrides[SEARCH_OVERRIDES] = {
    {"host", OVERRIDE_LIST, "use the server there instead of starting one", false},
    {"hosts", OVERRIDE_LIST, "the same, several of them", false},
    {"port", OVERRIDE_PORT, "port of the server", false},
    {"user", OVERRIDE_STRING, "user name in the URLs; the server that is started asks for none",
     false},
    {"password", OVERRIDE_STRING, "password in the URLs", true},
    {"index_name", OVERRIDE_STRING, "what the app's indices begin with (default: its id)", false},
    {"path", OVERRIDE_STRING, "path of the URLs, as '/search'", false},
    {"urls", OVERRIDE_LIST, "use the servers at these URLs instead of starting one", false},
};

/* The application's id as the name of an index: lower case, nothing that a URL or a pattern takes
   for its own, and a letter or a digit first. */
static char *index_name(const char *id)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    for (const char *p = id; *p; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
        bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && out.len == 0)
            strbuf_adds(&out, "app");
        strbuf_addc(&out, letter || c == '-' || c == '.' ? c : '_');
    }
    if (out.len > 200) /* 255, and the app may append to it */
        strbuf_truncate(&out, 200);
    return out.len ? strbuf_detach(&out) : xstrdup("app");
}

/* What is overridden takes the place of what the URL has. */
static void set_account(struct url *u, const struct provider_input *in, struct service_plan *plan)
{
    const char *user = provider_input_get(in, "user", NULL);
    const char *password = provider_input_get(in, "password", NULL);

    if (user) {
        free(u->user);
        u->user = url_quote(user);
    }
    if (password) {
        free(u->password);
        u->password = url_quote(password);
    }
    common_url_secret(plan, u);
}

/* One URL of the list; at `host` ("host" or "host:port") when that is not NULL. */
static int add_url(struct strvec *urls, const struct provider_input *in, const char *text,
                   const char *host, struct service_plan *plan, struct error *err)
{
    const char *path = provider_input_get(in, "path", NULL);
    uint16_t own_port = 0;
    _cleanup_url_ struct url u = {0};

    if (url_parse(&u, text, err) < 0)
        return error_wrap(err, "override 'urls'");
    if (host) {
        free(TAKE_PTR(u.host));
        if (url_host_port(host, &u.host, &own_port, err) < 0)
            return error_wrap(err, "override 'host'");
    }
    if (!*u.host)
        return error_set(err, ERROR_CONFIG, "override 'urls': a URL has no host");
    if (own_port)
        u.port = own_port;
    else if (!u.port || provider_input_get(in, "port", NULL))
        u.port = plan->port;
    set_account(&u, in, plan);
    if (path) {
        free(u.path);
        u.path = xasprintf("%s%s", *path && *path != '/' ? "/" : "", path);
    }
    strvec_take(urls, url_format(&u));
    return 0;
}

/* Hosts take the place of the URLs' own; the first URL is what all of them look like. */
static int collect_urls(struct strvec *out, const struct provider_input *in,
                        struct service_plan *plan, struct error *err)
{
    _cleanup_strvec_ struct strvec urls = STRVEC_INIT, hosts = STRVEC_INIT;
    const char *list = provider_input_get(in, "hosts", provider_input_get(in, "host", NULL));

    strvec_split(&urls, provider_input_get(in, "urls", ""), "|");
    strvec_split(&hosts, list ? list : "", "|");
    if (plan->external && (list ? hosts.len : urls.len) == 0)
        return error_set(err, ERROR_CONFIG, "the list of %s is empty", list ? "hosts" : "URLs");
    if (urls.len == 0)
        strvec_pushf(&urls, "http://%s", common_address(in));

    for (size_t i = 0; i < (list ? hosts.len : urls.len); i++) {
        if (add_url(out, in, urls.items[list ? 0 : i], list ? hosts.items[i] : NULL, plan, err) < 0)
            return -1;
    }
    return 0;
}

int search_plan(const struct provider *provider, const struct provider_input *in,
                const char *prefix, struct service_plan *out, struct error *err)
{
    _cleanup_strvec_ struct strvec urls = STRVEC_INIT;

    if (common_begin(provider, in, out, err) < 0 || collect_urls(&urls, in, out, err) < 0)
        return -1;
    _cleanup_free_ char *list = strvec_join(&urls, "|");
    _cleanup_free_ char *usual = index_name(in->application_id);
    _cleanup_free_ char *index = common_namespace(in, provider_input_get(in, "index_name", usual),
                                                  '_');
    strvec_pushf(&out->app_env, "%s_URLS=%s", prefix, list);
    strvec_pushf(&out->app_env, "%s_INDEX_NAME=%s", prefix, index);
    return 0;
}

/* Disks are shared with everything else here: at 90 % and more in use no shard would be given a
   place on them, whatever the app's data weigh. */
void search_container(const struct provider_input *in, const char *java, struct service_plan *out)
{
    strvec_push(&out->env, "discovery.type=single-node");
    strvec_push(&out->env, "cluster.routing.allocation.disk.threshold_enabled=false");
    strvec_pushf(&out->env, "http.port=%u", out->port);
    strvec_pushf(&out->env, "transport.port=%u", common_port(in, out, TRANSPORT_PORT));
    strvec_setenv(&out->env, java, JAVA_HEAP);
    out->probe_arg = xstrdup("");
}

/*
 * local=true: from what this node knows, which answers at once. Without it the question waits half
 * a minute for a master to be elected. The one node of the cluster is the master, so it knows as
 * much; and before there is a master, or the state has been recovered, what it knows is "red".
 */
static int request(const char *arg, struct strbuf *out)
{
    return *arg ? -1 : http_probe_get("/_cluster/health?local=true", out);
}

static bool is(const struct json_probe_text *text, const char *word)
{
    return text->len == strlen(word) && memcmp(text->text, word, text->len) == 0;
}

static enum probe_verdict judge_health(const struct http_answer *answer, const struct strbuf *body,
                                       char *why, size_t size)
{
    static const char wrong[] = "not the health of a cluster", red[] = "the cluster is red";
    struct json_probe_text status = {0};
    enum json_probe found = json_probe_member(body->buf, body->len, "status", &status);

    if (found == JSON_PROBE_MORE && answer->framing == HTTP_UNTIL_CLOSE)
        return PROBE_MORE;
    if (found == JSON_PROBE_FOUND && (is(&status, "green") || is(&status, "yellow")))
        return PROBE_READY; /* yellow: one node has nowhere to put a copy */
    if (found == JSON_PROBE_FOUND && is(&status, "red")) {
        common_reason(why, size, red, strlen(red));
        return PROBE_NOT_YET;
    }
    common_reason(why, size, wrong, strlen(wrong));
    return PROBE_WRONG;
}

static enum probe_verdict answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    _cleanup_strbuf_ struct strbuf body = STRBUF_INIT;
    struct http_answer head;
    enum probe_verdict verdict = http_probe_head(data, len, &head, why, size);

    if (verdict != PROBE_READY)
        return verdict;
    if (head.status == 401 || head.status == 403)
        return PROBE_READY; /* it serves, and wants a password, which the app may have */
    if (head.status != 200)
        return http_probe_refused(&head, why, size); /* 503: no master, or not initialised */
    verdict = http_probe_body(&head, &body, why, size);
    return verdict == PROBE_READY ? judge_health(&head, &body, why, size) : verdict;
}

const struct probe search_probe = {.address = POD_ADDRESS, .request = request, .answer = answer};
