/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each engine has and lacks on this machine, how to mend it, and which one `auto` takes.
 */
#include <cleanroom/loop.h>
#include <cleanroom/strbuf.h>

#include "base/process.h"
#include "cli/cmds.h"
#include "engine/choose.h"
#include "engine/docker/docker.h"
#include "engine/embedded/embedded.h"
#include "engine/store/store.h"

struct doctor {
    struct loop *loop;
    struct engine_options options;
    struct choose_facts facts;
    FILE *out;
    size_t working; /* engines that work here */
};

static void print_finding(const struct finding *f, FILE *out)
{
    const char *mark = f->ok ? "ok" : f->essential ? "no" : "--";
    fprintf(out, "  %s  %-20s %s\n", mark, f->what, f->found);
    if (!f->ok && f->remedy)
        fprintf(out, "      %-20s-> %s\n", "", f->remedy);
}

/* Returns whether nothing essential is lacking. */
static bool print_findings(const struct findings *findings, FILE *out)
{
    bool works = true;
    for (size_t i = 0; i < findings->len; i++) {
        works = works && (findings->items[i].ok || !findings->items[i].essential);
        print_finding(&findings->items[i], out);
    }
    return works;
}

static void examine_engine(struct doctor *d, enum engine_choice engine, const char *name)
{
    if (choose_need(&d->facts, engine) == CHOOSE_NOT)
        return;
    _cleanup_(findings_deinit) struct findings findings = {0};
    if (engine == ENGINE_EMBEDDED)
        embedded_examine(&findings);
    else
        docker_examine(d->loop, &d->options, &findings);
    fprintf(d->out, "%s engine:\n", name);
    d->working += print_findings(&findings, d->out);
}

/* --- images of the embedded engine ----------------------------------------------------------- */

static void find_program(const char *name, struct finding *f)
{
    f->found = process_find_program(name);
    f->ok = f->found != NULL;
    if (!f->ok)
        f->found = xasprintf("there is no %s in PATH: images only of a local Docker or Podman, and "
                             "of archives (cleanroom image load)",
                             name);
}

static void describe_store(struct store *store, struct finding *f)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(store_entries_deinit) struct store_entries entries = {0};
    f->ok = store_list(store, &entries, &err) == 0;
    if (f->ok)
        f->found = xasprintf("%zu image%s in %s, which may grow to %.0f GiB", entries.len,
                             entries.len == 1 ? "" : "s", store_path(store),
                             (double)store_limit(store) / (1 << 30));
    else
        f->found = xstrdup(err.message);
}

static void examine_images(struct doctor *d)
{
    if (choose_need(&d->facts, ENGINE_EMBEDDED) == CHOOSE_NOT)
        return;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct finding place = {.what = "store"},
                   tool = {.what = "registry tool", .remedy = "install skopeo"};
    struct store *store = store_open(NULL, &err);
    if (store)
        describe_store(store, &place);
    else
        place.found = xstrdup(err.message);
    store_close(store);
    find_program("skopeo", &tool);
    fputs("its images:\n", d->out);
    print_finding(&place, d->out);
    print_finding(&tool, d->out);
    free(place.found);
    free(tool.found);
}

/* --------------------------------------------------------------------------------------------- */

/* Chooses as a run would, whose images are not known here. */
static void print_choice(struct doctor *d)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    if (d->options.engine != ENGINE_AUTO)
        return;
    struct engine *engine = engine_open(d->loop, &d->options, &err);
    if (engine)
        fprintf(d->out, "auto takes: %s %s%s%s\n", engine->kind, engine->version,
                engine->why ? ": " : "", engine->why ? engine->why : "");
    else
        fprintf(d->out, "auto takes none: %s\n", err.message);
    engine_free(engine);
}

int cmd_doctor(const struct invocation *inv, FILE *out, struct error *err)
{
    _cleanup_(settings_deinit) struct settings settings;
    if (invocation_settings(inv, &settings, err) < 0)
        return error_exit_code(err->kind);

    struct doctor d = {.options = settings_engine(&settings), .out = out, .loop = loop_new(err)};
    if (!d.loop)
        return error_exit_code(err->kind);
    d.facts.asked = d.options.engine;
    choose_daemon(&d.facts, &d.options);
    examine_engine(&d, ENGINE_EMBEDDED, "embedded");
    examine_images(&d);
    examine_engine(&d, ENGINE_DOCKER, "docker");
    print_choice(&d);
    loop_free(d.loop);
    return d.working ? 0 : error_exit_code(ERROR_ENGINE);
}
