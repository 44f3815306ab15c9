/* SPDX-License-Identifier: Apache-2.0 */
/* The probes' HTTP and JSON: what is taken, what is refused, and where each of them ends. */
#include <cleanroom/provider.h>

#include "../../providers/http_probe.h"
#include "../../providers/json_probe.h"
#include "tap.h"

#define BYTES(s) (const unsigned char *)(s), sizeof(s) - 1

static void test_paths(void)
{
    static const char *const bad[] = {"", "x", "/a b", "/a\r\nX: y", "/\x7f", "/\xc3\xa9"};
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        check_int(http_probe_get(bad[i], &out), -1);
    check_int(out.len, 0);
    check_int(http_probe_get("/a?b=%20", &out), 0);
    check(strncmp(out.buf, "GET /a?b=%20 HTTP/1.1\r\n", 23) == 0);
    check_str(out.buf + out.len - 4, "\r\n\r\n");
}

static const struct body_case {
    const unsigned char *bytes;
    size_t len;
    enum probe_verdict verdict;
    unsigned status;
    const char *body;
} body_cases[] = {
    {BYTES("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd"), PROBE_READY, 200, "abc"},
    {BYTES("HTTP/1.1 200 OK\r\nCONTENT-length:\t3 \r\n\r\nab"), PROBE_MORE, 200, "ab"},
    {BYTES("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), PROBE_READY, 200, ""},
    {BYTES("HTTP/1.1 200\r\n\r\nab"), PROBE_READY, 200, "ab"},
    {BYTES("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc"), PROBE_READY, 204, ""},
    {BYTES("HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\nabc"), PROBE_READY, 304, ""},
    {BYTES("HTTP/1.1 101 x\r\n\r\nabc"), PROBE_READY, 101, ""},
    {BYTES("HTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 500 z\r\n\r\nab"), PROBE_READY, 500, "ab"},
    {BYTES("HTTP/1.1 200 x\r\nTransfer-Encoding: Chunked\r\nContent-Length: 1\r\n\r\n"
           "2\r\nab\r\n01 \r\nc\r\n0\r\nTrailer: x\r\n\r\n"),
     PROBE_READY, 200, "abc"},
    {BYTES("HTTP/1.1 200 x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
           "2\r\nab\r\n"),
     PROBE_MORE, 200, "ab"},
    {BYTES("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nA\r\nab"), PROBE_MORE, 200, "ab"},
    {BYTES("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r"), PROBE_WRONG, 200,
     "ab"},
    {BYTES("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"), PROBE_WRONG, 200, ""},
    {BYTES("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n\r\n"), PROBE_WRONG, 200, ""},
    {BYTES("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n"), PROBE_WRONG, 200,
     ""},
    {BYTES("HTTP/1.1 200 x\r\nA: b\r\nContent-Length: 12x\r\n\r\n"), PROBE_WRONG, 0, NULL},
    {BYTES("HTTP/1.1 200 x\r\nContent-Length:\r\n\r\n"), PROBE_WRONG, 0, NULL},
    {BYTES("HTTP/1.1 200 x\r\nContent-Length: 3\r\n\r"), PROBE_MORE, 0, NULL},
};

static void test_bodies(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(body_cases); i++) {
        const struct body_case *c = &body_cases[i];
        _cleanup_free_ unsigned char *copy = xmemdup(c->bytes, c->len);
        _cleanup_strbuf_ struct strbuf body = STRBUF_INIT;
        struct http_answer answer;
        char why[64];

        enum probe_verdict verdict = http_probe_head(copy, c->len, &answer, why, sizeof(why));
        if (verdict == PROBE_READY) {
            check_int(answer.status, c->status);
            verdict = http_probe_body(&answer, &body, why, sizeof(why));
            check_str(body.buf, c->body);
        } else {
            check(c->body == NULL);
        }
        check_int(verdict, c->verdict);
        check((*why != '\0') == (verdict == PROBE_WRONG));
    }
}

/* A head without an end is given up. */
static void test_endless_head(void)
{
    static const char start[] = "HTTP/1.1 200 OK\r\n";
    enum { SIZE = 40000 };
    _cleanup_free_ unsigned char *head = xmalloc(SIZE);
    struct http_answer answer;
    char why[64];

    memset(head, 'a', SIZE);
    memcpy(head, start, sizeof(start) - 1);
    check_int(http_probe_head(head, 16000, &answer, why, sizeof(why)), PROBE_MORE);
    check_int(http_probe_head(head, SIZE, &answer, why, sizeof(why)), PROBE_WRONG);
    for (size_t i = sizeof(start) - 1; i + 4 <= SIZE; i += 4)
        memcpy(head + i, "a:b\n", 4);
    check_int(http_probe_head(head, 16000, &answer, why, sizeof(why)), PROBE_MORE);
    check_int(http_probe_head(head, SIZE, &answer, why, sizeof(why)), PROBE_WRONG);
}

static const struct json_case {
    const char *json;
    enum json_probe result;
    const char *value; /* of "k" */
} json_cases[] = {
    {"{\"k\":\"v\"}", JSON_PROBE_FOUND, "v"},
    {" { \"a\" : [ 1 , {\"k\":\"x\"} ] , \"k\" : \"\" } ", JSON_PROBE_FOUND, ""},
    {"{\"k\":\"a\\\"}b\\\\\"}", JSON_PROBE_FOUND, "a\\\"}b\\\\"},
    {"{\"a\":{\"k\":\"x\"},\"k\":\"v\",\"b\":true}", JSON_PROBE_FOUND, "v"},
    {"{\"k\":\"v\"}garbage", JSON_PROBE_FOUND, "v"},
    {"{}", JSON_PROBE_ABSENT, NULL},
    {"{\"K\":\"v\"}", JSON_PROBE_ABSENT, NULL},
    {"{\"kk\":\"v\",\"\":\"v\"}", JSON_PROBE_ABSENT, NULL},
    {"{\"a\":\"k\",\"b\":\"v\"}", JSON_PROBE_ABSENT, NULL},
    {"{\"k\":-1.5e3}", JSON_PROBE_ABSENT, NULL},
    {"{\"k\":[\"v\"]}", JSON_PROBE_ABSENT, NULL},
    {"{\"k\":{\"k\":\"v\"}}", JSON_PROBE_ABSENT, NULL},
    {"{\"k\" \"v\"}", JSON_PROBE_ABSENT, NULL},
    {"", JSON_PROBE_MORE, NULL},
    {"  ", JSON_PROBE_MORE, NULL},
    {"{", JSON_PROBE_MORE, NULL},
    {"{\"k\":\"v\"", JSON_PROBE_MORE, NULL},
    {"{\"k\":\"v\\\"}", JSON_PROBE_MORE, NULL},
    {"{\"k\\", JSON_PROBE_MORE, NULL},
    {"[\"k\"]", JSON_PROBE_WRONG, NULL},
    {"\"k\"", JSON_PROBE_WRONG, NULL},
    {"null", JSON_PROBE_WRONG, NULL},
    {"{]", JSON_PROBE_WRONG, NULL},
    {"{\"a\":[}", JSON_PROBE_WRONG, NULL},
    {"{\"a\":}", JSON_PROBE_WRONG, NULL},
    {"{\"a\":1,}", JSON_PROBE_WRONG, NULL},
    {"{{\"k\":\"v\"}}", JSON_PROBE_WRONG, NULL},
    {"{\"a\":'b'}", JSON_PROBE_WRONG, NULL},
    {"{\"a\":\x01}", JSON_PROBE_WRONG, NULL},
};

static void test_json(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(json_cases); i++) {
        const struct json_case *c = &json_cases[i];
        size_t len = strlen(c->json);
        _cleanup_free_ char *copy = xmemdup(c->json, len ? len : 1);
        struct json_probe_text value = {0};

        check_int(json_probe_member(copy, len, "k", &value), c->result);
        if (!c->value)
            continue;
        _cleanup_free_ char *text = xstrndup(value.text, value.len);
        check_str(text, c->value);
    }
}

static void test_json_depth(void)
{
    char deep[512];

    for (size_t depth = 63; depth <= 64; depth++) {
        struct json_probe_text value;
        _cleanup_strbuf_ struct strbuf json = STRBUF_INIT;
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        strbuf_adds(&json, "{\"a\":");
        strbuf_add(&json, deep, 2 * depth);
        strbuf_adds(&json, ",\"k\":\"v\"}");
        check_int(json_probe_member(json.buf, json.len, "k", &value),
                  depth == 63 ? JSON_PROBE_FOUND : JSON_PROBE_WRONG);
    }
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_paths),
                                       TAP(test_bodies),
                                       TAP(test_endless_head),
                                       TAP(test_json),
                                       TAP(test_json_depth),
                                       {0}});
}
