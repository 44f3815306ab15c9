/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what senders of syslog messages say to lines of a log.
 *
 * A message is the sender's bytes, whatever its format; only what is not printable UTF-8 is shown
 * as \xNN. A datagram is a message; of a stream, RFC 6587's two framings are understood, octet
 * counting (3.4.1) and a LF or NUL after each message (3.4.2), also one after the other.
 */
#ifndef SATELLITE_SYSLOG_H
#define SATELLITE_SYSLOG_H

#include <cleanroom/strbuf.h>

#define SYSLOG_MESSAGE_MAX ((size_t)65536) /* a longer one's rest is left out */

enum syslog_place {
    SYSLOG_START, /* of a message, or of its length */
    SYSLOG_LENGTH,
    SYSLOG_COUNTED,
    SYSLOG_LINE,
};

struct syslog_stream {
    enum syslog_place place;
    struct strbuf part; /* of the message, or of its length */
    size_t left;        /* SYSLOG_COUNTED */
    bool cut;
};

/* Adds a message as one line; an empty one is none. */
void syslog_add(struct strbuf *lines, const void *message, size_t len);

void syslog_init(struct syslog_stream *s);
/* Adds the messages that these bytes complete. */
void syslog_feed(struct syslog_stream *s, const void *bytes, size_t len, struct strbuf *lines);
/* The stream has ended: what there is of a message is one too. */
void syslog_end(struct syslog_stream *s, struct strbuf *lines);
void syslog_deinit(struct syslog_stream *s);

#endif
