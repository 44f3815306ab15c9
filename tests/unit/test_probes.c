/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probes' judgement: real transcripts, every prefix of each, and garbage.
 *
 * The transcripts are in the words of postgres 15, redis 7.0, memcached 1.6, rabbitmq 3.10, mariadb
 * 10.11, mosquitto 2.0 and nats 2.9; the live tests ask the servers themselves. Those of
 * elasticsearch, opensearch, mongodb, s3 and kafka are written after the specifications that their
 * providers name.
 */
#include <cleanroom/provider.h>

#include "tap.h"

#define BYTES(s) (const unsigned char *)(s), sizeof(s) - 1

/* An ErrorResponse with the length that its fields have. */
#define PG_ERROR(state, message, len)                                                              \
    "E\0\0\0" len "SFATAL\0VFATAL\0C" state "\0M" message "\0Fpostmaster.c\0L2363\0RBackend\0\0"

#define NATS_INFO                                                                                  \
    "INFO {\"server_id\":\"NDL3SX4GDF3CY3N52DND7GSWAAJ7OB7QZLXM56NSZ4JHP323NPQA7TT3\","            \
    "\"server_name\":\"NDL3SX4GDF3CY3N52DND7GSWAAJ7OB7QZLXM56NSZ4JHP323NPQA7TT3\","                \
    "\"version\":\"2.9.10\",\"proto\":1,\"go\":\"go1.19.8\",\"host\":\"127.0.0.1\","               \
    "\"port\":14222,\"headers\":true,\"max_payload\":1048576,\"client_id\":5,"                     \
    "\"client_ip\":\"127.0.0.1\""
/* Answers with the lengths that their bodies have. */
#define HTTP_HEALTH(len, status)                                                                   \
    "HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\n"    \
    "content-length: " len "\r\n\r\n"                                                              \
    "{\"cluster_name\":\"docker-cluster\",\"status\":\"" status "\",\"timed_out\":false}"
#define HTTP_STATUS(status)                                                                        \
    "HTTP/1.1 " status "\r\nServer: MinIO\r\nX-Minio-Server-Status: x\r\nContent-Length: "         \
    "0\r\n\r\n"

/* OP_MSG: request id 7 answers request 1; then one section with a document. */
#define MONGO(total, length, elements)                                                             \
    total "\0\0\0\x07\0\0\0\x01\0\0\0\xdd\x07\0\0\0\0\0\0\0" length "\0\0\0" elements
#define MONGO_OK     "\x01ok\0\0\0\0\0\0\0\xf0\x3f"
#define MONGO_FAILED "\x01ok\0\0\0\0\0\0\0\0\0"

/* Metadata, version 4: correlation id, throttle time, brokers, cluster id, controller, no topics */
#define KAFKA(total, brokers, controller)                                                          \
    "\0\0\0" total "\0\0\0\x01\0\0\0\0" brokers "\0\x02id" controller "\0\0\0\0"
#define KAFKA_BROKER                                                                               \
    "\0\0\0\x01"                                                                                   \
    "\0\0\0\x01\0\x09"                                                                             \
    "127.0.0.1"                                                                                    \
    "\0\0\x23\x84\xff\xff"

static const struct transcript {
    const char *provider;
    const unsigned char *bytes;
    size_t len;
    enum probe_verdict verdict;
    const char *why; /* NULL: not looked at */
    size_t early;    /* the verdict may fall that many bytes before the end */
} transcripts[] = {
    /* AuthenticationSASL */
    {"postgres", BYTES("R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"), PROBE_READY, NULL, 15},
    /* AuthenticationMD5Password, AuthenticationOk and what follows it with trust */
    {"postgres", BYTES("R\0\0\0\x0c\0\0\0\x05\x01\x02\x03\x04"), PROBE_READY, NULL, 4},
    {"postgres", BYTES("R\0\0\0\x08\0\0\0\0S\0\0\0\x16"), PROBE_READY, NULL, 5},
    {"postgis", BYTES("R\0\0\0\x08\0\0\0\x03"), PROBE_READY, NULL, 0},
    {"postgres", BYTES(PG_ERROR("57P03", "the database system is starting up", "\x5b")),
     PROBE_NOT_YET, "the database system is starting up", 0},
    {"postgres", BYTES(PG_ERROR("57P03", "the database system is shutting down", "\x5d")),
     PROBE_NOT_YET, "the database system is shutting down", 0},
    {"postgres", BYTES(PG_ERROR("3D000", "database \"x\" does not exist", "\x54")), PROBE_NOT_YET,
     "database \"x\" does not exist", 0},
    {"postgres", BYTES(PG_ERROR("53300", "sorry, too many clients already", "\x58")), PROBE_NOT_YET,
     "sorry, too many clients already", 0},
    {"postgres", BYTES(PG_ERROR("28000", "role \"x\" does not exist", "\x50")), PROBE_READY, NULL,
     0},
    {"postgres", BYTES(PG_ERROR("28P01", "password \xc3\xa9", "\x44")), PROBE_READY, NULL, 0},
    /* no C or no M field; a field that never ends */
    {"postgres", BYTES("E\0\0\0\x0cSFATAL\0\0"), PROBE_WRONG, "not a PostgreSQL error", 0},
    {"postgres",
     BYTES("E\0\0\0\x0a"
           "C57P03"),
     PROBE_WRONG, "not a PostgreSQL error", 0},

    {"redis", BYTES("+PONG\r\n"), PROBE_READY, NULL, 0},
    {"redis", BYTES("-LOADING Redis is loading the dataset in memory\r\n"), PROBE_NOT_YET,
     "LOADING Redis is loading the dataset in memory", 0},
    {"redis", BYTES("-MASTERDOWN Link with MASTER is down\r\n"), PROBE_NOT_YET,
     "MASTERDOWN Link with MASTER is down", 0},
    {"redis", BYTES("-NOAUTH Authentication required.\r\n"), PROBE_READY, NULL, 0},
    {"redis", BYTES("-DENIED Redis is running in protected mode\r\n"), PROBE_NOT_YET,
     "DENIED Redis is running in protected mode", 0},
    {"redis", BYTES("-ERR max number of clients reached\r\n"), PROBE_NOT_YET,
     "ERR max number of clients reached", 0},
    {"redis", BYTES("-\r\n"), PROBE_NOT_YET, "", 0},

    {"memcache", BYTES("VERSION 1.6.18\r\n"), PROBE_READY, NULL, 0},
    {"memcache", BYTES("CLIENT_ERROR unauthenticated\r\n"), PROBE_READY, NULL, 0},
    {"memcache", BYTES("SERVER_ERROR out of memory\r\n"), PROBE_NOT_YET,
     "SERVER_ERROR out of memory", 0},
    {"memcache", BYTES("ERROR Too many open connections\r\n"), PROBE_NOT_YET,
     "ERROR Too many open connections", 0},

    /* Connection.Start */
    {"amqp",
     BYTES("\x01\0\0\0\0\x01\xf0\0\n\0\n\0\t\0\0\x01\xcb\x0c"
           "capabilitiesF\0\0\0\xc7\x12publisher_confirmst\x01\x1a"
           "exchange_exchange_bindingst\x01\nbasic.nackt\x01\x16"
           "consumer_cancel_notifyt\x01\x12"
           "connection.blockedt\x01\x13"
           "consumer_prioritiest\x01\x1c"
           "authentication_failure_closet\x01\x10per_consumer_qost\x01\x0f"
           "direct_reply_tot\x01\x0c"
           "cluster_nameS\0\0\0\trabbit@vm\tcopyrightS\0\0\0007Copyright (c) 2007-2022 "
           "VMware, Inc. or its affiliates.\x0binformationS\0\0\0009Licensed under the MPL "
           "2.0. Website: https://rabbitmq.com\x08platformS\0\0\0\x11"
           "Erlang/OTP 25.2.3\x07productS\0\0\0\x08RabbitMQ\x07versionS\0\0\0\x06"
           "3.10.8\0\0\0\x0ePLAIN AMQPLAIN\0\0\0\x05"
           "en_US\xce"),
     PROBE_READY, "", 0},
    {"amqp", BYTES("AMQP\0\0\t\x01"), PROBE_WRONG, "it speaks another version of AMQP, not 0-9-1",
     0},

    {"mariadb",
     BYTES("d\0\0\0\n5.5.5-10.11.19-MariaDB-0+deb12u1\0\x03\0\0\0/y9MVJN+\0\xfe\xf7\x08\x02\0\xff"
           "\x81\x15\0\0\0\0\0\0\x1d\0\0\0)+>5.(}];MP,\0mysql_native_password\0"),
     PROBE_READY, "", 0},
    {"mysql", BYTES("\x17\0\0\0\xff\x10\x04Too many connections"), PROBE_NOT_YET,
     "Too many connections", 0},
    {"mysql", BYTES("\x1d\0\0\0\xff\x10\x04#08004Too many connections"), PROBE_NOT_YET,
     "Too many connections", 0},
    {"mysql", BYTES("\x03\0\0\0\xff\x10\x04"), PROBE_NOT_YET, "", 0},

    {"valkey", BYTES("+PONG\r\n"), PROBE_READY, NULL, 0},

    {"mosquitto", BYTES(" \x02\0\0"), PROBE_READY, "", 0},
    {"mosquitto", BYTES(" \x02\0\x05"), PROBE_READY, "not authorised", 0},
    {"mosquitto", BYTES(" \x02\0\x03"), PROBE_NOT_YET, "server unavailable", 0},

    {"nats", BYTES(NATS_INFO "} \r\nPONG\r\n"), PROBE_READY, "", 0},
    {"nats", BYTES(NATS_INFO ",\"jetstream\":true} \r\nPONG\r\n"), PROBE_READY, "", 0},
    {"nats", BYTES(NATS_INFO ",\"auth_required\":true} \r\n-ERR 'Authorization Violation'\r\n"),
     PROBE_READY, "", 32},
    {"nats", BYTES(NATS_INFO ",\"tls_required\":true} \r\n"), PROBE_READY, "", 0},
    {"nats", BYTES(NATS_INFO "} \r\n-ERR 'maximum connections exceeded'\r\n"), PROBE_NOT_YET,
     "'maximum connections exceeded'", 0},
    {"nats", BYTES("-ERR 'maximum connections exceeded'\r\n"), PROBE_NOT_YET,
     "'maximum connections exceeded'", 0},
    {"elasticsearch", BYTES(HTTP_HEALTH("68", "green")), PROBE_READY, "", 0},
    {"opensearch", BYTES(HTTP_HEALTH("69", "yellow")), PROBE_READY, "", 0},
    {"elasticsearch", BYTES(HTTP_HEALTH("66", "red")), PROBE_NOT_YET, "the cluster is red", 0},
    {"elasticsearch", BYTES(HTTP_HEALTH("67", "blue")), PROBE_WRONG, "not the health of a cluster",
     0},
    /* in chunks, cut where one likes; without a length; after an answer that is none */
    {"elasticsearch",
     BYTES("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
           "8;x=y\r\n{\"status\r\n"
           "a\r\n\":\"yellow\"\r\n1\r\n}\r\n0\r\n"),
     PROBE_READY, NULL, 0},
    {"elasticsearch", BYTES("HTTP/1.0 200 OK\r\n\r\n{\"status\" : \"green\"}"), PROBE_READY, NULL,
     0},
    {"elasticsearch",
     BYTES("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "
           "OK\nContent-Length:18\n\n{\"status\":\"green\"}"),
     PROBE_READY, NULL, 0},
    /* somebody else's status is not the cluster's */
    {"elasticsearch",
     BYTES("HTTP/1.0 200 "
           "OK\r\n\r\n{\"i\":[{\"status\":\"green\"},\"status\",\"green\"],\"x\":\"status\","
           "\"status\":\"red\"}"),
     PROBE_NOT_YET, "the cluster is red", 0},
    {"elasticsearch", BYTES("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"status\""), PROBE_WRONG,
     "not the health of a cluster", 0},
    /* the rest of these says enough with its head */
    {"elasticsearch", BYTES("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\n{\"err"),
     PROBE_NOT_YET, "HTTP/1.1 503 Service Unavailable", 5},
    {"elasticsearch", BYTES("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n"),
     PROBE_READY, NULL, 0},
    {"elasticsearch", BYTES("HTTP/1.1 204\r\n\r\n"), PROBE_NOT_YET, "HTTP/1.1 204", 0},

    {"s3", BYTES(HTTP_STATUS("200 OK")), PROBE_READY, "", 0},
    {"s3", BYTES(HTTP_STATUS("503 Service Unavailable")), PROBE_NOT_YET,
     "HTTP/1.1 503 Service Unavailable", 0},
    {"s3", BYTES(HTTP_STATUS("400 Bad \xff\x1bRequest")), PROBE_NOT_YET,
     "HTTP/1.1 400 Bad ??Request", 0},

    {"mongodb",
     BYTES(MONGO("\x74", "\x5f",
                 "\x08isWritablePrimary\0\x01"
                 "\x03topologyVersion\0\x16\0\0\0\x12"
                 "counter\0\0\0\0\0\0\0\0\0\0"
                 "\x09localTime\0\1\2\3\4\5\6\7\0" MONGO_OK "\0")),
     PROBE_READY, "", 0},
    {"mongodb",
     BYTES(MONGO("\x39", "\x24",
                 "\x10"
                 "isWritablePrimary\0\x01\0\0\0"
                 "\x10"
                 "ok\0\x01\0\0\0"
                 "\0")),
     PROBE_READY, "", 0},
    {"mongodb",
     BYTES(MONGO("\x6d", "\x58",
                 "\x08isWritablePrimary\0\0"
                 "\x02"
                 "info\0\x29\0\0\0"
                 "Does not have a valid replica set config\0" MONGO_OK "\0")),
     PROBE_NOT_YET, "Does not have a valid replica set config", 0},
    {"mongodb", BYTES(MONGO("\x3a", "\x25", "\x08isWritablePrimary\0\0" MONGO_OK "\0")),
     PROBE_NOT_YET, "it is not a primary that takes writes", 0},
    {"mongodb",
     BYTES(MONGO("\x4a", "\x35",
                 MONGO_FAILED "\x02"
                              "errmsg\0\x0e\0\0\0"
                              "shutting down\0"
                              "\x10"
                              "code\0\x5b\0\0\0"
                              "\0")),
     PROBE_NOT_YET, "shutting down", 0},
    {"mongodb",
     BYTES(MONGO("\x55", "\x40",
                 MONGO_FAILED "\x02"
                              "errmsg\0\x19\0\0\0"
                              "no such command: 'hello'\0"
                              "\x10"
                              "code\0\x3b\0\0\0"
                              "\0")),
     PROBE_READY, NULL, 0},
    /* nested, of another type, cut off, of a type that does not exist */
    {"mongodb",
     BYTES(MONGO("\x42", "\x2d",
                 "\x03x\0\x19\0\0\0"
                 "\x08isWritablePrimary\0\x01"
                 "\0" MONGO_OK "\0")),
     PROBE_NOT_YET, "it is not a primary that takes writes", 0},
    {"mongodb",
     BYTES(MONGO("\x3f", "\x2a", "\x02isWritablePrimary\0\x02\0\0\0\x01\0" MONGO_OK "\0")),
     PROBE_NOT_YET, NULL, 0},
    {"mongodb",
     BYTES(MONGO("\x32", "\x1d",
                 "\x02isWritablePrimary\0\xff\0\0\0\x01"
                 "\0")),
     PROBE_NOT_YET, NULL, 0},
    {"mongodb",
     BYTES(MONGO("\x3d", "\x28",
                 "\x55"
                 "a\0"
                 "\x08isWritablePrimary\0\x01" MONGO_OK "\0")),
     PROBE_NOT_YET, NULL, 0},

    {"kafka", BYTES(KAFKA("\x2d", KAFKA_BROKER, "\0\0\0\x01")), PROBE_READY, "", 0},
    {"kafka", BYTES(KAFKA("\x2d", KAFKA_BROKER, "\xff\xff\xff\xff")), PROBE_NOT_YET,
     "there is no controller yet", 0},
    {"kafka", BYTES(KAFKA("\x18", "\0\0\0\0", "\xff\xff\xff\xff")), PROBE_NOT_YET,
     "no broker has joined yet", 0},
    /* brokers, strings that are longer than the answer; somebody else's correlation id */
    {"kafka", BYTES(KAFKA("\x18", "\x7f\xff\xff\xff", "\0\0\0\x01")), PROBE_WRONG,
     "not a Kafka broker", 0},
    {"kafka", BYTES(KAFKA("\x18", "\xff\xff\xff\xff", "\0\0\0\x01")), PROBE_WRONG,
     "not a Kafka broker", 0},
    {"kafka",
     BYTES("\0\0\0\x16\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x01\x7f\xff"
           "1234"),
     PROBE_WRONG, "not a Kafka broker", 0},
    {"kafka", BYTES("\0\0\0\x16\0\0\0\x02\0\0\0\0\0\0\0\0\xff\xff\0\0\0\x01\0\0\0\0"), PROBE_WRONG,
     "not a Kafka broker", 0},
};

static enum probe_verdict judge(const char *provider, const void *bytes, size_t len, char *why,
                                size_t size)
{
    /* An allocation of exactly that size: the sanitizer sees every byte read too far. */
    _cleanup_free_ unsigned char *copy = xmemdup(bytes, len ? len : 1);

    memset(why, 'x', size);
    enum probe_verdict verdict = provider_find(provider)->probe->answer(copy, len, why, size);
    check(memchr(why, '\0', size) != NULL);
    return verdict;
}

static void test_transcripts(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(transcripts); i++) {
        const struct transcript *t = &transcripts[i];
        char why[128];

        for (size_t len = 0; len + t->early < t->len; len++) {
            enum probe_verdict verdict = judge(t->provider, t->bytes, len, why, sizeof(why));
            if (!tap_check(verdict == PROBE_MORE, __FILE__, __LINE__, "%s row %zu, %zu bytes: %d",
                           t->provider, i, len, verdict))
                break;
        }
        check_int(judge(t->provider, t->bytes, t->len, why, sizeof(why)), t->verdict);
        if (t->why)
            check_str(why, t->why);
    }
}

static const struct wrong {
    const char *provider;
    const unsigned char *bytes;
    size_t len;
} wrongs[] = {
    {"postgres", BYTES("H")},
    {"postgres", BYTES("HTTP/1.1 400 Bad Request\r\n")},
    {"postgres", BYTES("SSH-2.0-OpenSSH_9.2\r\n")},
    {"postgres", BYTES("R\xff\xff\xff\xff\0\0\0\0")},
    {"postgres", BYTES("R\0\0\0\x08\x7f\0\0\0")},
    {"postgres", BYTES("R\0\0\0\x07\0\0\0\0")},
    {"postgres", BYTES("\0\0\0\0\0\0\0\0\0")},
    {"redis", BYTES("H")},
    {"redis", BYTES("+OK\r\n")},
    {"redis", BYTES("+PONG\n")},
    {"redis", BYTES("PONG\r\n")},
    {"redis", BYTES("\r\n")},
    {"memcache", BYTES("S\r\n")},
    {"memcache", BYTES("VERSION\r\n")},
    {"memcache", BYTES("version 1\r\n")},
    {"memcache", BYTES("\n")},
    {"amqp", BYTES("H")},
    {"amqp", BYTES("AMQ!")},
    {"amqp", BYTES("\x01\0\x01")},                         /* not channel 0 */
    {"amqp", BYTES("\x01\0\0\0\0\0\x04\0\x0a\0\x32\xce")}, /* Connection.Close */
    {"amqp", BYTES("\x01\0\0\0\0\0\x05\0\x0a\0\x0a\0\0")}, /* no end where it should be */
    {"amqp", BYTES("\x01\0\0\xff\xff\xff\xff")},           /* without an end */
    {"amqp", BYTES("\x01\0\0\0\0\0\x03")},                 /* too short for a method */
    {"mysql", BYTES("HTTP/1.1 400 Bad Request\r\n")},
    {"mysql", BYTES("SSH-2.0-OpenSSH_9.2\r\n")},
    {"mysql", BYTES("\x05\0\0\0\x09"
                    "3.20")},                     /* protocol 9 */
    {"mysql", BYTES("\x05\0\0\x01\n8.4\0")},      /* not the first packet */
    {"mysql", BYTES("\x05\0\0\0\n8.4\0")},        /* and nothing more */
    {"mysql", BYTES("\x07\0\0\0\n\0\0\0\0\0\0")}, /* no version */
    {"mysql", BYTES("\x07\0\0\0\n8.4.10")},       /* no end of it */
    {"mysql", BYTES("\0\0\0\0\n8.4.10")},
    {"mosquitto", BYTES("H")},
    {"mosquitto", BYTES(" \x03")},
    {"mosquitto", BYTES(" \x02\x02")},
    {"mosquitto", BYTES(" \x02\0\x06")},
    {"nats", BYTES("H")},
    {"nats", BYTES("INFO\r\n")},
    {"nats", BYTES("INFO {}\r\nHTTP")},
    {"nats", BYTES("INFO {}\r\n+OK\r\n")},
    {"nats", BYTES("INFO {}\r\nPONG\n")},
    {"nats", BYTES("PONG\r\n")},
    {"nats", BYTES("-ERR\r\n")},
    {"nats", BYTES("-LOADING\r\n")},
    {"elasticsearch", BYTES("X")},
    {"elasticsearch", BYTES("HTTP/2 200\r\n\r\n")},
    {"elasticsearch", BYTES("HTTP/1.1 2000 OK\r\n\r\n")},
    {"elasticsearch", BYTES("HTTP/1.1 20x OK\r\n")},
    {"elasticsearch", BYTES("HTTP/1.1 099 OK\r\n")},
    {"elasticsearch", BYTES("HTTP/1.1 200 OK\r\nno field\r\n")},
    {"elasticsearch", BYTES("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n")},
    {"elasticsearch", BYTES("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n")},
    {"elasticsearch", BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n")},
    {"elasticsearch", BYTES("HTTP/1.0 200 OK\r\n\r\n[1]")},
    {"elasticsearch", BYTES("HTTP/1.0 200 OK\r\n\r\n{\"status\":1}")},
    {"elasticsearch", BYTES("HTTP/1.0 200 OK\r\n\r\n<html>")},
    {"s3", BYTES("\x15\x03\x01\0\x02\x02\x16")}, /* it wants TLS */
    {"s3", BYTES("HTTP 200 OK\r\n")},
    {"mongodb", BYTES("HTTP/1.1 400 Bad Request\r\n")},
    {"mongodb", BYTES("\0\0\0\0")},
    {"mongodb", BYTES("\x19\0\0\0")},
    {"mongodb", BYTES("\x30\0\0\0\x07\0\0\0\x02\0\0\0\xdd\x07\0\0")},
    {"mongodb", BYTES("\x30\0\0\0\x07\0\0\0\x01\0\0\0\x01\0\0\0")},
    {"mongodb", BYTES(MONGO("\x1a", "\x06", "\0"))},
    {"mongodb", BYTES(MONGO("\x1a", "\x04", "\0"))},
    {"kafka", BYTES("HTTP/1.1 400 Bad Request\r\n")},
    {"kafka", BYTES("\0\0\0\x15")},
    {"kafka", BYTES("\xff\xff\xff\xff")},
};

static void test_wrong_protocol(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
        const struct wrong *w = &wrongs[i];
        char why[64];

        check_int(judge(w->provider, w->bytes, w->len, why, sizeof(why)), PROBE_WRONG);
        check_contains(why, "not ");
    }
}

/* A line without an end is no answer, and is given up long before the satellite's limit. */
static void test_endless_line(void)
{
    _cleanup_free_ char *line = xmalloc(2000);
    char why[64];

    memset(line, 'A', 2000);
    line[0] = '-';
    check_int(judge("redis", line, 2000, why, sizeof(why)), PROBE_WRONG);
    check_int(judge("redis", line, 1000, why, sizeof(why)), PROBE_MORE);
    memcpy(line, "VERSION ", 8);
    check_int(judge("memcache", line, 2000, why, sizeof(why)), PROBE_WRONG);
}

/* INFO of a server in a large cluster is long, but not without an end. */
static void test_long_info(void)
{
    _cleanup_free_ char *info = xmalloc(40000);
    char why[64];

    memset(info, 'A', 40000);
    memcpy(info, "INFO {", 6);
    check_int(judge("nats", info, 30000, why, sizeof(why)), PROBE_MORE);
    check_int(judge("nats", info, 40000, why, sizeof(why)), PROBE_WRONG);
    memcpy(info + 30000, "}\r\nPONG\r\n", 9);
    check_int(judge("nats", info, 30009, why, sizeof(why)), PROBE_READY);
}

/* "could not fork" arrives in the protocol of the last century. */
static void test_old_postgres_error(void)
{
    static const char text[] = "Ecould not fork new process for connection: oh\x1b\n";
    char why[64], small[8];

    check_int(judge("postgres", text, sizeof(text), why, sizeof(why)), PROBE_NOT_YET);
    check_str(why, "could not fork new process for connection: oh??");
    check_int(judge("postgres", text, sizeof(text), small, sizeof(small)), PROBE_NOT_YET);
    check_str(small, "could n");
}

static void check_request(const char *provider, const char *arg, const void *want, size_t len)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    check_int(provider_find(provider)->probe->request(arg, &out), 0);
    check_int(out.len, len);
    check(out.len == len && memcmp(out.buf, want, len) == 0);
}

static void test_requests(void)
{
    check_request("postgres", "a%20b/c%2Fd",
                  BYTES("\0\0\0\x3a\0\x03\0\0user\0a b\0database\0c/d\0"
                        "application_name\0cleanroom\0\0"));
    check_request("redis", "", BYTES("*1\r\n$4\r\nPING\r\n"));
    check_request("memcache", "", BYTES("version\r\n"));
    check_request("amqp", "", BYTES("AMQP\0\0\x09\x01"));
    check_request("mysql", "", BYTES("")); /* the server begins */
    check_request("mosquitto", "",
                  BYTES("\x10\x0c\0\x04MQTT\x04\x02\0\x0a\0\0"
                        "\xe0\0"));
    check_request("nats", "", BYTES("PING\r\n"));
    check_request("elasticsearch", "",
                  BYTES("GET /_cluster/health?local=true HTTP/1.1\r\nHost: localhost\r\n"
                        "User-Agent: cleanroom\r\nAccept: */*\r\nConnection: close\r\n\r\n"));
    check_request("s3", "",
                  BYTES("GET /minio/health/cluster HTTP/1.1\r\nHost: localhost\r\n"
                        "User-Agent: cleanroom\r\nAccept: */*\r\nConnection: close\r\n\r\n"));
    check_request("mongodb", "",
                  BYTES("\x34\0\0\0\1\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0"
                        "\x1f\0\0\0\x10hello\0\1\0\0\0\x02$db\0\6\0\0\0admin\0\0"));
    check_request("kafka", "",
                  BYTES("\0\0\0\x18\0\3\0\4\0\0\0\1\0\x09"
                        "cleanroom\0\0\0\0\0"));
}

/* --- a password for a copy ---------------------------------------------------------------------
 */

static enum probe_verdict judge_rekey(const void *bytes, size_t len, char *why, size_t size)
{
    _cleanup_free_ unsigned char *copy = xmemdup(bytes, len ? len : 1);
    return provider_find("postgres")->probe->rekeyed(copy, len, why, size);
}

#define GREETED                                                                                    \
    "R\0\0\0\x08\0\0\0\0"                                                                          \
    "S\0\0\0\x0b"                                                                                  \
    "a\0"                                                                                          \
    "b\0\0\0\0"                                                                                    \
    "K\0\0\0\x0c"                                                                                  \
    "12345678"
#define READY_Z "Z\0\0\0\x05I"
#define COMMAND                                                                                    \
    "C\0\0\0\x0f"                                                                                  \
    "ALTER ROLE\0"
#define REFUSED                                                                                    \
    "E\0\0\0\x1f"                                                                                  \
    "SERROR\0"                                                                                     \
    "C42704\0"                                                                                     \
    "Mno such role\0"                                                                              \
    "\0"

static void test_rekey_answers(void)
{
    static const struct {
        const unsigned char *bytes;
        size_t len;
        enum probe_verdict verdict;
        const char *why;
    } cases[] = {
        {BYTES(""), PROBE_MORE, ""},
        {BYTES(GREETED), PROBE_MORE, ""},
        {BYTES(GREETED READY_Z), PROBE_MORE, ""},
        {BYTES(GREETED READY_Z COMMAND), PROBE_READY, ""},
        {BYTES(GREETED READY_Z COMMAND READY_Z), PROBE_READY, ""},
        {BYTES("R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"), PROBE_WRONG,
         "its unix socket asks for a password"},
        {BYTES(GREETED READY_Z "E\0\0\0\x20"
                               "SERROR\0"
                               "C42704\0"
                               "Mno such role\0\0"),
         PROBE_WRONG, "no such role"},
        {BYTES("E\0\0\0\x1c"
               "SFATAL\0"
               "C57P03\0"
               "Mstarting\0\0"),
         PROBE_NOT_YET, "starting"},
        {BYTES("HTTP/1.1 400 Bad Request"), PROBE_WRONG, "not the PostgreSQL protocol"},
        {BYTES("\0\0\0\1\4HTTP"), PROBE_WRONG, "not the PostgreSQL protocol"},
        {BYTES("S\xff\xff\xff\xff"
               "12345678"),
         PROBE_WRONG, "not the PostgreSQL protocol"},
        {BYTES(GREETED "C\0\0\0\x0b"
                       "SELECT\0"),
         PROBE_WRONG, "not the PostgreSQL protocol"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char why[64];
        check_int(judge_rekey(cases[i].bytes, cases[i].len, why, sizeof(why)), cases[i].verdict);
        check_str(why, cases[i].why);
    }
}

/* What SQL would take for its own is quoted, whatever standard_conforming_strings says. */
static void test_rekey_quotes(void)
{
    static const char want[] = "ALTER ROLE \"a\"\"b\\'c\" PASSWORD E'x''y\\\\z\"'";
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    const struct probe *probe = provider_find("postgres")->probe;
    check_int(probe->rekey("a%22b%5C%27c/db", "x'y\\z\"", &out), 0);
    const char *sql = memmem(out.buf, out.len, "ALTER", 5);
    check(sql != NULL);
    if (!sql)
        return;
    check_str(sql, want);
    check_int(sql[-5], 'Q');
    check_int(sql[-1], (int)strlen(want) + 1 + 4);
    check(memcmp(sql + strlen(want) + 1, "X\0\0\0\4", 5) == 0);
    check(sql + strlen(want) + 6 == out.buf + out.len);

    _cleanup_strbuf_ struct strbuf none = STRBUF_INIT;
    check_int(probe->rekey("no-slash", "x", &none), -1);
    check_int(probe->rekey("a/b", "", &none), -1);
}

static void test_bad_arguments(void)
{
    static const struct {
        const char *provider, *arg;
    } bad[] = {{"postgres", ""},      {"postgres", "user"},   {"postgres", "/db"},
               {"postgres", "user/"}, {"redis", "x"},         {"memcache", "x"},
               {"amqp", "x"},         {"mysql", "x"},         {"mosquitto", "x"},
               {"nats", "x"},         {"elasticsearch", "x"}, {"opensearch", "x"},
               {"s3", "x"},           {"mongodb", "x"},       {"kafka", "x"}};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
        check_int(provider_find(bad[i].provider)->probe->request(bad[i].arg, &out), -1);
    }
}

/* Any bytes at all: an answer, a reason that ends and is printable, no read out of bounds. */
static void test_garbage(void)
{
    static const char first[] = "RE+-VSCEH\0\xff\x01 IAd";
    unsigned seed = 12345;

    for (int round = 0; round < 20000; round++) {
        unsigned char bytes[64];
        char why[32];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * 1103515245 + 12345;
            bytes[i] = (unsigned char)(seed >> (round % 3 ? 16 : 30));
        }
        bytes[0] = (unsigned char)first[round % (int)sizeof(first)];
        const char *name = providers[round % (int)provider_count]->name;
        if (!providers[round % (int)provider_count]->probe)
            continue;
        judge(name, bytes, (size_t)(seed >> 8) % sizeof(bytes), why, sizeof(why));
        for (const char *p = why; *p; p++)
            check(*p >= ' ' && *p < 0x7f);
    }
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_transcripts),
                                       TAP(test_wrong_protocol),
                                       TAP(test_endless_line),
                                       TAP(test_long_info),
                                       TAP(test_old_postgres_error),
                                       TAP(test_requests),
                                       TAP(test_rekey_answers),
                                       TAP(test_rekey_quotes),
                                       TAP(test_bad_arguments),
                                       TAP(test_garbage),
                                       {0}});
}
