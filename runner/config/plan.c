/* SPDX-License-Identifier: Apache-2.0 */
#include "config/plan.h"

#include <pwd.h>
#include <string.h>

#include "config/own.h"
#include "config/plan_services.h"
#include "config/program.h"
#include "config/shardvars.h"

#define RUN_ID_BYTES 6

static char *user_name(void)
{
    struct passwd entry, *found = NULL;
    char space[4096];

    if (getpwuid_r(geteuid(), &entry, space, sizeof(space), &found) == 0 && found)
        return xstrdup(found->pw_name);
    return xasprintf("%u", (unsigned)geteuid()); /* a container's user without a name */
}

static int compare_entries(const void *a, const void *b)
{
    const char *left = *(char *const *)a, *right = *(char *const *)b;
    size_t left_len = strcspn(left, "="), right_len = strcspn(right, "=");
    int order = memcmp(left, right, left_len < right_len ? left_len : right_len);

    if (order)
        return order;
    return left_len < right_len ? -1 : left_len > right_len;
}

static void set_app_env(struct plan_shard *shard, const struct plan *plan)
{
    const struct settings *settings = plan->settings;
    struct strvec *env = &shard->app_env;
    _cleanup_free_ char *user = user_name();

    strvec_setenv(env, "ENVIRONMENT", "dev_local");
    strvec_setenv(env, "DEVNAME", user);
    strvec_setenv(env, "SITE_PROTOCOL", "http");
    strvec_setenv(env, "SITE_DOMAIN", plan->site);
    for (size_t i = 0; i < shard->services.len; i++) {
        const struct strvec *given = &shard->services.items[i].spec.app_env;
        for (size_t k = 0; k < given->len; k++) {
            _cleanup_free_ char *key = xstrndup(given->items[k], strcspn(given->items[k], "="));
            strvec_setenv(env, key, given->items[k] + strlen(key) + 1);
        }
    }
    if (shard->number > 0)
        shardvars_set(env, shard->number, (int)settings->own.shards,
                      shard->scratch ? shard->scratch : PLAN_SCRATCH);
    if (shard->scratch)
        program_set_dirs(env, shard->scratch);
    if (shard->scratch && plan->serve_port) {
        _cleanup_free_ char *port = xasprintf("%u", plan->serve_port);
        strvec_setenv(env, "PORT", port);
    }
    for (size_t i = 0; i < settings->environment.len; i++) {
        const struct env_setting *e = &settings->environment.items[i];
        strvec_setenv(env, e->key, e->set.value);
    }
    qsort(env->items, env->len, sizeof(*env->items), compare_entries);
}

/* 127.A.B.K: A.B are the run's, so that runs side by side keep out of each other's way. Nothing of
   127.0.x.x, where everybody listens. */
static char *own_address(const struct plan *plan, int number)
{
    unsigned run = (unsigned)strtoul(plan->run_id + RUN_ID_BYTES * 2 - 4, NULL, 16);
    unsigned a = 1 + (run >> 8) % 254, b = (run + (unsigned)number / 254) & 0xff;

    return xasprintf("127.%u.%u.%d", a, b, 1 + number % 254);
}

static int make_shard(struct plan_shard *shard, int number, const struct plan *plan,
                      random_fn *random, struct error *err)
{
    shard->number = number;
    if (plan->program) {
        shard->address = own_address(plan, number);
        shard->scratch = program_scratch(plan->run_id, number);
    }
    if (plan_services(shard, plan, random, err) < 0)
        return -1;
    set_app_env(shard, plan);
    return 0;
}

static void need_image(struct plan *plan, const char *ref, const char *used_by)
{
    for (size_t i = 0; i < plan->images.len; i++) {
        struct plan_image *image = &plan->images.items[i];
        if (strcmp(image->ref, ref) == 0) {
            char *joined = xasprintf("%s, %s", image->used_by, used_by);
            free(image->used_by);
            image->used_by = joined;
            return;
        }
    }
    *vec_push(&plan->images) = (struct plan_image){.ref = xstrdup(ref),
                                                   .used_by = xstrdup(used_by)};
}

/* Every shard has the same services, so the first one's images are all. */
static void collect_images(struct plan *plan)
{
    const struct plan_shard *shard = &plan->shards.items[0];

    if (!plan->program)
        need_image(plan, plan->settings->image.value, "app");
    for (size_t i = 0; i < shard->services.len; i++) {
        const struct plan_service *service = &shard->services.items[i];
        if (service->spec.image)
            need_image(plan, service->spec.image, service->name);
    }
}

static void collect_secrets_of(struct plan *plan, const struct plan_shard *shard)
{
    for (size_t k = 0; k < shard->services.len; k++) {
        const struct strvec *secrets = &shard->services.items[k].spec.secrets;
        for (size_t n = 0; n < secrets->len; n++) {
            if (!strvec_contains(&plan->secrets, secrets->items[n]))
                strvec_push(&plan->secrets, secrets->items[n]);
        }
    }
}

static void collect_secrets(struct plan *plan)
{
    for (size_t i = 0; i < plan->shards.len; i++)
        collect_secrets_of(plan, &plan->shards.items[i]);
    collect_secrets_of(plan, &plan->seed);
    collect_secrets_of(plan, &plan->commons);
}

/* What every shard is to be a copy of has to be ours, and has to be copied. */
static int check_deploy_once(const struct plan *plan, struct error *err)
{
    for (size_t i = 0; plan->deploy == DEPLOY_ONCE && i < plan->seed.services.len; i++) {
        const struct plan_service *s = &plan->seed.services.items[i];
        if (s->spec.external && !s->spec.idle)
            return error_set(err, ERROR_CONFIG,
                             "service '%s' is a server elsewhere, of which 'deploy: once' can make "
                             "no copies; use 'deploy: each'",
                             s->name);
        if (s->shared)
            return error_set(err, ERROR_CONFIG,
                             "service '%s' is one for all shards ('isolation: namespace'), and "
                             "'deploy: once' gives each shard a copy; use 'deploy: each'",
                             s->name);
        if (!s->provider->recipe)
            return error_set(err, ERROR_CONFIG,
                             "service '%s' has no recipe by which 'deploy: once' could make copies "
                             "of it; use 'deploy: each'",
                             s->name);
        if (!s->spec.snapshot)
            return error_set(err, ERROR_CONFIG,
                             "service '%s' has 'snapshot: no', and 'deploy: once' needs one of it; "
                             "use 'deploy: each'",
                             s->name);
    }
    return 0;
}

/* Without snapshots everything begins at nothing, deploy included. What a program is made of nobody
   knows, so there is no telling whether its last deploy still holds. Who serves has deployed. */
static enum deploy_mode deploy_mode(const struct plan *plan)
{
    const struct cleanroom_settings *own = &plan->settings->own;
    bool each = own->deploy == DEPLOY_ONCE && (!own->snapshots || plan->program);

    return each || plan->settings->serve ? DEPLOY_EACH : own->deploy;
}

/* The app's own port: inside the pod Pallet's, on this machine one that is free. */
static int plan_site(struct plan *plan, struct error *err)
{
    if (plan->settings->serve) {
        plan->serve_port = plan->settings->serve_port;
        if (!plan->serve_port && program_free_port(&plan->serve_port, err) < 0)
            return -1;
    }
    plan->site = xasprintf("localhost:%u", plan->serve_port ? plan->serve_port : PLAN_PORT);
    return 0;
}

static bool shares(const struct settings *settings)
{
    for (size_t i = 0; i < settings->services.len; i++) {
        if (plan_is_shared(&settings->services.items[i]))
            return true;
    }
    return false;
}

static const char *source_of(const struct settings *settings, const char *flag)
{
    const struct setting *said = settings->own_sources;

    return said ? said[own_by_flag(flag) - setting_defs].source : "default";
}

static int plan_slice(struct plan *plan, struct error *err)
{
    const char *text = plan->settings->own.slice;
    int shards = (int)plan->settings->own.shards;

    plan->slice = (struct slice){.total = 1};
    plan->shard_count = shards;
    if (plan->settings->only_shard) {
        plan->first_shard = plan->settings->only_shard - 1;
        plan->shard_count = 1;
        return 0;
    }
    if (!text)
        return 0;
    const char *source = source_of(plan->settings, "slice");
    if (slice_parse(&plan->slice, text, source, (const char *const *)environ, err) < 0)
        return -1;
    return slice_range(&plan->slice, shards, source, &plan->first_shard, &plan->shard_count, err);
}

static int fill(struct plan *out, const struct settings *settings, random_fn *random,
                struct error *err)
{
    if (!settings->image.value || !*settings->image.value)
        return error_set(err, ERROR_USAGE, "no image is named; try 'cleanroom myimage'");
    if (settings->own.shards < 1)
        return error_set(err, ERROR_CONFIG, "a run needs at least 1 shard");

    out->settings = settings;
    if (program_find(settings, &out->program, err) < 0 || plan_site(out, err) < 0 ||
        plan_slice(out, err) < 0)
        return -1;
    out->deploy = deploy_mode(out);
    out->run_id = random_hex(random, RUN_ID_BYTES, err);
    if (!out->run_id)
        return -1;
    strvec_push(&out->test_argv, settings->serve ? "serve" : "test");
    strvec_append(&out->test_argv, &settings->test_args);
    strvec_push(&out->deploy_argv, "deploy");

    if (shares(settings) && make_shard(&out->commons, 0, out, random, err) < 0)
        return -1;
    for (int number = 1; number <= settings->own.shards; number++) {
        if (make_shard(vec_push(&out->shards), number, out, random, err) < 0)
            return -1;
    }
    if (make_shard(&out->seed, 0, out, random, err) < 0)
        return -1;
    collect_images(out);
    collect_secrets(out);
    return check_deploy_once(out, err);
}

int plan_make(struct plan *out, const struct settings *settings, random_fn *random,
              struct error *err)
{
    *out = (struct plan){0};
    if (fill(out, settings, random ? random : random_kernel, err) == 0)
        return 0;
    plan_deinit(out);
    return -1;
}

static void shard_deinit(struct plan_shard *shard)
{
    for (size_t i = 0; i < shard->services.len; i++) {
        service_plan_deinit(&shard->services.items[i].spec);
        free(shard->services.items[i].name);
    }
    vec_deinit(&shard->services);
    strvec_deinit(&shard->app_env);
    free(shard->address);
    free(shard->scratch);
}

void plan_deinit(struct plan *plan)
{
    for (size_t i = 0; i < plan->shards.len; i++)
        shard_deinit(&plan->shards.items[i]);
    shard_deinit(&plan->seed);
    shard_deinit(&plan->commons);
    for (size_t i = 0; i < plan->images.len; i++) {
        free(plan->images.items[i].ref);
        free(plan->images.items[i].used_by);
    }
    vec_deinit(&plan->shards);
    vec_deinit(&plan->images);
    free(plan->run_id);
    free(plan->program);
    free(plan->site);
    strvec_deinit(&plan->test_argv);
    strvec_deinit(&plan->deploy_argv);
    strvec_deinit(&plan->secrets);
    *plan = (struct plan){0};
}
