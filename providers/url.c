/* SPDX-License-Identifier: Apache-2.0 */
#include "url.h"

#include <string.h>

#include <cleanroom/strbuf.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

char *url_quote(const char *s)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    for (; *s; s++) {
        if (is_alpha(*s) || is_digit(*s) || strchr("-._~", *s))
            strbuf_addc(&out, *s);
        else
            strbuf_addf(&out, "%%%02X", (unsigned char)*s);
    }
    return strbuf_detach(&out);
}

char *url_unquote(const char *s)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    while (*s) {
        int high = s[0] == '%' ? hex_value(s[1]) : -1;
        int low = high >= 0 ? hex_value(s[2]) : -1;
        if (low >= 0 && (high || low)) {
            strbuf_addc(&out, (char)(high * 16 + low));
            s += 3;
        } else {
            strbuf_addc(&out, *s++);
        }
    }
    return strbuf_detach(&out);
}

static int parse_port(const char *text, uint16_t *port, struct error *err)
{
    unsigned long value = 0;
    const char *p = text;

    for (; is_digit(*p) && value <= UINT16_MAX; p++)
        value = value * 10 + (unsigned long)(*p - '0');
    if (p == text || *p || value == 0 || value > UINT16_MAX)
        return error_set(err, ERROR_CONFIG,
                         "'%s' is not a port: a number from 1 to 65535 is wanted", text);
    *port = (uint16_t)value;
    return 0;
}

/* What stands after the host: nothing, or ":port". */
static int parse_port_suffix(const char *text, uint16_t *port, struct error *err)
{
    *port = 0;
    if (*text == '\0')
        return 0;
    if (*text != ':')
        return error_set(err, ERROR_CONFIG, "'%s' after a host is not ':port'", text);
    return parse_port(text + 1, port, err);
}

int url_host_port(const char *text, char **host, uint16_t *port, struct error *err)
{
    const char *end, *colon = strchr(text, ':');

    if (*text == '[') {
        end = strchr(text, ']');
        if (!end)
            return error_set(err, ERROR_CONFIG, "'%s' has no closing bracket", text);
        if (parse_port_suffix(end + 1, port, err) < 0)
            return -1;
        *host = xstrndup(text + 1, (size_t)(end - text - 1));
        return 0;
    }
    if (colon && strchr(colon + 1, ':')) { /* a bare IPv6 address */
        *port = 0;
        *host = xstrdup(text);
        return 0;
    }

    end = colon ? colon : text + strlen(text);
    if (end == text)
        return error_set(err, ERROR_CONFIG, "a host is missing in '%s'", text);
    if (parse_port_suffix(end, port, err) < 0)
        return -1;
    *host = xstrndup(text, (size_t)(end - text));
    return 0;
}

static char *format_host(const char *host, uint16_t port)
{
    bool v6 = strchr(host, ':') != NULL;

    if (port)
        return xasprintf("%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
    return xasprintf("%s%s%s", v6 ? "[" : "", host, v6 ? "]" : "");
}

void url_add_host_port(struct strvec *out, const char *host, uint16_t port)
{
    strvec_take(out, format_host(host, port));
}

static void parse_userinfo(struct url *u, const char *text, size_t len)
{
    const char *colon = memchr(text, ':', len);

    u->user = xstrndup(text, colon ? (size_t)(colon - text) : len);
    if (colon)
        u->password = xstrndup(colon + 1, len - (size_t)(colon + 1 - text));
}

static const char *last_at(const char *s, size_t len)
{
    while (len-- > 0) {
        if (s[len] == '@')
            return s + len;
    }
    return NULL;
}

int url_parse(struct url *u, const char *text, struct error *err)
{
    const char *sep = strstr(text, "://");
    const char *p = text;

    while (p < (sep ? sep : text) && (is_alpha(*p) || is_digit(*p) || strchr("+-.", *p)))
        p++;
    if (!sep || p != sep || !is_alpha(*text))
        return error_set(err, ERROR_CONFIG,
                         "a URL must begin with its scheme, as in 'scheme://host'");
    u->scheme = xstrndup(text, (size_t)(sep - text));

    const char *authority = sep + 3;
    size_t len = strcspn(authority, "/?#");
    const char *at = last_at(authority, len);
    if (at)
        parse_userinfo(u, authority, (size_t)(at - authority));

    const char *where = at ? at + 1 : authority;
    _cleanup_free_ char *host_port = xstrndup(where, len - (size_t)(where - authority));
    if (*host_port && url_host_port(host_port, &u->host, &u->port, err) < 0)
        return -1;
    if (!*host_port)
        u->host = xstrdup("");

    const char *path = authority + len;
    size_t path_len = strcspn(path, "?#");
    u->path = xstrndup(path, path_len);
    u->rest = xstrdup(path + path_len);
    return 0;
}

char *url_format(const struct url *u)
{
    _cleanup_free_ char *host = format_host(u->host, u->port);
    const char *user = u->user ? u->user : "";

    return xasprintf("%s://%s%s%s%s%s%s%s", u->scheme, user, u->password ? ":" : "",
                     u->password ? u->password : "", u->user || u->password ? "@" : "", host,
                     u->path, u->rest);
}

void url_deinit(struct url *u)
{
    free(u->scheme);
    free(u->user);
    free(u->password);
    free(u->host);
    free(u->path);
    free(u->rest);
    *u = (struct url){0};
}
