/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail: an SMTP server (RFC 5321) of the satellite's that accepts every message and keeps it.
 *
 * Port 25 is Forklift's default, and where an app looks that reads no EMAIL_PORT.
 */
#include "common.h"

static const struct override_def overrides[] = {
    {"host", OVERRIDE_STRING, "use the mail server there instead of keeping messages", false},
    {"port", OVERRIDE_PORT, "port of the server", false},
};

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    _cleanup_free_ char *host = NULL;

    if (common_sink(provider, in, SINK_SMTP, out, &host, err) < 0)
        return -1;
    strvec_setenv(&out->app_env, "EMAIL_HOST", host);
    strvec_pushf(&out->app_env, "EMAIL_PORT=%u", out->port);
    return 0;
}

const struct provider provider_email = {
    .name = "email",
    .doc = "mail, kept in shard-K/mail/: EMAIL_HOST, EMAIL_PORT",
    .port = 25,
    .overrides = overrides,
    .override_count = ARRAY_SIZE(overrides),
    .plan = plan,
    .recipe = &common_sink_recipe,
};
