/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <cleanroom/clock.h>
#include <cleanroom/error.h>
#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#include "base/cachedir.h"
#include "base/file.h"
#include "base/process.h"
#include "engine/store/tree.h"
#include "tap.h"

static void test_strbuf_keeps_its_maximum(void)
{
    _cleanup_strbuf_ struct strbuf sb;
    strbuf_init(&sb, 4);
    check_int(strbuf_adds(&sb, "abc"), 0);
    check_int(strbuf_adds(&sb, "de"), -1);
    check(sb.overflow);
    check_str(sb.buf, "abc");
    check_int(strbuf_addc(&sb, 'd'), 0);
    check_str(sb.buf, "abcd");
}

static void test_strbuf_keeps_the_tail(void)
{
    _cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
    strbuf_add_tail(&sb, "abc", 3, 4);
    check_str(sb.buf, "abc");
    strbuf_add_tail(&sb, "de", 2, 4);
    check_str(sb.buf, "bcde");
    strbuf_add_tail(&sb, "", 0, 4);
    check_str(sb.buf, "bcde");
    strbuf_add_tail(&sb, "123456", 6, 4);
    check_str(sb.buf, "3456");
}

static void test_strbuf_consumes_and_detaches(void)
{
    struct strbuf sb = STRBUF_INIT;
    strbuf_addf(&sb, "%d-%s", 12, "xyz");
    strbuf_consume(&sb, 3);
    check_str(sb.buf, "xyz");
    _cleanup_free_ char *s = strbuf_detach(&sb);
    check_str(s, "xyz");
    check_str(sb.buf, "");
    _cleanup_free_ char *none = strbuf_detach(&sb);
    check_str(none, "");
}

static void test_strvec_is_an_environment(void)
{
    _cleanup_strvec_ struct strvec v = STRVEC_INIT;
    strvec_setenv(&v, "A", "1");
    strvec_setenv(&v, "AB", "2");
    strvec_setenv(&v, "A", "3");
    check_int(v.len, 2);
    check_str(strvec_getenv(&v, "A"), "3");
    check_str(strvec_getenv(&v, "AB"), "2");
    check(strvec_getenv(&v, "B") == NULL);
    check(v.items[2] == NULL);
}

static void test_strvec_splits_and_joins(void)
{
    _cleanup_strvec_ struct strvec v = STRVEC_INIT;
    for (int i = 0; i < 20; i++)
        strvec_split(&v, " a,,b ", ", ");
    check_int(v.len, 40);
    check(v.items[40] == NULL);
    check_str(v.items[39], "b");
    strvec_deinit(&v);
    strvec_split(&v, "x|y", "|");
    _cleanup_free_ char *joined = strvec_join(&v, "+");
    check_str(joined, "x+y");
}

static void test_errors_gather_context(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    check_int(error_set(&err, ERROR_SERVICE, "exit %d", 7), -1);
    check_int(error_wrap(&err, "shard %d", 3), -1);
    check_str(err.message, "shard 3: exit 7");
    check_int(error_exit_code(err.kind), 3);
    check_int(error_exit_code(ERROR_TIMEOUT), 124);
    check_int(error_exit_code(ERROR_USAGE), 2);
}

/* As the C library has it, for every day until time ends, and a moment in it. */
static void test_iso8601(void)
{
    for (int64_t day = 0; day < 106750; day++) {
        time_t sec = day * 86400 + day * 7919 % 86400;
        struct tm tm;
        char want[CLOCK_ISO_SIZE], got[CLOCK_ISO_SIZE];
        gmtime_r(&sec, &tm);
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.007Z", &tm);
        clock_iso8601(sec * NSEC_PER_SEC + 7999999, got, sizeof(got));
        if (strcmp(got, want) != 0)
            check_str(got, want);
    }
    check(true);
}

static void test_times_for_people(void)
{
    char s[CLOCK_ISO_SIZE];
    clock_iso8601(INT64_C(1406974272345) * NSEC_PER_MSEC, s, sizeof(s));
    check_str(s, "2014-08-02T10:11:12.345Z");
    clock_human(350 * NSEC_PER_MSEC, s, sizeof(s));
    check_str(s, "350ms");
    clock_human(125 * NSEC_PER_SEC, s, sizeof(s));
    check_str(s, "2m05s");
}

/* --- files ----------------------------------------------------------------------------------- */

static void on_alarm(int signal _unused_)
{
}

/* Reads so late that the writer's pipe is full and alarms reach it in the middle of a write. */
static _Noreturn void read_late(int from, size_t want)
{
    char block[65536];
    size_t got = 0;
    (void)poll(NULL, 0, 50);
    for (ssize_t n; (n = read(from, block, sizeof(block))) > 0;)
        got += (size_t)n;
    _exit(got == want ? 0 : 1);
}

static void test_a_write_is_whole_though_interrupted(void)
{
    const size_t len = (size_t)4 << 20;
    _cleanup_free_ char *bytes = xcalloc(1, len);
    int ends[2], status = -1;
    check_int(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        read_late(ends[0], len);
    }
    const struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    struct sigaction old, quiet = {.sa_handler = on_alarm};
    (void)sigaction(SIGALRM, &quiet, &old);
    (void)setitimer(ITIMER_REAL, &often, NULL);
    check_int(file_write_all(ends[1], bytes, len), 0);
    (void)setitimer(ITIMER_REAL, &never, NULL);
    (void)sigaction(SIGALRM, &old, NULL);
    close(ends[0]);
    close(ends[1]);
    check_int(waitpid(pid, &status, 0), pid);
    check_int(status, 0);
}

static void test_a_write_that_fails_says_why(void)
{
    _cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    check_int(file_write_all(full, "x", 1), -1);
    check_int(errno, ENOSPC);
    check_int(file_write_all(full, NULL, 0), 0);
}

static void test_a_file_in_memory(void)
{
    char text[8] = "";
    _cleanup_close_ int fd = file_in_memory("abc", 3), empty = file_in_memory(NULL, 0);
    check_int(read(fd, text, sizeof(text)), 3);
    check_str(text, "abc");
    check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    check_int(read(empty, text, sizeof(text)), 0);
}

/* Which of the two files "secret" it is: a directory holds one, its "root" the other. */
static char letter_at(int root, const char *path)
{
    char c = '-';
    _cleanup_close_ int fd = file_open_in_root(root, path, O_RDONLY);
    return fd >= 0 && read(fd, &c, 1) == 1 ? c : '-';
}

static void write_letter(int dir, const char *letter)
{
    _cleanup_close_ int fd = openat(dir, "secret", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    check_int(file_write_all(fd, letter, 1), 0);
}

static void test_nothing_leads_out_of_a_root(void)
{
    static const struct {
        const char *path;
        char letter;
    } cases[] = {{"secret", 'i'},         {"/secret", 'i'}, {"../secret", 'i'},
                 {"d/../../secret", 'i'}, {"up", 'i'},      {"absolute", 'i'},
                 {"magic", '-'},          {"nowhere", '-'}, {"", '-'}};
    char top[] = "/tmp/cleanroom-base-XXXXXX";
    check(mkdtemp(top) != NULL);
    _cleanup_close_ int outside = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_int(mkdirat(outside, "root", 0700), 0);
    _cleanup_close_ int root = openat(outside, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    write_letter(outside, "o");
    write_letter(root, "i");
    _cleanup_free_ char *magic = xasprintf("/proc/self/fd/%d/secret", outside);
    check_int(mkdirat(root, "d", 0700), 0);
    check_int(symlinkat("../secret", root, "up"), 0);
    check_int(symlinkat("/secret", root, "absolute"), 0);
    check_int(symlinkat(magic, root, "magic"), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (!check_int(letter_at(root, cases[i].path), cases[i].letter))
            printf("# %s\n", cases[i].path);

    _cleanup_close_ int proc = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    check_int(file_open_in_root(proc, magic, O_RDONLY), -1);
    check_int(errno, ELOOP);
    static const char *const files[] = {"root/up", "root/absolute", "root/magic", "root/secret",
                                        "secret"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        (void)unlinkat(outside, files[i], 0);
    (void)unlinkat(outside, "root/d", AT_REMOVEDIR);
    (void)unlinkat(outside, "root", AT_REMOVEDIR);
    check_int(rmdir(top), 0);
}

/* --- what is kept ---------------------------------------------------------------------------- */

static void test_cache_directories(void)
{
    char top[] = "/tmp/cleanroom-base-XXXXXX";
    check(mkdtemp(top) != NULL);
    _cleanup_free_ char *home = xstrdup(getenv("HOME")), *cache = xasprintf("%s/a/b", top);
    _cleanup_free_ char *want = xasprintf("%s/a/b/cleanroom/x", top);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    check_str(cachedir_path("x"), NULL);
    check_int(cachedir_open("x"), -1);
    setenv("HOME", "/h", 1);
    setenv("XDG_CACHE_HOME", "relative", 1);
    _cleanup_free_ char *below_home = cachedir_path("x");
    check_str(below_home, "/h/.cache/cleanroom/x");
    setenv("XDG_CACHE_HOME", cache, 1);
    _cleanup_free_ char *path = cachedir_path("x"), *link = xasprintf("%s/a/b/cleanroom/y", top);
    check_str(path, want);

    struct stat st;
    for (int i = 0; i < 2; i++) {
        _cleanup_close_ int fd = cachedir_open("x");
        check(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0700);
    }
    check_int(chmod(path, 0770), 0);
    check_int(cachedir_open("x"), -1); /* others may write there */
    check_int(errno, EPERM);
    check_int(chmod(path, 0700), 0);
    check_int(symlink("x", link), 0);
    check_int(cachedir_open("y"), -1);
    if (geteuid() == 0) {
        check_int(chown(path, 12345, 0), 0);
        check_int(cachedir_open("x"), -1); /* another user's */
        check_int(errno, EPERM);
    }
    unsetenv("XDG_CACHE_HOME");
    if (home)
        setenv("HOME", home, 1);
    check_int(tree_remove(AT_FDCWD, top), 0);
}

/* --- processes ------------------------------------------------------------------------------- */

static void test_start_times(void)
{
    _cleanup_free_ char *own = process_start_time(0), *same = process_start_time(getpid());
    check(own && strspn(own, "0123456789") == strlen(own));
    check_str(same, own);
    _cleanup_free_ char *first = process_start_time(1);
    check(first && strtoull(first, NULL, 10) <= strtoull(own, NULL, 10));
    check_str(process_start_time(1 << 30), NULL);
}

/* Its name may look like the fields behind it. */
static void test_start_time_of_a_misnamed_process(void)
{
    int ends[2];
    siginfo_t info;
    check_int(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_NAME, ") Z 1 2) \n3");
        (void)!write(ends[1], "", 1);
        (void)pause();
        _exit(0);
    }
    char byte;
    check_int(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
    _cleanup_free_ char *start = process_start_time(pid), *own = process_start_time(0);
    check(start && strspn(start, "0123456789") == strlen(start));
    check(start && own && strtoull(start, NULL, 10) >= strtoull(own, NULL, 10));
    (void)kill(pid, SIGKILL);
    check_int(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    check_str(process_start_time(pid), NULL); /* a zombie */
    check_int(waitpid(pid, NULL, 0), pid);
}

static void test_programs_are_found(void)
{
    char top[] = "/tmp/cleanroom-base-XXXXXX";
    check(mkdtemp(top) != NULL);
    _cleanup_free_ char *old = xstrdup(getenv("PATH")), *mine = xasprintf("%s/cleanroom-tool", top);
    _cleanup_free_ char *path = xasprintf("relative::/nonexistent:%s", top);
    _cleanup_close_ int fd = open(mine, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    setenv("PATH", path, 1);
    check_str(process_find_program("cleanroom-tool"), NULL); /* not to be executed */
    check_int(fchmod(fd, 0700), 0);
    _cleanup_free_ char *found = process_find_program("cleanroom-tool");
    check_str(found, mine);
    check_str(process_find_program("sh"), NULL);
    _cleanup_free_ char *sh = process_find_tool("sh");
    check(sh && *sh == '/');

    check_int(chdir(top), 0); /* what lies here is nobody's program */
    setenv("PATH", ".:", 1);
    check_str(process_find_program("cleanroom-tool"), NULL);
    unsetenv("PATH");
    check_str(process_find_tool("cleanroom-tool"), NULL);
    setenv("PATH", old, 1);
    check_int(chdir("/"), 0);
    check_int(unlink(mine), 0);
    check_int(rmdir(top), 0);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_iso8601),
        TAP(test_strbuf_keeps_its_maximum),
        TAP(test_strbuf_keeps_the_tail),
        TAP(test_strbuf_consumes_and_detaches),
        TAP(test_strvec_is_an_environment),
        TAP(test_strvec_splits_and_joins),
        TAP(test_errors_gather_context),
        TAP(test_times_for_people),
        TAP(test_a_write_is_whole_though_interrupted),
        TAP(test_a_write_that_fails_says_why),
        TAP(test_a_file_in_memory),
        TAP(test_nothing_leads_out_of_a_root),
        TAP(test_cache_directories),
        TAP(test_start_times),
        TAP(test_start_time_of_a_misnamed_process),
        TAP(test_programs_are_found),
        {0},
    });
}
