/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What services there are: read from the providers' tables, and what the app is told from the very
 * function that plans a run. README's table is what --markdown prints.
 */
#include <string.h>

#include <cleanroom/provider.h>

#include "cli/cmds.h"
#include "config/nearest.h"

/* What differs between runs, in examples. */
#define APPLICATION "myapp"
#define PASSWORD    "password"

static const char *const type_words[] = {
    [OVERRIDE_STRING] = "TEXT", [OVERRIDE_PORT] = "PORT",      [OVERRIDE_NUMBER] = "N",
    [OVERRIDE_LIST] = "A|B",    [OVERRIDE_ENV] = "K=V",        [OVERRIDE_WORDS] = "WORDS",
    [OVERRIDE_COUNT] = "N",     [OVERRIDE_ISOLATION] = "TEXT",
};

static int example_plan(const struct provider *provider, struct service_plan *out,
                        struct error *err)
{
    const struct provider_input in = {
        .application_id = APPLICATION, .shard = 1, .shards = 1, .secret = PASSWORD};

    if (provider->plan(provider, &in, out, err) < 0)
        return error_wrap(err, "service '%s'", provider->name);
    return 0;
}

/* Those that all containers accept, but this service does not. */
static bool lacks(const struct provider *provider, const struct override_def *common)
{
    return !provider->image || (common->type == OVERRIDE_COUNT && !provider->countable) ||
           (common->type == OVERRIDE_ISOLATION && !provider->namespaces);
}

/* --- one ------------------------------------------------------------------------------------- */

static void print_override(const struct override_def *def, FILE *out)
{
    fprintf(out, "  %-12s %-6s %s\n", def->key, type_words[def->type], def->doc);
}

static void print_overrides(const struct provider *provider, FILE *out)
{
    fprintf(out, "\nWhat can be overridden, below '%s:' in forklift.yaml or as --%s.KEY VALUE:\n",
            provider->name, provider->name);
    for (size_t i = 0; i < provider->override_count; i++)
        print_override(&provider->overrides[i], out);
    for (size_t i = 0; i < provider_common_override_count; i++) {
        const struct override_def *def = &provider_common_overrides[i];
        if (!lacks(provider, def))
            print_override(def, out);
    }
}

static void print_place(const struct provider *provider, const struct service_plan *plan, FILE *out)
{
    _cleanup_free_ char *file = sink_file(plan->sink, provider->name);

    if (provider->image)
        fprintf(out, "  image  %s\n", plan->image);
    else
        fprintf(out, "  image  none: served by cleanroom itself, kept in shard-K/%s\n", file);
    fprintf(out, "  port   %u\n", plan->port);
    if (provider->by_the_book)
        fputs("  Not run against a real server here, but written after its documents.\n", out);
}

static int print_one(const struct provider *provider, FILE *out, struct error *err)
{
    _cleanup_(service_plan_deinit) struct service_plan plan = {0};

    if (example_plan(provider, &plan, err) < 0)
        return -1;
    fprintf(out, "%s%s%s\n", provider->name, provider->alias ? ", also called " : "",
            provider->alias ? provider->alias : "");
    fprintf(out, "  %s\n", provider->doc);
    print_place(provider, &plan, out);
    fputs("\nWhat the app is told, if it is '" APPLICATION "':\n", out);
    for (size_t i = 0; i < plan.app_env.len; i++)
        fprintf(out, "  %s\n", plan.app_env.items[i]);
    print_overrides(provider, out);
    return 0;
}

/* --- all ------------------------------------------------------------------------------------- */

/* All but those that are not for everybody. */
static void print_keys(const struct override_def *defs, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        if (defs[i].type != OVERRIDE_COUNT && defs[i].type != OVERRIDE_ISOLATION)
            fprintf(out, " %s", defs[i].key);
    }
}

static int print_brief(const struct provider *provider, FILE *out, struct error *err)
{
    _cleanup_(service_plan_deinit) struct service_plan plan = {0};
    _cleanup_free_ char *names = xasprintf("%s%s%s", provider->name, provider->alias ? ", " : "",
                                           provider->alias ? provider->alias : "");

    if (example_plan(provider, &plan, err) < 0)
        return -1;
    fprintf(out, "%-22s %s\n", names, plan.image ? plan.image : "no container");
    for (size_t i = 0; i < plan.app_env.len; i++)
        fprintf(out, "  %s\n", plan.app_env.items[i]);
    fputs("  overrides:", out);
    print_keys(provider->overrides, provider->override_count, out);
    fprintf(out, "%s%s\n", provider->countable ? " count" : "",
            provider->namespaces ? " isolation" : "");
    return 0;
}

static int print_all(FILE *out, struct error *err)
{
    for (size_t i = 0; i < provider_count; i++) {
        if (print_brief(providers[i], out, err) < 0)
            return -1;
    }
    fputs("all with a container:", out);
    print_keys(provider_common_overrides, provider_common_override_count, out);
    fputs("\nsee 'cleanroom services NAME'\n", out);
    return 0;
}

/* Those that the files of the project here have besides: what they tell its app a plan says. */
static int print_own(const struct invocation *inv, FILE *out, struct error *err)
{
    _cleanup_(settings_deinit) struct settings settings;
    bool first = true;

    if (invocation_settings(inv, &settings, err) < 0)
        return -1;
    for (size_t i = 0; i < settings.services.len; i++) {
        const struct service_setting *service = &settings.services.items[i];
        if (!service->defined)
            continue;
        if (first)
            fputs("\nof this project, see 'cleanroom plan IMAGE':\n", out);
        first = false;
        fprintf(out, "%-22s %s  %s\n", service->name, service->provider->image, service->defined);
    }
    return 0;
}

/* --- README's table -------------------------------------------------------------------------- */

static int print_row(const struct provider *provider, FILE *out, struct error *err)
{
    _cleanup_(service_plan_deinit) struct service_plan plan = {0};

    if (example_plan(provider, &plan, err) < 0)
        return -1;
    fprintf(out, "| `%s`", provider->name);
    if (provider->alias)
        fprintf(out, " (`%s`)", provider->alias);
    fputs(provider->by_the_book ? " * | " : " | ", out);
    for (size_t i = 0; i < plan.app_env.len; i++)
        fprintf(out, "%s`%s`", i ? "<br>" : "", plan.app_env.items[i]);
    if (plan.image)
        fprintf(out, " | `%s` |\n", plan.image);
    else
        fputs(" | none |\n", out);
    return 0;
}

static int print_table(FILE *out, struct error *err)
{
    fputs("| `services:` | the app is told | default image |\n|---|---|---|\n", out);
    for (size_t i = 0; i < provider_count; i++) {
        if (print_row(providers[i], out, err) < 0)
            return -1;
    }
    return 0;
}

/* --------------------------------------------------------------------------------------------- */

static int refuse(const char *name, struct error *err)
{
    VEC(const char *) names = {0};

    for (size_t i = 0; i < provider_count; i++) {
        *vec_push(&names) = providers[i]->name;
        *vec_push(&names) = providers[i]->alias;
    }
    const char *nearest = nearest_name(name, names.items, names.len);
    vec_deinit(&names);
    if (nearest)
        return error_set(err, ERROR_USAGE, "there is no service '%s', did you mean '%s'?", name,
                         nearest);
    return error_set(err, ERROR_USAGE, "there is no service '%s'; see 'cleanroom services'", name);
}

static int print_named(const char *name, FILE *out, struct error *err)
{
    const struct provider *provider = provider_find(name);

    return provider ? print_one(provider, out, err) : refuse(name, err);
}

int cmd_services(const struct invocation *inv, FILE *out, struct error *err)
{
    const char *name = inv->words.len ? inv->words.items[0] : NULL;
    bool markdown = invocation_get(inv, "markdown");
    int status = 0;

    if (name && markdown)
        status = error_set(err, ERROR_USAGE, "--markdown is of all services, so without '%s'",
                           name);
    else if (name)
        status = print_named(name, out, err);
    else if (markdown)
        status = print_table(out, err);
    else if (print_all(out, err) < 0 || print_own(inv, out, err) < 0)
        status = -1;
    return status < 0 ? error_exit_code(err->kind) : 0;
}
