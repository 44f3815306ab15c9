/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/frame.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "tap.h"

/* "1abc2de": what was delivered, merged while the stream stays the same. */
struct seen {
    struct strbuf text;
    int last;
};

static void on_bytes(void *data, int stream, const void *bytes, size_t len)
{
    struct seen *seen = data;
    check(len > 0);
    if (stream != seen->last)
        strbuf_addf(&seen->text, "%d", stream);
    seen->last = stream;
    strbuf_add(&seen->text, bytes, len);
}

static void add_frame(struct strbuf *out, unsigned char stream, const char *text)
{
    size_t len = strlen(text);
    unsigned char header[8] = {
        stream, 0, 0, 0, 0, 0, (unsigned char)(len >> 8), (unsigned char)len};
    strbuf_add(out, header, sizeof(header));
    strbuf_adds(out, text);
}

static void test_every_split(void)
{
    struct strbuf in _cleanup_strbuf_ = STRBUF_INIT;
    add_frame(&in, 1, "hello");
    add_frame(&in, 2, "");
    add_frame(&in, 2, "oops");
    add_frame(&in, 1, "!");
    for (size_t first = 0; first <= in.len; first++) {
        for (size_t step = 1; step <= in.len; step++) {
            struct frame frame = {0};
            struct seen seen = {.text = STRBUF_INIT};
            check_int(frame_feed(&frame, in.buf, first, on_bytes, &seen), 0);
            for (size_t at = first; at < in.len; at += step) {
                size_t n = in.len - at < step ? in.len - at : step;
                check_int(frame_feed(&frame, in.buf + at, n, on_bytes, &seen), 0);
            }
            check_str(seen.text.buf, "1hello2oops1!");
            check(frame_at_edge(&frame));
            strbuf_deinit(&seen.text);
        }
    }
}

static void test_not_at_edge(void)
{
    struct strbuf in _cleanup_strbuf_ = STRBUF_INIT;
    add_frame(&in, 1, "ab");
    for (size_t len = 0; len <= in.len; len++) {
        struct frame frame = {0};
        struct seen seen = {.text = STRBUF_INIT};
        frame_feed(&frame, in.buf, len, on_bytes, &seen);
        check_int(frame_at_edge(&frame), len == 0 || len == in.len);
        strbuf_deinit(&seen.text);
    }
}

static void test_huge_length(void)
{
    static const unsigned char header[] = {1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    struct frame frame = {0};
    struct seen seen = {.text = STRBUF_INIT};
    check_int(frame_feed(&frame, header, sizeof(header), on_bytes, &seen), 0);
    check_int(frame_feed(&frame, "abc", 3, on_bytes, &seen), 0);
    check_str(seen.text.buf, "1abc");
    check_int(frame.left, 0xffffffff - 3);
    strbuf_deinit(&seen.text);
}

static void test_no_frames(void)
{
    static const char *const texts[] = {"hello world, this is a terminal", "\1\0\1\0\0\0\0\1x",
                                        "\4\0\0\0\0\0\0\1x"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct frame frame = {0};
        struct seen seen = {.text = STRBUF_INIT};
        check_int(frame_feed(&frame, texts[i], 9, on_bytes, &seen), -1);
        check_int(frame_feed(&frame, "x", 1, on_bytes, &seen), -1);
        check_int(seen.text.len, 0);
        check(!frame_at_edge(&frame));
    }
}

/* The daemon's own complaint comes as stream 3: people want to read it. */
static void test_daemon_stream(void)
{
    struct strbuf in _cleanup_strbuf_ = STRBUF_INIT;
    struct frame frame = {0};
    struct seen seen = {.text = STRBUF_INIT};
    add_frame(&in, 3, "lost");
    check_int(frame_feed(&frame, in.buf, in.len, on_bytes, &seen), 0);
    check_str(seen.text.buf, "2lost");
    strbuf_deinit(&seen.text);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_every_split),
                                       TAP(test_not_at_edge),
                                       TAP(test_huge_length),
                                       TAP(test_no_frames),
                                       TAP(test_daemon_stream),
                                       {0}});
}
