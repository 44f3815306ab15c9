/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a world leaves outside of itself. Whoever reads it may find anything in its place.
 *
 * All of it happens as an ordinary user, for root's place is the machine's.
 */
#include "engine/embedded/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cleanroom/strbuf.h>

#include "base/file.h"
#include "base/process.h"
#include "engine/store/tree.h"
#include "tap.h"

#define USER 54321

static char top[] = "/tmp/cleanroom-trace-XXXXXX";

static void put(const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/cleanroom/%s", top, name);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check_int(file_write_all(fd, text, strlen(text)), 0);
}

static bool exists(const char *name)
{
    struct stat st;
    _cleanup_free_ char *path = xasprintf("%s/%s", top, name);
    return lstat(path, &st) == 0;
}

static void make_dir(const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", top, name);
    check_int(mkdir(path, 0700), 0);
}

static struct trace make(const char *run)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    struct trace t = {.run = xstrdup(run), .owner = xstrdup("me")};
    check_int(trace_make(&t, &err), 0);
    return t;
}

static void test_written_and_read(void)
{
    _cleanup_trace_ struct trace t = make("one"), back = {0};
    _cleanup_free_ char *dir = xasprintf("%s/cleanroom/one", top);
    check_str(t.dir, dir);
    check(exists("cleanroom/one/w") && !exists("cleanroom/.new-one"));
    check_int(trace_read("one", &back), 1);
    check_str(back.run, "one");
    check_str(back.owner, "me");
    check_str(back.dir, dir);
    check_str(back.scratch, NULL);
    check(!back.nat && back.keeper == 0 && back.cgroups.len == 0);
    trace_deinit(&back);

    t.scratch = xstrdup("/nonexistent/\"scratch\"\n");
    t.nat = true;
    strvec_push(&t.cgroups, "/sys/fs/cgroup/x");
    strvec_push(&t.cgroups, "");
    strvec_push(&t.images, "cleanroom-import:0");
    check_int(trace_write(&t, NULL), 0);
    check_int(trace_read("one", &back), 1);
    check_str(back.scratch, t.scratch);
    check(back.nat);
    check_int(back.cgroups.len, 2);
    check_str(back.cgroups.items[0], "/sys/fs/cgroup/x");
    check_str(back.images.items[0], "cleanroom-import:0");
    trace_deinit(&back);
    check_int(tree_remove(AT_FDCWD, t.dir), 0);
}

static void test_removed(void)
{
    _cleanup_trace_ struct trace t = make("two"), back = {0};
    make_dir("cleanroom/two/w/t");
    put("two/w/t/file", "");
    strvec_push(&t.cgroups, "");
    strvec_push(&t.cgroups, "/nonexistent/cleanroom-two");
    check_int(trace_remove(&t), 0);
    check(!exists("cleanroom/two"));
    check_int(trace_read("two", &back), 0);
}

/* Somebody else's directory of that name stays, and is not taken for ours. */
static void test_there_already(void)
{
    _cleanup_trace_ struct trace t = make("three");
    struct error err _cleanup_error_ = ERROR_INIT;
    _cleanup_trace_ struct trace again = {.run = xstrdup("three"), .owner = xstrdup("you")};
    check_int(trace_make(&again, &err), -1);
    check_contains(err.message, "could not make");
    check_str(again.dir, NULL);
    check(exists("cleanroom/three/world") && !exists("cleanroom/.new-three"));
    check_int(trace_remove(&t), 0);
}

/* Names that are no run's lead nowhere. */
static void test_runs_that_are_none(void)
{
    static const char *const runs[] = {"", ".", "..", "../other", "a/b", "/etc", ".new-x", "none"};
    make_dir("other");
    put("../other/world", "{\"owner\": \"x\"}");
    for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
        _cleanup_trace_ struct trace t = {0};
        if (!check_int(trace_read(runs[i], &t), 0))
            printf("# '%s'\n", runs[i]);
    }
}

/* What is in them may be nothing, half of something or something else. */
static void test_foreign_content(void)
{
    static const char *const worlds[] = {
        NULL,
        "",
        "{",
        "null",
        "[]",
        "7",
        "{\"owner\": 7, \"cgroups\": {\"a\": 1}, \"nat\": 1}",
        "{\"scratch\": [\"/\"], \"cgroups\": [1, null, []], \"images\": \"x\"}",
        "\xff\xfe"};
    make_dir("cleanroom/four");
    for (size_t i = 0; i < ARRAY_SIZE(worlds); i++) {
        _cleanup_trace_ struct trace t = {0};
        if (worlds[i])
            put("four/world", worlds[i]);
        check_int(trace_read("four", &t), 1);
        check_str(t.owner, "");
        check_str(t.scratch, NULL);
        check(!t.nat && t.cgroups.len == 0 && t.images.len == 0 && t.keeper == 0);
        if (i == ARRAY_SIZE(worlds) - 1)
            check_int(trace_remove(&t), 0);
    }
    check(!exists("cleanroom/four"));
}

/* A name or a link in our place is removed as such, never what it leads to. */
static void test_links(void)
{
    _cleanup_trace_ struct trace t = {0};
    _cleanup_free_ char *link = xasprintf("%s/cleanroom/five", top);
    make_dir("victim");
    put("../victim/precious", "x");
    check_int(symlink("../victim", link), 0);
    check_int(trace_read("five", &t), 1);
    check_str(t.owner, "");
    check_int(trace_remove(&t), 0);
    check(exists("victim/precious") && !exists("cleanroom/five"));
}

/* --- the keeper ------------------------------------------------------------------------------ */

static pid_t keeper_of(const char *run)
{
    _cleanup_trace_ struct trace t = {0};
    return trace_read(run, &t) == 1 ? t.keeper : -1;
}

static void test_keeper(void)
{
    _cleanup_trace_ struct trace t = make("six");
    check_int(keeper_of("six"), 0);
    t.keeper = fork();
    if (t.keeper == 0) {
        (void)pause();
        _exit(0);
    }
    check_int(trace_write_keeper(&t, NULL), 0);
    check_int(keeper_of("six"), t.keeper);
    _cleanup_close_ int fd = trace_open_keeper(&t);
    check(fd >= 0);

    siginfo_t info;
    (void)kill(t.keeper, SIGKILL);
    check_int(waitid(P_PID, (id_t)t.keeper, &info, WEXITED | WNOWAIT), 0);
    check_int(keeper_of("six"), 0); /* a zombie keeps nothing */
    check_int(trace_open_keeper(&t), -1);
    check_int(waitpid(t.keeper, NULL, 0), t.keeper);
    check_int(keeper_of("six"), 0);
    check_int(trace_open_keeper(&t), -1);
    check_int(trace_remove(&t), 0);
}

/* A pid that is somebody else's by now, and what is no pid. */
static void test_keeper_that_is_none(void)
{
    _cleanup_trace_ struct trace t = make("seven");
    _cleanup_free_ char *start = process_start_time(0);
    _cleanup_free_ char *texts[] = {xasprintf("%d %s0\n", (int)getpid(), start),
                                    xasprintf("%d\n", (int)getpid()),
                                    xasprintf("-%d %s\n", (int)getpid(), start),
                                    xasprintf("0 %s\n", start),
                                    xasprintf("%d %s 1\n", (int)getpid(), start),
                                    xasprintf("x"),
                                    xasprintf(" "),
                                    xasprintf("%s", "")};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        put("seven/keeper", texts[i]);
        if (!check_int(keeper_of("seven"), 0))
            printf("# '%s'\n", texts[i]);
        free(texts[i]);
    }
    texts[0] = xasprintf("%d %s\n", (int)getpid(), start); /* and ours would be one */
    put("seven/keeper", texts[0]);
    check_int(keeper_of("seven"), getpid());
    check_int(trace_remove(&t), 0);
}

/* --- all of them ----------------------------------------------------------------------------- */

/* One that was killed while it made its directory is found, too. */
static void test_list(void)
{
    _cleanup_trace_ struct trace a = make("aa"), b = make("bb"), left = {0};
    _cleanup_strvec_ struct strvec runs = STRVEC_INIT;
    make_dir("cleanroom/.new-cc");
    make_dir("cleanroom/.new-.");
    make_dir("cleanroom/.try-dd");
    trace_list(&runs);
    check_int(runs.len, 3);
    check(strvec_contains(&runs, "aa") && strvec_contains(&runs, "bb"));
    check(strvec_contains(&runs, "cc"));
    check_int(trace_read("cc", &left), 1);
    check_str(left.owner, "");
    check_int(trace_remove(&left), 0);
    check(!exists("cleanroom/.new-cc"));
    check_int(trace_remove(&a), 0);
    check_int(trace_remove(&b), 0);
}

/* --- the place ------------------------------------------------------------------------------- */

static void check_refused(const char *why)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    _cleanup_trace_ struct trace t = {.run = xstrdup("x"), .owner = xstrdup("")}, none = {0};
    _cleanup_strvec_ struct strvec runs = STRVEC_INIT;
    check_str(trace_base(&err), NULL);
    check_contains(err.message, why);
    check_int(trace_make(&t, NULL), -1);
    check_int(trace_read("x", &none), 0);
    trace_list(&runs);
    check_int(runs.len, 0);
}

static void test_place_of_others(void)
{
    _cleanup_free_ char *place = xasprintf("%s/cleanroom", top), *away = xasprintf("%s/away", top);
    check_int(chmod(place, 0750), 0);
    check_refused("not a directory of ours alone");
    check_int(chmod(place, 0700), 0);
    check_int(rename(place, away), 0);
    check_int(symlink("away", place), 0);
    check_refused("not a directory of ours alone");
    check_int(unlink(place), 0);
    check_int(rename(away, place), 0);

    setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
    check_refused("could not make '/nonexistent/cleanroom'");
    _cleanup_free_ char *odd = xasprintf("%s/a:b", top);
    check_int(mkdir(odd, 0700), 0);
    setenv("XDG_RUNTIME_DIR", odd, 1);
    check_refused("set XDG_RUNTIME_DIR to another place");
}

static void test_place_without_a_session(void)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    _cleanup_free_ char *want = xasprintf("%s/cleanroom-%u", top, (unsigned)geteuid());
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    setenv("TMPDIR", top, 1);
    _cleanup_free_ char *base = trace_base(&err);
    check_str(base, want);
    setenv("XDG_RUNTIME_DIR", top, 1);
}

int main(void)
{
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(USER, USER, USER) < 0 ||
                           setresuid(USER, USER, USER) < 0))
        return 1;
    if (!mkdtemp(top) || setenv("XDG_RUNTIME_DIR", top, 1) < 0)
        return 1;
    int code = tap_run((struct tap_test[]){TAP(test_place_without_a_session),
                                           TAP(test_written_and_read),
                                           TAP(test_removed),
                                           TAP(test_there_already),
                                           TAP(test_runs_that_are_none),
                                           TAP(test_foreign_content),
                                           TAP(test_links),
                                           TAP(test_keeper),
                                           TAP(test_keeper_that_is_none),
                                           TAP(test_list),
                                           TAP(test_place_of_others),
                                           {0}});
    (void)tree_remove(AT_FDCWD, top);
    return code;
}
