/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container: how it is made and how it goes. Its life in between is cell_start.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "engine/embedded/bundle.h"
#include "engine/embedded/keep.h"
#include "engine/embedded/netns.h"
#include "engine/embedded/own.h"
#include "engine/embedded/put.h"
#include "engine/embedded/volumes.h"

/* mount(2) takes a page. */
#define OPTIONS_MAX 4095

struct cell *cell_find(struct keeper *k, uint32_t id)
{
    for (size_t i = 0; i < k->cells.len; i++)
        if (k->cells.items[i]->id == id)
            return k->cells.items[i];
    return NULL;
}

void cell_close_streams(struct cell *c)
{
    int *const fds[] = {&c->out[0], &c->out[1], &c->in, &c->console};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (*fds[i] >= 0)
            close(TAKE_FD(*fds[i]));
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

/* At once, for the next request may be about what is in them. */
static int fill_volumes(struct keeper *k, const struct cell *c, struct error *err)
{
    _cleanup_free_ char *path = keeper_path(k->dir, "c", c->id, "r");
    _cleanup_close_ int root = c->volumes.len == 0 ? -1
                                                   : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; root >= 0 && i < c->volumes.len; i++) {
        _cleanup_free_ char *volume = keeper_path(k->scratch, "v", c->volumes.items[i].volume,
                                                  NULL);
        if (volumes_fill(volume, root, c->volumes.items[i].target, err) < 0)
            return -1;
    }
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
    struct terminal_size size = {(unsigned short)r->rows, (unsigned short)r->columns};
    spec.terminal = r->terminal ? &size : NULL;
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
        fill_volumes(k, c, err) < 0 || make_network(k, c, r, err) < 0 ||
        make_limits(k, c, r, err) < 0)
        return -1;
    if (r->ours) {
        own_keep(c, r);
        return 0;
    }
    if (r->terminal && console_listen(k, c, err) < 0)
        return -1;
    return write_config(k, c, r, err);
}

static void cell_gone(struct keeper *k, struct cell *c);

void cell_make(struct keeper *k, uint32_t number, uint32_t id, const struct recipe *r,
               const int fds[3])
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct cell *c = xcalloc(1, sizeof(*c));
    *vec_push(&k->cells) = c;
    c->id = id;
    c->name = xstrdup(r->name);
    memcpy(c->out, fds, sizeof(c->out));
    c->in = fds[2];
    c->console = -1;
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
    cell_close_streams(c);
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
    own_forget(c);
    strvec_deinit(&c->procs);
    free(c->name);
    free(c);
}

void cell_finish_removal(struct keeper *k, struct cell *c)
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
    else if (c->phase == CELL_STARTING)
        cell_stop_runtime(c);
    else
        cell_finish_removal(k, c);
}
