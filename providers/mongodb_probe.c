/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is MongoDB ready?
 *
 * Wire protocol: mongodb.com/docs/manual/reference/mongodb-wire-protocol (OP_MSG), bsonspec.org
 * (version 1.1), and mongodb.com/docs/manual/reference/command/hello. Not run against a real server
 * here: tested against these specifications.
 */
#include <string.h>

#include "common.h"
#include "mongodb.h"

enum {
    HEADER = 16, /* length, request id, id answered to, kind */
    OP_MSG = 2013,
    DOCUMENT = HEADER + 5, /* behind the flags and the kind of the only section */
    SHORTEST = DOCUMENT + 5,
    LONGEST = 60000,
    REQUEST_ID = 1,
    COMMAND_NOT_FOUND = 59,
};

/* { hello: 1, $db: "admin" } */
static int request(const char *arg, struct strbuf *out)
{
    static const char bytes[] = "\x34\0\0\0"   /* length of all */
                                "\x01\0\0\0"   /* request id */
                                "\0\0\0\0"     /* not an answer */
                                "\xdd\x07\0\0" /* OP_MSG */
                                "\0\0\0\0"     /* flags */
                                "\0"           /* one section: a document */
                                "\x1f\0\0\0"   /* its length */
                                "\x10hello\0"  /* int32 */
                                "\x01\0\0\0"   /* 1 */
                                "\x02$db\0"    /* string */
                                "\x06\0\0\0"   /* its length */
                                "admin\0";     /* and with the literal's own NUL its end */

    return *arg ? -1 : strbuf_add(out, bytes, sizeof(bytes));
}

static uint32_t get_u32(const unsigned char *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* One element of a document. */
struct element {
    unsigned char type;
    const char *name;
    const unsigned char *value;
    size_t len;
};

/* The length of a value: fixed, or with a length of its own in front. -1: there is no such type, or
   it does not end here. */
static long value_len(unsigned char type, const unsigned char *p, size_t len)
{
    static const struct {
        unsigned char type, fixed;
        bool counted; /* an int32 before the fixed part counts more bytes */
    } types[] = {
        {0x01, 8, false}, {0x02, 4, true},   {0x03, 0, true},  {0x04, 0, true},  {0x05, 5, true},
        {0x06, 0, false}, {0x07, 12, false}, {0x08, 1, false}, {0x09, 8, false}, {0x0a, 0, false},
        {0x0d, 4, true},  {0x0e, 4, true},   {0x0f, 0, true},  {0x10, 4, false}, {0x11, 8, false},
        {0x12, 8, false}, {0x13, 16, false}, {0x7f, 0, false}, {0xff, 0, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (types[i].type != type)
            continue;
        size_t n = types[i].fixed;
        if (types[i].counted && len < 4)
            return -1;
        if (types[i].counted)
            n += get_u32(p);
        return n <= len && (!types[i].counted || n >= 4) ? (long)n : -1;
    }
    return -1; /* regular expressions, pointers: not in an answer to hello */
}

/* Cuts the next element off a document's inside; false at its end, or where it cannot be read. */
static bool next_element(const unsigned char **p, size_t *len, struct element *out)
{
    const unsigned char *end = *len > 1 ? memchr(*p + 1, '\0', *len - 1) : NULL;

    if (!end)
        return false;
    size_t left = *len - (size_t)(end + 1 - *p);
    long n = value_len(**p, end + 1, left);
    if (n < 0)
        return false;
    *out = (struct element){**p, (const char *)*p + 1, end + 1, (size_t)n};
    *p = end + 1 + n;
    *len = left - (size_t)n;
    return true;
}

/* Numbers and booleans: is it 1? (Answers have "ok" as a double; other servers have integers.) */
static bool is_one(const struct element *e)
{
    static const unsigned char one[] = {0, 0, 0, 0, 0, 0, 0xf0, 0x3f};

    if (e->type == 0x01)
        return memcmp(e->value, one, sizeof(one)) == 0;
    return (e->type == 0x08 || e->type == 0x10 || e->type == 0x12) && e->value[0] == 1;
}

struct hello {
    bool ok, writable;
    uint32_t code;
    const char *message; /* or NULL */
    size_t message_len;
};

static void read_hello(struct hello *h, const unsigned char *p, size_t len)
{
    struct element e;

    while (next_element(&p, &len, &e)) {
        if (strcmp(e.name, "ok") == 0)
            h->ok = is_one(&e);
        else if (strcmp(e.name, "isWritablePrimary") == 0)
            h->writable = is_one(&e);
        else if (strcmp(e.name, "code") == 0 && e.type == 0x10)
            h->code = get_u32(e.value);
        else if ((strcmp(e.name, "errmsg") == 0 || (strcmp(e.name, "info") == 0 && !h->message)) &&
                 e.type == 0x02 && e.len > 4) {
            h->message = (const char *)e.value + 4;
            h->message_len = e.len - 5;
        }
    }
}

static enum probe_verdict judge(const struct hello *h, char *why, size_t size)
{
    static const char other[] = "it is not a primary that takes writes";

    if (h->ok && h->writable)
        return PROBE_READY;
    /* Before 4.4.2 there is no hello. A server that says so is at work, and alone it is primary. */
    if (!h->ok && h->code == COMMAND_NOT_FOUND)
        return PROBE_READY;
    if (h->message)
        common_reason(why, size, h->message, h->message_len);
    else
        common_reason(why, size, other, strlen(other));
    return PROBE_NOT_YET;
}

static enum probe_verdict answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    static const char wrong[] = "not the MongoDB protocol";
    uint32_t total = len >= 4 ? get_u32(data) : SHORTEST;

    common_reason(why, size, "", 0);
    if (total < SHORTEST || total > LONGEST ||
        (len >= HEADER &&
         (get_u32(data + 8) != REQUEST_ID || get_u32(data + HEADER - 4) != OP_MSG)) ||
        (len >= SHORTEST && (data[DOCUMENT - 1] != 0 || get_u32(data + DOCUMENT) < 5 ||
                             get_u32(data + DOCUMENT) > total - DOCUMENT))) {
        common_reason(why, size, wrong, strlen(wrong));
        return PROBE_WRONG;
    }
    if (len < 4 || len < total)
        return PROBE_MORE;

    struct hello hello = {0};
    read_hello(&hello, data + DOCUMENT + 4, get_u32(data + DOCUMENT) - 4);
    return judge(&hello, why, size);
}

/*
 * Why 127.0.0.2: the official image's temporary server, which makes the user and runs the init
 * scripts, is bound to 127.0.0.1 alone, at the usual port. The final one is bound to all addresses.
 */
const struct probe mongodb_probe = {
    .address = "127.0.0.2",
    .request = request,
    .answer = answer,
};
