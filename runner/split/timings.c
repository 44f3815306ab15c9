/* SPDX-License-Identifier: Apache-2.0 */
#include "split/timings.h"

#include <inttypes.h>
#include <string.h>

#include <cleanroom/reader.h>
#include <cleanroom/strbuf.h>

#include "report/replace.h"

#define HEADER "cleanroom timings 1"

static const struct {
    char byte, letter;
} escapes[] = {{'\\', '\\'}, {'\t', 't'}, {'\n', 'n'}, {'\r', 'r'}};

/* One duration of one test, on its way into a table. */
struct sample {
    char *key;
    size_t suite;
    int64_t msec;
};

struct samples {
    VEC(struct sample) items;
};

static void samples_deinit(struct samples *s)
{
    for (size_t i = 0; i < s->items.len; i++)
        free(s->items.items[i].key);
    vec_deinit(&s->items);
}

static void add_sample(struct samples *s, char *key, size_t suite, int64_t msec)
{
    *vec_push(&s->items) = (struct sample){key, suite, msec};
}

static int compare_samples(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x->suite > y->suite) - (x->suite < y->suite);
}

static void sort_samples(struct samples *s)
{
    if (s->items.len)
        qsort(s->items.items, s->items.len, sizeof(*s->items.items), compare_samples);
}

/* The samples of one key, sorted, begin at `from`: where they end. */
static size_t end_of_key(const struct samples *s, size_t from)
{
    size_t end = from + 1;
    while (end < s->items.len && strcmp(s->items.items[end].key, s->items.items[from].key) == 0)
        end++;
    return end;
}

void timings_deinit(struct timings *t)
{
    for (size_t i = 0; i < t->tests.len; i++)
        free(t->tests.items[i].key);
    vec_deinit(&t->tests);
}

/* --- the file --------------------------------------------------------------------------------- */

static char *unescape(const char *p, size_t len)
{
    struct strbuf key = STRBUF_INIT;
    for (size_t i = 0; i < len; i++) {
        char byte = p[i];
        for (size_t k = 0; byte == '\\' && i + 1 < len && k < ARRAY_SIZE(escapes); k++) {
            if (escapes[k].letter != p[i + 1])
                continue;
            strbuf_addc(&key, escapes[k].byte);
            i++;
            byte = '\0';
        }
        if (byte)
            strbuf_addc(&key, byte);
    }
    return strbuf_detach(&key);
}

static void put_escaped(FILE *f, const char *key)
{
    for (; *key; key++) {
        char letter = '\0';
        for (size_t k = 0; k < ARRAY_SIZE(escapes); k++)
            if (escapes[k].byte == *key)
                letter = escapes[k].letter;
        if (letter)
            (void)fputc('\\', f);
        (void)fputc(letter ? letter : *key, f);
    }
}

static int parse_line(struct samples *s, const char *line, size_t len, size_t number,
                      struct error *err)
{
    int64_t msec = 0;
    size_t digits = 0;
    for (; digits < len && digits <= 10 && line[digits] >= '0' && line[digits] <= '9'; digits++)
        msec = msec * 10 + (line[digits] - '0');
    if (digits == 0 || digits > 10 || digits + 1 >= len || line[digits] != '\t' ||
        memchr(line, '\0', len))
        return error_set(err, ERROR_CONFIG,
                         "line %zu of the timings is not 'MILLISECONDS<TAB>TEST'; delete the file, "
                         "it is made again",
                         number);
    if (s->items.len >= TIMINGS_TESTS_MAX)
        return error_set(err, ERROR_CONFIG, "the timings have more than %d tests",
                         TIMINGS_TESTS_MAX);
    add_sample(s, unescape(line + digits + 1, len - digits - 1), 0, msec);
    return 0;
}

static bool is_header(const char *line, size_t len)
{
    return len == strlen(HEADER) && memcmp(line, HEADER, len) == 0;
}

static int parse_lines(struct samples *s, const char *text, size_t len, struct error *err)
{
    size_t number = 0;
    for (const char *p = text, *end = text + len; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t line_len = (size_t)((newline ? newline : end) - p);
        bool header = is_header(p, line_len);
        if (++number == 1 && !header)
            return error_set(err, ERROR_CONFIG,
                             "the timings do not begin with '%s': another version wrote them; "
                             "delete the file, it is made again",
                             HEADER);
        if (!header && parse_line(s, p, line_len, number, err) < 0)
            return -1;
        p = newline ? newline + 1 : end;
    }
    return 0;
}

/* Joined files have several durations of a test. */
static int64_t mean(const struct sample *s, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += s[i].msec;
    return count ? sum / (int64_t)count : 0;
}

static void add_timing(struct timings *t, char *key, int64_t msec)
{
    struct timing *added = vec_push(&t->tests);
    added->key = key;
    added->msec = msec;
}

int timings_parse(struct timings *t, const char *text, size_t len, struct error *err)
{
    _cleanup_(samples_deinit) struct samples s = {0};
    if (parse_lines(&s, text, len, err) < 0)
        return -1;
    sort_samples(&s);
    for (size_t i = 0, end; i < s.items.len; i = end) {
        struct sample *first = &s.items.items[i];
        end = end_of_key(&s, i);
        add_timing(t, TAKE_PTR(first->key), mean(first, end - i));
    }
    return 0;
}

int timings_write(const struct timings *t, int dir, const char *name, struct error *err)
{
    _cleanup_replacement_ struct replacement r;
    if (replacement_begin(&r, dir, name, err) < 0)
        return -1;
    (void)fputs(HEADER "\n", r.file);
    for (size_t i = 0; i < t->tests.len; i++) {
        (void)fprintf(r.file, "%" PRId64 "\t", t->tests.items[i].msec);
        put_escaped(r.file, t->tests.items[i].key);
        (void)fputc('\n', r.file);
    }
    return replacement_commit(&r, true, err);
}

/* --- learning --------------------------------------------------------------------------------- */

static int64_t bounded(nsec_t duration)
{
    int64_t msec = duration / NSEC_PER_MSEC;
    return msec < 0 ? 0 : msec > TIMINGS_MSEC_MAX ? TIMINGS_MSEC_MAX : msec;
}

static void take_samples(struct samples *s, const struct result *r, enum naming naming)
{
    for (size_t i = 0; i < r->suites.len; i++) {
        const struct result_suite *suite = &r->suites.items[i];
        for (size_t k = 0; k < suite->cases.len; k++) {
            const struct result_case *c = &suite->cases.items[k];
            bool ran = c->status == CASE_PASSED || c->status == CASE_FAILED;
            if (result_case_is_phase(c) || reader_has_named(c))
                continue;
            /* What was skipped or broken is still there, but took no time worth knowing. */
            add_sample(s, naming_case(naming, c), i, ran ? bounded(c->duration) : TIMINGS_UNKNOWN);
        }
    }
    sort_samples(s);
}

/* Within a suite the sum, over suites the maximum; TIMINGS_UNKNOWN when all were skipped. */
static int64_t measured(const struct sample *s, size_t count)
{
    int64_t longest = TIMINGS_UNKNOWN, sum = TIMINGS_UNKNOWN;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && s[i].suite != s[i - 1].suite)
            sum = TIMINGS_UNKNOWN;
        if (s[i].msec != TIMINGS_UNKNOWN)
            sum = (sum == TIMINGS_UNKNOWN ? 0 : sum) + s[i].msec;
        longest = sum > longest ? sum : longest;
    }
    return longest > TIMINGS_MSEC_MAX ? TIMINGS_MSEC_MAX : longest;
}

static int64_t moved(int64_t before, int64_t now)
{
    if (before == TIMINGS_UNKNOWN || now == TIMINGS_UNKNOWN)
        return before == TIMINGS_UNKNOWN ? now : before;
    return (7 * before + 3 * now + 5) / 10;
}

/* Which comes next: below 0 a known test that was not reported, above a reported one that is new.
 */
static int compare_next(const struct timings *t, size_t old, const struct samples *s, size_t i)
{
    if (old == t->tests.len || i == s->items.len)
        return old == t->tests.len ? 1 : -1;
    return strcmp(t->tests.items[old].key, s->items.items[i].key);
}

/* Both are sorted by key, so the new table is a merge of them. */
void timings_learn(struct timings *t, const struct result *r, enum naming naming, bool whole)
{
    _cleanup_(samples_deinit) struct samples s = {0};
    _cleanup_timings_ struct timings before = *t;
    size_t old = 0, i = 0;

    take_samples(&s, r, naming);
    *t = TIMINGS_INIT;
    while (old < before.tests.len || i < s.items.len) {
        int order = compare_next(&before, old, &s, i);
        int64_t known = TIMINGS_UNKNOWN, now = TIMINGS_UNKNOWN;
        char **key = NULL;
        if (order >= 0) {
            size_t end = end_of_key(&s, i);
            key = &s.items.items[i].key;
            now = measured(&s.items.items[i], end - i);
            i = end;
        }
        if (order <= 0) {
            key = &before.tests.items[old].key;
            known = before.tests.items[old++].msec;
        }
        int64_t msec = order < 0 && whole ? TIMINGS_UNKNOWN : moved(known, now);
        if (msec != TIMINGS_UNKNOWN && t->tests.len < TIMINGS_TESTS_MAX)
            add_timing(t, TAKE_PTR(*key), msec);
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

static size_t place_of(const struct timings *t, const char *key)
{
    return naming_place(t->tests.items, t->tests.len, sizeof(*t->tests.items), key);
}

int64_t timings_of(const struct timings *t, enum naming naming, const char *key)
{
    size_t i = place_of(t, key);
    if (i < t->tests.len && strcmp(t->tests.items[i].key, key) == 0)
        return t->tests.items[i].msec;
    if (!naming_separator(naming))
        return TIMINGS_UNKNOWN;

    _cleanup_free_ char *prefix = xasprintf("%s%c", key, naming_separator(naming));
    int64_t sum = TIMINGS_UNKNOWN;
    for (i = place_of(t, prefix);
         i < t->tests.len && strncmp(t->tests.items[i].key, prefix, strlen(prefix)) == 0; i++)
        sum = (sum == TIMINGS_UNKNOWN ? 0 : sum) + t->tests.items[i].msec;
    return sum;
}
