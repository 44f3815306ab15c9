/* SPDX-License-Identifier: Apache-2.0 */
#include "json_probe.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

struct scan {
    const char *p, *end;
    uint64_t objects; /* bit d: what is open at depth d+1 is an object, not an array */
    unsigned depth;
    char last;    /* the last token: one of {}[]:, or '"', or 'x' for any other value */
    bool matched; /* the last name at the top is the wanted one */
};

/* s->p is at the opening quotation mark; afterwards behind the closing one. */
static bool read_string(struct scan *s, struct json_probe_text *out)
{
    const char *p = s->p + 1;

    for (; p < s->end && *p != '"'; p++) {
        if (*p == '\\' && ++p == s->end)
            return false;
    }
    if (p == s->end)
        return false;
    *out = (struct json_probe_text){s->p + 1, (size_t)(p - s->p - 1)};
    s->p = p + 1;
    return true;
}

static bool in_object(const struct scan *s)
{
    return s->depth > 0 && (s->objects >> (s->depth - 1) & 1);
}

static bool open_bracket(struct scan *s, char c)
{
    if (s->depth == DEPTH_MAX || (s->depth == 0 && c != '{') || (in_object(s) && s->last != ':'))
        return false;
    uint64_t bit = UINT64_C(1) << s->depth;
    s->objects = c == '{' ? s->objects | bit : s->objects & ~bit;
    s->depth++;
    return true;
}

static bool close_bracket(struct scan *s, char c)
{
    if (in_object(s) != (c == '}') || s->last == ':' || s->last == ',')
        return false;
    s->depth--;
    return true;
}

/* A string at the top: a name, or a member's value. */
static bool is_value_wanted(struct scan *s, const struct json_probe_text *string, const char *name)
{
    bool is_name = s->last == '{' || s->last == ',';

    if (s->depth != 1)
        return false;
    if (is_name)
        s->matched = string->len == strlen(name) && memcmp(string->text, name, string->len) == 0;
    return s->last == ':' && s->matched;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '-' || c == '.';
}

/* One character that is no string. */
static bool step(struct scan *s, char c)
{
    char token = c;

    if (c == '{' || c == '[') {
        if (!open_bracket(s, c))
            return false;
    } else if (c == '}' || c == ']') {
        if (!close_bracket(s, c))
            return false;
    } else if (is_word(c)) {
        token = 'x';
    } else if (c != ':' && c != ',') {
        return false;
    }
    s->last = token;
    s->p++;
    return true;
}

enum json_probe json_probe_member(const char *data, size_t len, const char *name,
                                  struct json_probe_text *out)
{
    struct scan s = {.p = data, .end = data + len};
    bool found = false;

    while (s.p < s.end) {
        struct json_probe_text string;
        char c = *s.p;

        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            s.p++;
            continue;
        }
        if (s.depth == 0 && c != '{')
            return JSON_PROBE_WRONG;
        if (c != '"') {
            if (!step(&s, c))
                return JSON_PROBE_WRONG;
            if (s.depth == 0)
                return found ? JSON_PROBE_FOUND : JSON_PROBE_ABSENT;
            continue;
        }
        if (!read_string(&s, &string))
            return JSON_PROBE_MORE;
        if (is_value_wanted(&s, &string, name)) {
            *out = string;
            found = true;
        }
        s.last = '"';
    }
    return JSON_PROBE_MORE;
}
