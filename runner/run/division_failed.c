/* SPDX-License-Identifier: Apache-2.0 */
/* Which tests are to run again: what failed, as reports name it, found in the list. */
#include "run/division.h"

#include "split/proof.h"

/* A test of the list by what reports call it: naming_compare(). */
struct key {
    char *key;
    const char *id;
};

struct keys {
    struct key *items;
    size_t len;
};

static void keys_deinit(struct keys *keys)
{
    for (size_t i = 0; i < keys->len; i++)
        free(keys->items[i].key);
    free(keys->items);
}

static void keys_init(struct keys *keys, const struct division *d, enum naming naming)
{
    const struct test_list *list = &d->list;
    keys->len = list->tests.len;
    keys->items = xcalloc(keys->len, sizeof(*keys->items));
    for (size_t i = 0; i < keys->len; i++) {
        const struct test *test = &list->tests.items[i];
        keys->items[i] = (struct key){.key = d->method.preset ? xstrdup(test->key)
                                                              : naming_key(naming, test->id),
                                      .id = test->id};
    }
    if (keys->len)
        qsort(keys->items, keys->len, sizeof(*keys->items), naming_compare);
}

/* How this suite's cases are named. */
static enum naming naming_in(const struct division *d, const struct result_suite *suite)
{
    struct result r = {0};
    struct result_suite copy = *suite; /* as it is */
    r.suites.items = &copy;
    r.suites.len = 1;
    const struct proof_question question = {
        .result = &r, .planned = &d->list, .preset = d->method.preset};
    return proof_naming(&question);
}

static const char *find_id(const struct keys *keys, enum naming naming, const struct result_case *c)
{
    _cleanup_free_ char *name = naming_case(naming, c);
    do {
        const struct key wanted = {.key = name};
        const struct key *found = bsearch(&wanted, keys->items, keys->len, sizeof(*keys->items),
                                          naming_compare);
        if (found)
            return found->id;
    } while (naming_parent(naming, name));
    return NULL;
}

bool division_failed(const struct division *d, const struct result_suite *suite,
                     struct strvec *names)
{
    bool all = d->list.tests.len > 0;
    if (!all)
        return false;
    enum naming naming = naming_in(d, suite);
    _cleanup_(keys_deinit) struct keys keys = {0};
    keys_init(&keys, d, naming);
    for (size_t i = 0; i < suite->cases.len; i++) {
        const struct result_case *c = &suite->cases.items[i];
        if (c->status != CASE_FAILED && c->status != CASE_ERROR)
            continue;
        const char *id = find_id(&keys, naming, c);
        if (!id) {
            all = false;
            continue;
        }
        _cleanup_free_ char *name = naming_group(d->method.naming, id, d->method.granularity);
        if (!strvec_contains(names, name))
            strvec_push(names, name);
    }
    return all;
}
