/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sign.h"

#include <string.h>

#include "config/words.h"

#define PAUSE_FIRST   (50 * NSEC_PER_MSEC)
#define PAUSE_LONGEST NSEC_PER_SEC

bool sign_is_needed(const struct service_plan *spec)
{
    return spec->log_text || spec->exec_words.len;
}

static void see(struct sign *s)
{
    s->seen = true;
    s->on_change(s->data, s);
}

/* --- a text in its output -------------------------------------------------------------------- */

static void on_output(void *data, enum output_stream stream, const void *bytes, size_t len)
{
    struct sign *s = data;
    struct strbuf *tail = &s->tails[stream];
    size_t wanted = strlen(s->spec->log_text);
    if (s->seen || s->over)
        return;
    strbuf_add(tail, bytes, len);
    if (memmem(tail->buf, tail->len, s->spec->log_text, wanted)) {
        see(s);
        return;
    }
    if (tail->len >= wanted)
        strbuf_consume(tail, tail->len - wanted + 1);
}

/* --- words in its container ------------------------------------------------------------------ */

static void run_words(void *data);

static void run_later(struct sign *s)
{
    loop_timer_arm(s->container->ctx->loop, &s->timer, clock_now() + s->pause, run_words, s);
    s->pause += s->pause / 2;
    if (s->pause > PAUSE_LONGEST)
        s->pause = PAUSE_LONGEST;
}

static void explain(struct sign *s, enum engine_outcome outcome, int code, const struct error *err)
{
    _cleanup_free_ char *words = words_join(&s->spec->exec_words);
    free(s->reason);
    if (outcome == ENGINE_OK)
        s->reason = xasprintf("'%s' ended with %d", words, code);
    else if (err && err->kind == ERROR_TIMEOUT)
        s->reason = xasprintf("'%s' did not end", words);
    else
        s->reason = xasprintf("'%s': %s", words,
                              err && error_is_set(err) ? err->message : "it does not run");
}

static void on_exit_code(void *data, enum engine_outcome outcome, int code, const char *output,
                         const struct error *err)
{
    struct sign *s = data;
    (void)output;
    s->op = NULL;
    if (s->over) {
        s->on_change(s->data, s);
        return;
    }
    if (outcome == ENGINE_OK && code == 0) {
        see(s);
        return;
    }
    explain(s, outcome, code, err);
    run_later(s);
}

static void run_words(void *data)
{
    struct sign *s = data;
    struct engine *engine = s->container->ctx->engine;
    s->op = engine->ops->container_exec(engine, s->container->name,
                                        (const char *const *)s->spec->exec_words.items,
                                        clock_now() + SIGN_ATTEMPT, on_exit_code, s);
}

/* --------------------------------------------------------------------------------------------- */

void sign_init(struct sign *s, struct container *container, const struct service_plan *spec,
               void (*on_change)(void *data, struct sign *sign), void *data)
{
    *s = (struct sign){.container = container,
                       .spec = spec,
                       .on_change = on_change,
                       .data = data,
                       .pause = PAUSE_FIRST};
    for (size_t i = 0; i < ARRAY_SIZE(s->tails); i++)
        strbuf_init(&s->tails[i], 0);
    if (!spec->log_text)
        return;
    container->on_output = on_output;
    container->output_data = s;
}

void sign_begin(struct sign *s)
{
    if (s->over || s->seen)
        return;
    if (s->spec->log_text) {
        s->reason = xasprintf("its output has no '%s'", s->spec->log_text);
        return;
    }
    _cleanup_free_ char *words = words_join(&s->spec->exec_words);
    s->reason = xasprintf("'%s' has not ended", words);
    run_words(s);
}

void sign_cancel(struct sign *s)
{
    if (!s->container || s->over)
        return;
    s->over = true;
    loop_timer_disarm(s->container->ctx->loop, &s->timer);
    if (s->op)
        s->container->ctx->engine->ops->cancel(s->container->ctx->engine, s->op);
}

bool sign_is_busy(const struct sign *s)
{
    return s->op;
}

void sign_deinit(struct sign *s)
{
    if (!s->container)
        return;
    loop_timer_disarm(s->container->ctx->loop, &s->timer);
    for (size_t i = 0; i < ARRAY_SIZE(s->tails); i++)
        strbuf_deinit(&s->tails[i]);
    free(s->reason);
    *s = (struct sign){0};
}
