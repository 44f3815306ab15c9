/* SPDX-License-Identifier: Apache-2.0 */
#include "report/junit_facts.h"

#include <string.h>
#include <time.h>

#define RUN_PREFIX  "run."
#define OUTPUT_HEAD (32u << 10)
#define OUTPUT_TAIL (640u << 10)

/* --- the run's own properties ---------------------------------------------------------------- */

static const struct {
    const char *key;
    size_t offset;
    bool of_plan; /* is there only when there was a plan */
} numbers[] = {
    {"tests.planned", offsetof(struct result_tally, planned), true},
    {"tests.ran", offsetof(struct result_tally, ran), false},
    {"tests.skipped", offsetof(struct result_tally, skipped), false},
    {"tests.in-several-shards", offsetof(struct result_tally, doubled), false},
    {"tests.never-ran", offsetof(struct result_tally, never), true},
};

#define COMPLETE_KEY "tests.complete"

static size_t *number_of(struct result_tally *tally, size_t i)
{
    return (size_t *)((char *)tally + numbers[i].offset);
}

static void say_tally(struct result_tally tally, struct strvec *properties)
{
    if (!tally.known)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (tally.was_planned || !numbers[i].of_plan)
            strvec_pushf(properties, "%s=%zu", numbers[i].key, *number_of(&tally, i));
    strvec_pushf(properties, COMPLETE_KEY "=%s", tally.complete ? "yes" : "no");
}

void junit_say_run(const struct result *r, struct strvec *properties)
{
    say_tally(r->tally, properties);
    for (size_t i = 0; i < r->properties.len; i++)
        strvec_pushf(properties, RUN_PREFIX "%s", r->properties.items[i]);
}

static bool hear_tally(struct result_tally *tally, const char *key, const char *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (strcmp(key, numbers[i].key) != 0)
            continue;
        *number_of(tally, i) = (size_t)strtoul(value, NULL, 10);
        tally->known = true;
        tally->was_planned = tally->was_planned || numbers[i].of_plan;
        return true;
    }
    if (strcmp(key, COMPLETE_KEY) != 0)
        return false;
    tally->complete = strcmp(value, "yes") == 0;
    return true;
}

/* "2/4" */
static int parse_shard(const char *s)
{
    char *end;
    long shard = strtol(s, &end, 10);
    return end > s && shard > 0 && shard <= 1000000 ? (int)shard : 0;
}

void junit_hear_property(struct result *r, struct result_suite *s, const char *key,
                         const char *value)
{
    if (hear_tally(&r->tally, key, value))
        return;
    if (strncmp(key, RUN_PREFIX, strlen(RUN_PREFIX)) == 0) {
        strvec_pushf(&r->properties, "%s=%s", key + strlen(RUN_PREFIX), value);
        return;
    }
    if (strcmp(key, "cleanroom.run") == 0 && !r->run_id)
        r->run_id = xstrdup(value);
    if (strcmp(key, "cleanroom.shard") == 0)
        s->shard = parse_shard(value);
    strvec_pushf(&s->properties, "%s=%s", key, value);
}

/* --- suites ---------------------------------------------------------------------------------- */

nsec_t junit_parse_timestamp(const char *s)
{
    struct tm tm = {0};
    if (!s || !strptime(s, "%Y-%m-%dT%H:%M:%S", &tm))
        return 0;
    time_t seconds = timegm(&tm);
    return seconds > 0 && seconds < INT64_C(1) << 33 ? seconds * NSEC_PER_SEC : 0;
}

struct result_suite *junit_add_suite(struct result *r, const char *name)
{
    static const char prefix[] = "shard ";
    struct result_suite *s = vec_push(&r->suites);
    s->name = xstrdup(name);
    if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
        s->shard = parse_shard(name + sizeof(prefix) - 1);
    capture_init(&s->out, OUTPUT_HEAD, OUTPUT_TAIL);
    capture_init(&s->err, OUTPUT_HEAD, OUTPUT_TAIL);
    return s;
}

struct result_suite *junit_find_suite(struct result *r, const char *name)
{
    for (size_t i = r->suites.len; i-- > 0;)
        if (strcmp(r->suites.items[i].name, name) == 0)
            return &r->suites.items[i];
    return junit_add_suite(r, name);
}

/* --- a document ------------------------------------------------------------------------------ */

static bool is_unfinished(const struct result *r)
{
    static const char start[] = JUNIT_UNFINISHED;
    for (size_t i = 0; i < r->suites.len; i++) {
        const struct result_suite *s = &r->suites.items[i];
        for (size_t k = 0; k < s->cases.len; k++) {
            const struct result_case *c = &s->cases.items[k];
            if (c->status == CASE_ERROR && strcmp(c->classname, "cleanroom") == 0 && c->message &&
                strncmp(c->message, start, sizeof(start) - 1) == 0)
                return true;
        }
    }
    return false;
}

static nsec_t first_start(const struct result *r, nsec_t start)
{
    for (size_t i = 0; i < r->suites.len; i++) {
        nsec_t own = r->suites.items[i].started_wall;
        start = own && (own < start || !start) ? own : start;
    }
    return start;
}

/* "SUITE: KEY=VALUE" is that suite's. */
static void hear_of_suite(struct result *r, const char *property)
{
    struct result_suite *s = &r->suites.items[1];
    const char *text = property;
    for (size_t i = 1; i < r->suites.len && text == property; i++) {
        size_t len = strlen(r->suites.items[i].name);
        if (strncmp(property, r->suites.items[i].name, len) != 0 ||
            strncmp(property + len, JUNIT_OF_SUITE, strlen(JUNIT_OF_SUITE)) != 0)
            continue;
        s = &r->suites.items[i];
        text = property + len + strlen(JUNIT_OF_SUITE);
    }
    const char *value = strchr(text, '=');
    _cleanup_free_ char *key = xstrndup(text, value ? (size_t)(value - text) : strlen(text));
    junit_hear_property(r, s, key, value ? value + 1 : "");
}

void junit_drop_root(struct result *r)
{
    struct result_suite *root = r->suites.len > 1 ? &r->suites.items[0] : NULL;
    if (!root || root->cases.len > 0)
        return;
    for (size_t i = 0; i < root->properties.len; i++)
        hear_of_suite(r, root->properties.items[i]);
    r->name = TAKE_PTR(root->name);
    r->duration = root->duration;
    result_remove_suite(r, 0);
}

void junit_take_over(struct result *r, struct result *whole)
{
    char **const texts[][2] = {{&r->run_id, &whole->run_id}, {&r->name, &whole->name}};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (!*texts[i][1])
            continue;
        free(*texts[i][0]);
        *texts[i][0] = TAKE_PTR(*texts[i][1]);
    }
    r->started_wall = first_start(whole, r->started_wall);
    r->duration = whole->duration > r->duration ? whole->duration : r->duration;
    r->finished = !is_unfinished(whole);
    strvec_append(&r->properties, &whole->properties);
    if (whole->tally.known)
        r->tally = whole->tally;
    for (size_t i = 0; i < whole->suites.len; i++)
        *vec_push(&r->suites) = whole->suites.items[i];
    vec_deinit(&whole->suites);
}
