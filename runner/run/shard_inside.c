/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shard_inside.h"

#include "run/shard_create.h"
#include "run/shell.h"

/* The app's own have had their time; who comes gets a new one. */
void shard_enter_kept(struct shard *s)
{
    nsec_t deadline = context_teardown_deadline(s->ctx);
    s->kept = true;
    console_end_stream(s->ctx->console, shard_voice(s));
    container_remove(&s->test.container, deadline);
    container_remove(&s->deploy.container, deadline);
    s->on_done(s->data, s);
}

static void inside_output(void *data, enum output_stream stream, const void *bytes, size_t len)
{
    struct shard *s = data;
    if (s->visitor)
        shell_output(s->visitor, stream, bytes, len);
}

static void inside_changed(void *data, struct container *c)
{
    struct shard *s = data;
    if (s->visitor && c->stage == CONTAINER_RUNNING)
        shell_begin(s->visitor, c);
    else if (s->visitor && c->stage >= CONTAINER_EXITED)
        shell_end(s->visitor);
    if (s->on_inside)
        s->on_inside(s->inside_data, c);
    if (c->stage == CONTAINER_GONE)
        s->visitor = NULL;
    if (s->state >= SHARD_TEARDOWN)
        shard_teardown_goes_on(s);
    else if (c->stage == CONTAINER_EXITED || c->stage == CONTAINER_FAILED)
        shard_put_out(s);
}

void shard_init_inside(struct shard *s)
{
    container_init(&s->inside, s->ctx, s->number, "shell", inside_changed, s);
    s->inside.on_output = inside_output;
}

bool shard_let_in(struct shard *s, struct shell *visitor,
                  void (*changed)(void *data, struct container *c), void *data)
{
    if (s->state != SHARD_KEPT || s->visitor)
        return false;
    container_deinit(&s->inside);
    shard_init_inside(s);
    s->visitor = visitor;
    s->on_inside = changed;
    s->inside_data = data;
    shard_create_inside(s, visitor);
    container_start(&s->inside);
    return true;
}

void shard_put_out(struct shard *s)
{
    if (s->visitor)
        container_remove(&s->inside, context_teardown_deadline(s->ctx));
}
