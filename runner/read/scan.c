/* SPDX-License-Identifier: Apache-2.0 */
#include "read/scan.h"

#include <ctype.h>
#include <string.h>

#include <cleanroom/mem.h>

#define SECONDS_MAX 1e9

const char *scan_prefix(const char *s, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(s, prefix, len) == 0 ? s + len : NULL;
}

const char *scan_number(const char *s, long *number)
{
    size_t digits = strspn(s, "0123456789");
    if (digits == 0 || digits > 9)
        return NULL;
    *number = strtol(s, NULL, 10);
    return s + digits;
}

size_t scan_indent(const char *s)
{
    return strspn(s, " ");
}

size_t scan_trimmed(const char *s, size_t len)
{
    while (len && (s[len - 1] == ' ' || s[len - 1] == '\t'))
        len--;
    return len;
}

char *scan_unquoted(const char *s)
{
    size_t len = scan_trimmed(s, strlen(s));
    bool quoted = len >= 2 && (*s == '\'' || *s == '"') && s[len - 1] == *s;
    return xstrndup(s + quoted, len - (quoted ? 2 : 0));
}

nsec_t scan_seconds(double seconds)
{
    if (!(seconds > 0)) /* neither is NaN */
        return 0;
    return (nsec_t)((seconds < SECONDS_MAX ? seconds : SECONDS_MAX) * 1e9 + 0.5);
}

const char *scan_time(const char *s, nsec_t *took)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};

    size_t digits = strspn(s, "0123456789.");
    if (digits == 0 || digits > 15 || !isdigit((unsigned char)*s))
        return NULL;
    const char *unit = s + digits + strspn(s + digits, " ");
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        const char *rest = scan_prefix(unit, units[i].name);
        if (!rest || isalpha((unsigned char)*rest))
            continue;
        *took = scan_seconds(strtod(s, NULL) * units[i].seconds);
        return rest;
    }
    return NULL;
}

size_t scan_without_time(const char *s, size_t len, nsec_t *took)
{
    len = scan_trimmed(s, len);
    if (len == 0 || s[len - 1] != ')')
        return len;
    const char *open = memrchr(s, '(', len);
    const char *rest = open ? scan_time(open + 1, took) : NULL;
    return rest == s + len - 1 ? scan_trimmed(s, (size_t)(open - s)) : len;
}

size_t scan_error_type(const char *s)
{
    size_t len = 0;
    while (isalnum((unsigned char)s[len]) || s[len] == '_' || s[len] == '.')
        len++;
    const char *rest = s + len;
    if (scan_prefix(rest, " [") && strchr(rest, ']'))
        rest = strchr(rest, ']') + 1;
    return isupper((unsigned char)*s) && scan_prefix(rest, ": ") ? len : 0;
}

/* "ValueError: no such", "tests.errors.Odd", but not "Traceback (most recent call last):". */
static size_t exception_length(const char *line)
{
    size_t len = 0;
    while (isalnum((unsigned char)line[len]) || line[len] == '_' || line[len] == '.')
        len++;
    bool ends = line[len] == '\n' || line[len] == '\0' ||
                (line[len] == ':' && (line[len + 1] == ' ' || line[len + 1] == '\n'));
    return ends && isalpha((unsigned char)*line) ? len : 0;
}

const char *scan_traceback(const char *text, size_t *type_len)
{
    const char *found = NULL;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (scan_prefix(line, "Traceback ") || scan_prefix(line, "  File "))
            found = NULL;
        size_t len = found ? 0 : exception_length(line);
        if (len) {
            found = line;
            *type_len = len;
        }
    }
    return found;
}
