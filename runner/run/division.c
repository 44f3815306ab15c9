/* SPDX-License-Identifier: Apache-2.0 */
#include "run/division.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <cleanroom/strbuf.h>

#include "split/planfile.h"

#define FILE_MAX LIST_TEXT_MAX

void part_deinit(struct part *p)
{
    strvec_deinit(&p->names);
}

void part_copy(struct part *to, const struct part *from)
{
    to->whole = from->whole;
    strvec_append(&to->names, &from->names);
}

/* --- what is known before the run ------------------------------------------------------------- */

static const struct cleanroom_settings *own_of(const struct division *d)
{
    return &d->plan->settings->own;
}

static bool is_timed(const struct division *d)
{
    return d->method.split == SPLIT_TIMINGS || d->method.split == SPLIT_QUEUE;
}

static int read_list_file(struct division *d, struct error *err)
{
    _cleanup_strbuf_ struct strbuf text;
    strbuf_init(&text, FILE_MAX);
    const char *path = own_of(d)->list_file;
    if (strbuf_read_file(&text, path, FILE_MAX) < 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "cannot read the list of tests '%s'",
                               path);
    if (division_listed(d, text.buf, text.len, err) == 0)
        return 0;
    return error_wrap(err, "%s", path);
}

/* An earlier JUnit report does as well; under which of its names the list has its tests turns out
   later. */
static int learn_from_report(struct division *d, const struct strbuf *xml, struct error *err)
{
    struct result earlier;
    result_init(&earlier, "", "");
    struct result_suite *suite = result_add_suite(&earlier, 1, 1);
    long cases = junit_read(xml->buf, xml->len, suite, err);
    for (int n = 0; n < NAMINGS && cases >= 0; n++)
        if (!d->method.preset || n == (int)d->method.naming)
            timings_learn(&d->timings, &earlier, (enum naming)n, false);
    result_deinit(&earlier);
    return cases < 0 ? -1 : 0;
}

static int read_timings(struct division *d, struct error *err)
{
    _cleanup_strbuf_ struct strbuf text;
    strbuf_init(&text, TIMINGS_FILE_MAX);
    const char *path = own_of(d)->timings;
    d->remembers = true;
    if (strbuf_read_file(&text, path, TIMINGS_FILE_MAX) < 0)
        return errno == ENOENT
                   ? 0
                   : error_set_errno(err, ERROR_CONFIG, errno, "cannot read '%s'", path);
    bool is_xml = text.buf[strspn(text.buf, " \t\r\n")] == '<';
    d->remembers = !is_xml;
    int r = is_xml ? learn_from_report(d, &text, err)
                   : timings_parse(&d->timings, text.buf, text.len, err);
    if (r == 0)
        return 0;
    err->kind = ERROR_CONFIG;
    return error_wrap(err, "%s", path);
}

static uint64_t choose_seed(const struct division *d)
{
    uint64_t seed = (uint64_t)own_of(d)->seed;
    while (seed == 0) {
        if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
            seed = (uint64_t)clock_wall();
        seed %= 1000000000; /* one that can be typed */
    }
    return seed;
}

/* Whether the unit is run here. */
static bool is_mine(const struct division *d, size_t unit)
{
    const struct plan *plan = d->plan;
    return d->shard_of[unit] >= plan->first_shard &&
           d->shard_of[unit] < plan->first_shard + plan->shard_count;
}

/* A queue is one machine's: of what belongs to its shards. */
static void fill_queue(struct division *d)
{
    for (size_t i = 0; i < d->units.items.len; i++)
        if (is_mine(d, i))
            units_add(&d->mine, &d->units.items.items[i]);
    queue_init(&d->queue, &d->mine, d->plan->shard_count, d->seed ? &d->seed : NULL);
}

/* Others have listed and cut: all machines have the same. */
static int take_plan(struct division *d, struct error *err)
{
    _cleanup_planfile_ struct planfile file = PLANFILE_INIT;
    if (planfile_read(&file, d->plan->settings->plan_input, err) < 0)
        return -1;
    d->state = DIVISION_READY;
    d->plan_id = TAKE_PTR(file.id);
    d->method.listed = file.listed;
    if (!file.listed)
        return 0;
    d->method.split = file.split;
    d->method.by_files = file.files;
    d->method.granularity = file.granularity;
    d->list = file.tests;
    d->units = file.units;
    d->shard_of = TAKE_PTR(file.shard_of);
    file.tests = TEST_LIST_INIT;
    file.units = UNITS_INIT;
    if (d->method.split == SPLIT_QUEUE)
        fill_queue(d);
    return 0;
}

static int find_list(struct division *d, struct error *err)
{
    if (d->plan->settings->plan_input)
        return take_plan(d, err);
    if (is_timed(d) && read_timings(d, err) < 0)
        return -1;
    return own_of(d)->list_file ? read_list_file(d, err) : 0;
}

int division_init(struct division *d, const struct plan *plan, struct error *err)
{
    *d = (struct division){.plan = plan};
    if (method_make(&d->method, plan->settings, err) < 0)
        return -1;
    d->served = xcalloc(plan->shards.len + 1, sizeof(*d->served));
    if (own_of(d)->order == ORDER_RANDOM)
        d->seed = choose_seed(d);
    if (plan->settings->only_shard) {
        d->method.listed = false;
        d->method.split = plan->settings->given ? SPLIT_LIST : SPLIT_ENV;
        d->state = DIVISION_READY;
        return 0;
    }
    if (!d->method.listed)
        d->state = DIVISION_READY;
    if (find_list(d, err) < 0) {
        division_deinit(d);
        return -1;
    }
    return 0;
}

void division_deinit(struct division *d)
{
    method_deinit(&d->method);
    test_list_deinit(&d->list);
    timings_deinit(&d->timings);
    units_deinit(&d->units);
    units_deinit(&d->mine);
    queue_deinit(&d->queue);
    free(d->shard_of);
    free(d->served);
    free(d->why);
    free(d->plan_id);
    *d = (struct division){0};
}

/* --- the list --------------------------------------------------------------------------------- */

void division_wait(struct division *d, struct division_ticket *ticket, void (*fn)(void *data),
                   void *data)
{
    *ticket = (struct division_ticket){.fn = fn, .data = data};
    if (d->state != DIVISION_LISTING) {
        fn(data);
        return;
    }
    ticket->waits = true;
    ticket->next = d->waiting;
    d->waiting = ticket;
}

void division_leave(struct division *d, struct division_ticket *ticket)
{
    for (struct division_ticket **at = &d->waiting; ticket->waits && *at; at = &(*at)->next) {
        if (*at == ticket) {
            *at = ticket->next;
            break;
        }
    }
    ticket->waits = false;
}

/* Each may make the others wait again. */
static void wake_all(struct division *d)
{
    struct division_ticket *all = d->waiting;
    d->waiting = NULL;
    while (all) {
        struct division_ticket *ticket = all;
        all = all->next;
        ticket->waits = false;
        division_wait(d, ticket, ticket->fn, ticket->data);
    }
}

void division_list(struct division *d)
{
    d->state = DIVISION_LISTING;
}

void division_list_words(const struct division *d, struct strvec *words)
{
    method_list_words(&d->method, d->plan->settings, &d->plan->test_argv, words);
}

/* A runner that nobody has named: durations were learned under the names of its reports. */
static void name_as_timed(struct division *d)
{
    size_t most = 0;
    enum naming best = d->method.naming;
    for (int n = 0; n < NAMINGS && !d->method.preset; n++) {
        size_t found = 0;
        for (size_t i = 0; i < d->list.tests.len; i++) {
            _cleanup_free_ char *key = naming_key((enum naming)n, d->list.tests.items[i].id);
            found += timings_of(&d->timings, (enum naming)n, key) != TIMINGS_UNKNOWN;
        }
        if (found > most) {
            most = found;
            best = (enum naming)n;
        }
    }
    for (size_t i = 0; most && i < d->list.tests.len; i++) {
        struct test *test = &d->list.tests.items[i];
        free(test->key);
        test->key = naming_key(best, test->id);
    }
    d->method.naming = best;
}

static void cut(struct division *d)
{
    int shards = (int)d->plan->shards.len;
    if (is_timed(d))
        name_as_timed(d);
    units_make(&d->units, &d->list, d->method.naming, d->method.granularity,
               is_timed(d) ? &d->timings : NULL);
    d->shard_of = xcalloc(d->units.items.len, sizeof(*d->shard_of));
    if (is_timed(d))
        cut_by_time(&d->units, shards, d->shard_of);
    else
        cut_by_count(&d->units, shards, d->shard_of);
    if (d->method.split == SPLIT_QUEUE)
        fill_queue(d);
}

int division_listed(struct division *d, char *text, size_t len, struct error *err)
{
    if (method_read_list(&d->method, &d->list, text, len, err) < 0) {
        test_list_deinit(&d->list);
        return -1;
    }
    if (d->method.split != SPLIT_ENV)
        cut(d);
    d->state = DIVISION_READY;
    wake_all(d);
    return 0;
}

void division_unlisted(struct division *d)
{
    if (d->state != DIVISION_LISTING)
        return;
    d->state = DIVISION_UNLISTED;
    wake_all(d);
}

void division_end(struct division *d, const char *why)
{
    if (!d->why)
        d->why = xstrdup(why);
    d->state = DIVISION_ENDED;
    wake_all(d);
}

/* --- parts ------------------------------------------------------------------------------------ */

static void shuffle(struct strvec *names, uint64_t seed)
{
    _cleanup_free_ size_t *order = xcalloc(names->len, sizeof(*order));
    _cleanup_free_ char **items = xcalloc(names->len, sizeof(*items));
    for (size_t i = 0; i < names->len; i++)
        order[i] = i;
    order_shuffle(order, names->len, seed);
    for (size_t i = 0; i < names->len; i++)
        items[i] = names->items[order[i]];
    memcpy(names->items, items, names->len * sizeof(*items));
}

static int place_in_queue(const struct division *d, int shard)
{
    return shard - 1 - d->plan->first_shard;
}

static bool next_of_queue(struct division *d, int shard, struct part *part)
{
    struct chunk chunk;
    if (!queue_next(&d->queue, place_in_queue(d, shard), clock_now() / NSEC_PER_MSEC, &chunk))
        return false;
    for (size_t i = 0; i < chunk.count; i++)
        strvec_push(&part->names, d->mine.items.items[chunk.units[i]].name);
    return true;
}

/* Up to the next blank line. */
static bool next_of_given(struct division *d, struct part *part)
{
    const struct strvec *given = d->plan->settings->given;
    while (d->given < given->len && *given->items[d->given])
        strvec_push(&part->names, given->items[d->given++]);
    d->given++;
    return part->names.len > 0;
}

bool division_next(struct division *d, int shard, struct part *part)
{
    *part = (struct part){.whole = d->method.split == SPLIT_ENV};
    if (d->state == DIVISION_ENDED)
        return false;
    if (d->plan->settings->given)
        return next_of_given(d, part);
    if (d->method.split == SPLIT_QUEUE)
        return next_of_queue(d, shard, part);
    if (d->served[shard])
        return false;
    d->served[shard] = true;
    if (part->whole)
        return true;
    units_part(&d->units, d->shard_of, shard - 1, &part->names);
    if (d->seed && part->names.len)
        shuffle(&part->names, d->seed + (uint64_t)shard);
    return part->names.len > 0;
}

void division_spent(struct division *d, int shard, nsec_t spent)
{
    if (!d->plan->settings->given && d->queue.units)
        queue_spent(&d->queue, place_in_queue(d, shard), spent / NSEC_PER_MSEC);
}

bool division_has_more(const struct division *d)
{
    const struct strvec *given = d->plan->settings->given;
    if (given)
        return d->given < given->len;
    return d->method.split == SPLIT_QUEUE && d->state == DIVISION_READY &&
           !queue_is_empty(&d->queue);
}

/* The words of a preset are for those who ask for it, and the report only where no plugin is needed
   that may not be there. */
static int add_preset_words(const struct division *d, const struct part *part,
                            const struct part_values *values, struct strvec *words,
                            struct error *err)
{
    const struct preset *p = d->method.preset;
    struct part_values plain = *values;
    plain.tests = NULL;
    const struct part_form shard = {.words = p->shard}, report = {.words = p->report};
    if (part->whole && d->plan->shards.len > 1 && p->shard[0] &&
        part_words(words, &shard, &plain, err) < 0)
        return -1;
    return p->report[0] && !p->report_plugin ? part_words(words, &report, &plain, err) : 0;
}

int division_words(const struct division *d, const struct part *part, int shard, const char *report,
                   const char *file, struct strvec *words, struct error *err)
{
    const struct part_values values = {.tests = &part->names,
                                       .file = file,
                                       .report = report,
                                       .number = shard,
                                       .total = (int)d->plan->shards.len};
    strvec_append(words, &d->plan->test_argv);
    if (!part->whole && part_words(words, &d->method.form, &values, err) < 0)
        return -1;
    return d->method.preset ? add_preset_words(d, part, &values, words, err) : 0;
}

char *division_file(const struct division *d, const struct part *part)
{
    return part_file(&d->method.form, &part->names);
}

/* --- the plan --------------------------------------------------------------------------------- */

/* Borrowed names: a unit is found by that of its tests. */
static const char **sorted_mine(const struct division *d, size_t *count)
{
    const char **mine = xcalloc(d->units.items.len, sizeof(*mine));
    *count = 0;
    for (size_t i = 0; i < d->units.items.len; i++)
        if (is_mine(d, i))
            mine[(*count)++] = d->units.items.items[i].name;
    if (*count)
        qsort(mine, *count, sizeof(*mine), naming_compare);
    return mine;
}

bool division_planned(const struct division *d, struct test_list *mine)
{
    size_t count;
    if (d->list.tests.len == 0 || (d->method.split == SPLIT_ENV && d->plan->slice.total > 1))
        return false;
    if (d->plan->slice.total == 1) {
        for (size_t i = 0; i < d->list.tests.len; i++)
            *vec_push(&mine->tests) = d->list.tests.items[i];
        return true;
    }
    _cleanup_free_ const char **units = sorted_mine(d, &count);
    for (size_t i = 0; i < d->list.tests.len; i++) {
        const struct test *test = &d->list.tests.items[i];
        _cleanup_free_ char *unit = naming_group(d->method.naming, test->id, d->method.granularity);
        if (bsearch(&unit, units, count, sizeof(*units), naming_compare))
            *vec_push(&mine->tests) = *test;
    }
    return true;
}
