/* SPDX-License-Identifier: Apache-2.0 */
#include "config/plan_services.h"

#include <string.h>

#include "config/program.h"

#define SECRET_BYTES  16
#define MOVES_MAX     64 /* a pod has no more services that want one port */
#define PORTS_OF_ROOT 1024

/* One of the services of a shard, while it is being planned. */
struct planning {
    const struct settings *settings;
    const struct service_setting *setting;
    int index, shard;
    bool shared;
    const struct plan_shard *commons; /* once it is planned */
    const char *address;
    uint16_t shift;
    char *secret;
};

static const char *override_value(const struct service_setting *setting, const char *key)
{
    for (size_t i = 0; i < setting->overrides.len; i++) {
        if (strcmp(setting->overrides.items[i].key, key) == 0)
            return setting->overrides.items[i].set.value;
    }
    return NULL;
}

/* Where it says so, or where the service itself comes from. */
static const char *override_source(const struct service_setting *setting, const char *key)
{
    for (size_t i = 0; i < setting->overrides.len; i++) {
        if (strcmp(setting->overrides.items[i].key, key) == 0)
            return setting->overrides.items[i].set.source;
    }
    return setting->defined ? setting->defined : setting->source;
}

/* The port that the user chose is the first one's; the others of a count follow it. */
static char *chosen_port(const struct planning *p)
{
    const char *port = override_value(p->setting, "port");
    return port ? xasprintf("%ld", strtol(port, NULL, 10) + p->index) : NULL;
}

/* Of one more of a kind: each variable's name begins with that of the instance. */
static void prefix_variables(struct strvec *env, const char *instance)
{
    for (size_t i = 0; i < env->len; i++) {
        char *entry = xasprintf("%s_%s", instance, env->items[i]);
        for (char *c = entry; (size_t)(c - entry) < strlen(instance); c++) {
            if (*c >= 'a' && *c <= 'z')
                *c = (char)(*c & ~0x20);
            else if (!((*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
                *c = '_';
        }
        free(env->items[i]);
        env->items[i] = entry;
    }
}

static int plan_once(struct plan_service *out, const struct planning *p, struct error *err)
{
    const struct service_setting *setting = p->setting;
    const char *instance = setting->defined && !setting->declaration ? setting->name : NULL;
    _cleanup_free_ char *port = chosen_port(p);
    VEC(struct override_value) overrides = {0};

    for (size_t i = 0; i < setting->overrides.len; i++) {
        const struct override_setting *o = &setting->overrides.items[i];
        bool is_port = port && strcmp(o->key, "port") == 0;
        *vec_push(&overrides) = (struct override_value){o->key, is_port ? port : o->set.value};
    }
    const struct provider_input in = {.overrides = overrides.items,
                                      .override_count = overrides.len,
                                      .application_id = p->settings->application_id.value,
                                      .instance = instance,
                                      .shift = p->shift,
                                      .address = p->address,
                                      .outside = p->settings->own.network != NETWORK_NONE,
                                      .shared = p->shared,
                                      .shard = p->shard,
                                      .shards = (int)p->settings->own.shards,
                                      .secret = p->secret};
    service_plan_deinit(&out->spec);
    int rc = setting->provider->plan(setting->provider, &in, &out->spec, err);
    vec_deinit(&overrides);
    if (rc < 0)
        return error_wrap(err, "service '%s' (%s)", out->name, setting->source);
    if (instance && !setting->provider->names_instances)
        prefix_variables(&out->spec.app_env, instance);
    return 0;
}

static bool listens_on(const struct service_plan *spec, unsigned port)
{
    if (spec->external || port == 0)
        return false;
    if (spec->port == port)
        return true;
    for (size_t i = 0; i < SERVICE_PORTS && spec->more_ports[i]; i++) {
        if (spec->more_ports[i] == port)
            return true;
    }
    return false;
}

/* The first port on which both would listen; 0 when there is none. */
static unsigned common_port_of(const struct service_plan *a, const struct service_plan *b)
{
    if (b->external)
        return 0;
    if (listens_on(a, b->port))
        return b->port;
    for (size_t i = 0; i < SERVICE_PORTS && b->more_ports[i]; i++) {
        if (listens_on(a, b->more_ports[i]))
            return b->more_ports[i];
    }
    return 0;
}

/* Does it want a port that a service planned before it has? It is the last one of the shard. */
static bool clashes(const struct plan_shard *shard)
{
    const struct plan_service *last = &shard->services.items[shard->services.len - 1];

    for (size_t i = 0; i + 1 < shard->services.len; i++) {
        if (common_port_of(&shard->services.items[i].spec, &last->spec))
            return true;
    }
    return false;
}

/* The app is a program of this machine, at whose address the service's port is not ours to open. */
static bool is_forbidden(const struct planning *p, const struct service_plan *spec)
{
    return p->address && !spec->external && spec->port < PORTS_OF_ROOT &&
           !override_value(p->setting, "port") && !program_may_listen(p->address, spec->port);
}

/* The later one moves on until nobody is in its way. What cannot be moved (the user chose its port,
   or it does not listen where it is told) stays, and check_port() speaks of it. */
static int plan_somewhere(const struct plan_shard *shard, struct plan_service *service,
                          struct planning *p, struct error *err)
{
    if (plan_once(service, p, err) < 0)
        return -1;
    if (is_forbidden(p, &service->spec))
        p->shift += PORTS_OF_ROOT;
    uint16_t first = p->shift;

    for (;; p->shift++) {
        if (plan_once(service, p, err) < 0)
            return -1;
        if (!clashes(shard))
            return 0;
        if (p->shift - first == MOVES_MAX)
            break;
    }
    p->shift = first;
    return plan_once(service, p, err);
}

/* What is one for all shards has one password, which the commons have from here too. */
static char *make_secret(const struct planning *p, size_t place, random_fn *random,
                         struct error *err)
{
    const struct plan_shard *commons = p->commons;

    if (p->shared && place < commons->services.len && commons->services.items[place].spec.password)
        return xstrdup(commons->services.items[place].spec.password);
    return random_hex(random, SECRET_BYTES, err);
}

static int plan_service(struct plan_shard *shard, struct planning *p, random_fn *random,
                        struct error *err)
{
    _cleanup_free_ char *secret = make_secret(p, shard->services.len, random, err);
    struct plan_service *service = vec_push(&shard->services);

    if (!secret)
        return -1;
    p->secret = secret;
    service->shared = p->shared;
    service->provider = p->setting->provider;
    service->setting = p->setting;
    service->index = p->index;
    service->name = p->index ? xasprintf("%s-%d", p->setting->name, p->index + 1)
                             : xstrdup(p->setting->name);
    return plan_somewhere(shard, service, p, err);
}

/* Several of a kind: what differs between them becomes one list, which the first one gives. */
static void join_variables(struct strvec *first, struct strvec *other)
{
    for (size_t i = 0; i < other->len; i++) {
        _cleanup_free_ char *key = xstrndup(other->items[i], strcspn(other->items[i], "="));
        const char *value = other->items[i] + strlen(key) + 1;
        const char *so_far = strvec_getenv(first, key);
        if (so_far && strcmp(so_far, value) == 0)
            continue;
        _cleanup_free_ char *joined = so_far ? xasprintf("%s|%s", so_far, value) : xstrdup(value);
        strvec_setenv(first, key, joined);
    }
    strvec_deinit(other);
}

bool plan_is_shared(const struct service_setting *setting)
{
    const char *isolation = override_value(setting, "isolation");
    return isolation && strcmp(isolation, ISOLATION_NAMESPACE) == 0;
}

/* A server elsewhere is what it is. */
static int check_external(const struct service_setting *setting, const struct service_plan *spec,
                          int count, struct error *err)
{
    if (spec->external && count > 1)
        return error_set(err, ERROR_CONFIG,
                         "%s: service '%s' is a server elsewhere, of which 'count' cannot start "
                         "more; list them all as its hosts",
                         override_source(setting, "count"), setting->name);
    if (spec->external && plan_is_shared(setting))
        return error_set(err, ERROR_CONFIG,
                         "%s: service '%s' is a server elsewhere, in which no namespaces are made; "
                         "leave 'isolation' out",
                         override_source(setting, "isolation"), setting->name);
    return 0;
}

static int plan_setting(struct plan_shard *shard, const struct service_setting *setting,
                        const struct plan *plan, random_fn *random, struct error *err)
{
    const char *said = override_value(setting, "count");
    int count = said ? (int)strtol(said, NULL, 10) : 1;
    struct planning p = {.settings = plan->settings,
                         .setting = setting,
                         .shared = plan_is_shared(setting),
                         .shard = shard->number,
                         .commons = &plan->commons,
                         .address = shard->address};
    size_t first = shard->services.len;

    for (p.index = 0; p.index < count; p.index++) {
        if (plan_service(shard, &p, random, err) < 0)
            return -1;
        struct service_plan *spec = &shard->services.items[first].spec;
        if (check_external(setting, spec, count, err) < 0)
            return -1;
        if (p.index)
            join_variables(&spec->app_env,
                           &shard->services.items[first + (size_t)p.index].spec.app_env);
        p.shift++;
    }
    return 0;
}

/* Two services that are to listen on one port of the shard's one network namespace. */
static int check_port(const struct plan_shard *shard, const struct plan_service *a,
                      const struct plan_service *b, struct error *err)
{
    unsigned port = common_port_of(&a->spec, &b->spec), other = port;
    const char *key = b->setting->name, *source = override_source(b->setting, "port");

    if (!port)
        return 0;
    for (size_t i = 0; i < shard->services.len; i++) {
        if (listens_on(&shard->services.items[i].spec, other)) {
            other = other < UINT16_MAX ? other + 1 : 1024;
            i = (size_t)-1;
        }
    }
    if (b->setting->declaration && !override_value(b->setting, "port"))
        return error_set(err, ERROR_CONFIG,
                         "%s: services '%s' and '%s' would both listen on port %u of their shard; "
                         "tell '%s' its ports by ${port} in its command, environment or files, so "
                         "that it can be moved, or give '%s' another port",
                         source, a->name, b->name, port, key, a->setting->name);
    return error_set(err, ERROR_CONFIG,
                     "%s: services '%s' and '%s' would both listen on port %u of their shard; give "
                     "one of them another port, as in '%s: {port: %u}'",
                     source, a->name, b->name, port, key, other);
}

/* 'memcache-2' may be the second of one service and the name of another. */
static int check_name(const struct plan_service *a, const struct plan_service *b, struct error *err)
{
    const struct plan_service *counted = a->index ? a : b, *named = a->index ? b : a;

    if (strcmp(a->name, b->name) != 0)
        return 0;
    return error_set(err, ERROR_CONFIG,
                     "%s: '%s' is also the name of number %d of '%s'; give it another name",
                     override_source(named->setting, ""), named->name, counted->index + 1,
                     counted->setting->name);
}

static bool user_sets(const struct settings *settings, const char *key)
{
    for (size_t i = 0; i < settings->environment.len; i++) {
        if (strcmp(settings->environment.items[i].key, key) == 0)
            return true;
    }
    return false;
}

/* Two services that would give the app different values of one variable, unless the user decides.
 */
static int check_variables(const struct settings *settings, const struct plan_service *a,
                           const struct plan_service *b, struct error *err)
{
    for (size_t i = 0; i < a->spec.app_env.len; i++) {
        const char *entry = a->spec.app_env.items[i];
        _cleanup_free_ char *key = xstrndup(entry, strcspn(entry, "="));
        if (strvec_getenv(&b->spec.app_env, key) && !user_sets(settings, key))
            return error_set(err, ERROR_CONFIG,
                             "services '%s' and '%s' both give the app %s; keep one of them, or "
                             "set the variable below 'environment'",
                             a->name, b->name, key);
    }
    return 0;
}

static int check_pairs(const struct plan_shard *shard, const struct settings *settings,
                       struct error *err)
{
    for (size_t i = 0; i < shard->services.len; i++) {
        const struct plan_service *a = &shard->services.items[i];
        for (size_t j = i + 1; j < shard->services.len; j++) {
            const struct plan_service *b = &shard->services.items[j];
            if (check_name(a, b, err) < 0 || check_variables(settings, a, b, err) < 0 ||
                check_port(shard, a, b, err) < 0)
                return -1;
        }
    }
    return 0;
}

/* Each port of a program's services is opened on this machine. */
static int check_ports(const struct plan_shard *shard, struct error *err)
{
    size_t count = 0;

    for (size_t i = 0; shard->address && i < shard->services.len; i++) {
        const struct service_plan *spec = &shard->services.items[i].spec;
        count += !spec->external;
        for (size_t k = 0; !spec->external && k < SERVICE_PORTS && spec->more_ports[k]; k++)
            count++;
    }
    if (count <= PUBLISH_MAX)
        return 0;
    return error_set(
        err, ERROR_CONFIG,
        "a program of this machine can have %d ports of services in a shard, and these "
        "services have %zu: start fewer of them, or give it an image",
        PUBLISH_MAX, count);
}

int plan_services(struct plan_shard *shard, const struct plan *plan, random_fn *random,
                  struct error *err)
{
    const struct settings *settings = plan->settings;

    for (size_t i = 0; i < settings->services.len; i++) {
        if (plan_setting(shard, &settings->services.items[i], plan, random, err) < 0)
            return -1;
    }
    return check_pairs(shard, settings, err) < 0 ? -1 : check_ports(shard, err);
}
