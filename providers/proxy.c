/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way out by an HTTP proxy.
 *
 * With a host it is given by hand, and the app is told HTTP_PROXY as by Forklift, no more. Without
 * one, in a run without a network, it is a proxy of the satellite's that records what the app would
 * have fetched. That is nothing Forklift has, so the app is told in every spelling that clients
 * read (curl, for one, reads http_proxy and not HTTP_PROXY), and the services of its own pod are
 * excepted. In a run with a network the app goes out by itself, and nothing stands in its way.
 */
#include "common.h"
#include "url.h"

static const struct override_def overrides[] = {
    {"host", OVERRIDE_STRING, "the proxy to be used", false},
    {"port", OVERRIDE_PORT, "port of the proxy", false},
};

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    static const char *const names[] = {"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"};
    _cleanup_strvec_ struct strvec place = STRVEC_INIT;
    _cleanup_free_ char *host = NULL;

    if (common_sink(provider, in, SINK_PROXY, out, &host, err) < 0)
        return -1;
    if (!out->external && in->outside) {
        out->sink = SINK_NONE;
        out->external = out->idle = true;
        return 0;
    }
    url_add_host_port(&place, host, out->port);
    for (size_t i = 0; i < (out->external ? 1 : ARRAY_SIZE(names)); i++)
        strvec_pushf(&out->app_env, "%s=http://%s", names[i], place.items[0]);
    if (out->external)
        return 0;
    strvec_pushf(&out->app_env, "NO_PROXY=%s,localhost", common_address(in));
    strvec_pushf(&out->app_env, "no_proxy=%s,localhost", common_address(in));
    return 0;
}

const struct provider provider_proxy = {
    .name = "proxy",
    .doc = "requests to the outside, refused and kept in shard-K/proxy.log: HTTP_PROXY",
    .port = 3128,
    .overrides = overrides,
    .override_count = ARRAY_SIZE(overrides),
    .plan = plan,
    .recipe = &common_sink_recipe,
};
