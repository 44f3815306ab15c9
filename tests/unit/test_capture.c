/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/clock.h>
#include <cleanroom/result.h>

#include "tap.h"

static void add(struct capture *c, const char *s)
{
    capture_add(c, s, strlen(s));
}

static void test_keeps_everything_that_fits(void)
{
    struct capture c;
    capture_init(&c, 4, 4);
    add(&c, "ab");
    add(&c, "cdef");
    add(&c, "gh");
    size_t len;
    _cleanup_free_ char *text = capture_text(&c, &len);
    check_str(text, "abcdefgh");
    check_int(len, 8);
    capture_deinit(&c);
}

static void test_says_how_much_it_left_out(void)
{
    struct capture c;
    capture_init(&c, 4, 4);
    add(&c, "0123456789abcdef");
    _cleanup_free_ char *text = capture_text(&c, NULL);
    check_str(text, "0123\n... 8 bytes left out ...\ncdef");
    add(&c, "g");
    _cleanup_free_ char *more = capture_text(&c, NULL);
    check_str(more, "0123\n... 9 bytes left out ...\ndefg");
    check_int(c.total, 17);
    capture_deinit(&c);
}

/* Whatever the pieces, the outcome is that of the whole. */
static void test_pieces_make_no_difference(void)
{
    char all[1000];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)('a' + i % 26);
    struct capture whole;
    capture_init(&whole, 7, 31);
    capture_add(&whole, all, sizeof(all));
    _cleanup_free_ char *want = capture_text(&whole, NULL);
    for (size_t piece = 1; piece < 100; piece++) {
        struct capture c;
        capture_init(&c, 7, 31);
        for (size_t at = 0; at < sizeof(all); at += piece)
            capture_add(&c, all + at, piece < sizeof(all) - at ? piece : sizeof(all) - at);
        _cleanup_free_ char *text = capture_text(&c, NULL);
        check_str(text, want);
        capture_deinit(&c);
    }
    capture_deinit(&whole);
}

static void test_keeps_nul_bytes(void)
{
    struct capture c;
    capture_init(&c, 2, 2);
    capture_add(&c, "a\0b", 3);
    size_t len;
    _cleanup_free_ char *text = capture_text(&c, &len);
    check_int(len, 3);
    check(memcmp(text, "a\0b", 4) == 0);
    capture_deinit(&c);
}

static void check_last(const char *text, size_t lines, size_t max, const char *want)
{
    struct capture c;
    capture_init(&c, 3, 100);
    add(&c, text);
    _cleanup_free_ char *got = capture_last_lines(&c, lines, max);
    check_str(got, want);
    capture_deinit(&c);
}

static void test_last_lines(void)
{
    check_last("", 2, 100, "");
    check_last("one", 2, 100, "one");
    check_last("one\ntwo\nthree\n", 2, 100, "two\nthree\n");
    check_last("one\ntwo\nthree", 2, 100, "two\nthree");
    check_last("one\n\n\n", 2, 100, "\n\n");
    check_last("one\ntwo\nthree\n", 9, 100, "one\ntwo\nthree\n");
    check_last("one\ntwo\nthree\n", 9, 11, "two\nthree\n");
    check_last("one\ntwo\nthree\n", 9, 4, "ree\n");
    check_last("one\ntwo\n", 0, 100, "");
    check_last("one\ntwo\n", 2, 0, "");
}

static void test_last_lines_after_a_gap(void)
{
    struct capture c;
    capture_init(&c, 3, 8);
    add(&c, "one\ntwo\nthree\nfour\n");
    _cleanup_free_ char *got = capture_last_lines(&c, 20, 100);
    check_str(got, "ee\nfour\n");
    capture_deinit(&c);
}

static void test_capture_is_cheap(void)
{
    char chunk[16384];
    memset(chunk, 'x', sizeof(chunk));
    struct capture c;
    capture_init(&c, 64 << 10, 192 << 10);
    nsec_t start = clock_now();
    for (int i = 0; i < 65536; i++)
        capture_add(&c, chunk, sizeof(chunk));
    double rate = 1024 / nsec_to_sec(clock_now() - start);
    printf("# capture: %.0f MB/s\n", rate);
    check_int(c.total, (uint64_t)65536 * 16384);
    check(rate > 500);
    capture_deinit(&c);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_keeps_everything_that_fits),
        TAP(test_says_how_much_it_left_out),
        TAP(test_pieces_make_no_difference),
        TAP(test_keeps_nul_bytes),
        TAP(test_last_lines),
        TAP(test_last_lines_after_a_gap),
        TAP(test_capture_is_cheap),
        {0},
    });
}
