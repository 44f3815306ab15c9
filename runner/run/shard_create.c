/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shard_create.h"

#include <string.h>
#include <unistd.h>

#include "config/program.h"
#include "run/files.h"
#include "run/shell.h"
#include "satellite/satellite.h"

static struct mount mount_of(const struct volume *v)
{
    return (struct mount){.kind = MOUNT_VOLUME, .target = v->target, .volume = v->name};
}

static size_t volume_mounts(const struct shard *s, struct mount *mounts)
{
    for (size_t i = 0; i < s->volume_count; i++)
        mounts[i] = mount_of(&s->volumes[i]);
    return s->volume_count;
}

/* The holder's: with that of the commons, which no other container sees. */
static size_t holder_mounts(const struct shard *s, struct mount mounts[SHARD_VOLUMES + 1])
{
    size_t count = volume_mounts(s, mounts);
    if (s->kind == SHARD_TESTS && s->ctx->commons)
        mounts[count++] = mount_of(&s->ctx->commons->volumes[0]);
    return count;
}

static const char *probe_name(const struct provider *provider)
{
    return provider->probe_name ? provider->probe_name : provider->name;
}

char *shard_path(const struct shard *s, const char *path)
{
    return xasprintf("%s%s", s->plan->scratch ? s->plan->scratch : PLAN_SCRATCH,
                     path + strlen(PLAN_SCRATCH));
}

size_t shard_publish(const struct shard *s, struct publish ports[PUBLISH_MAX])
{
    const struct plan *plan = s->ctx->plan;
    size_t count = 0;
    if (s->kind == SHARD_COMMONS)
        return 0;
    for (size_t i = 0; s->plan->address && i < s->service_count; i++) {
        const struct service_plan *spec = shard_service_runs(&s->services[i])
                                              ? &s->services[i].spec
                                              : &s->services[i].plan->spec;
        struct publish port = {.address = s->plan->address,
                               .port = spec->port,
                               .target = spec->port,
                               .udp = spec->sink == SINK_SYSLOG_UDP};
        if (s->services[i].off)
            continue;
        ports[count++] = port; /* of which the plan has not too many */
        for (size_t k = 0; k < SERVICE_PORTS && spec->more_ports[k]; k++) {
            port.port = port.target = spec->more_ports[k];
            ports[count++] = port;
        }
    }
    if (plan->serve_port && !plan->program)
        ports[count++] = (struct publish){
            .address = "127.0.0.1", .port = plan->serve_port, .target = PLAN_PORT};
    return count;
}

/* What is shared: from the shard's port to a socket in the commons' volume, and on to the server.
 */
static void add_relay(const struct shard *s, size_t i, struct strvec *argv)
{
    const struct shard_service *service = &s->services[i];
    bool common = s->kind == SHARD_COMMONS;
    if (!service->shared && !common)
        return;
    strvec_push(argv, "--relay");
    if (common)
        strvec_pushf(argv, PLAN_COMMONS "/%zu:%u:tcp", i, service->spec.port);
    else
        strvec_pushf(argv, "=%u:" PLAN_COMMONS "/%zu:tcp", service->plan->spec.port, i);
}

void shard_create_holder(struct shard *s)
{
    static const char *const dirs[] = {PLAN_STORAGE, PLAN_STATIC,  PLAN_SCRATCH, PLAN_COLLECT,
                                       PLAN_XML_DIR, PLAN_OUTPUTS, PLAN_TMP};
    _cleanup_strvec_ struct strvec argv = STRVEC_INIT, env = STRVEC_INIT;
    strvec_push(&argv, "hold");
    for (size_t i = 0; s->kind != SHARD_COMMONS && i < ARRAY_SIZE(dirs); i++) {
        bool spool = strcmp(dirs[i], PLAN_XML_DIR) == 0 || strcmp(dirs[i], PLAN_OUTPUTS) == 0;
        strvec_push(&argv, spool ? "--spool" : "--dir");
        strvec_push(&argv, dirs[i]);
    }
    for (size_t i = 0; i < s->service_count; i++) {
        const struct plan_service *p = s->services[i].plan;
        const struct service_plan *spec = &s->services[i].spec;
        if (s->services[i].off || sign_is_needed(spec))
            continue;
        add_relay(s, i, &argv);
        if (s->services[i].shared)
            continue;
        if (s->services[i].sink) {
            strvec_push(&argv, "--sink");
            strvec_pushf(&argv, "%s:%s:%u:" PLAN_COLLECT, p->name, sink_words[p->spec.sink],
                         p->spec.port);
            continue;
        }
        strvec_push(&argv, "--probe");
        strvec_pushf(&argv, "%s:%s:%u:%s", p->name, probe_name(p->provider), spec->port,
                     spec->probe_arg ? spec->probe_arg : "");
        if (spec->rekey)
            strvec_pushf(&env, SATELLITE_PASSWORD "%s=%s", p->name, spec->password);
    }

    struct publish publish[PUBLISH_MAX];
    size_t published = shard_publish(s, publish);
    if (s->ctx->plan->serve_port && !s->ctx->plan->program && s->kind != SHARD_COMMONS) {
        strvec_push(&argv, "--probe");
        strvec_pushf(&argv, SHARD_SITE ":tcp:%d:", PLAN_PORT);
    }

    struct mount mounts[SHARD_VOLUMES + 1];
    _cleanup_free_ char *hostname = s->number > 0 ? xasprintf("shard-%d", s->number)
                                                  : context_subject(s->number, "");
    struct container_spec spec = {.image = s->ctx->satellite,
                                  .argv = (const char *const *)argv.items,
                                  .env = env.len ? (const char *const *)env.items : NULL,
                                  .network = s->ctx->network,
                                  .hostname = hostname,
                                  .ours = true,
                                  .publish = publish,
                                  .publish_count = published,
                                  .mounts = mounts,
                                  .mount_count = holder_mounts(s, mounts)};
    container_create(&s->holder, &spec);
}

/* Release with free(); `parts` keeps the strings that were cut out. */
static struct mount *tmpfs_mounts(const struct service_plan *plan, const struct image_info *image,
                                  struct strvec *parts, size_t *count)
{
    struct mount *mounts = xcalloc(image->volumes.len + plan->tmpfs.len, sizeof(*mounts));
    *count = 0;
    for (size_t i = 0; plan->tmpfs_volumes && i < image->volumes.len; i++)
        mounts[(*count)++] = (struct mount){.kind = MOUNT_TMPFS, .target = image->volumes.items[i]};

    for (size_t i = 0; i < plan->tmpfs.len; i++) {
        const char *entry = plan->tmpfs.items[i], *colon = strchrnul(entry, ':');
        strvec_take(parts, xstrndup(entry, (size_t)(colon - entry)));
        mounts[(*count)++] = (struct mount){.kind = MOUNT_TMPFS,
                                            .target = parts->items[parts->len - 1],
                                            .options = *colon ? colon + 1 : NULL};
    }
    return mounts;
}

static void create_service(struct shard *s, struct shard_service *service,
                           void (*create)(struct container *c, struct container_spec *spec))
{
    const struct service_plan *plan = &service->spec;
    const struct image_info *image = context_image(s->ctx, service->plan->spec.image);
    _cleanup_strvec_ struct strvec parts = STRVEC_INIT;
    size_t count;
    _cleanup_free_ struct mount *mounts = tmpfs_mounts(plan, image, &parts, &count);
    struct container_spec spec = {
        .image = service->image,
        .entrypoint = plan->entrypoint.len ? (const char *const *)plan->entrypoint.items : NULL,
        .user = plan->user,
        .argv = plan->argv.len ? (const char *const *)plan->argv.items : NULL,
        .env = plan->env.len ? (const char *const *)plan->env.items : NULL,
        .pod = s->holder.name,
        .mounts = mounts,
        .mount_count = count,
        .memory = plan->memory,
        .shm_size = plan->shm_size};
    if (plan->files.len && !service->files.len && files_tar(&plan->files, &service->files) < 0) {
        shard_fail(s, ERROR_CONFIG, "service '%s': its files have a path that no archive can have",
                   service->plan->name);
        return;
    }
    service->container.files = plan->files.len ? &service->files : NULL;
    create(&service->container, &spec);
}

void shard_create_service(struct shard *s, struct shard_service *service)
{
    create_service(s, service, container_create);
}

void shard_create_service_again(struct shard *s, struct shard_service *service)
{
    create_service(s, service, container_create_again);
}

static void set_all(struct strvec *env, const struct strvec *more)
{
    for (size_t i = 0; more && i < more->len; i++) {
        _cleanup_free_ char *key = xstrndup(more->items[i], strcspn(more->items[i], "="));
        strvec_setenv(env, key, more->items[i] + strlen(key) + 1);
    }
}

/* An app that is a program of this machine. */
static void create_program(struct shard *s, struct container *c, const struct app_run *run)
{
    static const char *const below[] = {"collect/xml", "collect/outputs", "tmp", "storage",
                                        "static"};
    _cleanup_strvec_ struct strvec env = STRVEC_INIT, dirs = STRVEC_INIT;
    program_base_env(&env, (const char *const *)environ);
    set_all(&env, &s->plan->app_env);
    set_all(&env, run->env);
    for (size_t i = 0; i < ARRAY_SIZE(below); i++)
        strvec_pushf(&dirs, "%s/%s", s->plan->scratch, below[i]);
    char *const *argv = run->argv->items;
    struct container_spec spec = {.program = run->entry ? argv[0] : s->ctx->plan->program,
                                  .dirs = (const char *const *)dirs.items,
                                  .argv = (const char *const *)argv + (run->entry ? 1 : 0),
                                  .env = (const char *const *)env.items};
    container_create(c, &spec);
}

static void create_app(struct shard *s, struct container *c, const struct app_run *run,
                       struct shell *shell)
{
    const struct settings *settings = s->ctx->settings;
    if (s->ctx->plan->program) {
        create_program(s, c, run);
        return;
    }
    _cleanup_strvec_ struct strvec env = STRVEC_INIT;
    set_all(&env, &s->plan->app_env);
    set_all(&env, run->env);
    const char *const *argv = run->argv ? (const char *const *)run->argv->items : NULL;
    struct mount mounts[SHARD_VOLUMES];
    struct container_spec spec = {.image = context_image(s->ctx, settings->image.value)->id,
                                  .entrypoint = run->entry ? argv : NULL,
                                  .argv = run->entry ? NULL : argv,
                                  .env = (const char *const *)env.items,
                                  .pod = s->holder.name,
                                  .mounts = mounts,
                                  .mount_count = volume_mounts(s, mounts),
                                  .memory = settings->own.memory,
                                  .cpu = settings->own.cpus,
                                  .pids = (uint64_t)settings->own.pids};
    if (shell)
        shell_specify(shell, &spec, &s->plan->app_env);
    c->files = run->files;
    container_create(c, &spec);
}

void shard_create_phase(struct shard *s, struct shard_phase *phase, const struct app_run *run)
{
    create_app(s, &phase->container, run, phase == &s->test ? s->ctx->shell : NULL);
}

void shard_create_inside(struct shard *s, struct shell *shell)
{
    const struct app_run run = {0};
    create_app(s, &s->inside, &run, shell);
}
