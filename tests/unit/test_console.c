/* SPDX-License-Identifier: Apache-2.0 */
#include "report/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>

#include "report/telling.h"

#include "tap.h"

struct scene {
    char *text;
    size_t len;
    FILE *out;
    struct console *console;
};

static void scene_init(struct scene *s, int shards, bool color, bool quiet)
{
    *s = (struct scene){0};
    s->out = open_memstream(&s->text, &s->len);
    s->console = console_new(
        &(struct console_options){.out = s->out, .shards = shards, .color = color, .quiet = quiet});
}

/* Ends the console; what it wrote is in s->text. */
static void scene_end(struct scene *s)
{
    console_free(s->console);
    fclose(s->out);
}

static void app(struct scene *s, int shard, enum output_stream stream, const char *text)
{
    console_output(s->console, shard, stream, text, strlen(text));
}

static void test_lines_never_mix(void)
{
    struct scene s;
    scene_init(&s, 2, false, false);
    app(&s, 1, OUTPUT_STDOUT, "one ");
    app(&s, 2, OUTPUT_STDOUT, "two\nthr");
    app(&s, 1, OUTPUT_STDERR, "oops\n");
    console_say(s.console, 1, "services ready in %s", "1.21s");
    app(&s, 1, OUTPUT_STDOUT, "more\n\n");
    console_say(s.console, 0, "4 shards of 'myapp'");
    console_end_stream(s.console, 2);
    app(&s, 1, OUTPUT_STDERR, "unfinished");
    scene_end(&s);
    check_str(s.text, "[2] two\n"
                      "[1] oops\n"
                      "[1] * services ready in 1.21s\n"
                      "[1] one more\n"
                      "[1] \n"
                      "* 4 shards of 'myapp'\n"
                      "[2] thr\n"
                      "[1] unfinished\n");
    free(s.text);
}

static void test_columns_line_up(void)
{
    struct scene s;
    scene_init(&s, 12, false, false);
    app(&s, 3, OUTPUT_STDOUT, "a\n");
    app(&s, 12, OUTPUT_STDOUT, "b\n");
    app(&s, 13, OUTPUT_STDOUT, "nobody's\n");
    scene_end(&s);
    check_str(s.text, "[3]  a\n[12] b\n");
    free(s.text);
}

static void test_quiet_says_only_our_words(void)
{
    struct scene s;
    scene_init(&s, 1, false, true);
    app(&s, 1, OUTPUT_STDOUT, "a\nb");
    console_say(s.console, 1, "test passed\nin 1s");
    scene_end(&s);
    check_str(s.text, "[1] * test passed\n");
    free(s.text);
}

static void test_progress_bars_leave_their_end(void)
{
    struct scene s;
    scene_init(&s, 1, false, false);
    app(&s, 1, OUTPUT_STDOUT, "10%\r20%\r");
    app(&s, 1, OUTPUT_STDOUT, "100%\nwindows\r\n");
    for (int i = 0; i < 20000; i++)
        app(&s, 1, OUTPUT_STDOUT, "downloading something big\r");
    app(&s, 1, OUTPUT_STDOUT, "done\n\r\r\n");
    scene_end(&s);
    check_str(s.text, "[1] 100%\n[1] windows\n[1] done\n[1] \n");
    free(s.text);
}

static void test_terminal_tricks_are_removed(void)
{
    struct scene s;
    scene_init(&s, 1, false, false);
    app(&s, 1, OUTPUT_STDOUT, "\x1b[31mred\x1b[0m\x1b[2J\x1b]0;title\x07 \x07\xff\n");
    scene_end(&s);
    check_str(s.text, "[1] red #x07\xef\xbf\xbd\n");
    free(s.text);
}

static void test_color(void)
{
    struct scene s;
    scene_init(&s, 2, true, false);
    app(&s, 2, OUTPUT_STDOUT, "plain\n\x1b[31mred, not ended\x1b[2K\n");
    console_say(s.console, 1, "word");
    console_say(s.console, 0, "word");
    scene_end(&s);
    check_str(s.text, "\x1b[33m[2]\x1b[0m plain\n"
                      "\x1b[33m[2]\x1b[0m \x1b[31mred, not ended\x1b[0m\n"
                      "\x1b[36m[1]\x1b[0m \x1b[1m*\x1b[0m word\n"
                      "\x1b[1m*\x1b[0m word\n");
    free(s.text);
}

/* Fed whole or byte by byte, a long line is broken at the same places, between characters. */
static void check_long_line(size_t piece)
{
    struct scene s;
    scene_init(&s, 1, false, false);
    char text[20001];
    for (size_t i = 0; i < 20000; i++)
        text[i] = "\xe2\x82\xac"[i % 3];
    text[19998] = text[19999] = 'x';
    text[20000] = '\n';
    for (size_t at = 0; at < sizeof(text); at += piece)
        console_output(s.console, 1, OUTPUT_STDOUT, text + at,
                       piece < sizeof(text) - at ? piece : sizeof(text) - at);
    scene_end(&s);
    size_t lines = 0, longest = 0;
    for (char *p = s.text, *end; (end = strchr(p, '\n')); p = end + 1) {
        check(strncmp(p, "[1] ", 4) == 0);
        lines++;
        longest = (size_t)(end - p) > longest ? (size_t)(end - p) : longest;
    }
    check_int(lines, 3);
    check_int(longest, 4 + 8190);
    check(strstr(s.text, "\xef\xbf\xbd") == NULL);
    check_int(s.len, 20001 + 2 + 3 * 4);
    free(s.text);
}

static void test_long_lines_are_broken(void)
{
    check_long_line(20001);
    check_long_line(1);
    check_long_line(4097);
}

static void test_status_without_a_terminal(void)
{
    struct scene s;
    scene_init(&s, 1, false, false);
    console_status(s.console, "pulling 'postgres:16': 1 of 152 MB");
    console_status(s.console, "pulling 'postgres:16': 2 of 152 MB");
    console_status(s.console, NULL);
    console_status(s.console, "pulling 'postgres:16': 3 of 152 MB");
    scene_end(&s);
    check_str(s.text, "* pulling 'postgres:16': 1 of 152 MB\n");
    free(s.text);
}

static void read_available(int fd, char *text, size_t size)
{
    size_t len = 0;
    while (len + 1 < size && poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 100) > 0) {
        ssize_t n = read(fd, text + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
}

static void test_status_on_a_terminal(void)
{
    int master, slave;
    check_int(openpty(&master, &slave, NULL, NULL, &(struct winsize){24, 20, 0, 0}), 0);
    FILE *out = fdopen(slave, "w");
    struct console *c = console_new(&(struct console_options){.out = out, .shards = 1});
    console_status(c, "pulling 1 of 152 MB of it");
    console_say(c, 1, "word");
    console_status(c, NULL);
    console_say(c, 1, "last");
    console_free(c);
    char text[500];
    read_available(master, text, sizeof(text));
    check_str(text, "\r\x1b[Kpulling 1 of 152 MB"
                    "\r\x1b[K[1] * word\r\n\r\x1b[Kpulling 1 of 152 MB"
                    "\r\x1b[K[1] * last\r\n");
    fclose(out);
    close(master);
}

static void test_a_closed_pipe_is_no_drama(void)
{
    signal(SIGPIPE, SIG_IGN);
    int ends[2];
    check_int(pipe2(ends, O_CLOEXEC), 0);
    FILE *out = fdopen(ends[1], "w");
    struct console *c = console_new(&(struct console_options){.out = out, .shards = 1});
    console_say(c, 1, "heard");
    close(ends[0]);
    for (int i = 0; i < 1000; i++) {
        console_say(c, 1, "unheard");
        console_output(c, 1, OUTPUT_STDOUT, "unheard\n", 8);
    }
    console_free(c);
    check_int(fclose(out), 0);
}

/* A slow reader and a descriptor that does not block: not a byte is lost. */
static void test_a_nonblocking_pipe_loses_nothing(void)
{
    int ends[2];
    check_int(pipe2(ends, O_CLOEXEC), 0);
    check_int(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        char chunk[777];
        size_t total = 0;
        for (ssize_t n; (n = read(ends[0], chunk, sizeof(chunk))) > 0;)
            total += (size_t)n;
        _exit(total == 100000 * 10 ? 0 : 1);
    }
    close(ends[0]);
    FILE *out = fdopen(ends[1], "w");
    struct console *c = console_new(&(struct console_options){.out = out, .shards = 1});
    for (int i = 0; i < 100000; i++)
        console_output(c, 1, OUTPUT_STDOUT, "hello\n", 6);
    console_free(c);
    fclose(out);
    int status = -1;
    check_int(waitpid(child, &status, 0), child);
    check_int(status, 0);
}

static void phase(struct result_suite *s, const char *name, enum case_status status, nsec_t ms)
{
    _cleanup_free_ char *classname = xasprintf(RESULT_PHASE_CLASS, s->shard);
    result_add_case(s, classname, name, status, ms * NSEC_PER_MSEC);
}

static void fill(struct result *r)
{
    result_init(r, "id", "app");
    r->finished = true;
    r->duration = 5200 * NSEC_PER_MSEC;
    for (int i = 1; i <= 4; i++) {
        struct result_suite *s = result_add_suite(r, i, 4);
        s->duration = (5000 + i) * NSEC_PER_MSEC;
        if (i == 4) {
            phase(s, "test", CASE_SKIPPED, 0);
            continue;
        }
        phase(s, "service postgres", i == 3 ? CASE_ERROR : CASE_PASSED, 1180);
        phase(s, "test", i == 2 ? CASE_FAILED : i == 3 ? CASE_SKIPPED : CASE_PASSED, 3200);
        for (int k = 0; k < 10 && i < 3; k++)
            result_add_case(s, "shop.CartTest", "test_x", CASE_PASSED, 0);
    }
    struct result_case *c = result_add_case(&r->suites.items[1], "shop.CartTest", "test_total",
                                            CASE_FAILED, 410 * NSEC_PER_MSEC);
    c->file = xstrdup("tests/cart.py");
    c->line = 42;
    c->message = xstrdup("\x1b[1mAssertionError: 3 != 4\x1b[0m");
    c->text = xstrdup("Traceback\n  File \"cart.py\"\r\n10%\r20%\rAssertionError\n\n");
    result_add_case(&r->suites.items[1], "shop.CartTest", "test_later", CASE_SKIPPED, 0);
    c = &r->suites.items[2].cases.items[0];
    c->message = xstrdup("ended before it was ready: exit code 1");
    r->suites.items[2].replay = xstrdup("cleanroom replay cleanroom-results --shard 3");
}

static void test_summary(void)
{
    struct scene s;
    struct result r;
    fill(&r);
    scene_init(&s, 4, false, false);
    app(&s, 1, OUTPUT_STDOUT, "unfinished");
    console_summary(s.console, &r, "cleanroom-results", 3);
    scene_end(&s);
    check_str(s.text, "[1] unfinished\n"
                      "\n"
                      "FAILED [2] shop.CartTest test_total (410ms)\n"
                      "    tests/cart.py:42: AssertionError: 3 != 4\n"
                      "    | Traceback\n"
                      "    |   File \"cart.py\"\n"
                      "    | AssertionError\n"
                      "ERROR  [3] service postgres (1.18s)\n"
                      "    ended before it was ready: exit code 1\n"
                      "    to run just this again: cleanroom replay cleanroom-results --shard 3\n"
                      "\n"
                      "[1] passed    5.00s  10 tests: 10 passed  (postgres 1.18s, test 3.20s)\n"
                      "[2] failed    5.00s  12 tests: 10 passed, 1 failed, 1 skipped"
                      "  (postgres 1.18s, test 3.20s)\n"
                      "[3] error     5.00s  (postgres 1.18s)\n"
                      "[4] not run   5.00s\n"
                      "4 shards: 1 passed, 1 failed, 1 in error, 1 not run in 5.20s; "
                      "22 tests: 20 passed, 1 failed, 1 skipped; "
                      "report: cleanroom-results/junit.xml; exit code 3\n");
    free(s.text);
    result_deinit(&r);
}

static void test_summary_of_success(void)
{
    struct scene s;
    struct result r;
    result_init(&r, "id", "app");
    struct result_suite *suite = result_add_suite(&r, 1, 1);
    phase(suite, "test", CASE_PASSED, 5);
    scene_init(&s, 1, true, false);
    console_summary(s.console, &r, "out", 0);
    scene_end(&s);
    check_str(s.text, "\n[1] \x1b[32mpassed \x1b[0m     0ms  (test 5ms)\n"
                      "\x1b[32;1m1 shard: 1 passed in 0ms; report: out/junit.xml\x1b[0m\n");
    free(s.text);
    result_deinit(&r);
}

static void add_flaky(struct result_suite *suite, const char *name, size_t failures, bool fresh)
{
    struct result_case *c = result_add_case(suite, "shop.CartTest", name, CASE_PASSED, 0);
    c->fresh = fresh;
    for (size_t i = 0; i < failures; i++)
        *vec_push(&c->reruns) = (struct result_rerun){.status = CASE_FAILED};
}

static void test_summary_of_flaky_tests(void)
{
    struct scene s;
    struct result r;
    result_init(&r, "id", "app");
    struct result_suite *suite = result_add_suite(&r, 1, 1);
    phase(suite, "test", CASE_PASSED, 5);
    add_flaky(suite, "test_a", 1, false);
    add_flaky(suite, "test_b", 3, true);
    for (int i = 0; i < 10; i++)
        add_flaky(suite, "test_c", 2, true);
    strvec_push(&r.remarks, "the seed was 42\nand more");
    scene_init(&s, 1, false, false);
    console_summary(s.console, &r, "out", 0);
    scene_end(&s);
    check_contains(s.text,
                   "\nFLAKY  [1] shop.CartTest test_a: failed once, passed in the same world\n"
                   "FLAKY  [1] shop.CartTest test_b: failed 3 times, passed in a fresh world\n"
                   "FLAKY  [1] shop.CartTest test_c: failed twice, passed in a fresh world\n");
    check_contains(s.text, "test_c: failed twice, passed in a fresh world\n"
                           "... and 2 more flaky ones, all in the report\n\n"
                           "[1] passed      0ms  12 tests: 12 passed (12 flaky)  (test 5ms)\n"
                           "the seed was 42\n"
                           "1 shard: 1 passed in 0ms; 12 tests: 12 passed (12 flaky); "
                           "report: out/junit.xml\n");
    free(s.text);
    result_deinit(&r);
}

static void check_proof(struct result_tally tally, int shards, const char *want)
{
    struct result r;
    result_init(&r, "id", "app");
    for (int i = 1; i <= shards; i++)
        result_add_suite(&r, i, shards);
    r.tally = tally;
    _cleanup_free_ char *got = telling_proof(&r);
    check_str(got, want);
    result_deinit(&r);
}

static void test_what_the_proof_found(void)
{
    struct result_tally t = {.known = true, .was_planned = true, .complete = true, .planned = 104};
    t.ran = 104;
    check_proof(t, 4, "104 tests planned, 104 ran, each exactly once");
    check_proof(t, 1, "104 tests planned, 104 ran, each exactly once");
    t.ran = 102;
    t.doubled = 3;
    t.never = 2;
    check_proof(t, 4, "104 tests planned, 102 ran, 3 ran in more than one shard, 2 never ran");
    t.complete = false;
    check_proof(t, 4,
                "104 tests planned, 102 ran, 3 ran in more than one shard, 2 never ran; "
                "not every shard came to its end");
    t = (struct result_tally){.known = true, .complete = true, .ran = 1, .skipped = 2};
    check_proof(t, 2, "1 test ran, none in more than one shard, 2 skipped");
    check_proof(t, 1, NULL);
    t.known = false;
    check_proof(t, 2, NULL);
}

/* A run that is kept from doing harm to the CI that shows its output. */
static void test_no_line_is_a_command(void)
{
    struct scene s;
    struct result r;
    result_init(&r, "id", "app");
    struct result_case *c = result_add_case(result_add_suite(&r, 1, 1), "C", "t", CASE_FAILED, 0);
    c->message = xstrdup("\xc2\xa0 ::stop-commands::x");
    c->text = xstrdup("x ##vSo[task.complete]\n");
    strvec_push(&r.remarks, "::set-output name=a::b");
    scene_init(&s, 1, false, false);
    app(&s, 1, OUTPUT_STDOUT, "::error::no\n##[add-mask]no ##[x]\n##teamcity[buildStop] C::x\n");
    console_summary(s.console, &r, "out", 1);
    console_command(s.console, "::error::yes\n", 13);
    scene_end(&s);
    check_contains(s.text, "[1] ::error::no\n"
                           "[1] # #[add-mask]no # #[x]\n"
                           "[1] # #teamcity[buildStop] C::x\n");
    check_contains(s.text, "\n    \xc2\xa0 : :stop-commands::x\n    | x # #vSo[task.complete]\n");
    check_contains(s.text, "\n: :set-output name=a::b\n");
    check_contains(s.text, "\n::error::yes\n");
    free(s.text);
    result_deinit(&r);
}

/* A thousand failures and endless logs do not bury the end. */
static void test_summary_is_bounded(void)
{
    struct scene s;
    struct result r;
    result_init(&r, "id", "app");
    struct result_suite *suite = result_add_suite(&r, 1, 1);
    for (int i = 0; i < 1000; i++) {
        struct result_case *c = result_add_case(suite, "T", "t", CASE_FAILED, 0);
        c->text = xmalloc(100001);
        memset(c->text, 'x', 100000);
        for (int k = 0; k < 100000; k += i + 1)
            c->text[k] = '\n';
        c->text[100000] = '\0';
    }
    scene_init(&s, 1, false, false);
    console_summary(s.console, &r, "out", 1);
    scene_end(&s);
    check(s.len < 20 * 12000);
    check_contains(s.text, "... and 980 more, all in the report\n");
    check_contains(s.text, "1000 tests: 0 passed, 1000 failed; report: out/junit.xml\n");
    free(s.text);
    result_deinit(&r);
}

static void measure(const char *what, bool quiet, double least)
{
    static char chunk[65536];
    for (size_t i = 0; i < sizeof(chunk); i++)
        chunk[i] = i % 80 == 79 ? '\n' : 'x';
    FILE *out = fopen("/dev/null", "we");
    struct console *c = console_new(
        &(struct console_options){.out = out, .shards = 4, .quiet = quiet});
    nsec_t start = clock_now();
    for (int i = 0; i < 4096; i++)
        console_output(c, i % 4 + 1, OUTPUT_STDOUT, chunk, sizeof(chunk));
    double rate = 256 / nsec_to_sec(clock_now() - start);
    printf("# console, %s: %.0f MB/s\n", what, rate);
    check(rate > least);
    console_free(c);
    fclose(out);
}

/* The bounds allow for sanitizers and a busy machine. */
static void test_live_lines_are_cheap(void)
{
    measure("live", false, 20);
    measure("quiet", true, 1000);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_lines_never_mix),
        TAP(test_columns_line_up),
        TAP(test_quiet_says_only_our_words),
        TAP(test_progress_bars_leave_their_end),
        TAP(test_terminal_tricks_are_removed),
        TAP(test_color),
        TAP(test_long_lines_are_broken),
        TAP(test_status_without_a_terminal),
        TAP(test_status_on_a_terminal),
        TAP(test_a_closed_pipe_is_no_drama),
        TAP(test_a_nonblocking_pipe_loses_nothing),
        TAP(test_summary),
        TAP(test_summary_of_success),
        TAP(test_summary_of_flaky_tests),
        TAP(test_what_the_proof_found),
        TAP(test_no_line_is_a_command),
        TAP(test_summary_is_bounded),
        TAP(test_live_lines_are_cheap),
        {0},
    });
}
