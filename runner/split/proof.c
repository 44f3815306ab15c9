/* SPDX-License-Identifier: Apache-2.0 */
#include "split/proof.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "split/evidence.h"
#include "split/naming.h"

static void remember(struct strvec *names, const char *name)
{
    if (names->len < PROOF_NAMES_MAX)
        strvec_push(names, name);
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static size_t tests_of(const struct proof *p)
{
    return p->ran + p->skipped;
}

static void count(struct proof *p, const struct evidence *e)
{
    p->planned = e->plan.len;
    for (size_t i = 0; i < e->heard.len; i++) {
        const struct heard *h = &e->heard.items[i];
        *(h->ran ? &p->ran : &p->skipped) += h->count;
        if (h->shards > 1) {
            p->doubled++;
            remember(&p->doubled_names, h->key);
        }
        p->named |= h->planned;
    }
    for (size_t i = 0; i < e->plan.len; i++) {
        if (e->plan.items[i].found)
            continue;
        p->never++;
        remember(&p->never_names, e->plan.items[i].id);
    }
}

/* The variables that an app's entry point has for what a preset's shard flag wants. */
static const struct {
    const char *hole, *variable;
} variables[] = {
    {"{number}", "$CLEANROOM_SHARD_NUMBER"},
    {"{index}", "$CLEANROOM_SHARD_INDEX"},
    {"{total}", "$CLEANROOM_SHARD_TOTAL"},
};

static void add_flag(struct strbuf *out, const char *word)
{
    while (*word) {
        size_t len = 0;
        for (size_t i = 0; i < ARRAY_SIZE(variables) && len == 0; i++) {
            if (strncmp(word, variables[i].hole, strlen(variables[i].hole)) != 0)
                continue;
            len = strlen(variables[i].hole);
            strbuf_adds(out, variables[i].variable);
        }
        if (len == 0)
            strbuf_addc(out, *word++);
        word += len;
    }
}

/* What to set, release with free(). */
static char *advice(const struct preset *preset)
{
    _cleanup_strbuf_ struct strbuf flags = STRBUF_INIT;
    if (!preset)
        return xstrdup("let the test runner read CLEANROOM_SHARD_INDEX and CLEANROOM_SHARD_TOTAL, "
                       "or set 'runner' and 'split: list'");
    for (size_t i = 0; preset->shard[i]; i++) {
        strbuf_adds(&flags, i > 0 ? " " : "");
        add_flag(&flags, preset->shard[i]);
    }
    if (flags.len)
        return xasprintf("let the app's entry point run %s with '%s', or set 'split: list'",
                         preset->name, flags.buf);
    if (preset->shard_variables)
        return xasprintf("let %s see the variables %s, or set 'split: list'", preset->name,
                         preset->shard_variables);
    return xasprintf("%s has no shards of its own: set 'split: list'", preset->name);
}

static void judge_sharding(struct proof *p, const struct evidence *e,
                           const struct proof_question *q)
{
    /* One name says little: of a report that has but one, of a test in each of several files. And
       where nothing could be run, it says nothing of shards. */
    bool same = e->busy > 1 && e->common > 1 && e->judged;
    for (size_t i = 0; i < e->suites; i++)
        same &= e->ran_in[i] == 0 || e->ran_in[i] == e->common;
    if (!same)
        return;
    /* Handing out parts that the runner does not heed is the app's fault, not its flags'. */
    _cleanup_free_ char *what =
        q->planned ? xstrdup("the app's entry point must hand the words after 'test' to its runner")
                   : advice(q->preset);
    strvec_pushf(&p->errors,
                 "the suite did not shard: each of %zu shards ran the same %zu test%s; %s", e->busy,
                 e->common, plural(e->common), what);
}

static char *names_of(const struct strvec *names, size_t all)
{
    char *joined = strvec_join(names, ", ");
    if (all <= names->len)
        return joined;
    char *more = xasprintf("%s and %zu more", joined, all - names->len);
    free(joined);
    return more;
}

/* A file may have no test in it, and a test of the plan another name in the reports. */
static void judge_missing(struct proof *p, const struct evidence *e, bool files)
{
    _cleanup_free_ char *names = names_of(&p->never_names, p->never);
    if (p->never == 0)
        return;
    if (files) {
        strvec_pushf(&p->remarks, "no report names a test of: %s", names);
    } else if (p->never > e->strangers) {
        size_t certain = p->never - e->strangers;
        strvec_pushf(&p->errors, "%s%zu planned test%s never ran: %s",
                     e->strangers ? "at least " : "", certain, plural(certain), names);
    } else {
        strvec_pushf(&p->remarks,
                     "%zu planned test%s under no such name in the reports, which have %zu that "
                     "the plan has not: %s",
                     p->never, p->never == 1 ? " is" : "s are", e->strangers, names);
    }
}

/* Files have any number of tests, so there is nothing to compare. */
static void judge_numbers(struct proof *p, const struct evidence *e)
{
    if (naming_is_blind(e->naming) || e->cases >= p->planned)
        strvec_pushf(&p->remarks,
                     "the reports do not name tests as the list does, so only numbers were "
                     "compared: %zu planned, %zu in the reports",
                     p->planned, e->cases);
    else
        strvec_pushf(&p->errors,
                     "%zu planned test%s never ran: %zu were planned and %zu are in the reports, "
                     "which do not name them as the list does",
                     p->planned - e->cases, plural(p->planned - e->cases), p->planned, e->cases);
    p->never = 0;
    strvec_deinit(&p->never_names);
}

/* What one file borrows from another runs with both. */
static void judge_doubled(struct proof *p, const struct evidence *e, bool files)
{
    size_t certain = 0;
    for (size_t i = 0; i < e->heard.len && !files; i++)
        certain += e->heard.items[i].alone && e->heard.items[i].shards > 1;
    _cleanup_free_ char *names = names_of(&p->doubled_names, p->doubled);
    if (certain > 0)
        strvec_pushf(&p->errors, "%zu planned test%s ran in more than one shard: %s", certain,
                     plural(certain), names);
    else if (p->doubled > 0)
        strvec_pushf(&p->remarks, "%zu test name%s ran in more than one shard: %s", p->doubled,
                     plural(p->doubled), names);
}

/* Tests of the same name are one, or several. */
static bool is_expected(const struct proof *p, const struct evidence *e, long expect)
{
    size_t least = tests_of(p), most = naming_repeats(e->naming) ? e->cases : least;
    return (size_t)expect >= least && (size_t)expect <= most;
}

static void remark_nameless(struct proof *p, const struct evidence *e)
{
    if (e->nameless && e->busy > 1)
        strvec_pushf(&p->remarks,
                     "%zu test%s no name in the reports, so that nobody knows which ran twice: let "
                     "the runner name all (often with -v), or write JUnit",
                     e->nameless, e->nameless == 1 ? " has" : "s have");
}

static void judge_expected(struct proof *p, const struct evidence *e,
                           const struct proof_question *q)
{
    size_t shards = 0;
    for (size_t i = 0; i < q->result->suites.len; i++)
        shards += q->result->suites.items[i].shard > 0;
    if (q->reported && tests_of(p) == 0)
        strvec_pushf(&p->errors, "no test ran: %zu shard%s reported none", shards, plural(shards));
    if (q->expect == PROOF_EXPECT_NONE)
        return;
    if (!q->reported)
        strvec_pushf(&p->errors, "expected %ld test%s, and no report says how many ran", q->expect,
                     plural((size_t)q->expect));
    else if (!is_expected(p, e, q->expect))
        strvec_pushf(&p->errors,
                     "expected %ld tests, and %zu are in the reports (%zu of them skipped)",
                     q->expect, tests_of(p), p->skipped);
}

static void judge_said(struct proof *p, const struct proof_question *q)
{
    for (size_t i = 0; q->said && i < q->result->suites.len; i++) {
        const struct result_suite *s = &q->result->suites.items[i];
        long shown = 0;
        for (size_t k = 0; k < s->cases.len; k++)
            shown += !result_case_is_phase(&s->cases.items[k]);
        if (q->said[i] > shown)
            strvec_pushf(&p->errors,
                         "shard %d: its runner said %ld tests and reported %ld: it ended half-way",
                         s->shard, q->said[i], shown);
    }
}

void proof_make(struct proof *p, const struct proof_question *q)
{
    _cleanup_evidence_ struct evidence e;
    evidence_gather(&e, q);
    *p = (struct proof){0};
    count(p, &e);
    judge_expected(p, &e, q);
    judge_said(p, q);
    remark_nameless(p, &e);

    size_t before = p->errors.len;
    judge_sharding(p, &e, q);
    if (p->errors.len == before)
        judge_doubled(p, &e, q->files);
    if (!q->planned || (q->reported && tests_of(p) == 0))
        return;
    if (!q->reported)
        strvec_pushf(&p->remarks, "%zu test%s planned, and no report says which ran", p->planned,
                     p->planned == 1 ? " was" : "s were");
    else if (p->named)
        judge_missing(p, &e, q->files);
    else
        judge_numbers(p, &e);
}

void proof_deinit(struct proof *p)
{
    strvec_deinit(&p->doubled_names);
    strvec_deinit(&p->never_names);
    strvec_deinit(&p->errors);
    strvec_deinit(&p->remarks);
}
