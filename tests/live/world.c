/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the embedded engine can be asked: that its worlds keep what is in them in, that nothing
 * of them survives whoever is killed and when, and that many containers at once are no matter.
 */
#include "live.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <archive.h>
#include <archive_entry.h>

/* --- what is left ---------------------------------------------------------------------------- */

/* How many lines of a file, or names of a directory, have the word. */
static int lines_with(const char *path, const char *word)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    int count = 0;
    if (strbuf_read_file(&text, path, 16 << 20) < 0)
        return 0;
    strvec_split(&lines, text.buf, "\n");
    for (size_t i = 0; i < lines.len; i++)
        count += strstr(lines.items[i], word) != NULL;
    return count;
}

static int names_with(const char *dir, const char *word)
{
    DIR *entries = opendir(dir);
    int count = 0;
    for (struct dirent *e; entries && (e = readdir(entries));)
        count += strstr(e->d_name, word) != NULL;
    if (entries)
        (void)closedir(entries);
    return count;
}

/* A process that is of the world: its command line or its mounts say so. */
static int processes_with(const char *word)
{
    DIR *entries = opendir("/proc");
    int count = 0;
    for (struct dirent *e; entries && (e = readdir(entries));) {
        if (e->d_name[0] < '0' || e->d_name[0] > '9' || strtol(e->d_name, NULL, 10) == getpid())
            continue;
        _cleanup_free_ char *cmdline = xasprintf("/proc/%s/cmdline", e->d_name);
        _cleanup_free_ char *mounts = xasprintf("/proc/%s/mountinfo", e->d_name);
        count += lines_with(cmdline, word) || lines_with(mounts, word);
    }
    if (entries)
        (void)closedir(entries);
    return count;
}

static char *base_dir(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    return geteuid() == 0 ? xstrdup("/run/cleanroom") : xasprintf("%s/cleanroom", runtime);
}

static int groups_with(const char *word)
{
    static const char *const dirs[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/memory",
                                       "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/pids"};
    int count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        count += names_with(dirs[i], word);
    return count;
}

/* No process, no mount, no control group; and no directory, unless it is still to be removed. */
static void check_nothing_of(const char *run, bool dir_too)
{
    _cleanup_free_ char *base = base_dir();
    nsec_t until = clock_now() + 10 * NSEC_PER_SEC;
    while (processes_with(run) && clock_now() < until)
        (void)poll(NULL, 0, 10);
    check_int(processes_with(run), 0);
    check_int(lines_with("/proc/self/mountinfo", run), 0);
    if (!dir_too)
        return;
    check_int(groups_with(run), 0);
    check_int(names_with(base, run), 0);
}

/* --- in a world ------------------------------------------------------------------------------ */

static const char *const wait_argv[] = {"sleep", "1000", NULL};

static void test_resolve(void)
{
    RESULT r = {0};
    live.engine->ops->image_resolve(live.engine, live.image, PULL_MISSING, soon(), NULL, on_image,
                                    &r);
    if (expect(&r, ENGINE_OK))
        (void)snprintf(live.image_id, sizeof(live.image_id), "%s", r.info.id);
}

static bool start_fails(const char *suffix, const char *program, int code)
{
    _cleanup_free_ char *c = name(suffix);
    RESULT r = {0}, state = {0};
    struct container_spec spec = {.name = c,
                                  .image = live.image_id,
                                  .labels = labels(1, "test"),
                                  .argv = (const char *[]){program, NULL}};
    create(&spec, ENGINE_OK);
    live.engine->ops->container_start(live.engine, c, soon(), on_done, &r);
    expect(&r, ENGINE_FAILED);
    check_contains(r.err.message, "could not be started");
    inspect(c, &state);
    check_int(state.state.exit_code, code);
    check_contains(state.state_error, "could not be started");
    return drop(OBJECT_CONTAINER, c, ENGINE_OK);
}

static void test_entry_points(void)
{
    start_fails("e1", "no-such-program", 127);
    start_fails("e2", "/no/such/program", 127);
    start_fails("e3", "/etc/passwd", 126);
}

static void test_inside(void)
{
    static const char script[] =
        "id -un; id -gn; hostname; getent hosts pod-a | cut -d' ' -f1; echo $$; "
        "grep -c . /proc/self/mountinfo >/dev/null && ls / | grep -c cleanroom; "
        "cat /proc/1/comm; touch /root/x 2>/dev/null || echo denied; cat /etc/hostname";
    struct output o __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("inside");
    struct container_spec spec = {.name = c,
                                  .user = "www-data:daemon",
                                  .hostname = "pod-a",
                                  .argv = (const char *[]){"sh", "-c", script, NULL}};
    run_spec(&spec, &o);
    check_str(o.text[OUTPUT_STDOUT].buf,
              "www-data\ndaemon\npod-a\n127.0.0.1\n1\n0\nsh\ndenied\npod-a\n");
    check_str(o.text[OUTPUT_STDERR].buf, "");
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
}

/* Volumes are shared, a tmpfs and the root file system are not. */
static void test_shared(void)
{
    struct output a __attribute__((cleanup(output_deinit)));
    struct output b __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("sh1"), *d = name("sh2"), *vol = name("shared");
    struct labels of_run = labels(0, NULL);
    RESULT v = {0};
    live.engine->ops->volume_create(live.engine, vol, &of_run, soon(), on_done, &v);
    expect(&v, ENGINE_OK);
    struct mount mounts[] = {{.kind = MOUNT_VOLUME, .target = "/deep/er/storage", .volume = vol},
                             {.kind = MOUNT_TMPFS, .target = "/own", .options = "size=1m"}};
    struct container_spec spec = {
        .name = c,
        .mounts = mounts,
        .mount_count = 2,
        .argv = (const char *[]){"sh", "-c",
                                 "echo v > /deep/er/storage/f; echo t > /own/f; echo r > /f; "
                                 "head -c 2M /dev/zero > /own/big 2>/dev/null || echo full",
                                 NULL}};
    run_spec(&spec, &a);
    check_str(a.text[OUTPUT_STDOUT].buf, "full\n");
    spec.name = d;
    spec.argv = (const char *[]){"sh", "-c", "cat /deep/er/storage/f; ls /own /f 2>&1 | grep -c No",
                                 NULL};
    run_spec(&spec, &b);
    check_str(b.text[OUTPUT_STDOUT].buf, "v\n1\n");
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
    drop(OBJECT_VOLUME, vol, ENGINE_CONFLICT);
    drop(OBJECT_CONTAINER, d, ENGINE_OK);
    drop(OBJECT_VOLUME, vol, ENGINE_OK);
}

static void test_memory_limit(void)
{
    if (geteuid() != 0)
        return; /* a control group has to be delegated for that */
    struct output o __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("oom");
    RESULT state = {0};
    struct container_spec spec = {
        .name = c,
        .memory = 16 << 20,
        .argv = (const char *[]){"sh", "-c", "head -c 200M /dev/zero | tail | wc -c", NULL}};
    run_spec(&spec, &o);
    inspect(c, &state);
    check(state.state.oom_killed);
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
}

/* What a container has made of its own files leads nobody out of it. */
static void fetch(const char *container, const char *path, enum engine_outcome outcome,
                  const char *not_in_it)
{
    struct download d = {.tar = STRBUF_INIT};
    live.engine->ops->container_archive(live.engine, container, path, soon(), on_bytes,
                                        on_download_done, &d);
    expect(&d.r, outcome);
    check(!d.tar.len || !memmem(d.tar.buf, d.tar.len, not_in_it, strlen(not_in_it)));
    strbuf_deinit(&d.tar);
    result_deinit(&d.r);
}

static void add_entry(struct archive *a, const char *path, const char *link, const char *text)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, path);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_filetype(entry, link ? AE_IFLNK : AE_IFREG);
    if (link)
        archive_entry_set_symlink(entry, link);
    archive_entry_set_size(entry, link ? 0 : (la_int64_t)strlen(text));
    (void)archive_write_header(a, entry);
    if (!link)
        (void)archive_write_data(a, text, strlen(text));
    archive_entry_free(entry);
}

static void make_nasty(struct strbuf *out, const char *path, const char *link, const char *through)
{
    char buffer[65536];
    size_t used = 0;
    struct archive *a = archive_write_new();
    (void)archive_write_set_format_pax(a);
    (void)archive_write_open_memory(a, buffer, sizeof(buffer), &used);
    if (link)
        add_entry(a, path, link, NULL);
    add_entry(a, link ? through : path, NULL, "planted");
    (void)archive_write_close(a);
    (void)archive_write_free(a);
    (void)strbuf_add(out, buffer, used);
}

static void plant(const char *container, const char *path, const char *link, const char *through)
{
    _cleanup_strbuf_ struct strbuf tar = STRBUF_INIT;
    RESULT r = {0};
    make_nasty(&tar, path, link, through);
    live.engine->ops->container_extract(live.engine, container, "/tmp", tar.buf, tar.len, soon(),
                                        on_done, &r);
    await(&r.done); /* refused, or kept inside: both will do */
}

static void try_to_get_out(const char *container, const char *outside)
{
    _cleanup_free_ char *up = xasprintf("../../../../../../../../../..%s/planted", outside);
    _cleanup_free_ char *absolute = xasprintf("%s/planted", outside);
    fetch(container, "/evil", ENGINE_NOT_FOUND, "secret");
    fetch(container, "/evil/..", ENGINE_NOT_FOUND, "secret");
    fetch(container, "/holder", ENGINE_OK, "secret"); /* the link itself, not what it leads to */
    plant(container, up, NULL, NULL);
    plant(container, absolute, NULL, NULL);
    plant(container, "way", outside, "way/planted");
    plant(container, "up", "../../../../../../../../..", "up/planted");
    check(access(absolute, F_OK) < 0);
    check(access("/planted", F_OK) < 0);
    check(access("/tmp/planted", F_OK) < 0);
}

static void test_no_way_out(void)
{
    char outside[] = "/tmp/cleanroom-live-XXXXXX";
    struct output o __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("nasty");
    check(mkdtemp(outside) != NULL);
    _cleanup_free_ char *secret = xasprintf("%s/f", outside);
    FILE *f = fopen(secret, "we");
    check(f && fputs("secret", f) >= 0 && fclose(f) == 0);

    _cleanup_free_ char *script = xasprintf("ln -s %s /evil; mkdir /holder; ln -s %s /holder/l; "
                                            "ln -s /../../..%s /holder/up; echo done; sleep 1000",
                                            outside, outside, outside);
    struct container_spec spec = {.name = c, .argv = (const char *[]){"sh", "-c", script, NULL}};
    begin_spec(&spec, &o);
    for (nsec_t until = soon(); !o.bytes[OUTPUT_STDOUT] && clock_now() < until;)
        run_for(5 * NSEC_PER_MSEC);
    try_to_get_out(c, outside);
    RESULT r = {0};
    live.engine->ops->container_signal(live.engine, c, SIGKILL, soon(), on_done, &r);
    expect(&r, ENGINE_OK);
    await(&o.r.done);
    try_to_get_out(c, outside);
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
    check_int(unlink(secret), 0);
    check_int(rmdir(outside), 0);
}

/* --- many ------------------------------------------------------------------------------------ */

enum { MANY = 64 };

static void test_many(void)
{
    static struct output o[MANY];
    char names[MANY][128];
    struct result starts[MANY] = {{0}}, removals[MANY] = {{0}};
    const struct engine_ops *ops = live.engine->ops;
    for (int i = 0; i < MANY; i++) {
        char text[16];
        (void)snprintf(names[i], sizeof(names[i]), "%s-many%d", live.run, i);
        (void)snprintf(text, sizeof(text), "%d", i);
        struct container_spec spec = {.name = names[i],
                                      .image = live.image_id,
                                      .labels = labels(1, "test"),
                                      .argv = (const char *[]){"echo", text, NULL}};
        output_init(&o[i]);
        create(&spec, ENGINE_OK);
        ops->container_attach(live.engine, names[i], on_ready, on_output, on_output_done, &o[i]);
    }
    for (int i = 0; i < MANY; i++)
        ops->container_start(live.engine, names[i], soon(), on_done, &starts[i]);
    for (int i = 0; i < MANY; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d\n", i);
        await(&o[i].r.done);
        check_str(o[i].text[OUTPUT_STDOUT].buf, text);
        check_int(starts[i].outcome, ENGINE_OK);
        output_deinit(&o[i]);
    }
    for (int i = 0; i < MANY; i++)
        ops->remove(live.engine, OBJECT_CONTAINER, names[i], soon(), on_done, &removals[i]);
    for (int i = 0; i < MANY; i++) {
        await(&removals[i].done);
        check_int(removals[i].outcome, ENGINE_OK);
        result_deinit(&starts[i]);
        result_deinit(&removals[i]);
    }
}

static void test_own_world_goes(void)
{
    drop(OBJECT_WORLD, live.run, ENGINE_OK);
    check_nothing_of(live.run, true);
}

/* What containers write can be on disk, too. */
static void test_scratch_on_disk(void)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    struct engine *memory = live.engine;
    struct engine_options options = live.options;
    options.scratch_on_disk = true;
    live.engine = engine_open(live.loop, &options, &err);
    if (check(live.engine != NULL)) {
        struct output o __attribute__((cleanup(output_deinit)));
        _cleanup_free_ char *c = name("disk");
        run_container(c,
                      (const char *[]){"sh", "-c",
                                       "stat -f -c %T / ; head -c 9M /dev/zero > /f; "
                                       "mkdir /d; chown 33:33 /d; stat -c %s /f",
                                       NULL},
                      &o);
        check_contains(o.text[OUTPUT_STDOUT].buf, "9437184\n");
        drop(OBJECT_CONTAINER, c, ENGINE_OK);
        drop(OBJECT_WORLD, live.run, ENGINE_OK);
        check_nothing_of(live.run, true);
    }
    engine_free(live.engine);
    live.engine = memory;
}

/* --- sudden ends ----------------------------------------------------------------------------- */

static pid_t keeper_of(const char *run)
{
    _cleanup_free_ char *base = base_dir(), *path = xasprintf("%s/%s/keeper", base, run);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    return strbuf_read_file(&text, path, 64) < 0 ? 0 : (pid_t)strtol(text.buf, NULL, 10);
}

/* All that waits hears of it, what comes later too, and what is left can be removed. */
static void test_keeper_killed(void)
{
    struct output o __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("orphan"), *d = name("late");
    RESULT pending = {0}, r = {0};
    begin_spec(&(struct container_spec){.name = c, .argv = wait_argv, .memory = 64 << 20}, &o);
    pid_t keeper = keeper_of(live.run);
    check(keeper > 0 && kill(keeper, SIGSTOP) == 0);
    struct container_spec spec = {
        .name = d, .image = live.image_id, .labels = labels(1, "test"), .argv = wait_argv};
    live.engine->ops->container_create(live.engine, &spec, soon(), on_done, &pending);
    check_int(kill(keeper, SIGKILL), 0);
    expect(&pending, ENGINE_FAILED);
    check_int(pending.err.kind, ERROR_ENGINE);
    check_contains(pending.err.message, "keeper ended: signal 9");
    await(&o.r.done);

    live.engine->ops->container_create(live.engine, &spec, soon(), on_done, &r);
    expect(&r, ENGINE_FAILED);
    check_contains(r.err.message, "keeper ended");
    RESULT state = {0};
    inspect(c, &state);
    check(!state.state.running);
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
    check_nothing_of(live.run, false);
    drop(OBJECT_WORLD, live.run, ENGINE_OK);
    check_nothing_of(live.run, true);
}

/* What a run does, over and over, until it is killed. */
static void be_busy(const char *run)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    (void)snprintf(live.run, sizeof(live.run), "%s", run);
    live.loop = loop_new(&err);
    live.engine = engine_open(live.loop, &live.options, &err);
    for (int i = 0; live.engine; i++) {
        struct output o;
        _cleanup_free_ char *suffix = xasprintf("busy%d", i), *c = name(suffix);
        _cleanup_free_ char *vol = xasprintf("%s-vol", c);
        struct labels of_run = labels(0, NULL);
        RESULT v = {0};
        live.engine->ops->volume_create(live.engine, vol, &of_run, soon(), on_done, &v);
        await(&v.done);
        struct mount mount = {.kind = MOUNT_VOLUME, .target = "/v", .volume = vol};
        struct container_spec spec = {
            .name = c,
            .mounts = &mount,
            .mount_count = 1,
            .memory = 64 << 20,
            .argv = (const char *[]){"sh", "-c", "sleep 60 & exit", NULL}};
        run_spec(&spec, &o);
        if (i % 3 == 2)
            drop(OBJECT_CONTAINER, c, ENGINE_OK);
        output_deinit(&o);
    }
    _exit(1);
}

enum { KILLS = 40 };

static void test_main_killed(void)
{
    unsigned seed = (unsigned)getpid();
    for (int i = 0; i < KILLS; i++) {
        _cleanup_free_ char *run = xasprintf("%s-kill%d", live.run, i);
        pid_t pid = fork();
        if (pid == 0) {
            int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
            (void)dup2(null, STDOUT_FILENO);
            be_busy(run);
        }
        (void)poll(NULL, 0, (int)(rand_r(&seed) % 120));
        check_int(kill(pid, SIGKILL), 0);
        check_int(waitpid(pid, NULL, 0), pid);
        check_nothing_of(run, false);
        RESULT r = {0};
        live.engine->ops->remove(live.engine, OBJECT_WORLD, run, soon(), on_done, &r);
        await(&r.done);
        check(r.outcome == ENGINE_OK || r.outcome == ENGINE_NOT_FOUND);
        check_nothing_of(run, true);
    }
}

/* Another process's world is listed with what is known of it, and goes with all that runs in it. */
static void test_foreign(void)
{
    _cleanup_free_ char *run = xasprintf("%s-foreign", live.run);
    _cleanup_free_ char *row = xasprintf("world %s 0  running", run);
    pid_t pid = fork();
    if (pid == 0)
        be_busy(run);
    while (keeper_of(run) == 0)
        (void)poll(NULL, 0, 5);
    struct listing l = {0}, none = {0};
    live.engine->ops->list(live.engine, run, soon(), on_list, &l);
    expect(&l.r, ENGINE_OK);
    check_int(l.rows.len, 1);
    check_str(l.rows.len ? l.rows.items[0] : "", row);
    check_int(kill(pid, SIGSTOP), 0);
    drop(OBJECT_WORLD, run, ENGINE_OK);
    live.engine->ops->list(live.engine, run, soon(), on_list, &none);
    expect(&none.r, ENGINE_OK);
    check_int(none.rows.len, 0);
    check_int(kill(pid, SIGKILL), 0);
    check_int(waitpid(pid, NULL, 0), pid);
    check_nothing_of(run, true);
    strvec_deinit(&l.rows);
}

int main(void)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    int rc = 1;
    if (live_open(&err) < 0)
        printf("failed: %s\n", err.message);
    else if (!is_embedded())
        rc = printf("1..0 # SKIP this is about the embedded engine\n") < 0;
    else
        rc = tap_run((struct tap_test[]){TAP(test_resolve),
                                         TAP(test_entry_points),
                                         TAP(test_inside),
                                         TAP(test_shared),
                                         TAP(test_memory_limit),
                                         TAP(test_no_way_out),
                                         TAP(test_many),
                                         TAP(test_own_world_goes),
                                         TAP(test_scratch_on_disk),
                                         TAP(test_keeper_killed),
                                         TAP(test_main_killed),
                                         TAP(test_foreign),
                                         {0}});
    live_close();
    return rc;
}
