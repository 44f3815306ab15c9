/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overrides: whatever stands in forklift.yaml, a provider gives a plan or one error, and an app's
 * environment without a stray line.
 *
 * The first byte chooses the provider, and whether its server is shared; then each line is "KEY
 * VALUE", or ignored.
 */
#include <cleanroom/provider.h>

#include <assert.h>
#include <string.h>

#define MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Numbers and ports have been checked by the tables before a provider sees them. */
static bool is_acceptable(const struct override_def *def, const char *value)
{
    size_t digits = strspn(value, "0123456789");

    if (!def)
        return false;
    if (def->type != OVERRIDE_PORT && def->type != OVERRIDE_NUMBER)
        return true;
    return digits > 0 && digits < 6 && !value[digits] &&
           (def->type == OVERRIDE_NUMBER ||
            (strtoul(value, NULL, 10) >= 1 && strtoul(value, NULL, 10) <= UINT16_MAX));
}

static void check_plan(const struct provider *provider, const struct provider_input *in)
{
    struct service_plan plan = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    int rc = provider->plan(provider, in, &plan, &err);
    assert((rc < 0) == (err.kind != ERROR_NONE));
    if (rc == 0) {
        _cleanup_strbuf_ struct strbuf request = STRBUF_INIT;
        assert((plan.external || plan.sink) == !plan.image);
        assert(plan.app_env.len > 0);
        assert(plan.external || plan.port > 0);
        assert(plan.external || plan.sink ||
               provider->probe->request(plan.probe_arg, &request) == 0);
    }
    service_plan_deinit(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct override_value overrides[MAX];
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    struct provider_input in = {.overrides = overrides,
                                .application_id = "app",
                                .shard = 1,
                                .secret = "0123456789abcdef0123456789abcdef"};

    if (size == 0)
        return 0;
    const struct provider *provider = providers[*data % provider_count];
    in.shared = provider->namespaces && *data / provider_count % 2;
    in.shards = 12;
    _cleanup_free_ char *text = xstrndup((const char *)data + 1, size - 1);
    strvec_split(&lines, text, "\n");
    for (size_t i = 0; i < lines.len && in.override_count < MAX; i++) {
        char *space = strchr(lines.items[i], ' ');
        if (!space)
            continue;
        *space = '\0';
        if (is_acceptable(provider_override(provider, lines.items[i]), space + 1))
            overrides[in.override_count++] = (struct override_value){.key = lines.items[i],
                                                                     .value = space + 1};
    }
    check_plan(provider, &in);
    return 0;
}
