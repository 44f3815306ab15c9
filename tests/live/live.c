/* SPDX-License-Identifier: Apache-2.0 */
#include "live.h"

#include <archive.h>
#include <archive_entry.h>

#include <cleanroom/log.h>

enum { SECONDS = 60 };

struct live live;

struct labels labels(int shard, const char *role)
{
    return (struct labels){.run = live.run, .owner = "boot:1:1", .shard = shard, .role = role};
}

char *name(const char *suffix)
{
    return xasprintf("%s-%s", live.run, suffix);
}

nsec_t soon(void)
{
    return clock_now() + SECONDS * NSEC_PER_SEC;
}

void keep_result(struct result *r, enum engine_outcome outcome, const struct error *err)
{
    r->done = true;
    r->calls++;
    r->outcome = outcome;
    error_clear(&r->err);
    if (err)
        error_copy(&r->err, err);
    check((outcome == ENGINE_FAILED || outcome == ENGINE_CANCELLED) == (err != NULL));
}

void on_done(void *data, enum engine_outcome outcome, const struct error *err)
{
    keep_result(data, outcome, err);
}

void on_image(void *data, enum engine_outcome outcome, const struct image_info *info,
              const struct error *err)
{
    struct result *r = data;
    keep_result(r, outcome, err);
    if (outcome != ENGINE_OK)
        return;
    r->info.id = xstrdup(info->id);
    r->info.digest = xstrdup(info->digest);
    r->info.user = xstrdup(info->user);
    strvec_append(&r->info.entrypoint, &info->entrypoint);
    strvec_append(&r->info.cmd, &info->cmd);
    strvec_append(&r->info.env, &info->env);
}

void on_state(void *data, enum engine_outcome outcome, const struct container_state *state,
              const struct error *err)
{
    struct result *r = data;
    keep_result(r, outcome, err);
    if (outcome != ENGINE_OK)
        return;
    r->state = *state;
    (void)snprintf(r->state_error, sizeof(r->state_error), "%s", state->error);
}

void result_deinit(struct result *r)
{
    error_clear(&r->err);
    image_info_deinit(&r->info);
}

static void stop_now(void *data)
{
    *(bool *)data = true;
}

void await(const bool *done)
{
    bool late = false, stop = *done;
    struct loop_timer guard = {0}, tick = {0};
    loop_timer_arm(live.loop, &guard, soon(), stop_now, &late);
    while (!*done && !late) {
        stop = false;
        loop_timer_arm(live.loop, &tick, clock_now() + 2 * NSEC_PER_MSEC, stop_now, &stop);
        check_int(loop_run(live.loop, &stop, NULL), 0);
        loop_timer_disarm(live.loop, &tick);
    }
    loop_timer_disarm(live.loop, &guard);
    check(!late);
}

void run_for(nsec_t time)
{
    struct loop_timer timer = {0};
    bool stop = false;
    loop_timer_arm(live.loop, &timer, clock_now() + time, stop_now, &stop);
    check_int(loop_run(live.loop, &stop, NULL), 0);
}

bool expect(struct result *r, enum engine_outcome outcome)
{
    check(!r->done); /* never from within the call */
    await(&r->done);
    if (r->outcome != outcome)
        tap_check(false, __FILE__, __LINE__, "outcome %d, not %d: %s", r->outcome, outcome,
                  r->err.message ? r->err.message : "");
    return check_int(r->calls, 1) && r->outcome == outcome;
}

bool create(const struct container_spec *spec, enum engine_outcome outcome)
{
    RESULT r = {0};
    live.engine->ops->container_create(live.engine, spec, soon(), on_done, &r);
    return expect(&r, outcome);
}

bool start(const char *container, enum engine_outcome outcome)
{
    RESULT r = {0};
    live.engine->ops->container_start(live.engine, container, soon(), on_done, &r);
    return expect(&r, outcome);
}

bool drop(enum object_kind kind, const char *object, enum engine_outcome outcome)
{
    RESULT r = {0};
    live.engine->ops->remove(live.engine, kind, object, soon(), on_done, &r);
    return expect(&r, outcome);
}

bool inspect(const char *container, struct result *r)
{
    live.engine->ops->container_inspect(live.engine, container, soon(), on_state, r);
    return expect(r, ENGINE_OK);
}

bool inspect_end(const char *container, struct result *r)
{
    nsec_t until = soon();
    bool good = inspect(container, r);
    while (good && r->state.running && clock_now() < until) {
        result_deinit(r);
        *r = (struct result){0};
        run_for(10 * NSEC_PER_MSEC);
        good = inspect(container, r);
    }
    return good && check(!r->state.running);
}

void on_ready(void *data)
{
    ((struct output *)data)->ready = true;
}

void on_output(void *data, enum output_stream stream, const void *bytes, size_t len)
{
    struct output *o = data;
    o->early |= !o->ready;
    o->bytes[stream] += len;
    if (o->text[stream].len < 4096)
        strbuf_add(&o->text[stream], bytes, len);
    o->last[stream] = ((const unsigned char *)bytes)[len - 1];
}

void on_output_done(void *data, enum engine_outcome outcome, const struct error *err)
{
    keep_result(&((struct output *)data)->r, outcome, err);
}

void output_init(struct output *o)
{
    *o = (struct output){0};
    for (int i = 0; i < 3; i++)
        strbuf_init(&o->text[i], 0);
}

void output_deinit(struct output *o)
{
    result_deinit(&o->r);
    for (int i = 0; i < 3; i++)
        strbuf_deinit(&o->text[i]);
}

bool begin_spec(struct container_spec *spec, struct output *o)
{
    spec->labels = labels(1, "test");
    if (!spec->image)
        spec->image = live.image_id;
    output_init(o);
    if (!create(spec, ENGINE_OK))
        return false;
    live.engine->ops->container_attach(live.engine, spec->name, on_ready, on_output, on_output_done,
                                       o);
    check(!o->ready);
    await(&o->ready);
    return start(spec->name, ENGINE_OK);
}

void run_spec(struct container_spec *spec, struct output *o)
{
    if (!begin_spec(spec, o))
        return;
    await(&o->r.done);
    check_int(o->r.calls, 1);
    check_int(o->r.outcome, ENGINE_OK);
    check(!o->early);
}

void run_container(const char *container, const char *const *argv, struct output *o)
{
    run_spec(&(struct container_spec){.name = container, .argv = argv}, o);
}

bool is_embedded(void)
{
    return strcmp(live.engine->kind, "embedded") == 0;
}

bool is_podman(void)
{
    return strcmp(live.engine->kind, "podman") == 0;
}

void make_tar(struct strbuf *out, const char *path, const char *text)
{
    size_t cap = 64 * 1024, used = 0;
    _cleanup_free_ char *buffer = xcalloc(1, cap);
    struct archive *a = archive_write_new();
    archive_write_set_format_ustar(a);
    archive_write_open_memory(a, buffer, cap, &used);
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, path);
    archive_entry_set_size(entry, (la_int64_t)strlen(text));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0755);
    archive_write_header(a, entry);
    archive_write_data(a, text, strlen(text));
    archive_entry_free(entry);
    archive_write_close(a);
    archive_write_free(a);
    strbuf_add(out, buffer, used);
}

void on_list(void *data, enum engine_outcome outcome, const struct object_info *objects,
             size_t count, const struct error *err)
{
    struct listing *l = data;
    keep_result(&l->r, outcome, err);
    for (size_t i = 0; i < count; i++) {
        const struct object_info *o = &objects[i];
        check(*o->name && *o->run && *o->owner);
        strvec_pushf(&l->rows, "%s %s %d %s %s", object_kind_name(o->kind), o->name, o->shard,
                     o->role, o->running ? "running" : "-");
    }
}

void on_bytes(void *data, const void *bytes, size_t len)
{
    strbuf_add(&((struct download *)data)->tar, bytes, len);
}

void on_download_done(void *data, enum engine_outcome outcome, const struct error *err)
{
    keep_result(&((struct download *)data)->r, outcome, err);
}

int live_open(struct error *err)
{
    const char *engine = getenv("CLEANROOM_ENGINE");
    bool embedded = engine && strcmp(engine, "embedded") == 0;
    if (getenv("LIVE_TRACE"))
        log_set_level(LOG_TRACE);
    live.image = getenv("LIVE_IMAGE") ? getenv("LIVE_IMAGE") : "debian:bookworm";
    (void)snprintf(live.run, sizeof(live.run), "cleanroom-live-%d", (int)getpid());
    live.options.engine = embedded ? ENGINE_EMBEDDED : ENGINE_DOCKER;
    live.loop = loop_new(err);
    live.engine = live.loop ? engine_open(live.loop, &live.options, err) : NULL;
    return live.engine ? 0 : -1;
}

void live_close(void)
{
    engine_free(TAKE_PTR(live.engine));
    loop_free(TAKE_PTR(live.loop));
}
