/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of SMTP (RFC 5321) that accepts every message, as a machine that is fed bytes.
 *
 * It knows 8BITMIME, SMTPUTF8, SIZE, PIPELINING and AUTH (RFC 6152, 6531, 1870, 2920, 4954: any
 * credentials do, and none are kept). Clients that end their lines in a bare LF are served too.
 */
#ifndef SATELLITE_SMTP_H
#define SATELLITE_SMTP_H

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#define SMTP_MESSAGE_MAX ((size_t)10 << 20)

/* Where messages go; all clients' one. */
struct smtp_store {
    size_t bytes; /* that may still be kept; what unfinished messages hold is taken off */
    size_t messages;
    /* Keeps a message and names it; -1 when it could not be written. */
    int (*keep)(void *data, const struct strbuf *message, char *name, size_t size);
    void *data;
};

enum smtp_state {
    SMTP_COMMANDS,
    SMTP_DATA,
    SMTP_AUTH,      /* the next line is the last of the credentials */
    SMTP_AUTH_USER, /* the next line is the first of two */
    SMTP_QUIT,
};

/* Within DATA: what came last. */
enum smtp_place {
    SMTP_LINE_START,
    SMTP_DOT, /* at the start of a line */
    SMTP_DOT_CR,
    SMTP_TEXT,
    SMTP_CR,
};

struct smtp {
    struct smtp_store *store;
    enum smtp_state state;
    struct strbuf line; /* unfinished command */
    char *from;         /* NULL: no message begun */
    struct strvec to;
    struct strbuf message; /* with the envelope as its first header lines */
    enum smtp_place place;
    bool bare;           /* this client's lines end in LF alone */
    const char *trouble; /* the answer to a message that is not kept, or NULL */
};

/* Greets: what is to be sent is added to out, by all of them. */
void smtp_init(struct smtp *s, struct smtp_store *store, struct strbuf *out);
void smtp_feed(struct smtp *s, const void *bytes, size_t len, struct strbuf *out);
/* An unfinished message is forgotten. */
void smtp_deinit(struct smtp *s);

#endif
