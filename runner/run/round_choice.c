/* SPDX-License-Identifier: Apache-2.0 */
#include "run/round_choice.h"

static bool is_bad(const struct shard *s)
{
    return s->rounds.unexplained || result_suite_bad(&s->rounds.found) > 0;
}

static bool may_retry(const struct shard *s)
{
    return s->rounds.tries < s->ctx->settings->own.retries && !s->abandoned;
}

static bool wants_another_pass(const struct shard *s)
{
    const struct cleanroom_settings *own = &s->ctx->settings->own;
    const struct shard_rounds *r = &s->rounds;
    if (r->parts.len == 0 || s->abandoned || (own->until_fail && is_bad(s)))
        return false;
    return r->pass < own->repeat || (own->until_fail && own->repeat == 1);
}

/* What failed, by name; all of the shard's where names do not tell. */
static void gather_failed(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    part_deinit(&r->failed);
    r->failed = (struct part){0};
    if (division_failed(s->ctx->division, &r->found, &r->failed.names) && !r->unexplained)
        return;
    strvec_deinit(&r->failed.names);
    r->failed.whole = r->parts.len > 0 && r->parts.items[0].whole;
    for (size_t i = 0; i < r->parts.len; i++)
        strvec_append(&r->failed.names, &r->parts.items[i].names);
}

static void say_retry(struct shard *s)
{
    const struct shard_rounds *r = &s->rounds;
    size_t bad = result_suite_bad(&r->found);
    _cleanup_free_ char *what = bad ? xasprintf("%zu failed test%s", bad, bad == 1 ? "" : "s")
                                    : xstrdup("the failed tests");
    console_say(s->ctx->console, s->number, "%s: try %d of %lld%s", what, r->tries + 1,
                (long long)s->ctx->settings->own.retries + 1,
                s->worlds ? ", in a fresh world" : "");
}

static void set_part(struct shard_rounds *r, enum round_kind kind, const struct part *part)
{
    part_deinit(&r->part);
    r->part = (struct part){0};
    part_copy(&r->part, part);
    r->kind = kind;
}

static bool choose_retry(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    r->tries++;
    say_retry(s);
    set_part(r, ROUND_RETRY, &r->failed);
    return true;
}

static bool choose_new(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    struct part part;
    if (r->pass > 1 || s->abandoned || (s->ctx->settings->own.fail_fast && is_bad(s)))
        return false;
    if (!division_next(s->ctx->division, s->number, &part))
        return false;
    set_part(r, ROUND_PART, &part);
    *vec_push(&r->parts) = part;
    return true;
}

bool round_choose(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    if (s->worlds > 0 && r->count == 0)
        return choose_retry(s);
    if (choose_new(s))
        return true;
    if (r->repeated >= r->parts.len || r->pass == 1) {
        if (wants_another_pass(s)) {
            r->pass++;
            r->repeated = 0;
        } else {
            r->repeated = r->parts.len;
        }
    }
    if (r->repeated < r->parts.len) {
        set_part(r, ROUND_REPEAT, &r->parts.items[r->repeated++]);
        return true;
    }
    if (!is_bad(s) || !may_retry(s))
        return false;
    gather_failed(s);
    if (r->tries == 0)
        return choose_retry(s);
    s->wants_fresh = true;
    return false;
}

bool round_goes_on(const struct shard *s, bool failed)
{
    const struct shard_rounds *r = &s->rounds;
    const struct cleanroom_settings *own = &s->ctx->settings->own;
    bool retry = may_retry(s) && (failed || (r->kind != ROUND_RETRY && is_bad(s)));
    bool stop = failed && !retry && (own->fail_fast || own->until_fail);
    if (s->abandoned || stop)
        return false;
    return retry ||
           (r->pass == 1 && r->kind == ROUND_PART && division_has_more(s->ctx->division)) ||
           (r->kind != ROUND_RETRY && (wants_another_pass(s) || r->repeated < r->parts.len) &&
            r->pass > 1) ||
           (r->pass == 1 && r->kind == ROUND_PART && wants_another_pass(s));
}
