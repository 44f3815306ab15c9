/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/outside_resolv.h"

#include <arpa/inet.h>

#include <cleanroom/vec.h>

#define HOST     "/etc/resolv.conf"
#define UPSTREAM "/run/systemd/resolve/resolv.conf"
#define FILE_MAX (64U << 10)
#define SERVERS  3 /* more are not looked at: MAXNS of resolv.h */

/* Its second word: "nameserver WORD". */
static char *value_of(const char *line, const char *keyword)
{
    size_t len = strlen(keyword);
    line += strspn(line, " \t");
    if (strncmp(line, keyword, len) != 0 || (line[len] != ' ' && line[len] != '\t'))
        return NULL;
    line += len + strspn(line + len, " \t");
    return xstrndup(line, strcspn(line, " \t\r"));
}

/* An address that means the same to a pod. Those of a link (fe80::1%eth0) do not. */
static bool is_reachable(const char *server, bool ipv6)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, server, &four) == 1)
        return ntohl(four.s_addr) >> 24 != 127 && four.s_addr != 0;
    return ipv6 && inet_pton(AF_INET6, server, &six) == 1 && !IN6_IS_ADDR_LOOPBACK(&six) &&
           !IN6_IS_ADDR_LINKLOCAL(&six) && !IN6_IS_ADDR_UNSPECIFIED(&six);
}

static void collect_servers(const char *text, bool ipv6, struct strvec *out)
{
    struct strvec lines _cleanup_strvec_ = STRVEC_INIT;
    strvec_split(&lines, text, "\n");
    for (size_t i = 0; i < lines.len && out->len < SERVERS; i++) {
        _cleanup_free_ char *server = value_of(lines.items[i], "nameserver");
        if (server && is_reachable(server, ipv6))
            strvec_push(out, server);
    }
}

/* "search", "domain", "options", as they are. */
static void copy_rest(const char *text, struct strbuf *out)
{
    static const char *const keywords[] = {"search", "domain", "options"};
    struct strvec lines _cleanup_strvec_ = STRVEC_INIT;
    strvec_split(&lines, text, "\n");
    for (size_t i = 0; i < lines.len; i++)
        for (size_t k = 0; k < ARRAY_SIZE(keywords); k++) {
            _cleanup_free_ char *value = value_of(lines.items[i], keywords[k]);
            if (value)
                strbuf_addf(out, "%s\n", lines.items[i]);
        }
}

char *resolv_make(const char *host, const char *upstream, const char *instead, bool ipv6)
{
    struct strvec servers _cleanup_strvec_ = STRVEC_INIT;
    struct strbuf out = STRBUF_INIT;
    if (instead)
        strvec_push(&servers, instead);
    else
        collect_servers(host, ipv6, &servers);
    if (servers.len == 0)
        collect_servers(upstream, ipv6, &servers);
    for (size_t i = 0; i < servers.len; i++)
        strbuf_addf(&out, "nameserver %s\n", servers.items[i]);
    if (servers.len == 0)
        strbuf_adds(&out, "# the host's name servers are on its loopback only\n");
    copy_rest(host, &out);
    return strbuf_detach(&out);
}

char *resolv_text(const char *instead, bool ipv6)
{
    struct strbuf host _cleanup_strbuf_ = STRBUF_INIT, upstream _cleanup_strbuf_ = STRBUF_INIT;
    (void)strbuf_read_file(&host, HOST, FILE_MAX);
    (void)strbuf_read_file(&upstream, UPSTREAM, FILE_MAX);
    return resolv_make(host.buf, upstream.buf, instead, ipv6);
}

bool resolv_needs_forwarding(void)
{
    _cleanup_free_ char *text = resolv_text(NULL, true);
    return strncmp(text, "nameserver", 10) != 0;
}
