/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syslog: a sink of the satellite's for messages of any format (RFC 3164, 5424), as datagrams or on
 * TCP connections (RFC 6587).
 */
#include <strings.h>

#include "common.h"

static const struct override_def overrides[] = {
    {"host", OVERRIDE_STRING, "use the server there instead of keeping messages", false},
    {"port", OVERRIDE_PORT, "port of the server", false},
    {"proto", OVERRIDE_STRING, "udp (default) or tcp", false},
};

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    const char *proto = provider_input_get(in, "proto", "udp");
    bool tcp = strcasecmp(proto, "tcp") == 0;
    _cleanup_free_ char *host = NULL;

    if (!tcp && strcasecmp(proto, "udp") != 0)
        return error_set(err, ERROR_CONFIG, "override 'proto' is udp or tcp, not '%s'", proto);
    if (common_sink(provider, in, tcp ? SINK_SYSLOG_TCP : SINK_SYSLOG_UDP, out, &host, err) < 0)
        return -1;
    strvec_setenv(&out->app_env, "SYSLOG_SERVER", host);
    strvec_pushf(&out->app_env, "SYSLOG_PORT=%u", out->port);
    strvec_setenv(&out->app_env, "SYSLOG_PROTO", tcp ? "tcp" : "udp");
    return 0;
}

const struct provider provider_syslog = {
    .name = "syslog",
    .doc = "log messages, kept in shard-K/syslog.log: SYSLOG_SERVER, SYSLOG_PORT, SYSLOG_PROTO",
    .port = 514,
    .overrides = overrides,
    .override_count = ARRAY_SIZE(overrides),
    .plan = plan,
    .recipe = &common_sink_recipe,
};
