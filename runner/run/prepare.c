/* SPDX-License-Identifier: Apache-2.0 */
#include "run/prepare.h"

#include <unistd.h>

#include "run/lease.h"
#include "run/satellite_image.h"

static void part_done(struct prepare *p)
{
    if (--p->pending)
        return;
    console_status(p->ctx->console, NULL);
    p->done(p->data, error_is_set(&p->error) ? &p->error : NULL);
}

static void tell_journal(struct prepare *p, const char *subject, enum engine_outcome outcome)
{
    journal_state(p->ctx->journal, subject, outcome == ENGINE_OK ? "ready" : "failed", NULL);
}

static void cancel_op(struct prepare *p, struct engine_op *op)
{
    if (op)
        p->ctx->engine->ops->cancel(p->ctx->engine, op);
}

/* What makes an object is never cancelled: the engine would go on making it behind our back. */
static void cancel_all(struct prepare *p)
{
    for (size_t i = 0; i < p->ctx->plan->images.len; i++)
        cancel_op(p, p->images[i].op);
    for (size_t i = 0; i < p->ctx->plan->seed.services.len; i++)
        snapshot_cancel(&p->ctx->snapshots[i]);
    if (!p->events_ready)
        prepare_events_ready(p); /* it is not waited for any more */
}

static void note_failure(struct prepare *p, const struct error *err, const char *what)
{
    if (error_is_set(&p->error))
        return;
    if (err && error_is_set(err))
        error_copy(&p->error, err);
    else
        error_set(&p->error, ERROR_ENGINE, "the engine did not make it");
    if (what)
        error_wrap(&p->error, "%s", what);
    cancel_all(p);
}

/* --- images ---------------------------------------------------------------------------------- */

static void copy_info(struct image_info *to, const struct image_info *from)
{
    *to = (struct image_info){
        .id = xstrdup(from->id), .digest = xstrdup(from->digest), .user = xstrdup(from->user)};
    strvec_append(&to->entrypoint, &from->entrypoint);
    strvec_append(&to->cmd, &from->cmd);
    strvec_append(&to->env, &from->env);
    strvec_append(&to->volumes, &from->volumes);
}

static void on_progress(void *data, const char *ref, uint64_t done, uint64_t total)
{
    struct prepare_image *image = data;
    _cleanup_free_ char *text = xasprintf("pulling %s: %.1f of %.1f MB", ref, (double)done / 1e6,
                                          (double)total / 1e6);
    console_status(image->prepare->ctx->console, text);
}

static void note_image_failure(struct prepare_image *image, const struct error *err)
{
    struct prepare *p = image->prepare;
    _cleanup_error_ struct error late = ERROR_INIT;
    _cleanup_free_ char *what = xasprintf("image '%s' (%s)", image->ref, image->used_by);
    if (err && err->kind == ERROR_TIMEOUT) {
        char limit[16];
        clock_human(p->ctx->settings->own.pull_timeout, limit, sizeof(limit));
        error_set(&late, ERROR_TIMEOUT, "not there within %s; --pull-timeout TIME gives it longer",
                  limit);
        err = &late;
    }
    note_failure(p, err, what);
}

static void on_looked(void *data)
{
    part_done(data);
}

/* Of the services that use this image, which is known now. */
static void look_for_snapshots(struct prepare *p, const char *ref)
{
    for (size_t i = 0; i < p->ctx->plan->seed.services.len; i++) {
        const struct plan_service *service = &p->ctx->plan->seed.services.items[i];
        if (service->spec.image && strcmp(service->spec.image, ref) == 0 &&
            snapshot_look(&p->ctx->snapshots[i], on_looked, p))
            p->pending++;
    }
}

static void on_image(void *data, enum engine_outcome outcome, const struct image_info *info,
                     const struct error *err)
{
    struct prepare_image *image = data;
    struct prepare *p = image->prepare;
    image->op = NULL;
    _cleanup_free_ char *subject = xasprintf("image %s", image->ref);
    tell_journal(p, subject, outcome);
    if (outcome == ENGINE_OK) {
        copy_info(&p->infos[image - p->images], info);
        journal_fact(p->ctx->journal, subject, info->digest ? info->digest : info->id);
        if (!error_is_set(&p->error))
            look_for_snapshots(p, image->ref);
    } else {
        note_image_failure(image, err);
    }
    part_done(p);
}

static void resolve_images(struct prepare *p)
{
    const struct cleanroom_settings *own = &p->ctx->settings->own;
    nsec_t deadline = clock_now() + own->pull_timeout;
    for (size_t i = 0; i < p->ctx->plan->images.len; i++) {
        const struct plan_image *image = &p->ctx->plan->images.items[i];
        p->images[i] = (struct prepare_image){
            .prepare = p, .ref = image->ref, .used_by = image->used_by};
        p->pending++;
        p->images[i].op = p->ctx->engine->ops->image_resolve(
            p->ctx->engine, image->ref, own->pull, deadline, on_progress, on_image, &p->images[i]);
    }
}

/* --- the satellite and the network ----------------------------------------------------------- */

static void on_satellite(void *data, enum engine_outcome outcome, const struct image_info *info,
                         const struct error *err)
{
    struct prepare *p = data;
    ledger_answered(p->ctx->ledger, outcome, err);
    tell_journal(p, "image of the satellite", outcome);
    if (outcome == ENGINE_OK) {
        copy_info(&p->satellite, info);
        p->ctx->satellite = p->satellite.id;
    } else {
        note_failure(p, err, "the satellite's image could not be imported");
    }
    part_done(p);
}

static void import_satellite(struct prepare *p)
{
    static const char *const entrypoint[] = {SATELLITE_IMAGE_PATH, NULL};
    struct labels labels = context_labels(p->ctx, 0, "satellite");
    _cleanup_strbuf_ struct strbuf tar = STRBUF_INIT;
    satellite_image_tar(&tar);
    if (!p->satellite_kept)
        ledger_enter(p->ctx->ledger, OBJECT_IMAGE, p->satellite_name);
    p->ctx->engine->ops->image_import(
        p->ctx->engine, p->satellite_name, p->satellite_kept ? NULL : &labels, entrypoint, tar.buf,
        tar.len, clock_now() + p->ctx->settings->own.start_timeout, on_satellite, p);
}

static void on_kept_satellite(void *data, enum engine_outcome outcome,
                              const struct image_info *info, const struct error *err)
{
    struct prepare *p = data;
    if (outcome == ENGINE_OK)
        on_satellite(p, outcome, info, err);
    else
        import_satellite(p);
}

/* A daemon takes its time over an import, so one is kept. (The embedded engine keeps it itself.) */
static void find_satellite(struct prepare *p)
{
    struct engine *engine = p->ctx->engine;
    p->satellite_kept = p->ctx->settings->own.snapshots && strcmp(engine->kind, "embedded") != 0;
    p->pending++;
    if (p->satellite_kept) {
        p->satellite_name = satellite_image_name();
        if (!lease_take(strchr(p->satellite_name, ':') + 1, &p->satellite_lease)) {
            import_satellite(p);
            return;
        }
        engine->ops->image_resolve(engine, p->satellite_name, PULL_KEPT,
                                   clock_now() + p->ctx->settings->own.start_timeout, NULL,
                                   on_kept_satellite, p);
        return;
    }
    p->satellite_name = xasprintf(SATELLITE_REPOSITORY ":%s", p->ctx->plan->run_id);
    import_satellite(p);
}

static void on_network(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct prepare *p = data;
    ledger_answered(p->ctx->ledger, outcome, err);
    tell_journal(p, "network", outcome);
    if (outcome == ENGINE_OK) {
        p->ctx->network = p->network_name;
    } else {
        note_failure(p, err, "the run's network could not be made");
    }
    part_done(p);
}

static void create_network(struct prepare *p)
{
    if (!context_needs_network(p->ctx))
        return;
    struct labels labels = context_labels(p->ctx, 0, "network");
    p->network_name = xasprintf("cleanroom-%s", p->ctx->plan->run_id);
    ledger_enter(p->ctx->ledger, OBJECT_NETWORK, p->network_name);
    p->pending++;
    p->ctx->engine->ops->network_create(p->ctx->engine, p->network_name, &labels,
                                        clock_now() + p->ctx->settings->own.start_timeout,
                                        on_network, p);
}

/* --------------------------------------------------------------------------------------------- */

static void events_deadline_passed(void *data)
{
    struct prepare *p = data;
    _cleanup_error_ struct error err = ERROR_INIT;
    error_set(&err, ERROR_TIMEOUT, "the engine at %s did not open its events in time",
              p->ctx->engine->where);
    note_failure(p, &err, NULL);
}

void prepare_begin(struct prepare *p, struct run_context *ctx,
                   void (*done)(void *data, const struct error *err), void *data)
{
    *p = (struct prepare){
        .ctx = ctx, .done = done, .data = data, .pending = 1, .satellite_lease = -1};
    p->images = xcalloc(ctx->plan->images.len, sizeof(*p->images));
    p->infos = xcalloc(ctx->plan->images.len, sizeof(*p->infos));
    ctx->images = p->infos;
    loop_timer_arm(ctx->loop, &p->events_deadline, clock_now() + ctx->settings->own.start_timeout,
                   events_deadline_passed, p);
    create_network(p);
    resolve_images(p); /* first: who is asked answers while we are busy with the satellite's */
    find_satellite(p);
}

void prepare_events_ready(struct prepare *p)
{
    if (p->events_ready)
        return;
    p->events_ready = true;
    loop_timer_disarm(p->ctx->loop, &p->events_deadline);
    part_done(p);
}

void prepare_cancel(struct prepare *p, const struct error *err)
{
    note_failure(p, err, NULL);
}

void prepare_deinit(struct prepare *p)
{
    if (!p->ctx)
        return;
    loop_timer_disarm(p->ctx->loop, &p->events_deadline);
    for (size_t i = 0; i < p->ctx->plan->images.len; i++)
        image_info_deinit(&p->infos[i]);
    image_info_deinit(&p->satellite);
    free(p->images);
    free(p->infos);
    free(p->satellite_name);
    if (p->satellite_lease >= 0)
        close(p->satellite_lease);
    free(p->network_name);
    error_clear(&p->error);
}
