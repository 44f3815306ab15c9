/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything is put together in one buffer and goes out in few, large writes that end with a line's
 * end, so that nobody's line is torn, even when others write to the same terminal.
 */
#include "report/console.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cleanroom/clock.h>
#include <cleanroom/strbuf.h>

#include "report/summary.h"
#include "report/text.h"

#define LINE_LIMIT      ((size_t)8 << 10)
#define BATCH           ((size_t)64 << 10)
#define STATUS_REDRAW   (50 * NSEC_PER_MSEC)
#define STATUS_INTERVAL (5 * NSEC_PER_SEC)
#define ERASE           "\r\x1b[K"
#define RESET           "\x1b[0m"

struct shard_lines {
    struct strbuf unfinished[2]; /* of its output and of its errors; never LINE_LIMIT or more */
};

struct console {
    FILE *out;
    int shards;
    int width; /* digits of the greatest shard */
    bool color;
    bool quiet;
    bool terminal;
    bool raw;
    bool broken;         /* nobody reads any more: say nothing */
    struct strbuf batch; /* whole lines, not yet written */
    struct shard_lines *lines;
    char *status; /* what is to stand in the terminal's last line, or NULL */
    bool status_drawn;
    nsec_t status_at; /* when one was last shown; 0 = never */
};

/* No red: that is for what failed. */
static const char *const palette[] = {"36", "33", "35", "32", "34", "96", "93", "95", "92", "94"};

static int digits(int n)
{
    return snprintf(NULL, 0, "%d", n);
}

struct console *console_new(const struct console_options *options)
{
    struct console *c = xcalloc(1, sizeof(*c));
    *c = (struct console){
        .out = options->out,
        .shards = options->shards,
        .width = digits(options->shards),
        .color = options->color,
        .quiet = options->quiet,
        .terminal = isatty(fileno(options->out)) == 1,
        .batch = STRBUF_INIT,
        .lines = xcalloc((size_t)options->shards + 1, sizeof(*c->lines)),
    };
    for (int i = 0; i <= c->shards; i++)
        c->lines[i] = (struct shard_lines){{STRBUF_INIT, STRBUF_INIT}};
    (void)fflush(c->out);
    return c;
}

void console_set_raw(struct console *c, bool raw)
{
    c->raw = raw;
}

/* Also a descriptor that somebody else made non-blocking gets all of it. */
static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EAGAIN) {
            (void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static void put(struct console *c, const char *bytes, size_t len)
{
    if (c->broken || len == 0)
        return;
    int fd = fileno(c->out);
    if (fd >= 0)
        c->broken = !write_all(fd, bytes, len);
    else
        c->broken = fwrite(bytes, 1, len, c->out) < len || fflush(c->out) != 0;
}

static size_t terminal_columns(const struct console *c)
{
    struct winsize size = {0};
    if (ioctl(fileno(c->out), TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
        return 80;
    return size.ws_col;
}

static void draw_status(struct console *c, struct strbuf *out)
{
    size_t room = terminal_columns(c) - 1;
    size_t len = strlen(c->status);
    if (len > room)
        for (len = room; len > 0 && ((unsigned char)c->status[len] & 0xc0) == 0x80;)
            len--;
    strbuf_adds(out, ERASE);
    strbuf_add(out, c->status, len);
    c->status_drawn = true;
}

/* Writes the batch, above the status line if there is one. */
static void flush(struct console *c)
{
    if (c->batch.len == 0)
        return;
    text_disarm(&c->batch);
    if (c->status_drawn)
        put(c, ERASE, sizeof(ERASE) - 1);
    c->status_drawn = false;
    if (c->terminal && c->status)
        draw_status(c, &c->batch);
    put(c, c->batch.buf, c->batch.len);
    strbuf_reset(&c->batch);
}

static void add_prefix(struct console *c, int shard)
{
    char prefix[48];
    if (shard == 0) {
        strbuf_adds(&c->batch, "[*] ");
        return;
    }
    int pad = c->width - digits(shard);
    const char *color = palette[(size_t)(shard - 1) % ARRAY_SIZE(palette)];
    int len = c->color ? snprintf(prefix, sizeof(prefix), "\x1b[%sm[%d]" RESET " %*s", color, shard,
                                  pad, "")
                       : snprintf(prefix, sizeof(prefix), "[%d] %*s", shard, pad, "");
    strbuf_add(&c->batch, prefix, (size_t)len);
}

/* What a terminal would show in the end of a line that carriage returns rewrote. */
static void last_rewrite(const char **line, size_t *len)
{
    while (*len && (*line)[*len - 1] == '\r')
        (*len)--;
    const char *cr = memrchr(*line, '\r', *len);
    if (!cr)
        return;
    *len -= (size_t)(cr + 1 - *line);
    *line = cr + 1;
}

static void add_line(struct console *c, int shard, const char *line, size_t len)
{
    last_rewrite(&line, &len);
    add_prefix(c, shard);
    if (text_is_plain(line, len)) {
        strbuf_add(&c->batch, line, len);
    } else {
        size_t before = c->batch.len;
        text_clean(&c->batch, line, len, c->color);
        if (memchr(c->batch.buf + before, '\x1b', c->batch.len - before))
            strbuf_adds(&c->batch, RESET);
    }
    strbuf_addc(&c->batch, '\n');
    if (c->batch.len >= BATCH)
        flush(c);
}

/* How much of the bytes is not the begin of a character whose rest is still to come. */
static size_t whole_characters(const char *bytes, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        unsigned char b = (unsigned char)bytes[len - back];
        size_t needs = b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : b >= 0xc0 ? 2 : 1;
        if (needs > 1)
            return needs > back ? len - back : len;
        if (b < 0x80)
            return len;
    }
    return len;
}

/* Makes room in a full line: forgets what was overwritten, or else shows what there is. */
static void break_line(struct console *c, int shard, struct strbuf *line)
{
    const char *shown = line->buf;
    size_t len = line->len;
    last_rewrite(&shown, &len);
    if (len == 0) {
        strbuf_reset(line);
    } else if (shown > line->buf) {
        strbuf_consume(line, (size_t)(shown - line->buf));
    } else {
        size_t whole = whole_characters(line->buf, len);
        add_line(c, shard, line->buf, whole);
        strbuf_consume(line, whole);
    }
}

static void add_unfinished(struct console *c, int shard, struct strbuf *line, const char *bytes,
                           size_t len)
{
    while (len > 0) {
        if (line->len == LINE_LIMIT)
            break_line(c, shard, line);
        size_t room = LINE_LIMIT - line->len;
        size_t take = len < room ? len : room;
        strbuf_add(line, bytes, take);
        bytes += take;
        len -= take;
    }
}

static void end_line(struct console *c, int shard, struct strbuf *line)
{
    add_line(c, shard, line->buf, line->len);
    strbuf_reset(line);
}

void console_output(struct console *c, int shard, enum output_stream stream, const void *bytes,
                    size_t len)
{
    if (c->quiet || c->broken || shard < 0 || shard > c->shards)
        return;

    struct strbuf *unfinished = &c->lines[shard].unfinished[stream == OUTPUT_STDERR];
    const char *p = bytes, *end = p + len, *newline;
    while (p < end && (newline = memchr(p, '\n', (size_t)(end - p)))) {
        size_t line = (size_t)(newline - p);
        if (unfinished->len == 0 && line <= LINE_LIMIT) {
            add_line(c, shard, p, line);
        } else {
            add_unfinished(c, shard, unfinished, p, line);
            end_line(c, shard, unfinished);
        }
        p = newline + 1;
    }
    add_unfinished(c, shard, unfinished, p, (size_t)(end - p));
    flush(c);
}

void console_end_stream(struct console *c, int shard)
{
    if (shard < 0 || shard > c->shards)
        return;
    for (size_t i = 0; i < 2; i++) {
        struct strbuf *line = &c->lines[shard].unfinished[i];
        if (line->len)
            end_line(c, shard, line);
    }
    flush(c);
}

/* Our own words are marked with a star: grep '\* ' finds them all. */
static void add_own_line(struct console *c, int shard, const char *text)
{
    _cleanup_free_ char *clean = text_first_line(text, LINE_LIMIT);
    if (shard > 0)
        add_prefix(c, shard);
    strbuf_addf(&c->batch, "%s*%s %s%s", c->color ? "\x1b[1m" : "", c->color ? RESET : "",
                clean ? clean : "", c->raw ? "\r\n" : "\n");
    flush(c);
}

void console_say(struct console *c, int shard, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *text = xvasprintf(fmt, ap);
    va_end(ap);
    add_own_line(c, shard, text);
}

static void remove_status(struct console *c)
{
    replace_str(&c->status, NULL);
    if (c->status_drawn)
        put(c, ERASE, sizeof(ERASE) - 1);
    c->status_drawn = false;
    c->status_at = 0;
}

static void redraw_status(struct console *c, const char *text)
{
    replace_str(&c->status, text);
    nsec_t now = clock_now();
    if (c->status_drawn && now - c->status_at < STATUS_REDRAW)
        return;
    c->status_at = now;
    _cleanup_strbuf_ struct strbuf drawn = STRBUF_INIT;
    draw_status(c, &drawn);
    put(c, drawn.buf, drawn.len);
}

void console_status(struct console *c, const char *text)
{
    _cleanup_free_ char *clean = text_first_line(text, LINE_LIMIT);
    if (c->terminal) {
        if (clean)
            redraw_status(c, clean);
        else
            remove_status(c);
        return;
    }

    nsec_t now = clock_now();
    if (!clean || (c->status_at && now - c->status_at < STATUS_INTERVAL))
        return;
    c->status_at = now;
    add_own_line(c, 0, clean);
}

void console_summary(struct console *c, const struct result *r, const char *results_dir,
                     int exit_code)
{
    remove_status(c);
    for (int i = 0; i <= c->shards; i++)
        console_end_stream(c, i);
    summary_write(&c->batch, r, results_dir, exit_code, c->color);
    flush(c);
}

void console_command(struct console *c, const char *bytes, size_t len)
{
    remove_status(c);
    flush(c);
    put(c, bytes, len);
}

void console_free(struct console *c)
{
    if (!c)
        return;
    for (int i = 0; i <= c->shards; i++) {
        console_end_stream(c, i);
        strbuf_deinit(&c->lines[i].unfinished[0]);
        strbuf_deinit(&c->lines[i].unfinished[1]);
    }
    remove_status(c);
    strbuf_deinit(&c->batch);
    free(c->lines);
    free(c);
}
