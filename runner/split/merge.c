/* SPDX-License-Identifier: Apache-2.0 */
#include "split/merge.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "report/junit_facts.h"
#include "split/merge_names.h"
#include "split/proof.h"

#define SHARDS_MAX 1000

/* --- taking in -------------------------------------------------------------------------------- */

/* Of how many it is one, by its name; 0: it is no shard. */
static int total_of(const struct result_suite *s)
{
    int number = 0, total = 0;
    if (s->shard < 1 || sscanf(s->name, "shard %7d of %7d", &number, &total) != 2)
        return 0;
    return number == s->shard && total >= number && total <= SHARDS_MAX ? total : 0;
}

/* Reports of others have suites too, but none of these. */
static bool is_ours(const struct result *r)
{
    for (size_t i = 0; i < r->suites.len; i++)
        if (total_of(&r->suites.items[i]))
            return true;
    return false;
}

int merge_add(struct merge *m, const char *path, const char *xml, size_t len, struct error *err)
{
    struct merge_report *report = vec_push(&m->reports);
    report->path = xstrdup(path);
    if (junit_read_suites(xml, len, &report->result, err) < 0) {
        err->kind = ERROR_CONFIG; /* it is not ours to have written it */
        return error_wrap(err, "cannot read '%s'", path);
    }
    if (!is_ours(&report->result))
        return error_set(err, ERROR_CONFIG,
                         "'%s' is no report of a run: it has no suite 'shard K of N'", path);
    return 0;
}

void merge_deinit(struct merge *m)
{
    for (size_t i = 0; i < m->reports.len; i++) {
        free(m->reports.items[i].path);
        result_deinit(&m->reports.items[i].result);
    }
    vec_deinit(&m->reports);
    result_deinit(&m->result);
    strvec_deinit(&m->errors);
}

/* --- which shards are there ------------------------------------------------------------------- */

/* A set of shards, counted from 1. */
struct shards {
    bool has[SHARDS_MAX + 1];
    int count;
};

static void add_shard(struct shards *set, int shard)
{
    set->count += !set->has[shard];
    set->has[shard] = true;
}

/* "shard 3", "shards 1, 5..8"; release with free(). */
static char *shards_text(const struct shards *set)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    strbuf_adds(&out, set->count == 1 ? "shard" : "shards");
    for (int first = 1, parts = 0; first <= SHARDS_MAX; first++) {
        int last = first;
        if (!set->has[first])
            continue;
        while (last < SHARDS_MAX && set->has[last + 1])
            last++;
        strbuf_addf(&out, "%s %d", parts++ ? "," : "", first);
        if (last > first)
            strbuf_addf(&out, "..%d", last);
        first = last;
    }
    return strbuf_detach(&out);
}

/* Of how many shards they are: as the plan says, or the first report. */
static int find_total(const struct merge *m, const struct planfile *plan)
{
    const struct result *first = &m->reports.items[0].result;
    if (plan)
        return (int)plan->shards;
    for (size_t i = 0; i < first->suites.len; i++)
        if (total_of(&first->suites.items[i]))
            return total_of(&first->suites.items[i]);
    return 0;
}

/* The value of a property of the run, or NULL. */
static const char *property_of(const struct result *r, const char *key)
{
    return strvec_getenv(&r->properties, key);
}

/* How many slices there are, if those that say it agree; else 0. */
static int find_slices(const struct merge *m)
{
    int slices = 0;
    for (size_t i = 0; i < m->reports.len; i++) {
        const char *text = property_of(&m->reports.items[i].result, MERGE_SLICE_PROPERTY);
        struct slice slice;
        if (!text || slice_parse(&slice, text, "", NULL, NULL) < 0)
            continue;
        if (slices && slices != slice.total)
            return 0;
        slices = slice.total;
    }
    return slices;
}

/* A slice of which nothing is there is told by its name. */
static void tell_missing_slice(struct merge *m, const struct slice *slice, int total,
                               const struct shards *there, struct shards *missing)
{
    struct shards lost = {0};
    int first, count;
    if (slice_range(slice, total, "", &first, &count, NULL) < 0)
        return;
    for (int k = first + 1; k <= first + count; k++) {
        if (there->has[k])
            return;
        add_shard(&lost, k);
    }
    _cleanup_free_ char *text = shards_text(&lost);
    strvec_pushf(&m->errors, "slice %d/%d is missing: %s of %d", slice->index + 1, slice->total,
                 text, total);
    for (int k = first + 1; k <= first + count; k++)
        missing->has[k] = false;
    missing->count -= count;
}

static void tell_missing(struct merge *m, int total, const struct shards *there)
{
    struct shards missing = {0};
    struct slice slice = {.total = find_slices(m)};
    for (int k = 1; k <= total; k++)
        if (!there->has[k])
            add_shard(&missing, k);
    for (; slice.index < slice.total; slice.index++)
        tell_missing_slice(m, &slice, total, there, &missing);
    _cleanup_free_ char *text = shards_text(&missing);
    if (missing.count)
        strvec_pushf(&m->errors, "%s of %d %s missing", text, total,
                     missing.count == 1 ? "is" : "are");
}

/* --- joining ---------------------------------------------------------------------------------- */

/* The whole, while it is made. */
struct joining {
    struct merge *m;
    int total;
    const struct merge_report *whose[SHARDS_MAX + 1]; /* of each shard */
    struct shards there;
    nsec_t first, last; /* of the clock on the wall */
};

/* Whether it is one of the reports that belong together. */
static bool belongs(struct joining *j, const struct merge_report *report,
                    const struct planfile *plan)
{
    const char *made_by = property_of(&report->result, PLANFILE_PROPERTY);
    int own = 0;
    for (size_t i = 0; i < report->result.suites.len && own == 0; i++)
        own = total_of(&report->result.suites.items[i]);
    if (own != j->total)
        strvec_pushf(&j->m->errors, "'%s' is of %d shards, and '%s' of %d", report->path, own,
                     plan ? plan->path : j->m->reports.items[0].path, j->total);
    else if (plan && made_by && strcmp(made_by, plan->id) != 0)
        strvec_pushf(&j->m->errors, "'%s' was made by another plan than '%s'", report->path,
                     plan->path);
    else
        return true;
    return false;
}

static void take_time(struct joining *j, const struct result_suite *s)
{
    nsec_t end = s->started_wall + s->duration;
    if (s->started_wall == 0)
        return;
    j->first = j->first == 0 || s->started_wall < j->first ? s->started_wall : j->first;
    j->last = end > j->last ? end : j->last;
}

/* Who joins reports says it in a sentence of his own. */
static bool is_unfinished_note(const struct result_suite *s)
{
    static const char start[] = JUNIT_UNFINISHED;
    const struct result_case *c = s->cases.len == 1 ? &s->cases.items[0] : NULL;
    return s->shard == 0 && c && c->status == CASE_ERROR && c->message &&
           strncmp(c->message, start, sizeof(start) - 1) == 0;
}

/* Suites that are there for the first time move into the whole. */
static void take_suites(struct joining *j, struct merge_report *report)
{
    struct shards again = {0};
    const char *before = NULL;
    for (size_t i = 0; i < report->result.suites.len;) {
        struct result_suite *s = &report->result.suites.items[i];
        const struct merge_report **whose = total_of(s) == j->total ? &j->whose[s->shard] : NULL;
        if (is_unfinished_note(s)) {
            i++;
            continue;
        }
        if (whose && *whose) {
            before = before ? before : (*whose)->path;
            add_shard(&again, s->shard);
            i++;
            continue;
        }
        if (whose) {
            *whose = report;
            add_shard(&j->there, s->shard);
        }
        take_time(j, s);
        *vec_push(&j->m->result.suites) = *s;
        memmove(s, s + 1, (--report->result.suites.len - i) * sizeof(*s));
    }
    _cleanup_free_ char *text = shards_text(&again);
    if (again.count)
        strvec_pushf(&j->m->errors, "%s %s there twice: in '%s' and '%s'", text,
                     again.count == 1 ? "is" : "are", before, report->path);
}

/* What all of the reports say of their runs holds for the whole. */
static void take_properties(struct merge *m)
{
    const struct strvec *first = &m->reports.items[0].result.properties;
    for (size_t i = 0; i < first->len; i++) {
        bool common = true;
        for (size_t k = 1; k < m->reports.len && common; k++)
            common = strvec_contains(&m->reports.items[k].result.properties, first->items[i]);
        if (common)
            strvec_push(&m->result.properties, first->items[i]);
    }
}

static int compare_suites(const void *a, const void *b)
{
    const struct result_suite *x = a, *y = b;
    int left = x->shard ? x->shard : SHARDS_MAX + 1, right = y->shard ? y->shard : SHARDS_MAX + 1;
    return left != right ? (left > right) - (left < right) : strcmp(x->name, y->name);
}

static void join(struct joining *j, const struct planfile *plan)
{
    struct merge *m = j->m;
    for (size_t i = 0; i < m->reports.len; i++) {
        struct merge_report *report = &m->reports.items[i];
        if (!belongs(j, report, plan))
            continue;
        merge_restore_names(&report->result, plan);
        take_suites(j, report);
        if (!report->result.finished)
            strvec_pushf(&m->errors, "'%s' is of a run that was started, not finished",
                         report->path);
    }
    if (m->result.suites.len)
        qsort(m->result.suites.items, m->result.suites.len, sizeof(*m->result.suites.items),
              compare_suites);
    m->result.started_wall = j->first;
    m->result.duration = j->last - j->first;
    m->result.finished = true;
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool has_tests(const struct result *r)
{
    for (size_t i = 0; i < r->suites.len; i++)
        for (size_t k = 0; k < r->suites.items[i].cases.len; k++)
            if (!result_case_is_phase(&r->suites.items[i].cases.items[k]))
                return true;
    return false;
}

/* Whether all shards are there and came to their ends, so that numbers say something. */
static bool is_complete(const struct merge *m)
{
    bool complete = m->errors.len == 0;
    for (size_t i = 0; i < m->reports.len; i++) {
        const struct result_tally *tally = &m->reports.items[i].result.tally;
        complete = complete && (!tally->known || tally->complete);
    }
    return complete;
}

static void prove(struct merge *m, const struct planfile *plan, long expect)
{
    const struct proof_question question = {
        .result = &m->result,
        .planned = plan && plan->listed ? &plan->tests : NULL,
        .files = plan && plan->files,
        .preset = plan && plan->runner ? preset_find(plan->runner) : NULL,
        .expect = expect ? expect : PROOF_EXPECT_NONE,
        .reported = has_tests(&m->result),
    };
    _cleanup_proof_ struct proof proof;
    proof_make(&proof, &question);
    m->result.tally = (struct result_tally){
        .known = question.reported,
        .was_planned = question.planned != NULL,
        .complete = is_complete(m),
        .planned = proof.planned,
        .ran = proof.ran,
        .skipped = proof.skipped,
        .doubled = proof.doubled,
        .never = proof.never,
    };
    if (!m->result.tally.complete)
        return; /* what is missing is told, and why */
    strvec_append(&m->errors, &proof.errors);
    strvec_append(&m->result.remarks, &proof.remarks);
}

/* As a run says its own. */
static void report_errors(struct merge *m)
{
    struct result_suite *suite = m->errors.len ? result_add_suite(&m->result, 0, 0) : NULL;
    for (size_t i = 0; i < m->errors.len; i++) {
        struct result_case *c = result_add_case(suite, "cleanroom", "proof", CASE_FAILED, 0);
        c->message = xstrdup(m->errors.items[i]);
        c->type = xstrdup("ProofError");
    }
    if (suite)
        suite->started_wall = m->result.started_wall;
}

void merge_finish(struct merge *m, const struct planfile *plan, long expect)
{
    const struct result *first = &m->reports.items[0].result;
    _cleanup_free_ struct joining *j = xcalloc(1, sizeof(*j));

    *j = (struct joining){.m = m, .total = find_total(m, plan)};
    result_init(&m->result, plan ? plan->id : first->run_id,
                plan ? plan->application : first->name);
    join(j, plan);
    take_properties(m);
    tell_missing(m, j->total, &j->there);
    result_settle(&m->result);
    prove(m, plan, expect ? expect : plan ? (long)plan->expect : 0);
    report_errors(m);
}

bool merge_has_failures(const struct merge *m)
{
    for (size_t i = 0; i < m->result.suites.len; i++) {
        struct result_counts counts;
        result_suite_count(&m->result.suites.items[i], &counts);
        if (counts.failures + counts.errors > 0)
            return true;
    }
    return false;
}
