/* SPDX-License-Identifier: Apache-2.0 */
#include "report/journal.h"

#include <string.h>

#include <jansson.h>

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#include "report/facts.h"
#include "report/replace.h"
#include "report/text.h"

#define FILE_NAME  "run.json"
#define TEXT_LIMIT ((size_t)4 << 10)
#define EVENTS_MAX 100000

struct event {
    nsec_t wall, at; /* at: of the monotonic clock */
    char *subject, *state, *detail;
};

struct journal {
    int dir; /* borrowed */
    char *run_id;
    nsec_t began_wall, began;
    json_t *facts; /* in the order of their first mention */
    VEC(struct event) events;
    size_t dropped;
};

struct journal *journal_new(int dir, const char *run_id)
{
    struct journal *j = xcalloc(1, sizeof(*j));
    *j = (struct journal){
        .dir = dir,
        .run_id = xstrdup(run_id),
        .began_wall = clock_wall(),
        .began = clock_now(),
        .facts = json_object(),
    };
    return j;
}

void journal_free(struct journal *j)
{
    if (!j)
        return;
    for (size_t i = 0; i < j->events.len; i++) {
        free(j->events.items[i].subject);
        free(j->events.items[i].state);
        free(j->events.items[i].detail);
    }
    vec_deinit(&j->events);
    json_decref(j->facts);
    free(j->run_id);
    free(j);
}

/* jansson takes valid UTF-8 only. */
static json_t *text_value(const char *s)
{
    _cleanup_free_ char *clean = text_bounded(s ? s : "", TEXT_LIMIT);
    return json_string(clean);
}

void journal_fact(struct journal *j, const char *key, const char *value)
{
    _cleanup_free_ char *clean = text_bounded(key, TEXT_LIMIT);
    (void)json_object_set_new(j->facts, clean, text_value(value));
}

void journal_result(struct journal *j, const struct result *r, const int *codes)
{
    json_t *facts = facts_of(r, codes);
    (void)json_object_update(j->facts, facts);
    json_decref(facts);
}

void journal_state(struct journal *j, const char *subject, const char *state, const char *detail)
{
    if (j->events.len == EVENTS_MAX) {
        j->dropped++;
        return;
    }
    *vec_push(&j->events) = (struct event){
        .wall = clock_wall(),
        .at = clock_now(),
        .subject = xstrdup(subject),
        .state = xstrdup(state),
        .detail = xstrdup(detail),
    };
}

static json_t *time_value(nsec_t wall)
{
    char text[CLOCK_ISO_SIZE];
    clock_iso8601(wall, text, sizeof(text));
    return json_string(text);
}

/* Seconds since the begin, with microseconds. */
static json_t *offset_value(nsec_t duration)
{
    nsec_t usec = duration / NSEC_PER_USEC;
    return json_real((double)usec / 1e6);
}

static json_t *event_value(const struct journal *j, const struct event *e)
{
    json_t *value = json_object();
    (void)json_object_set_new(value, "time", time_value(e->wall));
    (void)json_object_set_new(value, "at", offset_value(e->at - j->began));
    (void)json_object_set_new(value, "subject", text_value(e->subject));
    (void)json_object_set_new(value, "state", text_value(e->state));
    if (e->detail)
        (void)json_object_set_new(value, "detail", text_value(e->detail));
    return value;
}

static json_t *journal_value(const struct journal *j, bool finished, int exit_code)
{
    json_t *events = json_array();
    for (size_t i = 0; i < j->events.len; i++)
        (void)json_array_append_new(events, event_value(j, &j->events.items[i]));

    json_t *root = json_object();
    (void)json_object_set_new(root, "tool", json_string("cleanroom"));
    (void)json_object_set_new(root, "run", text_value(j->run_id));
    (void)json_object_set_new(root, "started", time_value(j->began_wall));
    (void)json_object_set_new(root, "finished", json_boolean(finished));
    if (finished) {
        (void)json_object_set_new(root, "exit_code", json_integer(exit_code));
        (void)json_object_set_new(root, "seconds", offset_value(clock_now() - j->began));
    }
    (void)json_object_update_missing(root, j->facts);
    (void)json_object_set_new(root, "events", events);
    if (j->dropped)
        (void)json_object_set_new(root, "events_left_out", json_integer((json_int_t)j->dropped));
    return root;
}

int journal_write(struct journal *j, bool finished, int exit_code, struct error *err)
{
    _cleanup_replacement_ struct replacement file;
    if (replacement_begin(&file, j->dir, FILE_NAME, err) < 0)
        return -1;
    json_t *root = journal_value(j, finished, exit_code);
    (void)json_dumpf(root, file.file, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    (void)fputc('\n', file.file);
    json_decref(root);
    /* The report is what has to survive a power cut; another sync takes as long again. */
    return replacement_commit(&file, false, err);
}
