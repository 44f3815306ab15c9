/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of HTTP/1.1 as a probe needs: one GET, and the answer as far as it has arrived (RFC 9112,
 * sections 4 to 7). Pure functions; any bytes are survived, and nothing is allocated but the body.
 */
#ifndef PROVIDERS_HTTP_PROBE_H
#define PROVIDERS_HTTP_PROBE_H

#include <cleanroom/provider.h>

enum http_framing {
    HTTP_NO_BODY,     /* the status says that there is none */
    HTTP_LENGTH,      /* Content-Length */
    HTTP_CHUNKED,     /* Transfer-Encoding */
    HTTP_UNTIL_CLOSE, /* neither: the body ends with the connection */
};

/* A final answer (not 1xx) whose head is complete; borrows the data. */
struct http_answer {
    unsigned status;
    const unsigned char *line; /* "HTTP/1.1 200 OK" */
    size_t line_len;
    enum http_framing framing;
    size_t length;             /* HTTP_LENGTH alone */
    const unsigned char *rest; /* what arrived behind the head */
    size_t rest_len;
};

/* GET of a path, which may have a query. Returns -1 when it is not one that can be sent. */
int http_probe_get(const char *path, struct strbuf *out);

/* READY: the head is complete, and in *out. Else MORE or WRONG, with its reason. */
enum probe_verdict http_probe_head(const unsigned char *data, size_t len, struct http_answer *out,
                                   char *why, size_t size);

/* Appends to out what arrived of the body, without its framing. READY: that is all of it, or nobody
   can know (HTTP_UNTIL_CLOSE). Else MORE or WRONG, with its reason. */
enum probe_verdict http_probe_body(const struct http_answer *answer, struct strbuf *out, char *why,
                                   size_t size);

/* NOT_YET, of an answer with the wrong status: that is the reason. */
enum probe_verdict http_probe_refused(const struct http_answer *answer, char *why, size_t size);

#endif
