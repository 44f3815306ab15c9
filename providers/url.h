/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs and lists of hosts, as far as services need them (RFC 3986, without relative references).
 *
 * Parts are kept as they stand in the URL, percent-encoded; url_quote() makes such a part.
 */
#ifndef PROVIDERS_URL_H
#define PROVIDERS_URL_H

#include <stdint.h>

#include <cleanroom/error.h>
#include <cleanroom/vec.h>

struct url {
    char *scheme;
    char *user;     /* or NULL */
    char *password; /* or NULL */
    char *host;     /* an IPv6 address without its brackets */
    uint16_t port;  /* 0: none given */
    char *path;     /* "" or "/..." */
    char *rest;     /* "" or "?query#fragment" */
};
#define _cleanup_url_ _cleanup_(url_deinit)

/* *u must be zeroed. The error does not repeat the text, which may hold a password. */
int url_parse(struct url *u, const char *text, struct error *err);
void url_deinit(struct url *u);
char *url_format(const struct url *u);

/* Percent-encodes all but the unreserved characters. */
char *url_quote(const char *s);
/* Decodes; "%" without two hex digits stays as it is, and so does %00. */
char *url_unquote(const char *s);

/* Splits "host", "host:port", "[v6]:port" or a bare IPv6 address; *port is 0 when none was given.
 */
int url_host_port(const char *text, char **host, uint16_t *port, struct error *err);
/* Appends "host:port" to out, an IPv6 address in brackets. */
void url_add_host_port(struct strvec *out, const char *host, uint16_t port);

#endif
