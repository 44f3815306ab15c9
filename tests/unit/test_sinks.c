/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the satellite's sinks understand: every conversation is held in one piece, byte by byte and
 * in pieces of other lengths, and must come out the same.
 */
#include <cleanroom/vec.h>

#include "satellite/proxy.h"
#include "satellite/smtp.h"
#include "satellite/syslog.h"

#include "tap.h"

/* --- SMTP ------------------------------------------------------------------------------------ */

struct mailbox {
    struct smtp_store store;
    struct strvec messages;
    bool disk_full;
};

static int keep(void *data, const struct strbuf *message, char *name, size_t size)
{
    struct mailbox *box = data;

    if (box->disk_full)
        return -1;
    strvec_take(&box->messages, xstrndup(message->buf, message->len));
    snprintf(name, size, "%zu", box->messages.len);
    return 0;
}

static void mailbox_init(struct mailbox *box)
{
    *box = (struct mailbox){
        .store = {.bytes = SMTP_MESSAGE_MAX * 2, .messages = 3, .keep = keep, .data = box}};
}

/* The conversation in pieces of that size; its answers without their greeting. */
static char *talk(struct mailbox *box, const char *said, size_t len, size_t piece)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    struct smtp s;

    smtp_init(&s, &box->store, &out);
    check_str(out.buf, "220 cleanroom SMTP\r\n");
    strbuf_reset(&out);
    for (size_t at = 0; at < len; at += piece)
        smtp_feed(&s, said + at, len - at < piece ? len - at : piece, &out);
    smtp_deinit(&s);
    return strbuf_detach(&out);
}

#define HELLO                                                                                      \
    "250-cleanroom\r\n250-PIPELINING\r\n250-SIZE 10485760\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"     \
    "250-AUTH PLAIN LOGIN\r\n250 HELP\r\n"
#define OK       "250 ok\r\n"
#define GO       "354 go ahead, a dot alone ends it\r\n"
#define TO_B     "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"
#define ENVELOPE "Return-Path: <a@x>\r\nX-Envelope-To: <b@y>\r\n"

static const struct talk_case {
    const char *said, *answers, *messages; /* kept, one after the other */
} talk_cases[] = {
    {"EHLO me\r\n" TO_B "Subject: s\r\n\r\nHello\r\n.\r\nQUIT\r\nNOOP\r\n",
     HELLO OK OK GO "250 kept as 1\r\n221 bye\r\n", ENVELOPE "Subject: s\r\n\r\nHello\r\n"},
    /* dots: one that hides another goes, all others stay */
    {TO_B "..a\r\n...\r\n.b\r\nc.\r\n.\rd\r\n.\r\r\n\r\n..\r\n.\r\n", OK OK GO "250 kept as 1\r\n",
     ENVELOPE ".a\r\n..\r\nb\r\nc.\r\n\rd\r\n\r\r\n\r\n.\r\n"},
    /* an LF alone ends no line, of somebody who knows about CR LF */
    {TO_B "a\n.\nb\n.\r\nc\r\n.\nd\r\n\r.\r\n.\r\n", OK OK GO "250 kept as 1\r\n",
     ENVELOPE "a\n.\nb\n.\r\nc\r\n\nd\r\n\r.\r\n"},
    {"mail from: <a@x>\nRcpt To:b@y\ndata\na\n..b\n.\nquit\n",
     OK OK GO "250 kept as 1\r\n221 bye\r\n", ENVELOPE "a\n.b\n"},
    /* nobody as sender, several recipients, two messages */
    {"HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<b@y>\r\nRCPT TO:<\"c>\\\"d\"@z> X=1\r\nDATA\r\n.\r\n" TO_B
     ".\r\n",
     "250 cleanroom\r\n" OK OK OK GO "250 kept as 1\r\n" OK OK GO "250 kept as 2\r\n",
     "Return-Path: <>\r\nX-Envelope-To: <b@y>\r\nX-Envelope-To: <\"c>\\\"d\"@z>\r\n" ENVELOPE},
    {"MAIL FROM:<a@x> BODY=8BITMIME SIZE=10485760\r\nRCPT TO:<b@y>\r\nDATA\r\n\xc3\xa4\r\n.\r\n",
     OK OK GO "250 kept as 1\r\n", ENVELOPE "\xc3\xa4\r\n"},
    /* a header cannot be smuggled in */
    {"MAIL FROM:<a\rX-Evil: 1@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n.\r\n", OK OK GO "250 kept as 1\r\n",
     "Return-Path: <a?X-Evil: 1@x>\r\nX-Envelope-To: <b@y>\r\n"},
    /* in the wrong order, or not at all */
    {"RCPT TO:<b@y>\r\nDATA\r\nMAIL FROM:<a@x>\r\nMAIL FROM:<a@x>\r\nDATA\r\nRSET\r\nRCPT "
     "TO:<b@y>\r\n",
     "503 MAIL comes first\r\n503 RCPT comes first\r\n" OK
     "503 one message at a time\r\n503 RCPT comes first\r\n" OK "503 MAIL comes first\r\n",
     ""},
    {"MAIL FROM:\r\nMAIL FROM:<a\r\nMAIL\r\nMAIL FROM:<a@x>\r\nRCPT TO:<>\r\nEHLO "
     "again\r\nDATA\r\n",
     "501 say MAIL FROM:<address>\r\n501 say MAIL FROM:<address>\r\n502 not understood\r\n" OK
     "501 say RCPT TO:<address>\r\n" HELLO "503 RCPT comes first\r\n",
     ""},
    {"STARTTLS\r\nNOOP\r\nNOOPE\r\n\r\nVRFY b\r\nHELP\r\nEXPN l\r\n",
     "502 not understood\r\n" OK "502 not understood\r\n502 not understood\r\n"
     "252 everybody is welcome\r\n"
     "214 every message is accepted and kept in a file; nothing is sent on\r\n502 not "
     "understood\r\n",
     ""},
    {"MAIL FROM:<a@x> SIZE=10485761\r\n", "552 the message is larger than 10 MiB\r\n", ""},
    /* any credentials will do */
    {"AUTH PLAIN AGEAYg==\r\nAUTH PLAIN\r\nAGEAYg==\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\nauth login "
     "YQ==\r\n"
     "Yg==\r\nAUTH PLAIN\r\n*\r\nAUTH CRAM-MD5\r\nAUTH\r\nNOOP\r\n",
     "235 whoever you are\r\n334 \r\n235 whoever you are\r\n334 VXNlcm5hbWU6\r\n334 "
     "UGFzc3dvcmQ6\r\n"
     "235 whoever you are\r\n334 UGFzc3dvcmQ6\r\n235 whoever you are\r\n334 \r\n501 as you like\r\n"
     "504 PLAIN or LOGIN\r\n504 PLAIN or LOGIN\r\n" OK,
     ""},
    /* hung up in the middle */
    {TO_B "half of it\r\n", OK OK GO, ""},
    {"EHL", "", ""},
};

static void test_smtp(void)
{
    static const size_t pieces[] = {100000, 1, 2, 3, 7};

    for (size_t i = 0; i < ARRAY_SIZE(talk_cases) * ARRAY_SIZE(pieces); i++) {
        const struct talk_case *c = &talk_cases[i / ARRAY_SIZE(pieces)];
        struct mailbox box;
        mailbox_init(&box);
        _cleanup_free_ char *answers = talk(&box, c->said, strlen(c->said),
                                            pieces[i % ARRAY_SIZE(pieces)]);
        _cleanup_free_ char *kept = strvec_join(&box.messages, "");
        check_str(answers, c->answers);
        check_str(kept, c->messages);
        check_int(box.store.bytes, SMTP_MESSAGE_MAX * 2 - strlen(kept));
        check_int(box.store.messages, 3 - box.messages.len);
        strvec_deinit(&box.messages);
    }
}

/* A message of so many bytes of text, and what was said to it. */
static char *send_large(struct mailbox *box, size_t len)
{
    _cleanup_strbuf_ struct strbuf said = STRBUF_INIT;
    _cleanup_free_ char *line = xmalloc(len);

    memset(line, 'x', len);
    strbuf_adds(&said, TO_B);
    strbuf_add(&said, line, len);
    strbuf_adds(&said, "\r\n.\r\nNOOP\r\n");
    char *answers = talk(box, said.buf, said.len, 100000);
    const size_t before = strlen(OK OK GO);
    memmove(answers, answers + before, strlen(answers + before) + 1);
    return answers;
}

static void expect_large(struct mailbox *box, size_t len, const char *want)
{
    _cleanup_free_ char *got = send_large(box, len);

    check_str(got, want);
}

static void test_smtp_limits(void)
{
    static const size_t most = SMTP_MESSAGE_MAX - sizeof(ENVELOPE "\r\n") + 1;
    struct mailbox box;

    mailbox_init(&box);
    expect_large(&box, most + 1, "552 the message is larger than 10 MiB\r\n" OK);
    check_int(box.store.bytes, SMTP_MESSAGE_MAX * 2);
    expect_large(&box, most, "250 kept as 1\r\n" OK);
    expect_large(&box, 1000, "250 kept as 2\r\n" OK);
    expect_large(&box, most, "452 the messages of this run take too much room\r\n" OK);
    box.disk_full = true;
    expect_large(&box, 1000, "451 the message could not be written\r\n" OK);
    box.disk_full = false;
    expect_large(&box, 1000, "250 kept as 3\r\n" OK);
    size_t left = box.store.bytes;
    expect_large(&box, 1000, "452 there are too many messages in this run\r\n" OK);
    check_int(box.store.bytes, left);
    strvec_deinit(&box.messages);
}

static void test_smtp_long_line(void)
{
    _cleanup_strbuf_ struct strbuf said = STRBUF_INIT;
    struct mailbox box;

    mailbox_init(&box);
    strbuf_adds(&said, "AUTH PLAIN\r\n");
    for (int i = 0; i < 20000; i++)
        strbuf_addc(&said, 'A');
    strbuf_adds(&said, "\r\nNOOP\r\n");
    for (size_t piece = 1; piece < 40000; piece = piece * 7 + 1) {
        _cleanup_free_ char *answers = talk(&box, said.buf, said.len, piece);
        check_str(answers, "334 \r\n500 the line is too long\r\n" OK);
    }
}

static void test_smtp_many_recipients(void)
{
    _cleanup_strbuf_ struct strbuf said = STRBUF_INIT;
    struct mailbox box;

    mailbox_init(&box);
    strbuf_adds(&said, "MAIL FROM:<a@x>\r\n");
    for (int i = 0; i < 1001; i++)
        strbuf_adds(&said, "RCPT TO:<b@y>\r\n");
    _cleanup_free_ char *answers = talk(&box, said.buf, said.len, said.len);
    check_int(strlen(answers), strlen(OK) * 1001 + strlen("452 too many recipients\r\n"));
    check(strstr(answers, OK "452 too many recipients\r\n") != NULL);
}

/* --- syslog ---------------------------------------------------------------------------------- */

static const struct datagram_case {
    const char *sent;
    size_t len;
    const char *line;
} datagram_cases[] = {
#define BYTES(text) text, sizeof(text) - 1
    {BYTES("<14>app: hello"), "<14>app: hello\n"},
    {BYTES("<14>hello\n\0"), "<14>hello\n"},
    {BYTES("<14>two\nlines\r\n"), "<14>two\\x0alines\n"},
    {BYTES("tab\there, esc \x1b[1m, nul \0 in, del \x7f"),
     "tab\there, esc \\x1b[1m, nul \\x00 in, del \\x7f\n"},
    {BYTES("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x9a\xa2 \xef\xbb\xbf"),
     "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x9a\xa2 \xef\xbb\xbf\n"},
    /* not UTF-8: overlong, surrogate, beyond the end, cut, control, stray */
    {BYTES("\xc0\xaf \xe0\x80\xaf \xed\xa0\x80"), "\\xc0\\xaf \\xe0\\x80\\xaf \\xed\\xa0\\x80\n"},
    {BYTES("\xf4\x90\x80\x80 \xc2\x85 \xff \xe2\x82"),
     "\\xf4\\x90\\x80\\x80 \\xc2\\x85 \\xff \\xe2\\x82\n"},
    {BYTES(""), ""},
    {BYTES("\n"), ""},
};

static void test_datagrams(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(datagram_cases); i++) {
        const struct datagram_case *c = &datagram_cases[i];
        _cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;
        syslog_add(&lines, c->sent, c->len);
        check_str(lines.buf, c->line);
    }
}

static const struct datagram_case stream_cases[] = {
    {BYTES("<1>a\n<2>b\r\n\n<3>c\0<4>d"), "<1>a\n<2>b\n<3>c\n<4>d\n"},
    {BYTES("4 <1>a6 <2>b\nc11 <3>x y\n8 z"), "<1>a\n<2>b\\x0ac\n<3>x y\\x0a8 z\n"},
    /* both, one after the other; what only looks like a length is a message */
    {BYTES("<1>a\n4 <2>b<3>c\n12:30 up\n4\n007 x\n123456789 y\n"),
     "<1>a\n<2>b\n<3>c\n12:30 up\n4\n007 x\n123456789 y\n"},
    {BYTES("20 <1>never ends"), "<1>never ends\n"},
    {BYTES("12"), "12\n"},
    {BYTES(""), ""},
#undef BYTES
};

static char *feed_stream(const char *sent, size_t len, size_t piece)
{
    _cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;
    struct syslog_stream s;

    syslog_init(&s);
    for (size_t at = 0; at < len; at += piece)
        syslog_feed(&s, sent + at, len - at < piece ? len - at : piece, &lines);
    syslog_end(&s, &lines);
    syslog_deinit(&s);
    return strbuf_detach(&lines);
}

static void test_streams(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(stream_cases); i++) {
        const struct datagram_case *c = &stream_cases[i];
        for (size_t piece = 1; piece < 60; piece++) {
            _cleanup_free_ char *lines = feed_stream(c->sent, c->len, piece);
            check_str(lines, c->line);
        }
    }
}

/* What is too long is cut, however it is framed, and the next message is whole. */
static void test_long_messages(void)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT, want = STRBUF_INIT;
    _cleanup_strbuf_ struct strbuf lines = STRBUF_INIT, counted = STRBUF_INIT;

    for (size_t i = 0; i < SYSLOG_MESSAGE_MAX + 100; i++)
        strbuf_addc(&text, 'x');
    strbuf_addf(&lines, "%s\nnext\n", text.buf);
    strbuf_addf(&counted, "%zu %s4 next", text.len, text.buf);
    strbuf_addf(&want, "%.*s (cut)\nnext\n", (int)SYSLOG_MESSAGE_MAX, text.buf);
    for (size_t piece = 1; piece < 200000; piece = piece * 13 + 1) {
        _cleanup_free_ char *a = feed_stream(lines.buf, lines.len, piece);
        _cleanup_free_ char *b = feed_stream(counted.buf, counted.len, piece);
        check_str(a, want.buf);
        check_str(b, want.buf);
    }
}

/* --- the proxy ------------------------------------------------------------------------------- */

#define NOON INT64_C(1416744000) * NSEC_PER_SEC
#define WHEN "2014-11-23T12:00:00.000Z "

static const struct request_case {
    const char *sent, *line, *status, *body; /* of the answer */
} request_cases[] = {
    {"GET http://a.example/x?y=1 HTTP/1.1\r\nUser-Agent: t\r\nhOST:\t a.example \r\n\r\nbody",
     WHEN "GET http://a.example/x?y=1 host=a.example\\x20\n", "HTTP/1.1 502 Bad Gateway\r\n",
     "cleanroom: GET http://a.example/x?y=1 was recorded in proxy.log, and not sent.\n"},
    {"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
     WHEN "CONNECT a.example:443 host=a.example:443\n", "HTTP/1.1 502 Bad Gateway\r\n",
     "cleanroom: CONNECT a.example:443 was recorded"},
    {"HEAD http://a/ HTTP/1.0\n\n", WHEN "HEAD http://a/ host=-\n", "HTTP/1.1 502 Bad Gateway\r\n",
     NULL},
    {"GET http://a/\x1b\xff HTTP/1.1\r\nHost:\r\n\r\n", WHEN "GET http://a/\\x1b\\xff host=-\n",
     "HTTP/1.1 502 Bad Gateway\r\n", "cleanroom: GET http://a/\\x1b\\xff was"},
    {"GET http://a/ HTTP/1.1\r\n\r\nHost: of the body\r\n\r\n", WHEN "GET http://a/ host=-\n",
     "HTTP/1.1 502 Bad Gateway\r\n", "cleanroom: GET http://a/ was"},
    {"\x01GET http://a/ HTTP/1.1\r\n\r\n", WHEN "- - host=-\n", "HTTP/1.1 400 Bad Request\r\n",
     "cleanroom: this is an HTTP"},
    {"GET /\r\n\r\n", WHEN "- - host=-\n", "HTTP/1.1 400 Bad Request\r\n",
     "cleanroom: this is an HTTP"},
    {"\x16\x03\x01", WHEN "- - host=-\n", "HTTP/1.1 400 Bad Request\r\n",
     "cleanroom: this is an HTTP"},
    {"GET http://a/ HTTP/1.1\r\nHost: a\r\n", "", "", NULL},
    {"", "", "", NULL},
};

static void request(const struct request_case *c, size_t piece)
{
    _cleanup_strbuf_ struct strbuf log = STRBUF_INIT, out = STRBUF_INIT;
    size_t len = strlen(c->sent);
    struct proxy p;

    proxy_init(&p);
    for (size_t at = 0; at < len; at += piece)
        proxy_feed(&p, c->sent + at, len - at < piece ? len - at : piece, NOON, &log, &out);
    check_int(p.answered, *c->line != '\0');
    proxy_deinit(&p);
    check_str(log.buf, c->line);
    check(strncmp(out.buf, c->status, strlen(c->status)) == 0);
    const char *body = strstr(out.buf, "\r\n\r\n");
    check((body != NULL) == p.answered);
    if (c->body && body)
        check(strncmp(body + 4, c->body, strlen(c->body)) == 0);
    else if (body)
        check_str(body + 4, "");
}

static void test_requests(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(request_cases); i++)
        for (size_t piece = 1; piece < 100; piece++)
            request(&request_cases[i], piece);
}

/* The length that is told is that of the body, and the way out is in it. */
static void test_advice(void)
{
    _cleanup_strbuf_ struct strbuf log = STRBUF_INIT, out = STRBUF_INIT;
    static const char get[] = "GET http://a/ HTTP/1.1\r\n\r\n";
    struct proxy p;

    proxy_init(&p);
    proxy_feed(&p, get, sizeof(get) - 1, NOON, &log, &out);
    const char *length = strstr(out.buf, "Content-Length: "), *body = strstr(out.buf, "\r\n\r\n");
    check(length && body && strstr(body, "--network outside"));
    if (length && body)
        check_int(strtol(length + 16, NULL, 10), strlen(body + 4));
    proxy_deinit(&p);
}

/* A head without an end, and a URL that nobody wants to read. */
static void test_large_requests(void)
{
    _cleanup_strbuf_ struct strbuf log = STRBUF_INIT, out = STRBUF_INIT;
    char line[1000];
    struct proxy p;

    memset(line, 'x', sizeof(line));
    proxy_init(&p);
    proxy_feed(&p, "GET ", 4, NOON, &log, &out);
    for (int i = 0; i < 60; i++)
        proxy_feed(&p, line, sizeof(line), NOON, &log, &out);
    proxy_feed(&p, " HTTP/1.1\r\nHost: h\r\n", 20, NOON, &log, &out);
    check_int(log.len, 0);
    for (int i = 0; i < 10; i++)
        proxy_feed(&p, line, sizeof(line), NOON, &log, &out);
    check(p.answered);
    check(strstr(log.buf, "xxx... host=h\n") != NULL);
    check(log.len < 9000);
    proxy_deinit(&p);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_smtp),
                                       TAP(test_smtp_limits),
                                       TAP(test_smtp_long_line),
                                       TAP(test_smtp_many_recipients),
                                       TAP(test_datagrams),
                                       TAP(test_streams),
                                       TAP(test_long_messages),
                                       TAP(test_requests),
                                       TAP(test_advice),
                                       TAP(test_large_requests),
                                       {0}});
}
