/* SPDX-License-Identifier: Apache-2.0 */
#include "split/proof.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "split/naming.h"

/* One case of one shard. */
struct seen {
    char *key;
    size_t suite;
    bool ran;
};

/* A test that was reported, however often. */
struct heard {
    char *key;     /* borrowed from the first struct seen */
    size_t shards; /* in which it ran */
    size_t count;  /* the most that one shard reported under this key */
    bool ran;
    bool planned;
    bool alone; /* the only one of the plan with this key */
};

/* A key of the plan. */
struct wanted {
    char *key;
    const char *id;
    bool found;
};

struct evidence {
    enum naming naming;
    VEC(struct seen) seen;   /* sorted by key and suite */
    VEC(struct heard) heard; /* sorted by key */
    VEC(struct wanted) plan; /* sorted by key */
    size_t *ran_in;          /* per suite: how many keys ran */
    size_t suites, busy;     /* busy: of them ran a test */
    size_t common;           /* keys that ran in each of the busy ones */
    size_t cases;            /* that were reported */
    size_t strangers;        /* heard of and not planned */
};

static void evidence_deinit(struct evidence *e)
{
    for (size_t i = 0; i < e->seen.len; i++)
        free(e->seen.items[i].key);
    for (size_t i = 0; i < e->plan.len; i++)
        free(e->plan.items[i].key);
    vec_deinit(&e->seen);
    vec_deinit(&e->heard);
    vec_deinit(&e->plan);
    free(e->ran_in);
}

/* --- gathering -------------------------------------------------------------------------------- */

static int compare_seen(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x->suite > y->suite) - (x->suite < y->suite);
}

static int compare_wanted(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : strcmp(x->id, y->id);
}

/* The first of the plan with this key, or NULL. */
static struct wanted *find_wanted(const struct evidence *e, const char *key)
{
    size_t low = 0, high = e->plan.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(e->plan.items[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < e->plan.len && strcmp(e->plan.items[low].key, key) == 0;
    return found ? &e->plan.items[low] : NULL;
}

/* The keys of a runner that is not known are those of the naming that is being tried. */
static void gather_plan(struct evidence *e, const struct proof_question *q)
{
    for (size_t i = 0; q->planned && i < q->planned->tests.len; i++) {
        const struct test *t = &q->planned->tests.items[i];
        char *key = q->preset ? xstrdup(t->key) : naming_key(e->naming, t->id);
        *vec_push(&e->plan) = (struct wanted){.key = key, .id = t->id};
    }
    if (e->plan.len)
        qsort(e->plan.items, e->plan.len, sizeof(*e->plan.items), compare_wanted);
}

static void gather_seen(struct evidence *e, const struct result *r)
{
    e->suites = r->suites.len;
    e->ran_in = xcalloc(e->suites, sizeof(*e->ran_in));
    for (size_t i = 0; i < r->suites.len; i++) {
        const struct result_suite *s = &r->suites.items[i];
        for (size_t k = 0; k < s->cases.len; k++) {
            const struct result_case *c = &s->cases.items[k];
            if (!result_case_is_phase(c))
                *vec_push(&e->seen) = (struct seen){naming_case(e->naming, c), i,
                                                    c->status != CASE_SKIPPED};
        }
    }
    e->cases = e->seen.len;
    if (e->seen.len)
        qsort(e->seen.items, e->seen.len, sizeof(*e->seen.items), compare_seen);
}

/* Cases from `from` on that have one key: how they are one test. */
static size_t hear(struct evidence *e, size_t from)
{
    struct heard h = {.key = e->seen.items[from].key};
    size_t i = from;
    while (i < e->seen.len && strcmp(e->seen.items[i].key, h.key) == 0) {
        size_t suite = e->seen.items[i].suite, count = 0;
        bool ran = false;
        for (; i < e->seen.len && e->seen.items[i].suite == suite &&
               strcmp(e->seen.items[i].key, h.key) == 0;
             i++, count++)
            ran |= e->seen.items[i].ran;
        h.count = count > h.count ? count : h.count;
        h.shards += ran;
        e->ran_in[suite] += ran;
    }
    h.ran = h.shards > 0;
    *vec_push(&e->heard) = h;
    return i;
}

/* All of the plan with the key of `first`; returns how many they are. */
static size_t mark_found(struct evidence *e, struct wanted *first)
{
    size_t found = 0;
    const struct wanted *end = e->plan.items + e->plan.len;
    for (struct wanted *w = first; w < end && strcmp(w->key, first->key) == 0; w++, found++)
        w->found = true;
    return found;
}

/* A key, or the test that it is a part of. */
static void match(struct evidence *e, struct heard *h)
{
    _cleanup_free_ char *key = xstrdup(h->key);
    struct wanted *w = find_wanted(e, key);
    while (!w && naming_parent(e->naming, key))
        w = find_wanted(e, key);
    if (w)
        h->alone = mark_found(e, w) == 1;
    h->planned = w != NULL;
    e->strangers += !w;
}

static void gather(struct evidence *e, const struct proof_question *q, enum naming naming)
{
    *e = (struct evidence){.naming = naming};
    gather_plan(e, q);
    gather_seen(e, q->result);
    for (size_t i = 0; i < e->seen.len;)
        i = hear(e, i);
    for (size_t i = 0; i < e->suites; i++)
        e->busy += e->ran_in[i] > 0;
    for (size_t i = 0; i < e->heard.len; i++) {
        match(e, &e->heard.items[i]);
        e->common += e->heard.items[i].ran && e->heard.items[i].shards == e->busy;
    }
}

enum naming proof_naming(const struct proof_question *q)
{
    enum naming best = q->preset ? q->preset->naming : NAMING_PLAIN;
    size_t most = 0;
    for (int n = 0; n < NAMINGS && q->planned && !q->preset; n++) {
        _cleanup_(evidence_deinit) struct evidence e;
        size_t found = 0;
        gather(&e, q, (enum naming)n);
        for (size_t i = 0; i < e.plan.len; i++)
            found += e.plan.items[i].found;
        if (found > most) {
            most = found;
            best = (enum naming)n;
        }
    }
    return best;
}

/* --- judging ---------------------------------------------------------------------------------- */

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
    /* One test in each of several files may well have the same name in all. */
    bool same = e->busy > 1 && !(naming_is_blind(e->naming) && e->common < 2);
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
    if (naming_is_blind(e->naming) || tests_of(p) >= p->planned)
        strvec_pushf(&p->remarks,
                     "the reports do not name tests as the list does, so only numbers were "
                     "compared: %zu planned, %zu in the reports",
                     p->planned, tests_of(p));
    else
        strvec_pushf(&p->errors,
                     "%zu planned test%s never ran: %zu were planned and %zu are in the reports, "
                     "which do not name them as the list does",
                     p->planned - tests_of(p), plural(p->planned - tests_of(p)), p->planned,
                     tests_of(p));
    p->never = 0;
    strvec_deinit(&p->never_names);
}

static void judge_doubled(struct proof *p, const struct evidence *e)
{
    size_t certain = 0;
    for (size_t i = 0; i < e->heard.len; i++)
        certain += e->heard.items[i].alone && e->heard.items[i].shards > 1;
    _cleanup_free_ char *names = names_of(&p->doubled_names, p->doubled);
    if (certain > 0)
        strvec_pushf(&p->errors, "%zu planned test%s ran in more than one shard: %s", certain,
                     plural(certain), names);
    else if (p->doubled > 0)
        strvec_pushf(&p->remarks, "%zu test name%s ran in more than one shard: %s", p->doubled,
                     plural(p->doubled), names);
}

static void judge_expected(struct proof *p, const struct proof_question *q)
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
    else if ((size_t)q->expect != tests_of(p))
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
    _cleanup_(evidence_deinit) struct evidence e;
    gather(&e, q, proof_naming(q));
    *p = (struct proof){0};
    count(p, &e);
    judge_expected(p, q);
    judge_said(p, q);

    size_t before = p->errors.len;
    judge_sharding(p, &e, q);
    if (p->errors.len == before)
        judge_doubled(p, &e);
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
