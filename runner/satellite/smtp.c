/* SPDX-License-Identifier: Apache-2.0 */
#include "satellite/smtp.h"

#include <string.h>
#include <strings.h>

#define LINE_MAX_BYTES 16384 /* RFC 4954, 4: credentials may take 12288 */
#define RECIPIENTS_MAX 1000

static void answer(struct strbuf *out, const char *text)
{
    strbuf_addf(out, "%s\r\n", text);
}

/* --- the message ----------------------------------------------------------------------------- */

static void forget_text(struct smtp *s)
{
    s->store->bytes += s->message.len;
    strbuf_reset(&s->message);
}

static void forget_message(struct smtp *s)
{
    forget_text(s);
    free(TAKE_PTR(s->from));
    strvec_deinit(&s->to);
    s->trouble = NULL;
}

static void add_text(struct smtp *s, const char *text, size_t len)
{
    if (s->trouble)
        return;
    if (s->message.len + len > SMTP_MESSAGE_MAX)
        s->trouble = "552 the message is larger than 10 MiB";
    else if (len > s->store->bytes)
        s->trouble = "452 the messages of this run take too much room";
    if (s->trouble) {
        forget_text(s);
        return;
    }
    strbuf_add(&s->message, text, len);
    s->store->bytes -= len;
}

static void begin_text(struct smtp *s)
{
    _cleanup_strbuf_ struct strbuf envelope = STRBUF_INIT;

    strbuf_addf(&envelope, "Return-Path: <%s>\r\n", s->from);
    for (size_t i = 0; i < s->to.len; i++)
        strbuf_addf(&envelope, "X-Envelope-To: <%s>\r\n", s->to.items[i]);
    s->place = SMTP_LINE_START;
    s->state = SMTP_DATA;
    add_text(s, envelope.buf, envelope.len);
}

static void end_text(struct smtp *s, struct strbuf *out)
{
    char name[64];

    s->state = SMTP_COMMANDS;
    if (!s->trouble && s->store->messages == 0)
        s->trouble = "452 there are too many messages in this run";
    if (!s->trouble && s->store->keep(s->store->data, &s->message, name, sizeof(name)) < 0)
        s->trouble = "451 the message could not be written";
    if (s->trouble) {
        answer(out, s->trouble);
    } else {
        strbuf_addf(out, "250 kept as %s\r\n", name);
        s->store->messages--;
        free(strbuf_detach(&s->message)); /* its room stays taken */
    }
    forget_message(s);
}

/* The longest stretch without an end of line, within a line. */
static const char *take_stretch(struct smtp *s, const char *p, const char *end)
{
    const char *stop = p;

    while (stop < end && *stop != '\r' && *stop != '\n')
        stop++;
    add_text(s, p, (size_t)(stop - p));
    s->place = SMTP_TEXT;
    return stop;
}

/* One byte that ends a line, or may. A dot at the start of a line is only there to hide another. */
static bool take_end(struct smtp *s, char c)
{
    bool after_dot = s->place == SMTP_DOT || s->place == SMTP_DOT_CR;
    bool line = c == '\n' && (s->bare || s->place == SMTP_CR || s->place == SMTP_DOT_CR);

    if (line && after_dot)
        return true;
    if (c == '\r' && s->place == SMTP_DOT) {
        s->place = SMTP_DOT_CR;
        return false;
    }
    if (s->place == SMTP_DOT_CR)
        add_text(s, "\r", 1);
    add_text(s, &c, 1);
    s->place = line ? SMTP_LINE_START : c == '\r' ? SMTP_CR : SMTP_TEXT;
    return false;
}

static const char *take_data(struct smtp *s, const char *p, const char *end, struct strbuf *out)
{
    if (*p == '.' && s->place == SMTP_LINE_START) {
        s->place = SMTP_DOT;
        return p + 1;
    }
    if (*p != '\r' && *p != '\n') {
        if (s->place == SMTP_DOT_CR)
            add_text(s, "\r", 1);
        return take_stretch(s, p, end);
    }
    if (take_end(s, *p))
        end_text(s, out);
    return p + 1;
}

/* --- commands -------------------------------------------------------------------------------- */

/* The address of "<address> parameters", or of "address parameters"; NULL when it is neither.
   Release with free(). A '>' in a quoted local part does not end it. */
static char *take_path(const char *text, const char **rest)
{
    bool quoted = false;

    text += strspn(text, " ");
    if (*text != '<') {
        size_t len = strcspn(text, " ");
        *rest = text + len;
        return len ? xstrndup(text, len) : NULL;
    }
    for (const char *p = ++text; *p; p++) {
        if (*p == '>' && !quoted) {
            *rest = p + 1;
            return xstrndup(text, (size_t)(p - text));
        }
        if (*p == '"')
            quoted = !quoted;
        else if (*p == '\\' && p[1])
            p++;
    }
    return NULL;
}

static bool is_too_large(const char *parameters)
{
    const char *size = strcasestr(parameters, " size=");

    return size && strtoull(size + 6, NULL, 10) > SMTP_MESSAGE_MAX;
}

static void on_hello(struct smtp *s, const char *argument, struct strbuf *out)
{
    (void)argument;
    forget_message(s);
    answer(out, "250 cleanroom");
}

static void on_extended_hello(struct smtp *s, const char *argument, struct strbuf *out)
{
    (void)argument;
    forget_message(s);
    strbuf_addf(out,
                "250-cleanroom\r\n250-PIPELINING\r\n250-SIZE %zu\r\n250-8BITMIME\r\n"
                "250-SMTPUTF8\r\n250-AUTH PLAIN LOGIN\r\n250 HELP\r\n",
                SMTP_MESSAGE_MAX);
}

static void on_mail(struct smtp *s, const char *argument, struct strbuf *out)
{
    const char *rest;
    _cleanup_free_ char *from = take_path(argument, &rest);

    if (s->from)
        answer(out, "503 one message at a time");
    else if (!from)
        answer(out, "501 say MAIL FROM:<address>");
    else if (is_too_large(rest))
        answer(out, "552 the message is larger than 10 MiB");
    else {
        s->from = TAKE_PTR(from);
        answer(out, "250 ok");
    }
}

static void on_recipient(struct smtp *s, const char *argument, struct strbuf *out)
{
    const char *rest;
    _cleanup_free_ char *to = take_path(argument, &rest);

    if (!s->from)
        answer(out, "503 MAIL comes first");
    else if (!to || !*to)
        answer(out, "501 say RCPT TO:<address>");
    else if (s->to.len == RECIPIENTS_MAX)
        answer(out, "452 too many recipients");
    else {
        strvec_take(&s->to, TAKE_PTR(to));
        answer(out, "250 ok");
    }
}

static void on_data(struct smtp *s, const char *argument, struct strbuf *out)
{
    (void)argument;
    if (s->to.len == 0) {
        answer(out, "503 RCPT comes first");
        return;
    }
    answer(out, "354 go ahead, a dot alone ends it");
    begin_text(s);
}

static void on_reset(struct smtp *s, const char *argument, struct strbuf *out)
{
    (void)argument;
    forget_message(s);
    answer(out, "250 ok");
}

static void on_noop(struct smtp *s, const char *argument, struct strbuf *out)
{
    (void)s, (void)argument;
    answer(out, "250 ok");
}

static void on_verify(struct smtp *s, const char *argument, struct strbuf *out)
{
    (void)s, (void)argument;
    answer(out, "252 everybody is welcome");
}

static void on_help(struct smtp *s, const char *argument, struct strbuf *out)
{
    (void)s, (void)argument;
    answer(out, "214 every message is accepted and kept in a file; nothing is sent on");
}

static void on_quit(struct smtp *s, const char *argument, struct strbuf *out)
{
    (void)argument;
    s->state = SMTP_QUIT;
    answer(out, "221 bye");
}

static void on_auth(struct smtp *s, const char *argument, struct strbuf *out)
{
    size_t len = strcspn(argument, " ");
    bool plain = len == 5 && strncasecmp(argument, "plain", 5) == 0;
    bool login = len == 5 && strncasecmp(argument, "login", 5) == 0;
    bool more = argument[len + strspn(argument + len, " ")] != '\0';

    if (!plain && !login) {
        answer(out, "504 PLAIN or LOGIN");
    } else if (plain && more) {
        answer(out, "235 whoever you are");
    } else {
        s->state = login && !more ? SMTP_AUTH_USER : SMTP_AUTH;
        answer(out, plain  ? "334 "
                    : more ? "334 UGFzc3dvcmQ6"   /* "Password:" */
                           : "334 VXNlcm5hbWU6"); /* "Username:" */
    }
}

/* A line of credentials. */
static void on_credentials(struct smtp *s, struct strbuf *out)
{
    bool another = s->state == SMTP_AUTH_USER;

    s->state = SMTP_COMMANDS;
    if (strcmp(s->line.buf, "*") == 0) {
        answer(out, "501 as you like");
    } else if (another) {
        s->state = SMTP_AUTH;
        answer(out, "334 UGFzc3dvcmQ6");
    } else {
        answer(out, "235 whoever you are");
    }
}

static const struct command {
    const char *word; /* followed by a blank or the end, unless it ends in a colon */
    void (*run)(struct smtp *s, const char *argument, struct strbuf *out);
} commands[] = {
    {"HELO", on_hello}, {"EHLO", on_extended_hello}, {"MAIL FROM:", on_mail},
    {"DATA", on_data},  {"RCPT TO:", on_recipient},  {"RSET", on_reset},
    {"NOOP", on_noop},  {"VRFY", on_verify},         {"HELP", on_help},
    {"QUIT", on_quit},  {"AUTH", on_auth},
};

static void run_command(struct smtp *s, struct strbuf *out)
{
    const char *line = s->line.buf;

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        size_t len = strlen(commands[i].word);
        if (strncasecmp(line, commands[i].word, len) != 0)
            continue;
        if (line[len - 1] != ':' && line[len] && line[len] != ' ')
            continue;
        commands[i].run(s, line + len + strspn(line + len, " "), out);
        return;
    }
    answer(out, "502 not understood");
}

/* What goes into a header line, or comes from there, is printable. */
static void clean_line(struct strbuf *line)
{
    for (size_t i = 0; i < line->len; i++) {
        unsigned char c = (unsigned char)line->buf[i];
        if (c < ' ' || c == 0x7f)
            line->buf[i] = c == '\t' ? ' ' : '?';
    }
}

static void end_line(struct smtp *s, struct strbuf *out)
{
    s->bare = s->line.len == 0 || s->line.buf[s->line.len - 1] != '\r';
    if (!s->bare)
        strbuf_truncate(&s->line, s->line.len - 1);
    clean_line(&s->line);
    if (s->line.overflow) {
        s->state = SMTP_COMMANDS;
        answer(out, "500 the line is too long");
    } else if (s->state == SMTP_COMMANDS) {
        run_command(s, out);
    } else {
        on_credentials(s, out);
    }
    strbuf_reset(&s->line);
    s->line.overflow = false;
}

static const char *take_line(struct smtp *s, const char *p, const char *end, struct strbuf *out)
{
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    const char *stop = newline ? newline : end;

    if (!s->line.overflow)
        (void)strbuf_add(&s->line, p, (size_t)(stop - p));
    if (newline)
        end_line(s, out);
    return newline ? newline + 1 : end;
}

/* --- both ------------------------------------------------------------------------------------ */

void smtp_init(struct smtp *s, struct smtp_store *store, struct strbuf *out)
{
    *s = (struct smtp){.store = store};
    strbuf_init(&s->line, LINE_MAX_BYTES);
    strbuf_init(&s->message, 0);
    answer(out, "220 cleanroom SMTP");
}

void smtp_feed(struct smtp *s, const void *bytes, size_t len, struct strbuf *out)
{
    const char *p = bytes, *end = p + len;

    while (p < end && s->state != SMTP_QUIT)
        p = s->state == SMTP_DATA ? take_data(s, p, end, out) : take_line(s, p, end, out);
}

void smtp_deinit(struct smtp *s)
{
    forget_message(s);
    strbuf_deinit(&s->message);
    strbuf_deinit(&s->line);
}
