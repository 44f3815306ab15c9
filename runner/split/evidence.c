/* SPDX-License-Identifier: Apache-2.0 */
#include "split/evidence.h"

#include <string.h>

#include <cleanroom/reader.h>

#include "split/naming.h"

void evidence_deinit(struct evidence *e)
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

static size_t place_of(const struct evidence *e, const char *key)
{
    return naming_place(e->plan.items, e->plan.len, sizeof(*e->plan.items), key);
}

/* The first of the plan with this key, or NULL. */
static struct wanted *find_wanted(const struct evidence *e, const char *key)
{
    size_t at = place_of(e, key);
    bool found = at < e->plan.len && strcmp(e->plan.items[at].key, key) == 0;
    return found ? &e->plan.items[at] : NULL;
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

/* What has no name in its report is nobody else's. */
static char *key_of_case(enum naming naming, const struct result_case *c, size_t suite)
{
    _cleanup_free_ char *key = naming_case(naming, c);
    return reader_has_named(c) ? xasprintf("%s\n%zu", key, suite) : TAKE_PTR(key);
}

static void gather_seen(struct evidence *e, const struct result *r)
{
    e->suites = r->suites.len;
    e->ran_in = xcalloc(e->suites, sizeof(*e->ran_in));
    for (size_t i = 0; i < r->suites.len; i++) {
        const struct result_suite *s = &r->suites.items[i];
        for (size_t k = 0; k < s->cases.len; k++) {
            const struct result_case *c = &s->cases.items[k];
            if (result_case_is_phase(c))
                continue;
            e->nameless += reader_has_named(c);
            *vec_push(&e->seen) = (struct seen){
                .key = key_of_case(e->naming, c, i),
                .suite = i,
                .ran = c->status != CASE_SKIPPED,
                .judged = c->status == CASE_PASSED || c->status == CASE_FAILED,
            };
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
             i++, count++) {
            ran |= e->seen.items[i].ran;
            h.judged |= e->seen.items[i].judged;
        }
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

/* Where a class's begin says that its tests are to be skipped, reports may name it and not them. */
static void skip_with_fixture(struct evidence *e, const struct heard *h)
{
    _cleanup_free_ char *whole = h->ran ? NULL : naming_fixture(e->naming, h->key);
    if (!whole)
        return;
    size_t len = strlen(whole);
    for (size_t i = place_of(e, whole); i < e->plan.len; i++) {
        const char *key = e->plan.items[i].key;
        if (strncmp(key, whole, len) != 0)
            break;
        e->plan.items[i].found |= key[len] == '.' || !key[len];
    }
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
    if (w)
        return;
    e->strangers += h->count;
    skip_with_fixture(e, h);
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
        struct heard *h = &e->heard.items[i];
        bool common = h->ran && h->shards == e->busy;
        match(e, h);
        e->common += common;
        e->judged |= common && h->judged;
    }
}

enum naming proof_naming(const struct proof_question *q)
{
    enum naming best = q->preset ? q->preset->naming : NAMING_PLAIN;
    size_t most = 0;
    for (int n = 0; n < NAMINGS && q->planned && !q->preset; n++) {
        _cleanup_evidence_ struct evidence e;
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

void evidence_gather(struct evidence *e, const struct proof_question *q)
{
    gather(e, q, proof_naming(q));
}
