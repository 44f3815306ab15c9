/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is PostgreSQL ready, and what is its password?
 *
 * Wire protocol: postgresql.org/docs/current/protocol-message-formats.html (StartupMessage,
 * Authentication*, ErrorResponse, Query) and errcodes-appendix.html.
 */
#include <string.h>

#include "common.h"
#include "postgres.h"
#include "url.h"

static void add_u32(struct strbuf *out, size_t value)
{
    const unsigned char bytes[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                    (unsigned char)(value >> 8), (unsigned char)value};
    strbuf_add(out, bytes, sizeof(bytes));
}

static void add_pair(struct strbuf *out, const char *key, const char *value)
{
    strbuf_add(out, key, strlen(key) + 1);
    strbuf_add(out, value, strlen(value) + 1);
}

/* StartupMessage. arg: "user/database", percent-encoded. */
static int start_up(const char *arg, char **user_out, struct strbuf *out)
{
    const char *slash = strchr(arg, '/');
    if (!slash || slash == arg || !slash[1])
        return -1;

    _cleanup_free_ char *user_part = xstrndup(arg, (size_t)(slash - arg));
    char *user = *user_out = url_unquote(user_part);
    _cleanup_free_ char *name = url_unquote(slash + 1);
    _cleanup_strbuf_ struct strbuf body = STRBUF_INIT;

    add_u32(&body, 196608); /* protocol 3.0 */
    add_pair(&body, "user", user);
    add_pair(&body, "database", name);
    add_pair(&body, "application_name", "cleanroom");
    strbuf_addc(&body, '\0');
    add_u32(out, body.len + 4);
    strbuf_add(out, body.buf, body.len);
    return 0;
}

static int request(const char *arg, struct strbuf *out)
{
    _cleanup_free_ char *user = NULL;
    return start_up(arg, &user, out);
}

/* As SQL has it, whatever the server's settings are; the text has no NUL. */
static void add_quoted(struct strbuf *out, const char *text, char quote)
{
    strbuf_adds(out, quote == '\'' ? "E'" : "\"");
    for (; *text; text++) {
        if (*text == quote || (quote == '\'' && *text == '\\'))
            strbuf_addc(out, *text);
        strbuf_addc(out, *text);
    }
    strbuf_addc(out, quote);
}

/* StartupMessage, Query, Terminate: where nobody is asked for a password all can be sent at once.
 */
static int rekey(const char *arg, const char *password, struct strbuf *out)
{
    _cleanup_free_ char *user = NULL;
    _cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

    if (start_up(arg, &user, out) < 0 || !*password)
        return -1;
    strbuf_adds(&sql, "ALTER ROLE ");
    add_quoted(&sql, user, '"');
    strbuf_adds(&sql, " PASSWORD ");
    add_quoted(&sql, password, '\'');
    strbuf_addc(out, 'Q');
    add_u32(out, sql.len + 1 + 4);
    strbuf_add(out, sql.buf, sql.len + 1);
    strbuf_addc(out, 'X');
    add_u32(out, 4);
    return 0;
}

static size_t get_u32(const unsigned char *p)
{
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* One field of an ErrorResponse's body ("C": SQLSTATE, "M": message), NUL-terminated, or NULL. */
static const char *error_field(const unsigned char *body, size_t len, char type)
{
    while (len > 0 && *body) {
        const unsigned char *end = memchr(body, '\0', len);
        if (!end)
            return NULL;
        if (*body == (unsigned char)type)
            return (const char *)body + 1;
        len -= (size_t)(end + 1 - body);
        body = end + 1;
    }
    return NULL;
}

/*
 * Does an error with this SQLSTATE mean that the server does not serve now? Anything else is the
 * answer of a server at work to a stranger without a password: "no such role" (28000), "no entry in
 * pg_hba.conf" (28000), "permission denied" (42501). The app may well be known to it.
 */
static bool is_not_serving(const char *state)
{
    static const char *const classes[] = {
        "08",    /* connection exception */
        "3D000", /* no such database: a pre-seeded image may create it last */
        "53",    /* insufficient resources */
        "55",    /* not in prerequisite state */
        "57",    /* 57P03 starting up, 57P01 shutting down */
        "58",    /* system error */
        "XX",    /* internal error */
    };

    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        if (strncmp(state, classes[i], strlen(classes[i])) == 0)
            return true;
    }
    return false;
}

static enum probe_verdict judge_error(const unsigned char *data, size_t len, char *why, size_t size)
{
    size_t total = get_u32(data + 1);

    /* A server that cannot even fork answers in the old protocol: "E", text, NUL. */
    if (total < 8 || total > 30000) {
        const unsigned char *end = memchr(data, '\0', len);
        common_reason(why, size, data + 1, end ? (size_t)(end - data - 1) : len - 1);
        return PROBE_NOT_YET;
    }
    if (len < total + 1)
        return PROBE_MORE;

    const char *state = error_field(data + 5, total - 4, 'C');
    const char *message = error_field(data + 5, total - 4, 'M');
    if (!state || !message || !*state || !*message) {
        common_reason(why, size, "not a PostgreSQL error", 22);
        return PROBE_WRONG;
    }
    common_reason(why, size, message, strlen(message));
    return is_not_serving(state) ? PROBE_NOT_YET : PROBE_READY;
}

static enum probe_verdict answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    static const char wrong[] = "not the PostgreSQL protocol";

    common_reason(why, size, "", 0);
    if (len == 0)
        return PROBE_MORE;
    if (*data != 'R' && *data != 'E') {
        common_reason(why, size, wrong, strlen(wrong));
        return PROBE_WRONG;
    }
    if (len < 9)
        return PROBE_MORE;
    if (*data == 'E')
        return judge_error(data, len, why, size);

    /* An authentication request; the kinds known today are 0 to 12, the longest is SASL's list. */
    size_t total = get_u32(data + 1), kind = get_u32(data + 5);
    if (total < 8 || total > 2000 || kind > 99) {
        common_reason(why, size, wrong, strlen(wrong));
        return PROBE_WRONG;
    }
    return PROBE_READY;
}

/* Does a message of one of these types begin here? */
static bool is_one_of(const char *types, unsigned char type)
{
    return type != '\0' && strchr(types, type);
}

static enum probe_verdict judge_message(const unsigned char *data, size_t total, char *why,
                                        size_t size)
{
    static const char asks[] = "its unix socket asks for a password";
    static const char wrong[] = "not the PostgreSQL protocol";

    if (*data == 'R' && total >= 8 && get_u32(data + 5) == 0)
        return PROBE_MORE; /* come in */
    if (*data == 'R' && total >= 8) {
        common_reason(why, size, asks, strlen(asks));
        return PROBE_WRONG;
    }
    if (*data == 'C' && total > 14 && common_starts(data + 5, total - 4, "ALTER ROLE"))
        return PROBE_READY;
    if (is_one_of("SKNZ", *data)) /* parameters, a key, notices, "ready for query" */
        return PROBE_MORE;
    common_reason(why, size, wrong, strlen(wrong));
    return PROBE_WRONG;
}

/* Any number of messages; the answer to ALTER ROLE, or an error, decides. */
static enum probe_verdict rekeyed(const unsigned char *data, size_t len, char *why, size_t size)
{
    common_reason(why, size, "", 0);
    while (len >= 9 || (len > 0 && !is_one_of("RESKNZC", *data))) {
        if (*data == 'E') {
            enum probe_verdict verdict = judge_error(data, len, why, size);
            return verdict == PROBE_READY ? PROBE_WRONG : verdict;
        }
        size_t total = is_one_of("RESKNZC", *data) ? get_u32(data + 1) : 0;
        if (total < 5 || total > 30000)
            return judge_message((const unsigned char *)"?", 0, why, size);
        if (len < total + 1)
            return PROBE_MORE;
        enum probe_verdict verdict = judge_message(data, total, why, size);
        if (verdict != PROBE_MORE)
            return verdict;
        data += total + 1;
        len -= total + 1;
    }
    return PROBE_MORE;
}

/*
 * Why 127.0.0.2: the official image's temporary server, which runs the init scripts, listens on the
 * unix socket only, but older forks of its start-up script let it listen on 'localhost'. A listener
 * on all addresses, as the final server is, accepts here; one on localhost alone does not.
 */
const struct probe postgres_probe = {
    .address = "127.0.0.2",
    .request = request,
    .answer = answer,
    .socket = POSTGRES_ABSTRACT_DIRECTORY "/.s.PGSQL.%u",
    .rekey = rekey,
    .rekeyed = rekeyed,
};
