/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apache Kafka: one node that is both broker and controller (KRaft, no ZooKeeper).
 *
 * Container: github.com/apache/kafka, docker/examples ("Single Node", plaintext). Wire protocol:
 * kafka.apache.org/protocol, and clients/src/main/resources/common/message/Metadata*.json there.
 * Not run against a real server here: the probe is tested against these specifications.
 *
 * The list of the app's brokers has commas between its items, as every client's bootstrap.servers
 * has, not Forklift's bars.
 */
#include <string.h>

#include "common.h"

#define CONTROLLER_PORT 9093

static const struct override_def overrides[] = {
    {"host", OVERRIDE_LIST, "use the broker there instead of starting one", false},
    {"hosts", OVERRIDE_LIST, "the same, several of them", false},
    {"port", OVERRIDE_PORT, "port of the broker", false},
    {"urls", OVERRIDE_LIST, "use the brokers at these URLs instead of starting one", false},
};

/* Whatever any setting is given by the environment replaces the image's whole configuration. */
static void set_container(const struct provider_input *in, struct service_plan *out)
{
    static const char *const env[] = {
        "KAFKA_NODE_ID=1",
        "KAFKA_PROCESS_ROLES=broker,controller",
        "KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME=PLAINTEXT",
        /* There is nobody to copy anything to. */
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR=1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR=1",
        /* The first consumer of a group waits three seconds for others. */
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0",
        "KAFKA_LOG_DIRS=/tmp/kraft-combined-logs",
        "KAFKA_HEAP_OPTS=-Xms256m -Xmx512m",
    };
    uint16_t controller = common_port(in, out, CONTROLLER_PORT);

    for (size_t i = 0; i < ARRAY_SIZE(env); i++)
        strvec_push(&out->env, env[i]);
    strvec_pushf(&out->env, "KAFKA_LISTENERS=PLAINTEXT://:%u,CONTROLLER://" POD_ADDRESS ":%u",
                 out->port, controller);
    strvec_pushf(&out->env, "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://%s:%u", common_address(in),
                 out->port);
    strvec_pushf(&out->env, "KAFKA_CONTROLLER_QUORUM_VOTERS=1@" POD_ADDRESS ":%u", controller);
    out->probe_arg = xstrdup("");
}

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    _cleanup_(common_endpoint_deinit) struct common_endpoint e = {0};

    if (common_begin(provider, in, out, err) < 0 ||
        common_endpoint(in, "path", out->port, &e, out, err) < 0)
        return -1;
    for (char *p = e.hosts; *p; p++) {
        if (*p == '|')
            *p = ',';
    }
    strvec_setenv(&out->app_env, "KAFKA_BROKERS", e.hosts);
    if (out->external)
        return 0;
    set_container(in, out);
    return common_finish(in, out, err);
}

/*
 * Metadata, version 4: known to every broker since 0.11, and not among those that 4.0 dropped
 * (KIP-896). About no topics, and without making any.
 */
static int request(const char *arg, struct strbuf *out)
{
    static const char bytes[] = "\0\0\0\x18" /* size of what follows */
                                "\0\x03"     /* Metadata */
                                "\0\x04"     /* version */
                                "\0\0\0\x01" /* correlation id */
                                "\0\x09"
                                "cleanroom"
                                "\0\0\0\0" /* no topics */
                                "\0";      /* do not create them */

    return *arg ? -1 : strbuf_add(out, bytes, sizeof(bytes) - 1);
}

/* An answer being read; `bad` once something would have been behind its end. */
struct reader {
    const unsigned char *p;
    size_t len;
    bool bad;
};

static const unsigned char *take(struct reader *r, size_t n)
{
    const unsigned char *p = r->p;

    r->bad = r->bad || n > r->len;
    if (r->bad)
        return NULL;
    r->p += n;
    r->len -= n;
    return p;
}

static int32_t take_int32(struct reader *r)
{
    const unsigned char *p = take(r, 4);

    return p ? (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3])
             : 0;
}

/* A string, or null (-1) where that is allowed. */
static void skip_string(struct reader *r, bool nullable)
{
    const unsigned char *p = take(r, 2);
    size_t n = p ? (size_t)p[0] << 8 | p[1] : 0;

    if (nullable && n == 0xffff)
        return;
    r->bad = r->bad || n > 0x7fff;
    take(r, n);
}

static enum probe_verdict judge_metadata(struct reader *r, char *why, size_t size)
{
    static const char wrong[] = "not a Kafka broker", alone[] = "no broker has joined yet",
                      headless[] = "there is no controller yet";

    int32_t correlation = take_int32(r);
    take_int32(r); /* throttle time */
    int32_t brokers = take_int32(r);
    r->bad = r->bad || brokers < 0;
    for (int32_t i = 0; i < brokers && !r->bad; i++) {
        take_int32(r); /* node */
        skip_string(r, false);
        take_int32(r); /* port */
        skip_string(r, true);
    }
    skip_string(r, true); /* cluster id */
    int32_t controller = take_int32(r);
    if (r->bad || correlation != 1) {
        common_reason(why, size, wrong, strlen(wrong));
        return PROBE_WRONG;
    }
    if (brokers > 0 && controller >= 0)
        return PROBE_READY;
    common_reason(why, size, brokers > 0 ? headless : alone,
                  brokers > 0 ? strlen(headless) : strlen(alone));
    return PROBE_NOT_YET;
}

/*
 * A broker takes connections long before it serves. It answers when it has caught up with the
 * controller, and is in its own answer once it has been let in, which is when it can lead.
 */
static enum probe_verdict answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    enum { SHORTEST = 22, LONGEST = 30000 };
    static const char wrong[] = "not the Kafka protocol";
    struct reader r = {data, len, false};

    common_reason(why, size, "", 0);
    if (len < 4)
        return PROBE_MORE;
    int32_t total = take_int32(&r);
    if (total < SHORTEST || total > LONGEST) {
        common_reason(why, size, wrong, strlen(wrong));
        return PROBE_WRONG;
    }
    if (r.len < (size_t)total)
        return PROBE_MORE;
    r.len = (size_t)total;
    return judge_metadata(&r, why, size);
}

static const struct probe probe = {.address = POD_ADDRESS, .request = request, .answer = answer};

const struct provider provider_kafka = {
    .name = "kafka",
    .doc = "Apache Kafka: KAFKA_BROKERS",
    .image = "apache/kafka:3.9.1",
    .port = 9092,
    .overrides = overrides,
    .override_count = ARRAY_SIZE(overrides),
    .plan = plan,
    .probe = &probe,
    .by_the_book = true,
};
