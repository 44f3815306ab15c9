/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What takes long is done by children of the keeper, which is back at once.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "engine/embedded/keep.h"
#include "engine/embedded/pack.h"
#include "engine/embedded/volumes.h"
#include "engine/store/store.h"
#include "engine/store/tree.h"

/* --- children -------------------------------------------------------------------------------- */

/* What a child holds of other containers' output would keep it open. */
static void let_go(struct keeper *k)
{
    for (size_t i = 0; i < k->cells.len; i++)
        cell_close_streams(k->cells.items[i]);
    close(k->socket);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t job_begin(struct keeper *k, uint32_t number, const struct cell *cell, int *report)
{
    int ends[2] = {-1, -1};
    _cleanup_error_ struct error err = ERROR_INIT;
    pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();
    if (pid == 0) {
        let_go(k);
        *report = ends[1];
        return 0;
    }
    if (ends[1] >= 0)
        close(ends[1]);
    if (pid > 0) {
        *vec_push(&k->jobs) = (struct job){pid, number, cell ? cell->id : 0, ends[0]};
        return pid;
    }
    if (ends[0] >= 0)
        close(ends[0]);
    error_set_errno(&err, ERROR_INTERNAL, errno, "no process for it");
    keeper_answer(k, number, ENGINE_FAILED, &err);
    return -1;
}

void job_say(int report, struct answer *a, const struct error *err)
{
    if (a->outcome == ENGINE_FAILED) {
        a->error_kind = (int)err->kind;
        a->text = err->message;
    }
    _cleanup_wire_ struct wire w;
    wire_init(&w);
    answer_wire(&w, a);
    (void)!write(report, w.text.buf, w.text.len);
    _exit(0);
}

/* text: of a success, or NULL. */
static _Noreturn void say(int report, enum engine_outcome outcome, const struct error *err,
                          char *text)
{
    job_say(report, &(struct answer){.outcome = (int)outcome, .text = text}, err);
}

static void hear(int report, struct answer *a)
{
    _cleanup_wire_ struct wire w;
    wire_init(&w);
    for (;;) {
        char chunk[4096];
        ssize_t n = read(report, chunk, sizeof(chunk));
        if (n <= 0)
            break;
        strbuf_add(&w.text, chunk, (size_t)n);
    }
    w.reading = true;
    answer_wire(&w, a);
    if (!w.bad)
        return;
    answer_deinit(a);
    *a = (struct answer){.outcome = ENGINE_FAILED,
                         .error_kind = ERROR_ENGINE,
                         .text = xstrdup("its process was ended (the container was removed, or "
                                         "memory ran out)")};
}

bool job_reaped(struct keeper *k, pid_t pid)
{
    if (pid == k->cleaner) {
        k->cleaner = 0;
        return true;
    }
    for (size_t i = 0; i < k->jobs.len; i++) {
        struct job job = k->jobs.items[i];
        if (job.pid != pid)
            continue;
        k->jobs.items[i] = k->jobs.items[--k->jobs.len];
        struct answer a = {0};
        hear(job.result, &a);
        close(job.result);
        a.kind = ANSWER_DONE;
        a.number = job.number;
        keeper_tell(k, &a);
        answer_deinit(&a);
        return true;
    }
    return false;
}

void job_kill_all_of(struct keeper *k, uint32_t cell)
{
    for (size_t i = 0; i < k->jobs.len; i++)
        if (k->jobs.items[i].cell == cell)
            (void)kill(k->jobs.items[i].pid, SIGKILL);
}

/* --- a container's files --------------------------------------------------------------------- */

/* One that does not run: the same mounts, in a mount namespace of ours. */
static int enter_still(struct keeper *k, const struct cell *cell)
{
    _cleanup_free_ char *path = keeper_path(k->dir, "c", cell->id, "r");
    if (unshare(CLONE_NEWNS) < 0)
        return -1;
    _cleanup_close_ int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; root >= 0 && i < cell->volumes.len; i++) {
        const struct cell_volume *v = &cell->volumes.items[i];
        _cleanup_free_ char *volume = keeper_path(k->scratch, "v", v->volume, NULL);
        if (volumes_mount(volume, root, v->target) < 0)
            return -1;
    }
    return root < 0 || fchdir(root) < 0 || chroot(".") < 0 ? -1 : 0;
}

/* A running one's mount namespace has its root where the container's is. */
static int enter_running(const struct cell *cell)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/ns/mnt", (int)cell->init);
    _cleanup_close_ int ns = open(path, O_RDONLY | O_CLOEXEC);
    return ns < 0 ? -1 : setns(ns, CLONE_NEWNS);
}

/* In a container's mounts, all that is left are those that files need; and exec gives none back. */
static int give_up_powers(void)
{
    static const uint32_t kept = 1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE |
                                 1U << CAP_DAC_READ_SEARCH | 1U << CAP_FOWNER | 1U << CAP_FSETID;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capget, &header, sets) < 0)
        return -1;
    /* In a container we may not have had them all. */
    const uint32_t left = sets[0].permitted & kept;
    memset(sets, 0, sizeof(sets));
    sets[0].effective = sets[0].permitted = left;
    return (int)syscall(SYS_capset, &header, sets);
}

static int enter(struct keeper *k, const struct cell *cell, struct error *err)
{
    pack_prepare();
    int entered = cell->phase == CELL_RUNNING ? enter_running(cell) : -1;
    if (entered < 0) /* or it has just ended */
        entered = enter_still(k, cell);
    if (entered < 0 || give_up_powers() < 0)
        return error_set_errno(err, ERROR_ENGINE, errno,
                               "the container's files could not be reached");
    return 0;
}

typedef enum engine_outcome (*transfer_fn)(const char *path, int fd, struct error *err);

static void transfer(struct keeper *k, uint32_t number, struct cell *cell, const char *path, int fd,
                     transfer_fn fn)
{
    int report;
    if (job_begin(k, number, cell, &report) == 0) {
        _cleanup_error_ struct error err = ERROR_INIT;
        enum engine_outcome outcome = enter(k, cell, &err) < 0 ? ENGINE_FAILED : fn(path, fd, &err);
        say(report, outcome, &err, NULL);
    }
    if (fd >= 0)
        close(fd);
}

void job_extract(struct keeper *k, uint32_t number, struct cell *cell, const char *path, int fd)
{
    transfer(k, number, cell, path, fd, unpack);
}

void job_archive(struct keeper *k, uint32_t number, struct cell *cell, const char *path, int fd)
{
    transfer(k, number, cell, path, fd, pack);
}

/* --- images ---------------------------------------------------------------------------------- */

static enum engine_outcome commit(struct keeper *k, const struct cell *cell,
                                  const struct request *r, char **id, struct error *err)
{
    _cleanup_free_ char *upper = keeper_path(k->scratch, "c", cell->id, "u");
    struct store *store = store_open(k->options->store, err);
    int made = store ? store_add_upper(store, r->name, r->parent, upper, r->label, id, err) : -1;
    store_close(store);
    return made < 0 ? ENGINE_FAILED : ENGINE_OK;
}

void job_commit(struct keeper *k, struct cell *cell, const struct request *r)
{
    int report;
    if (cell->phase == CELL_STARTING || cell->phase == CELL_RUNNING) {
        keeper_answer(k, r->number, ENGINE_CONFLICT, NULL);
        return;
    }
    if (job_begin(k, r->number, cell, &report) == 0) {
        _cleanup_error_ struct error err = ERROR_INIT;
        char *id = NULL;
        enum engine_outcome outcome = commit(k, cell, r, &id, &err);
        say(report, outcome, &err, id);
    }
}

static enum engine_outcome import(struct keeper *k, const struct request *r, int file, char **id,
                                  struct error *err)
{
    struct stat st;
    void *tar = fstat(file, &st) < 0
                    ? MAP_FAILED
                    : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    struct store *store = tar == MAP_FAILED ? NULL : store_open(k->options->store, err);
    if (tar == MAP_FAILED)
        error_set_errno(err, ERROR_INTERNAL, errno, "the archive could not be read");
    int made = store ? store_add_rootfs(store, r->name, (const char *const *)r->entrypoint.items,
                                        tar, (size_t)st.st_size, id, err)
                     : -1;
    store_close(store);
    return made < 0 ? ENGINE_FAILED : ENGINE_OK;
}

void job_import(struct keeper *k, const struct request *r, int file)
{
    int report;
    if (job_begin(k, r->number, NULL, &report) == 0) {
        _cleanup_error_ struct error err = ERROR_INIT;
        char *id = NULL;
        enum engine_outcome outcome = import(k, r, file, &id, &err);
        say(report, outcome, &err, id);
    }
    if (file >= 0)
        close(file);
}

/* --- networks -------------------------------------------------------------------------------- */

/* The job's process group is pasta's, which stays when the job is done. */
void job_connect(struct keeper *k, uint32_t number, struct cell *cell)
{
    int report;
    pid_t pid = job_begin(k, number, cell, &report);
    if (pid > 0) {
        (void)setpgid(pid, pid);
        cell->carrier = pid;
    }
    if (pid == 0) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_free_ char *netns = keeper_path(k->dir, "n", cell->id, NULL);
        (void)setpgid(0, 0);
        int connected = outside_pasta(&k->outside, netns, &err);
        say(report, connected < 0 ? ENGINE_FAILED : ENGINE_OK, &err, NULL);
    }
}

/* --- rubbish --------------------------------------------------------------------------------- */

void job_discard(struct keeper *k, const char *path)
{
    bool ours = strncmp(path, k->dir, strlen(k->dir)) == 0;
    _cleanup_free_ char *to = xasprintf("%s/t/%llu", ours ? k->dir : k->scratch,
                                        (unsigned long long)++k->discarded);
    if (rename(path, to) == 0)
        k->trash = true;
}

static void retry_groups(struct keeper *k)
{
    for (size_t i = k->groups.len; i-- > 0;) {
        if (cgroup_remove(k->options->cgroups, k->groups.items[i]) < 0 && errno == EBUSY)
            continue;
        free(k->groups.items[i]);
        k->groups.items[i] = k->groups.items[--k->groups.len];
    }
}

static void empty(const char *path)
{
    DIR *entries = opendir(path);
    if (!entries)
        return;
    for (struct dirent *e; (e = readdir(entries));)
        if (e->d_name[0] != '.')
            (void)tree_remove(dirfd(entries), e->d_name);
    (void)closedir(entries);
}

static _Noreturn void empty_trash(struct keeper *k)
{
    const char *const dirs[] = {k->dir, k->scratch};
    let_go(k);
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        _cleanup_free_ char *path = xasprintf("%s/t", dirs[i]);
        empty(path);
    }
    _exit(0);
}

/* Soon the world may end and take it all: so not at once. */
void job_clean(struct keeper *k)
{
    if (k->cleaner)
        return;
    retry_groups(k);
    k->trash = k->groups.len > 0;
    pid_t pid = fork();
    if (pid == 0)
        empty_trash(k);
    k->cleaner = pid > 0 ? pid : 0;
}
