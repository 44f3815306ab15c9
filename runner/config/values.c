/* SPDX-License-Identifier: Apache-2.0 */
#include "config/values.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include <cleanroom/strbuf.h>

int value_bool(const char *text, bool *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {
        {"true", true},   {"yes", true}, {"on", true},   {"1", true},
        {"false", false}, {"no", false}, {"off", false}, {"0", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcasecmp(text, words[i].word) == 0) {
            *out = words[i].value;
            return 0;
        }
    }
    return -1;
}

/* Reads decimal digits at *at and steps behind them. */
static int digits(const char **at, uint64_t *out)
{
    const char *p = *at;
    uint64_t value = 0;
    for (; isdigit((unsigned char)*p); p++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return -1;
    if (p == *at)
        return -1;
    *at = p;
    *out = value;
    return 0;
}

int value_int(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    const char *at = text + negative;
    uint64_t value;
    if (digits(&at, &value) < 0 || *at || value > INT64_MAX)
        return -1;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return 0;
}

int value_milli(const char *text, uint64_t *out)
{
    uint64_t whole, part = 0;
    if (digits(&text, &whole) < 0 || whole > UINT32_MAX)
        return -1;
    if (*text == '.') {
        size_t places = strlen(++text);
        if (places > 3 || digits(&text, &part) < 0)
            return -1;
        for (; places < 3; places++)
            part *= 10;
    }
    *out = whole * 1000 + part;
    return *text ? -1 : 0;
}

static const struct {
    char letter;
    unsigned shift;
} size_units[] = {{'t', 40}, {'g', 30}, {'m', 20}, {'k', 10}, {'b', 0}, {'\0', 0}};

int value_size(const char *text, uint64_t *out)
{
    uint64_t value;
    if (digits(&text, &value) < 0)
        return -1;

    size_t i = 0;
    while (i < ARRAY_SIZE(size_units) - 1 && tolower((unsigned char)*text) != size_units[i].letter)
        i++;
    unsigned shift = size_units[i].shift;
    const char *rest = *text ? text + 1 : text;
    bool plain = !*rest || (shift && (strcasecmp(rest, "b") == 0 || strcasecmp(rest, "ib") == 0));
    if ((*text && !size_units[i].letter) || !plain || value > UINT64_MAX >> shift)
        return -1;
    *out = value << shift;
    return 0;
}

/* Longest names first where one begins another. */
static const struct {
    const char *name;
    nsec_t length;
} duration_units[] = {
    {"ms", NSEC_PER_MSEC},    {"d", 86400 * NSEC_PER_SEC}, {"h", 3600 * NSEC_PER_SEC},
    {"m", 60 * NSEC_PER_SEC}, {"s", NSEC_PER_SEC},
};

/* Takes one "30m" off *at and adds it. */
static int duration_part(const char **at, nsec_t *sum)
{
    uint64_t value;
    if (digits(at, &value) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++) {
        size_t len = strlen(duration_units[i].name);
        nsec_t part;
        if (strncmp(*at, duration_units[i].name, len) != 0)
            continue;
        *at += len;
        return __builtin_mul_overflow(value, duration_units[i].length, &part) ||
                       __builtin_add_overflow(*sum, part, sum)
                   ? -1
                   : 0;
    }
    return -1;
}

int value_duration(const char *text, nsec_t *out)
{
    const char *at = text;
    uint64_t seconds;
    nsec_t sum = 0;
    if (digits(&at, &seconds) == 0 && !*at) {
        if (__builtin_mul_overflow(seconds, NSEC_PER_SEC, &sum))
            return -1;
        *out = sum;
        return 0;
    }

    at = text;
    do {
        if (duration_part(&at, &sum) < 0)
            return -1;
    } while (*at);
    *out = sum;
    return 0;
}

char *value_duration_text(nsec_t duration)
{
    static const size_t order[] = {1, 2, 3, 4, 0}; /* of duration_units, longest first */
    struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        nsec_t length = duration_units[order[i]].length;
        if (duration / length)
            strbuf_addf(&out, "%lld%s", (long long)(duration / length),
                        duration_units[order[i]].name);
        duration %= length;
    }
    if (!out.len)
        strbuf_adds(&out, "0s");
    return strbuf_detach(&out);
}

char *value_size_text(uint64_t bytes)
{
    for (size_t i = 0; i < ARRAY_SIZE(size_units) && size_units[i].shift; i++) {
        uint64_t unit = UINT64_C(1) << size_units[i].shift;
        if (bytes && bytes % unit == 0)
            return xasprintf("%llu%c", (unsigned long long)(bytes / unit), size_units[i].letter);
    }
    return xasprintf("%llu", (unsigned long long)bytes);
}
