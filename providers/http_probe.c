/* SPDX-License-Identifier: Apache-2.0 */
#include "http_probe.h"

#include <string.h>
#include <strings.h>

#include "common.h"

#define HEAD_MAX   16384
#define LENGTH_MAX (UINT32_C(1) << 30) /* no more than this is ever waited for */

static enum probe_verdict wrong(const char *reason, char *why, size_t size)
{
    common_reason(why, size, reason, strlen(reason));
    return PROBE_WRONG;
}

int http_probe_get(const char *path, struct strbuf *out)
{
    if (*path != '/')
        return -1;
    for (const char *p = path; *p; p++) {
        if (*p <= ' ' || *p >= 0x7f)
            return -1;
    }
    return strbuf_addf(out,
                       "GET %s HTTP/1.1\r\n"
                       "Host: localhost\r\n"
                       "User-Agent: cleanroom\r\n"
                       "Accept: */*\r\n"
                       "Connection: close\r\n"
                       "\r\n",
                       path);
}

/* "HTTP/1.1 200 OK", of which the reason may be missing. */
static int parse_status_line(const unsigned char *line, size_t len, struct http_answer *out)
{
    enum { STATUS = 9, REASON = 12 };

    if (len < REASON || memcmp(line, "HTTP/1.", 7) != 0 || line[7] < '0' || line[7] > '9' ||
        line[8] != ' ' || (len > REASON && line[REASON] != ' '))
        return -1;
    out->status = 0;
    for (size_t i = STATUS; i < REASON; i++) {
        if (line[i] < '0' || line[i] > '9')
            return -1;
        out->status = out->status * 10 + (unsigned)(line[i] - '0');
    }
    out->line = line;
    out->line_len = len;
    return out->status >= 100 ? 0 : -1;
}

/* A field's value, without the blanks around it. */
struct value {
    const unsigned char *text;
    size_t len;
};

/* Is the line a field of this name? */
static bool take_field(const unsigned char *line, size_t len, const char *name, struct value *out)
{
    size_t n = strlen(name);

    if (len <= n || line[n] != ':' || strncasecmp((const char *)line, name, n) != 0)
        return false;
    out->text = line + n + 1;
    out->len = len - n - 1;
    while (out->len > 0 && (*out->text == ' ' || *out->text == '\t')) {
        out->text++;
        out->len--;
    }
    while (out->len > 0 && (out->text[out->len - 1] == ' ' || out->text[out->len - 1] == '\t'))
        out->len--;
    return true;
}

static int parse_length(const struct value *v, size_t *out)
{
    size_t value = 0;

    for (size_t i = 0; i < v->len; i++) {
        if (v->text[i] < '0' || v->text[i] > '9' || value > LENGTH_MAX)
            return -1;
        value = value * 10 + (size_t)(v->text[i] - '0');
    }
    *out = value;
    return v->len > 0 ? 0 : -1;
}

/* The two fields that say where the body ends; of these chunks win (RFC 9112, section 6.3). */
static int parse_field(const unsigned char *line, size_t len, struct http_answer *out)
{
    struct value v;

    if (take_field(line, len, "Transfer-Encoding", &v)) {
        if (v.len != 7 || strncasecmp((const char *)v.text, "chunked", 7) != 0)
            return -1; /* compressed, though nobody asked for that */
        out->framing = HTTP_CHUNKED;
        return 0;
    }
    if (!take_field(line, len, "Content-Length", &v))
        return memchr(line, ':', len) ? 0 : -1;
    if (out->framing == HTTP_UNTIL_CLOSE)
        out->framing = HTTP_LENGTH;
    return parse_length(&v, &out->length);
}

static bool has_no_body(unsigned status)
{
    return status < 200 || status == 204 || status == 304;
}

/* One head; *used: its bytes. */
static enum probe_verdict parse_head(const unsigned char *data, size_t len, struct http_answer *out,
                                     size_t *used)
{
    *out = (struct http_answer){.framing = HTTP_UNTIL_CLOSE};
    *used = 0;
    if (!common_starts(data, len, "HTTP/1."))
        return PROBE_WRONG;

    while (*used <= HEAD_MAX) {
        const unsigned char *line = data + *used;
        long n = common_line(line, len - *used);
        if (n < 0)
            return len - *used > HEAD_MAX ? PROBE_WRONG : PROBE_MORE;
        bool first = *used == 0;
        *used += (size_t)n + (line[n] == '\r' ? 2 : 1);
        if (!first && n == 0)
            break;
        if (first ? parse_status_line(line, (size_t)n, out) < 0
                  : parse_field(line, (size_t)n, out) < 0)
            return PROBE_WRONG;
    }
    if (*used > HEAD_MAX)
        return PROBE_WRONG;
    if (has_no_body(out->status))
        out->framing = HTTP_NO_BODY;
    return PROBE_READY;
}

enum probe_verdict http_probe_head(const unsigned char *data, size_t len, struct http_answer *out,
                                   char *why, size_t size)
{
    size_t used;

    common_reason(why, size, "", 0);
    for (;;) {
        enum probe_verdict verdict = parse_head(data, len, out, &used);
        if (verdict == PROBE_WRONG)
            return wrong("not an HTTP answer", why, size);
        if (verdict == PROBE_MORE)
            return PROBE_MORE;
        data += used;
        len -= used;
        if (out->status >= 200 || out->status == 101)
            break;
    }
    out->rest = data;
    out->rest_len = len;
    return PROBE_READY;
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The size at the beginning of a chunk's first line, of which extensions may follow. */
static int parse_chunk_size(const unsigned char *line, size_t len, size_t *out)
{
    size_t i = 0;

    *out = 0;
    for (; i < len && hex_value(line[i]) >= 0; i++) {
        *out = *out * 16 + (size_t)hex_value(line[i]);
        if (*out > LENGTH_MAX)
            return -1;
    }
    return i > 0 && (i == len || line[i] == ';' || line[i] == ' ') ? 0 : -1;
}

static enum probe_verdict read_chunks(const unsigned char *data, size_t len, struct strbuf *out,
                                      char *why, size_t size)
{
    for (;;) {
        long n = common_line(data, len);
        size_t chunk;

        if (n < 0)
            return len > HEAD_MAX ? wrong("a chunk without a size", why, size) : PROBE_MORE;
        if (parse_chunk_size(data, (size_t)n, &chunk) < 0)
            return wrong("a chunk without a size", why, size);
        if (chunk == 0)
            return PROBE_READY; /* the trailer is of no interest */
        size_t used = (size_t)n + (data[n] == '\r' ? 2 : 1);
        data += used;
        len -= used;
        if (strbuf_add(out, data, len < chunk ? len : chunk) < 0 || len < chunk + 2)
            return PROBE_MORE;
        if (memcmp(data + chunk, "\r\n", 2) != 0)
            return wrong("a chunk that does not end", why, size);
        data += chunk + 2;
        len -= chunk + 2;
    }
}

enum probe_verdict http_probe_body(const struct http_answer *answer, struct strbuf *out, char *why,
                                   size_t size)
{
    size_t len = answer->rest_len;

    switch (answer->framing) {
    case HTTP_NO_BODY:
        return PROBE_READY;
    case HTTP_CHUNKED:
        return read_chunks(answer->rest, len, out, why, size);
    case HTTP_LENGTH:
        if (len > answer->length)
            len = answer->length;
        strbuf_add(out, answer->rest, len);
        return len == answer->length ? PROBE_READY : PROBE_MORE;
    case HTTP_UNTIL_CLOSE:
        break;
    }
    strbuf_add(out, answer->rest, len);
    return PROBE_READY;
}

enum probe_verdict http_probe_refused(const struct http_answer *answer, char *why, size_t size)
{
    common_reason(why, size, answer->line, answer->line_len);
    return PROBE_NOT_YET;
}
