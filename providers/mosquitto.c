/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mosquitto, an MQTT broker.
 *
 * Container: github.com/eclipse-mosquitto/mosquitto, docker/2.0/README ("Running without a
 * configuration file"). Wire protocol: docs.oasis-open.org/mqtt, version 3.1.1, 3.1 (CONNECT)
 * and 3.2 (CONNACK).
 */
#include <signal.h>
#include <string.h>

#include "common.h"
#include "database.h"

#define OPEN_SETTINGS "/mosquitto-no-auth.conf" /* the image's own, which let everybody in */

static const struct override_def overrides[] = {
    {"host", OVERRIDE_STRING, "use the broker there instead of starting one", false},
    {"port", OVERRIDE_PORT, "port of the broker", false},
    {"user", OVERRIDE_STRING, "user name, for a broker elsewhere", false},
    {"password", OVERRIDE_STRING, "password, for a broker elsewhere", true},
    {"urls", OVERRIDE_LIST, "use the broker at this URL instead of starting one", false},
};

static void set_container(struct service_plan *out, const struct provider *provider)
{
    /* Without a file of settings it serves 127.0.0.1 alone, on any port: the pod's own. */
    strvec_push(&out->argv, "mosquitto");
    if (out->port == provider->port) {
        strvec_push(&out->argv, "-c");
        strvec_push(&out->argv, OPEN_SETTINGS);
    } else {
        strvec_push(&out->argv, "-p");
        strvec_pushf(&out->argv, "%u", out->port);
    }
    out->probe_arg = xstrdup("");
}

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    _cleanup_database_ struct database db = {0};
    static const struct database_kind kind = {
        .scheme = "mqtt", .variable = "MQTT_URL", .name_key = "name", .open = true};

    if (common_begin(provider, in, out, err) < 0 || database_init(&db, &kind, in, out, err) < 0)
        return -1;
    if (out->external)
        return 0;
    set_container(out, provider);
    return common_finish(in, out, err);
}

/* --- is it ready? ----------------------------------------------------------------------------- */

/* CONNECT with a clean session and no name, and DISCONNECT after it: nothing is left of us. */
static int request(const char *arg, struct strbuf *out)
{
    static const char connect[] = "\x10\x0c\0\x04MQTT\x04\x02\0\x0a\0\0"
                                  "\xe0\0";
    return *arg ? -1 : strbuf_add(out, connect, sizeof(connect) - 1);
}

/* CONNACK's return codes: whoever refuses us for what we are is at work, and may know the app. */
static const struct {
    enum probe_verdict verdict;
    const char *meaning;
} codes[] = {
    {PROBE_READY, ""},
    {PROBE_READY, "unacceptable protocol version"},
    {PROBE_READY, "identifier rejected"},
    {PROBE_NOT_YET, "server unavailable"},
    {PROBE_READY, "bad user name or password"},
    {PROBE_READY, "not authorised"},
};

static enum probe_verdict answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    static const char wrong[] = "not the MQTT protocol";
    static const unsigned char begin[] = {0x20, 2};
    bool good = memcmp(data, begin, len < sizeof(begin) ? len : sizeof(begin)) == 0 &&
                (len < 3 || data[2] <= 1) && (len < 4 || data[3] < ARRAY_SIZE(codes));

    common_reason(why, size, "", 0);
    if (!good) {
        common_reason(why, size, wrong, strlen(wrong));
        return PROBE_WRONG;
    }
    if (len < 4)
        return PROBE_MORE;
    common_reason(why, size, codes[data[3]].meaning, strlen(codes[data[3]].meaning));
    return codes[data[3]].verdict;
}

/* --- copies ----------------------------------------------------------------------------------- */

/* What the app's deploy left with it (retained messages, sessions) it writes when it is told to
   end, and reads when it starts, both only with settings that say so. */
#define SETTINGS "/tmp/cleanroom.conf"

static bool is_ours(const struct strvec *argv)
{
    return argv->len == 3 && strcmp(argv->items[0], "mosquitto") == 0 &&
           (strcmp(argv->items[2], OPEN_SETTINGS) == 0 || strcmp(argv->items[1], "-p") == 0);
}

static int keep(const struct service_plan *zero, const struct recipe_image *image _unused_,
                struct service_plan *out, struct error *why)
{
    static const char *const words[] = {"mosquitto", "-c", SETTINGS};

    service_plan_copy(out, zero);
    if (!is_ours(&zero->argv))
        return error_set(why, ERROR_CONFIG, "its 'command' is not ours");
    strvec_deinit(&out->argv);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        strvec_push(&out->argv, words[i]);
    strvec_push(&out->files, SETTINGS);
    strvec_pushf(&out->files,
                 "listener %u\nallow_anonymous true\npersistence true\n"
                 "persistence_location /tmp/\nautosave_interval 0\n",
                 zero->port);
    return 0;
}

static const struct recipe recipe = {.version = 1, .stop = SIGTERM, .first = keep, .copy = keep};

static const struct probe probe = {.address = POD_ADDRESS, .request = request, .answer = answer};

const struct provider provider_mosquitto = {
    .name = "mosquitto",
    .alias = "mqtt",
    .doc = "Mosquitto, an MQTT broker: MQTT_URL",
    .image = "eclipse-mosquitto:2",
    .port = 1883,
    .overrides = overrides,
    .override_count = ARRAY_SIZE(overrides),
    .plan = plan,
    .probe = &probe,
    .recipe = &recipe,
};
