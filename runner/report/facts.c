/* SPDX-License-Identifier: Apache-2.0 */
#include "report/facts.h"

#include "report/telling.h"
#include "report/text.h"

static void add_number(json_t *to, const char *key, size_t n)
{
    (void)json_object_set_new(to, key, json_integer((json_int_t)n));
}

/* jansson takes valid UTF-8 only. */
static void add_line(json_t *to, const char *key, const char *text, size_t max)
{
    _cleanup_free_ char *line = text_first_line(text, max);
    if (line)
        (void)json_object_set_new(to, key, json_string(line));
}

static void add_counts(json_t *to, const struct test_counts *n)
{
    add_number(to, "tests", n->tests);
    add_number(to, "passed", n->passed);
    add_number(to, "failed", n->failures);
    add_number(to, "errors", n->errors);
    add_number(to, "skipped", n->skipped);
    add_number(to, "flaky", n->flaky);
}

static json_t *shard_facts(const struct result_suite *suite, int code)
{
    json_t *facts = json_object();
    struct test_counts counts = {0};
    telling_count(suite, &counts);
    add_number(facts, "shard", (size_t)suite->shard);
    (void)json_object_set_new(facts, "verdict", json_string(telling_verdict(telling_judge(suite))));
    if (code >= 0)
        add_number(facts, "exit_code", (size_t)code);
    (void)json_object_set_new(facts, "seconds", json_real(nsec_to_sec(suite->duration)));
    add_counts(facts, &counts);
    return facts;
}

static json_t *case_facts(const struct result_suite *suite, const struct result_case *c)
{
    json_t *facts = json_object();
    add_number(facts, "shard", (size_t)suite->shard);
    add_line(facts, "class", c->classname, TELLING_NAME_MAX);
    add_line(facts, "name", c->name, TELLING_NAME_MAX);
    add_line(facts, "file", c->file, TELLING_NAME_MAX);
    if (c->line > 0)
        add_number(facts, "line", (size_t)c->line);
    if (result_case_is_flaky(c)) {
        add_number(facts, "failures", c->reruns.len);
        (void)json_object_set_new(facts, "fresh", json_boolean(c->fresh));
    } else {
        add_line(facts, "message", c->message, TELLING_MESSAGE_MAX);
    }
    return facts;
}

static void add_cases(const struct result_suite *suite, json_t *failed, json_t *flaky)
{
    for (size_t i = 0; i < suite->cases.len; i++) {
        const struct result_case *c = &suite->cases.items[i];
        json_t *list = telling_is_problem(suite, c) ? failed
                       : result_case_is_flaky(c)    ? flaky
                                                    : NULL;
        if (list && json_array_size(list) < FACTS_TESTS_MAX)
            (void)json_array_append_new(list, case_facts(suite, c));
    }
}

static json_t *proof_facts(const struct result_tally *t)
{
    json_t *facts = json_object();
    (void)json_object_set_new(facts, "complete", json_boolean(t->complete));
    if (t->was_planned)
        add_number(facts, "planned", t->planned);
    add_number(facts, "ran", t->ran);
    add_number(facts, "skipped", t->skipped);
    add_number(facts, "doubled", t->doubled);
    if (t->was_planned)
        add_number(facts, "never", t->never);
    return facts;
}

json_t *facts_of(const struct result *r, const int *codes)
{
    struct test_counts counts = {0};
    json_t *facts = json_object(), *tests = json_object(), *shards = json_array(),
           *failed = json_array(), *flaky = json_array();
    for (size_t i = 0; i < r->suites.len; i++) {
        const struct result_suite *suite = &r->suites.items[i];
        telling_count(suite, &counts);
        add_cases(suite, failed, flaky);
        if (suite->shard > 0)
            (void)json_array_append_new(shards, shard_facts(suite, codes[i]));
    }
    add_counts(tests, &counts);
    (void)json_object_set_new(facts, "tests", tests);
    if (r->tally.known)
        (void)json_object_set_new(facts, "proof", proof_facts(&r->tally));
    (void)json_object_set_new(facts, "failed", failed);
    (void)json_object_set_new(facts, "flaky", flaky);
    (void)json_object_set_new(facts, "shards", shards);
    return facts;
}
