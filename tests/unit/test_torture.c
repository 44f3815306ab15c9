/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Torture of the teardown: the k-th engine operation of a run fails, takes effect but fails, hangs,
 * or comes with a SIGINT, for every k. Required: the run ends within its deadlines, its exit code
 * is not 0 unless it recovered, a finished report says so, and not one object is left.
 *
 * Linked with --wrap=engine_open,janitor_start,janitor_leave.
 */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>

#include <cleanroom/strbuf.h>

#include "fake_engine.h"
#include "run/janitor.h"
#include "run/run.h"
#include "run/shell.h"
#include "tap.h"

static struct fake_options fake;
static enum mode {
    PLAIN,  /* no deploy, no snapshots */
    EACH,   /* deploy in the shards, and a snapshot made before */
    ONCE,   /* deploy once */
    SHARED, /* as EACH, but postgres and redis are one for both shards */
    INSIDE, /* a shell in place of tests */
    MODES,
} mode;

/* Of torture_mode(). */
static enum fake_fault fault;
static const char *what;

static const enum deploy_mode deploy_of[] = {[PLAIN] = DEPLOY_NO,
                                             [EACH] = DEPLOY_EACH,
                                             [ONCE] = DEPLOY_ONCE,
                                             [SHARED] = DEPLOY_EACH,
                                             [INSIDE] = DEPLOY_NO};

struct engine *__wrap_engine_open(struct loop *loop, const struct engine_options *options,
                                  struct error *err);
int __wrap_janitor_start(struct janitor *j, const char *run_id, const struct settings *settings,
                         const char *results_dir, struct error *err);
void __wrap_janitor_leave(struct janitor *j, bool wait);

struct engine *__wrap_engine_open(struct loop *loop, const struct engine_options *options,
                                  struct error *err)
{
    (void)options, (void)err;
    return fake_engine_new(loop, &fake);
}

int __wrap_janitor_start(struct janitor *j, const char *run_id, const struct settings *settings,
                         const char *results_dir, struct error *err)
{
    (void)run_id, (void)settings, (void)results_dir, (void)err;
    *j = (struct janitor){.pid = getpid(), .socket = -1, .gone = -1};
    return 0;
}

void __wrap_janitor_leave(struct janitor *j, bool wait)
{
    (void)j, (void)wait;
}

static void add_service(struct settings *s, const char *name)
{
    struct service_setting *service = vec_push(&s->services);
    service->provider = provider_find(name);
    service->name = (char *)name;
    service->source = (char *)"test";
}

static void add_declared(struct settings *s, struct declaration *d)
{
    declaration_finish(d);
    struct service_setting *service = vec_push(&s->services);
    service->provider = &d->provider;
    service->declaration = d;
    service->name = service->source = service->defined = d->name;
}

static void share(struct service_setting *service)
{
    *vec_push(&service->overrides) = (struct override_setting){
        .key = (char *)"isolation",
        .set = {.value = (char *)ISOLATION_NAMESPACE, .source = (char *)"test"}};
}

/* One that is given a file, and says that it is ready by words run in it; there are no copies. */
static struct declaration *asked_service(void)
{
    struct declaration *d = declaration_new("asked", "redis");
    strvec_push(&d->files, "/etc/asked");
    strvec_push(&d->files, "${password}");
    d->ready = DECLARATION_EXEC;
    strvec_push(&d->ready_words, "true");
    return d;
}

/* One that says it itself. */
static struct declaration *heard_service(void)
{
    struct declaration *d = declaration_new("heard", "redis");
    d->ready = DECLARATION_LOG;
    d->ready_arg = xstrdup("I am up");
    return d;
}

/* Somebody at a terminal, who types two lines; the second one ends it. */
static void init_visitor(struct shell *shell, int keys[2], FILE *out)
{
    shell_init(shell, 1, NULL);
    check_int(pipe2(keys, O_CLOEXEC | O_DIRECT), 0); /* what is written at once is read so */
    check(write(keys[1], "ls\n", 3) == 3 && write(keys[1], "x\n", 2) == 2);
    shell->in = keys[0];
    shell->out = shell->err = fileno(out);
    shell->remote = shell->tty = true;
}

static void deinit_visitor(struct shell *shell, const int keys[2])
{
    shell_deinit(shell);
    close(keys[0]);
    close(keys[1]);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

/* A run of 2 shards against the fake engine, or of one with somebody inside, which has no report.
   Returns its exit code. */
static int run_once(struct fake_options options, char **junit)
{
    /* Short where the deadline is what ends it; else so long that a busy machine does not matter.
     */
    nsec_t limit = (options.fault == FAULT_HANG ? 300 : 30000) * NSEC_PER_MSEC;
    char dir[] = "/tmp/cleanroom-torture-XXXXXX";
    check(mkdtemp(dir) != NULL);
    _cleanup_free_ char *results = xasprintf("%s/results", dir);
    struct settings s = {.image = {.value = (char *)"app", .source = (char *)"test"},
                         .application_id = {.value = (char *)"app", .source = (char *)"test"}};
    s.own = (struct cleanroom_settings){.shards = 2,
                                        .deploy = deploy_of[mode],
                                        .snapshots = mode != PLAIN && mode != INSIDE,
                                        .results = results,
                                        .annotations = ANNOTATIONS_NEVER,
                                        .pull_timeout = limit,
                                        .start_timeout = limit,
                                        .deploy_timeout = limit,
                                        .test_timeout = limit,
                                        .teardown_timeout = 4 * limit};
    add_service(&s, "postgres");
    add_service(&s, "redis");
    for (size_t i = 0; mode == SHARED && i < s.services.len; i++)
        share(&s.services.items[i]);
    add_service(&s, "email");
    struct declaration *asked = mode == ONCE ? NULL : asked_service();
    struct declaration *heard = mode == ONCE ? NULL : heard_service();
    if (mode != ONCE) {
        add_declared(&s, asked);
        add_declared(&s, heard);
    }

    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_fclose_ FILE *out = fopen("/dev/null", "we");
    fake = options;
    setenv("XDG_CACHE_HOME", dir, 1);
    struct shell shell;
    int keys[2];
    if (mode == INSIDE)
        init_visitor(&shell, keys, out);
    int code = run_execute(&s, mode == INSIDE ? &shell : NULL, out, &err);
    if (mode == INSIDE)
        deinit_visitor(&shell, keys);

    _cleanup_free_ char *path = xasprintf("%s/results/junit.xml", dir);
    struct strbuf text = STRBUF_INIT;
    check_int(strbuf_read_file(&text, path, 1 << 20), mode == INSIDE ? -1 : 0);
    *junit = strbuf_detach(&text);
    (void)nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    for (size_t i = 0; i < s.services.len; i++)
        vec_deinit(&s.services.items[i].overrides);
    vec_deinit(&s.services);
    declaration_free(asked);
    declaration_free(heard);
    return code;
}

static size_t run_passing(void)
{
    _cleanup_free_ char *junit = NULL;
    check_int(run_once((struct fake_options){.not_yet = mode == PLAIN}, &junit), 0);
    check_int(fake_engine_last_count, 0);
    if (mode != INSIDE) {
        check_contains(junit, "errors=\"0\"");
        check(strstr(junit, "started, not finished") == NULL);
    }
    return fake_engine_last_ops;
}

static void test_a_run_that_passes(void)
{
    size_t count[MODES];
    for (mode = PLAIN; mode < MODES; mode++)
        count[mode] = run_passing();
    check(count[PLAIN] > 20);
    check(count[EACH] > count[PLAIN] + 10); /* a bake, and the phases */
    check(count[ONCE] > count[PLAIN] + 10);
    check(count[SHARED] > count[PLAIN] + 10);
    check(count[INSIDE] > 20);
}

static void test_a_run_that_fails(void)
{
    for (mode = PLAIN; mode < MODES; mode++) {
        _cleanup_free_ char *junit = NULL;
        check_int(run_once((struct fake_options){.app_exit = 7}, &junit), mode == INSIDE ? 7 : 1);
        check_int(fake_engine_last_count, 0);
        if (mode != INSIDE)
            check_contains(junit, "exit code 7");
    }
}

/* What a run asks again by itself, or does without; a fault in one of these need not cost it. */
static bool is_repeated(const char *op)
{
    return op && (strcmp(op, "remove") == 0 || strcmp(op, "list") == 0 || strcmp(op, "kept") == 0 ||
                  strcmp(op, "events") == 0 || strcmp(op, "inspect") == 0 ||
                  strcmp(op, "attach") == 0 || strcmp(op, "look") == 0 ||
                  strcmp(op, "flush") == 0 || strcmp(op, "exec") == 0 || strcmp(op, "resize") == 0);
}

/* A fault while snapshots are looked for or made costs them, not the run. */
static bool is_forgiven(const char *junit)
{
    return strstr(junit, "from zero: ") != NULL;
}

static void torture_mode(int which)
{
    mode = (enum mode)which;
    size_t count = run_passing();
    /* To wait for a deadline takes its time. */
    size_t step = fault == FAULT_HANG && mode != PLAIN ? 4 : 1;
    for (size_t k = 1; k <= count; k += step) {
        _cleanup_free_ char *junit = NULL;
        nsec_t begun = clock_now();
        int code = run_once(
            (struct fake_options){.fault_at = k, .fault = fault, .not_yet = mode == PLAIN}, &junit);
        const char *op = fake_engine_last_faulted;
        nsec_t took = clock_now() - begun;

        tap_check(fake_engine_last_count == 0, __FILE__, __LINE__, "%s %zu (%s): %zu objects left",
                  what, k, op, fake_engine_last_count);
        tap_check(code != 0 || is_repeated(op) || is_forgiven(junit), __FILE__, __LINE__,
                  "%s %zu (%s): exit code 0", what, k, op);
        tap_check(took < 10 * NSEC_PER_SEC, __FILE__, __LINE__, "%s %zu (%s): took %.1f s", what, k,
                  op, nsec_to_sec(took));
        tap_check(code == 0 || mode == INSIDE || strstr(junit, "<error") != NULL, __FILE__,
                  __LINE__, "%s %zu (%s): exit code %d, but the report is green", what, k, op,
                  code);
    }
}

/* Mostly it waits, so side by side takes no longer than one. */
static void torture(enum fake_fault how, const char *words)
{
    fault = how;
    what = words;
    tap_side_by_side(torture_mode, MODES);
}

static void test_each_operation_fails(void)
{
    torture(FAULT_FAIL, "fail");
}

static void test_each_operation_takes_effect_and_fails(void)
{
    torture(FAULT_LATE, "late");
}

static void test_each_operation_hangs(void)
{
    torture(FAULT_HANG, "hang");
}

/* The last of a mode may come when nobody listens any more. */
static void drop_pending_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    while (sigtimedwait(&set, NULL, &(struct timespec){0}) > 0)
        ;
}

static void signal_mode(int which)
{
    mode = (enum mode)which;
    drop_pending_signal();
    size_t count = run_passing();
    for (size_t k = 1; k <= count; k++) {
        _cleanup_free_ char *junit = NULL;
        int code = run_once(
            (struct fake_options){.fault_at = k, .fault = FAULT_SIGNAL, .not_yet = mode == PLAIN},
            &junit);
        /* The last of all come when there is nothing left to interrupt: the end of the sweep, and
           the look at what is kept. */
        size_t last = mode == PLAIN || mode == INSIDE ? count : count - 1;
        tap_check(code == 130 || k >= last, __FILE__, __LINE__, "signal at %zu (%s): exit code %d",
                  k, fake_engine_last_faulted, code);
        tap_check(fake_engine_last_count == 0, __FILE__, __LINE__,
                  "signal at %zu (%s): %zu objects left", k, fake_engine_last_faulted,
                  fake_engine_last_count);
    }
}

static void test_a_signal_at_each_operation(void)
{
    tap_side_by_side(signal_mode, MODES);
}

int main(void)
{
    /* A shell that began us in the background had it ignored, and a run respects that. */
    (void)signal(SIGINT, SIG_DFL);
    return tap_run((struct tap_test[]){
        TAP(test_a_run_that_passes),
        TAP(test_a_run_that_fails),
        TAP(test_each_operation_fails),
        TAP(test_each_operation_takes_effect_and_fails),
        TAP(test_each_operation_hangs),
        TAP(test_a_signal_at_each_operation),
        {0},
    });
}
