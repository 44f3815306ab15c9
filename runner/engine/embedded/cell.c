/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container, from its overlay to its removal.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "engine/embedded/bundle.h"
#include "engine/embedded/keep.h"
#include "engine/embedded/netns.h"
#include "engine/embedded/put.h"
#include "engine/embedded/readonly.h"

/* mount(2) takes a page. */
#define OPTIONS_MAX 4095

struct cell *cell_find(struct keeper *k, uint32_t id)
{
    for (size_t i = 0; i < k->cells.len; i++)
        if (k->cells.items[i]->id == id)
            return k->cells.items[i];
    return NULL;
}

static void close_output(struct cell *c)
{
    for (int i = 0; i < 2; i++)
        if (c->out[i] >= 0)
            close(TAKE_FD(c->out[i]));
}

/* --- making ---------------------------------------------------------------------------------- */

static int make_dir(const char *base, uint32_t id, const char *leaf, unsigned mode,
                    struct error *err)
{
    _cleanup_free_ char *path = keeper_path(base, "c", id, leaf);
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not make '%s'", path);
    return 0;
}

static int make_dirs(struct keeper *k, const struct cell *c, struct error *err)
{
    if (make_dir(k->dir, c->id, NULL, 0700, err) < 0 ||
        make_dir(k->scratch, c->id, NULL, 0700, err) < 0 ||
        make_dir(k->dir, c->id, "r", 0700, err) < 0 ||
        make_dir(k->scratch, c->id, "u", 0755, err) < 0 ||
        make_dir(k->scratch, c->id, "k", 0700, err) < 0)
        return -1;
    return 0;
}

/* Layers are named relative to the store, so that many fit the page. */
static char *overlay_options(struct keeper *k, const struct cell *c, const struct strvec *layers,
                             struct error *err)
{
    _cleanup_strbuf_ struct strbuf o = STRBUF_INIT;
    strbuf_adds(&o, "lowerdir=");
    for (size_t i = 0; i < layers->len; i++)
        strbuf_addf(&o, "%s%s", i ? ":" : "", layers->items[i]);
    if (layers->len == 0)
        strbuf_addf(&o, "%s/none", k->dir);
    strbuf_addf(&o, ",upperdir=%s/c/%u/u,workdir=%s/c/%u/k", k->scratch, c->id, k->scratch, c->id);
    strbuf_adds(&o, k->user_namespace ? ",userxattr" : ",index=off,redirect_dir=off,metacopy=off");
    if (k->scratch != k->dir)
        strbuf_adds(&o, ",volatile");
    if (o.len > OPTIONS_MAX) {
        error_set(err, ERROR_ENGINE,
                  "the image has %zu layers, more than mount(2) takes; build it with fewer (docker "
                  "build --squash, or a multi-stage build)",
                  layers->len);
        return NULL;
    }
    return strbuf_detach(&o);
}

static int mount_root(struct keeper *k, struct cell *c, const struct strvec *layers,
                      struct error *err)
{
    _cleanup_free_ char *options = overlay_options(k, c, layers, err);
    _cleanup_free_ char *root = keeper_path(k->dir, "c", c->id, "r");
    if (!options)
        return -1;
    if (fchdir(k->store) < 0 || mount("overlay", root, "overlay", MS_NODEV, options) < 0)
        return error_set_errno(err, ERROR_ENGINE, errno,
                               "its root file system could not be mounted");
    c->mounted = true;
    (void)!chdir("/");
    return 0;
}

/* Members of a pod share these files, as they share its name. */
static int write_etc(struct keeper *k, uint32_t id, const struct recipe *r, struct error *err)
{
    static const struct outside nowhere = {.mode = NETWORK_NONE};
    _cleanup_free_ char *dir = xasprintf("%s/n/%u.etc", k->dir, id);
    _cleanup_free_ char *hosts = xasprintf("127.0.0.1\tlocalhost\n"
                                           "::1\tlocalhost ip6-localhost ip6-loopback\n"
                                           "127.0.0.1\t%s\n",
                                           r->hostname);
    _cleanup_free_ char *name = xasprintf("%s\n", r->hostname);
    _cleanup_free_ char *resolv = outside_resolv_conf(r->outside ? &k->outside : &nowhere);
    const char *const files[][2] = {{"hosts", hosts}, {"hostname", name}, {"resolv.conf", resolv}};
    int made = mkdir(dir, 0755);
    for (size_t i = 0; made == 0 && i < ARRAY_SIZE(files); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, files[i][0]);
        made = put_file(path, files[i][1], 0644);
    }
    if (made < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not write into '%s'", dir);
    return 0;
}

static int make_network(struct keeper *k, struct cell *c, const struct recipe *r, struct error *err)
{
    if (r->pod)
        return 0;
    _cleanup_free_ char *path = keeper_path(k->dir, "n", c->id, NULL);
    if (netns_make(path, k->netns, err) < 0)
        return -1;
    c->network = true;
    if (r->outside && k->outside.mode == NETWORK_HOST_NAT &&
        outside_nat(&k->outside, &(struct outside_pod){k->options->run, path, k->netns, c->id},
                    err) < 0)
        return -1;
    return write_etc(k, c->id, r, err);
}

struct binds {
    VEC(struct bundle_bind) list;
    struct strvec sources;
};

static void add_bind(struct binds *b, char *source, const char *target)
{
    strvec_take(&b->sources, source);
    *vec_push(&b->list) = (struct bundle_bind){.source = source, .target = target};
}

static void collect_binds(struct keeper *k, const struct cell *c, const struct recipe *r,
                          struct binds *b)
{
    static const char *const etc[] = {"hosts", "hostname", "resolv.conf"};
    static const char *const targets[] = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"};
    uint32_t pod = r->pod ? r->pod : c->id;
    for (size_t i = 0; i < ARRAY_SIZE(etc); i++)
        add_bind(b, xasprintf("%s/n/%u.etc/%s", k->dir, pod, etc[i]), targets[i]);
    for (size_t i = 0; i < c->volumes.len; i++)
        add_bind(b, keeper_path(k->scratch, "v", c->volumes.items[i].volume, NULL),
                 c->volumes.items[i].target);
}

/* Borrows from r and mounts. */
static struct container_spec to_spec(const struct recipe *r, struct mount *mounts)
{
    struct container_spec spec = {
        .name = r->name,
        .image = r->image.id,
        .entrypoint = r->has_entrypoint ? (const char *const *)r->entrypoint.items : NULL,
        .argv = r->has_argv ? (const char *const *)r->argv.items : NULL,
        .env = r->env.len ? (const char *const *)r->env.items : NULL,
        .user = r->user,
        .hostname = r->hostname,
        .mounts = mounts,
        .memory = r->memory,
        .shm_size = r->shm_size,
        .cpu = r->cpu,
        .pids = r->pids,
    };
    for (size_t i = 0; i < r->mounts.len; i++)
        if (r->mounts.items[i].kind == MOUNT_TMPFS)
            mounts[spec.mount_count++] = (struct mount){.kind = MOUNT_TMPFS,
                                                        .target = r->mounts.items[i].target,
                                                        .options = r->mounts.items[i].options};
    return spec;
}

static char *config_of(struct keeper *k, const struct cell *c, const struct recipe *r,
                       struct error *err)
{
    struct binds binds = {0};
    _cleanup_free_ struct mount *mounts = xcalloc(r->mounts.len + 1, sizeof(*mounts));
    _cleanup_free_ char *root = keeper_path(k->dir, "c", c->id, "r");
    _cleanup_free_ char *netns = keeper_path(k->dir, "n", r->pod ? r->pod : c->id, NULL);
    struct container_spec spec = to_spec(r, mounts);
    collect_binds(k, c, r, &binds);
    struct bundle bundle = {
        .spec = &spec,
        .image = &r->image,
        .working_dir = r->working_dir,
        .rootfs = root,
        .netns = netns,
        .binds = binds.list.items,
        .bind_count = binds.list.len,
        .runtime = k->crun ? BUNDLE_CRUN : BUNDLE_RUNC,
        .hostname = r->hostname,
        .user_namespace = k->user_namespace,
        .cgroup = k->options->cgroups->version == 2 || c->limited,
    };
    char *config = bundle_config(&bundle, err);
    vec_deinit(&binds.list);
    strvec_deinit(&binds.sources);
    return config;
}

static int write_config(struct keeper *k, const struct cell *c, const struct recipe *r,
                        struct error *err)
{
    _cleanup_free_ char *config = config_of(k, c, r, err);
    _cleanup_free_ char *path = keeper_path(k->dir, "c", c->id, "config.json");
    if (!config)
        return -1;
    if (put_file(path, config, 0600) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not write '%s'", path);
    return 0;
}

static int make_limits(struct keeper *k, struct cell *c, const struct recipe *r, struct error *err)
{
    struct cgroup_limits limits = {.memory = r->memory, .cpu = r->cpu, .pids = r->pids};
    if ((!r->memory && !r->cpu && !r->pids) || k->options->cgroups->version == 0)
        return 0;
    _cleanup_free_ char *name = xasprintf("%u", c->id);
    c->limited = true;
    return cgroup_make(k->options->cgroups, name, &limits, &c->procs, err);
}

static int furnish(struct keeper *k, struct cell *c, const struct recipe *r, struct error *err)
{
    if (make_dirs(k, c, err) < 0 || mount_root(k, c, &r->layers, err) < 0 ||
        make_network(k, c, r, err) < 0 || make_limits(k, c, r, err) < 0 ||
        write_config(k, c, r, err) < 0)
        return -1;
    return 0;
}

static void cell_gone(struct keeper *k, struct cell *c);

void cell_make(struct keeper *k, uint32_t number, uint32_t id, const struct recipe *r,
               const int out[2])
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct cell *c = xcalloc(1, sizeof(*c));
    *vec_push(&k->cells) = c;
    c->id = id;
    c->name = xstrdup(r->name);
    memcpy(c->out, out, sizeof(c->out));
    for (size_t i = 0; i < r->mounts.len; i++) {
        if (r->mounts.items[i].kind != MOUNT_VOLUME)
            continue;
        *vec_push(&c->volumes) = (struct cell_volume){xstrdup(r->mounts.items[i].target),
                                                      r->mounts.items[i].volume};
    }
    if (furnish(k, c, r, &err) == 0) {
        if (c->network && r->outside && k->outside.mode == NETWORK_PASTA)
            job_connect(k, number, c);
        else
            keeper_answer(k, number, ENGINE_OK, NULL);
        return;
    }
    cell_gone(k, c);
    keeper_answer(k, number, ENGINE_FAILED, &err);
}

/* --- starting -------------------------------------------------------------------------------- */

static void runtime_arguments(struct keeper *k, const struct cell *c, struct strvec *argv)
{
    const char *runtime = k->options->runtime;
    strvec_push(argv, runtime);
    strvec_pushf(argv, "--root=%s/s", k->dir);
    strvec_pushf(argv, "--log=%s/c/%u/log", k->dir, c->id);
    strvec_push(argv, k->crun ? "--cgroup-manager=disabled" : "--rootless=true");
    strvec_push(argv, "run");
    strvec_push(argv, "--detach");
    strvec_push(argv, "--no-new-keyring");
    strvec_pushf(argv, "--bundle=%s/c/%u", k->dir, c->id);
    strvec_pushf(argv, "--pid-file=%s/c/%u/pid", k->dir, c->id);
    strvec_pushf(argv, "%u", c->id);
}

/* Between vfork and exec, on our memory: system calls only. */
static void become_runtime(const struct keeper *k, const struct cell *c, char *const *argv,
                           char *const *env)
{
    sigset_t none;
    sigemptyset(&none);
    for (size_t i = 0; i < c->procs.len; i++) {
        int fd = open(c->procs.items[i], O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) < 0)
            _exit(125);
    }
    readonly_enter(&k->forbidden);
    if (dup2(c->out[0], STDOUT_FILENO) >= 0 && dup2(c->out[1], STDERR_FILENO) >= 0 &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0) {
        (void)execveat(k->runtime, "", argv, env, AT_EMPTY_PATH);
        execve(argv[0], argv, env);
    }
    _exit(126);
}

void cell_start(struct keeper *k, uint32_t number, struct cell *c)
{
    static const char *const env[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_strvec_ struct strvec argv = STRVEC_INIT;
    if (c->phase != CELL_MADE || c->remove_number) {
        keeper_answer(k, number, ENGINE_CONFLICT, NULL);
        return;
    }
    runtime_arguments(k, c, &argv);
    pid_t pid = vfork();
    if (pid == 0)
        become_runtime(k, c, argv.items, (char *const *)env);
    close_output(c);
    if (pid < 0) {
        c->phase = CELL_ENDED;
        error_set_errno(&err, ERROR_INTERNAL, errno, "no process for '%s'", argv.items[0]);
        keeper_answer(k, number, ENGINE_FAILED, &err);
        return;
    }
    c->phase = CELL_STARTING;
    c->runtime = pid;
    c->start_number = number;
}

static pid_t read_pid(struct keeper *k, const struct cell *c)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_free_ char *path = keeper_path(k->dir, "c", c->id, "pid");
    if (strbuf_read_file(&text, path, 32) < 0)
        return 0;
    return (pid_t)strtol(text.buf, NULL, 10);
}

/* What the runtime wrote into its log: the last message alone. crun writes it as it is, runc as
   time="..." level=error msg="..." with quotes escaped. */
static char *runtime_words(struct keeper *k, const struct cell *c)
{
    _cleanup_strbuf_ struct strbuf log = STRBUF_INIT, words = STRBUF_INIT;
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    _cleanup_free_ char *path = keeper_path(k->dir, "c", c->id, "log");
    if (strbuf_read_file(&log, path, 1 << 16) == 0)
        strvec_split(&lines, log.buf, "\n");
    if (lines.len == 0)
        return xstrdup("the runtime did not say why");

    const char *text = lines.items[lines.len - 1], *msg = strstr(text, "msg=\"");
    if (msg)
        text = msg + 5;
    for (; *text && !(msg && *text == '"'); text++) {
        if (msg && *text == '\\' && text[1])
            text++;
        strbuf_addc(&words, isprint((unsigned char)*text) ? *text : ' ');
    }
    return strbuf_detach(&words);
}

/* As Docker numbers them. */
static int failed_code(const char *words)
{
    if (strcasestr(words, "no such file") || strcasestr(words, "not found"))
        return 127;
    return strcasestr(words, "permission denied") ? 126 : 128;
}

static void start_failed(struct keeper *k, struct cell *c, int code)
{
    _cleanup_free_ char *words = code == 125 ? xstrdup("its control groups could not be joined")
                                             : runtime_words(k, c);
    if (code == 126 && access(k->options->runtime, X_OK) < 0)
        replace_str(&words, "the runtime is gone");
    _cleanup_free_ char *text = xasprintf("it could not be started: %s", words);
    struct answer a = {.kind = ANSWER_DONE,
                       .number = c->start_number,
                       .outcome = ENGINE_FAILED,
                       .error_kind = ERROR_SERVICE,
                       .text = text,
                       .code = failed_code(words)};
    c->phase = CELL_ENDED;
    keeper_tell(k, &a);
}

static void init_ended(struct keeper *k, struct cell *c, int code)
{
    _cleanup_free_ char *group = xasprintf("%u", c->id);
    struct answer a = {.kind = ANSWER_DIED,
                       .object = c->id,
                       .code = code,
                       .oom = c->limited && cgroup_oom(k->options->cgroups, group)};
    c->phase = CELL_ENDED;
    c->init = 0;
    keeper_tell(k, &a);
}

static bool take_stray(struct keeper *k, pid_t pid, int *code)
{
    for (size_t i = 0; i < k->strays.len; i++) {
        if (k->strays.items[i].pid != pid)
            continue;
        *code = k->strays.items[i].code;
        k->strays.items[i] = k->strays.items[--k->strays.len];
        return true;
    }
    return false;
}

static void forget_strays(struct keeper *k)
{
    for (size_t i = 0; i < k->cells.len; i++)
        if (k->cells.items[i]->phase == CELL_STARTING)
            return;
    k->strays.len = 0;
}

static void finish_removal(struct keeper *k, struct cell *c);

static void runtime_ended(struct keeper *k, struct cell *c, int code)
{
    pid_t init = read_pid(k, c);
    int init_code;
    if (code != 0 || init <= 0) {
        if (init > 0)
            (void)kill(init, SIGKILL);
        start_failed(k, c, code);
    } else {
        c->phase = CELL_RUNNING;
        c->init = init;
        keeper_answer(k, c->start_number, ENGINE_OK, NULL);
        if (take_stray(k, init, &init_code))
            init_ended(k, c, init_code);
        else if (c->remove_number)
            (void)kill(init, SIGKILL);
    }
    forget_strays(k);
    if (c->remove_number && c->phase == CELL_ENDED)
        finish_removal(k, c);
}

bool cell_reaped(struct keeper *k, pid_t pid, int code)
{
    bool starting = false;
    for (size_t i = 0; i < k->cells.len; i++) {
        struct cell *c = k->cells.items[i];
        if (c->phase == CELL_STARTING && c->runtime == pid) {
            runtime_ended(k, c, code);
            return true;
        }
        if (c->phase == CELL_RUNNING && c->init == pid) {
            init_ended(k, c, code);
            if (c->remove_number)
                finish_removal(k, c);
            return true;
        }
        starting |= c->phase == CELL_STARTING;
    }
    for (size_t i = 0; i < k->jobs.len; i++)
        starting &= k->jobs.items[i].pid != pid;
    if (starting)
        *vec_push(&k->strays) = (struct stray){pid, code};
    return starting;
}

/* --- removing -------------------------------------------------------------------------------- */

static void unmount(struct keeper *k, struct cell *c)
{
    _cleanup_free_ char *root = keeper_path(k->dir, "c", c->id, "r");
    _cleanup_free_ char *netns = keeper_path(k->dir, "n", c->id, NULL);
    _cleanup_free_ char *etc = xasprintf("%s.etc", netns);
    if (c->mounted)
        (void)umount2(root, MNT_DETACH);
    if (c->carrier > 0)
        (void)kill(-c->carrier, SIGKILL);
    if (c->network) {
        netns_drop(netns);
        job_discard(k, etc);
    }
}

/* A group whose last process has just been reaped may still be busy for a moment. */
static void drop_group(struct keeper *k, struct cell *c)
{
    _cleanup_free_ char *name = xasprintf("%u", c->id);
    if (c->limited && cgroup_remove(k->options->cgroups, name) < 0 && errno == EBUSY)
        strvec_push(&k->groups, name);
}

/* Forgets it, with all that it has. */
static void cell_gone(struct keeper *k, struct cell *c)
{
    _cleanup_free_ char *dir = keeper_path(k->dir, "c", c->id, NULL);
    _cleanup_free_ char *scratch = keeper_path(k->scratch, "c", c->id, NULL);
    _cleanup_free_ char *state = xasprintf("%s/s/%u", k->dir, c->id);
    close_output(c);
    unmount(k, c);
    drop_group(k, c);
    job_discard(k, dir);
    if (k->scratch != k->dir)
        job_discard(k, scratch);
    job_discard(k, state);

    for (size_t i = 0; i < k->cells.len; i++)
        if (k->cells.items[i] == c)
            k->cells.items[i] = k->cells.items[--k->cells.len];
    for (size_t i = 0; i < c->volumes.len; i++)
        free(c->volumes.items[i].target);
    vec_deinit(&c->volumes);
    strvec_deinit(&c->procs);
    free(c->name);
    free(c);
}

static void finish_removal(struct keeper *k, struct cell *c)
{
    uint32_t number = c->remove_number;
    job_kill_all_of(k, c->id);
    cell_gone(k, c);
    keeper_answer(k, number, ENGINE_OK, NULL);
}

void cell_remove(struct keeper *k, uint32_t number, struct cell *c)
{
    if (c->remove_number) {
        keeper_answer(k, number, ENGINE_CONFLICT, NULL);
        return;
    }
    c->remove_number = number;
    if (c->phase == CELL_RUNNING)
        (void)kill(c->init, SIGKILL);
    else if (c->phase != CELL_STARTING)
        finish_removal(k, c);
}
