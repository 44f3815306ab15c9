/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Project files: any bytes give settings within their bounds, or one error that says where; and
 * such settings a plan in which nothing is in anything's way, or one error.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "config/plan.h"
#include "config/yaml.h"
#include "run/sign.h"
#include "satellite/prober.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every node stands somewhere, and there are not more of them than promised. */
static size_t walk(const struct yaml_node *node, size_t depth)
{
    assert(depth < YAML_MAX_DEPTH);
    assert(node->line && node->column);
    size_t nodes = 1;
    for (size_t i = 0; i < yaml_node_count(node); i++) {
        if (node->kind == YAML_MAPPING)
            nodes += walk(yaml_node_key(node, i), depth + 1);
        nodes += walk(yaml_node_value(node, i), depth + 1);
    }
    assert(nodes <= YAML_MAX_NODES);
    return nodes;
}

static void check_error(const struct error *err, const char *name)
{
    assert(err->kind == ERROR_CONFIG);
    assert(strstr(err->message, name));
    /* A line and its caret, neither wider than a screen of any bytes. */
    assert(!err->detail || strchr(err->detail, '\n') == strrchr(err->detail, '\n'));
}

static void fuzz_tree(const uint8_t *data, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_yaml_ struct yaml_tree *tree = yaml_tree_parse("f.yaml", (const char *)data, size,
                                                            &err);
    assert((tree == NULL) == (error_is_set(&err) != 0));
    if (tree)
        walk(yaml_tree_root(tree), 0);
    else
        check_error(&err, "f.yaml");
}

static int fixed_random(void *bytes, size_t len)
{
    memset(bytes, 0xab, len);
    return 0;
}

/* What is planned the satellite is told, and understands. */
static void check_probe(const struct plan_service *service)
{
    const struct service_plan *spec = &service->spec;
    const struct provider *provider = service->provider;
    if (spec->external || spec->sink != SINK_NONE || sign_is_needed(spec))
        return;
    struct prober p;
    _cleanup_free_ char *text = xasprintf(
        "%s:%s:%u:%s", service->name, provider->probe_name ? provider->probe_name : provider->name,
        spec->port, spec->probe_arg ? spec->probe_arg : "");
    assert(prober_init(&p, text, NULL, 0) == 0);
    assert(strcmp(p.name, service->name) == 0 && p.port == spec->port);
    prober_deinit(&p);
}

static void check_shard(const struct plan_shard *shard)
{
    for (size_t i = 0; i < shard->services.len; i++) {
        const struct plan_service *a = &shard->services.items[i];
        check_probe(a);
        assert(a->spec.external == !a->spec.image);
        assert(a->spec.files.len % 2 == 0);
        for (size_t k = i + 1; k < shard->services.len; k++) {
            const struct plan_service *b = &shard->services.items[k];
            assert(strcmp(a->name, b->name) != 0);
            assert(a->spec.external || b->spec.external || !a->spec.port ||
                   a->spec.port != b->spec.port);
        }
    }
    for (size_t i = 1; i < shard->app_env.len; i++)
        assert(strchr(shard->app_env.items[i], '='));
}

static void fuzz_plan(struct settings *s)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct plan plan;

    s->own.shards = 1;
    replace_str(&s->image.value, "app");
    int rc = plan_make(&plan, s, fixed_random, &err);
    assert((rc < 0) == (err.kind == ERROR_CONFIG));
    if (rc < 0)
        return;
    check_shard(&plan.shards.items[0]);
    plan_deinit(&plan);
}

static void fuzz_settings(const char *path)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct settings s;
    const struct settings_input in = {
        .project_file = path,
        .no_user_config = true,
        .directory = "/fuzz",
    };
    if (settings_load(&s, &in, &err) < 0) {
        check_error(&err, path);
        assert(!s.own_sources && !s.services.len && !s.environment.len);
        return;
    }
    assert(s.own.shards >= 1 && s.own.shards <= 1000);
    assert(s.own.test_timeout > 0);
    for (size_t i = 0; i < s.services.len; i++)
        assert(s.services.items[i].name && s.services.items[i].provider);
    for (size_t i = 0; i < s.environment.len; i++)
        assert(!strchr(s.environment.items[i].key, '='));
    fuzz_plan(&s);
    settings_deinit(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_tree(data, size);

    _cleanup_close_ int fd = memfd_create("forklift.yaml", MFD_CLOEXEC);
    assert(fd >= 0);
    ssize_t n = write(fd, data, size);
    assert(n == (ssize_t)size);
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    fuzz_settings(path);
    return 0;
}
