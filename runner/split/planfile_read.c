/* SPDX-License-Identifier: Apache-2.0 */
/* plan.json, read strictly: tables of fields say what has to be there. Its form: planfile_write.c.
 */
#include <errno.h>
#include <string.h>

#include <jansson.h>

#include <cleanroom/strbuf.h>

#include "config/own.h"
#include "report/text.h"
#include "split/planfile.h"
#include "split/presets.h"

#define ITEMS_MAX  1000 /* images, arguments */
#define SHARDS_MAX 1000

static void cleanup_json(json_t **j)
{
    json_decref(*j);
}

/* --- fields ----------------------------------------------------------------------------------- */

enum field_kind {
    FIELD_TEXT,   /* char *, owned, not empty */
    FIELD_NUMBER, /* int64_t */
    FIELD_BOOL,   /* bool */
    FIELD_LIST,   /* json_t *, borrowed */
};

struct field {
    const char *name;
    enum field_kind kind;
    bool nullable; /* stays as it is */
    size_t offset;
    int64_t min, max; /* of a number; max: of a list's items */
};

struct reader {
    struct planfile *p;
    struct error *err;
    struct strbuf place; /* "units[3].tests[1]" */
};

static void reader_deinit(struct reader *r)
{
    strbuf_deinit(&r->place);
}

/* "plan.json: units[3]: ..." */
static int _printf_(2, 3) wrong(struct reader *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, ap);
    va_end(ap);
    return error_set(r->err, ERROR_CONFIG, "%s: %s%s%s", r->p->path, r->place.buf,
                     r->place.len ? ": " : "", message);
}

/* Items of lists count from 1, as people do. Returns what to truncate the place to afterwards. */
static size_t enter(struct reader *r, const char *list, size_t i)
{
    size_t before = r->place.len;
    strbuf_addf(&r->place, "%s%s %zu", before ? ", " : "", list, i + 1);
    return before;
}

static int take_text(struct reader *r, const struct field *f, const json_t *value, char **out)
{
    const char *s = json_string_value(value);
    if (!s || !*s)
        return wrong(r, "'%s' is not a text", f->name);
    replace_str(out, s);
    return 0;
}

static int take_number(struct reader *r, const struct field *f, const json_t *value, int64_t *out)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < f->min || number > f->max)
        return wrong(r, "'%s' is not a number between %lld and %lld", f->name, (long long)f->min,
                     (long long)f->max);
    *out = number;
    return 0;
}

static int take_list(struct reader *r, const struct field *f, const json_t *value,
                     const json_t **out)
{
    if (!json_is_array(value))
        return wrong(r, "'%s' is not a list", f->name);
    if (json_array_size(value) > (size_t)f->max)
        return wrong(r, "'%s' has more than %lld items", f->name, (long long)f->max);
    *out = value;
    return 0;
}

static int take_field(struct reader *r, const struct field *f, const json_t *value, void *slot)
{
    if (!value)
        return wrong(r, "'%s' is missing", f->name);
    if (f->nullable && json_is_null(value))
        return 0;
    switch (f->kind) {
    case FIELD_TEXT:
        return take_text(r, f, value, slot);
    case FIELD_NUMBER:
        return take_number(r, f, value, slot);
    case FIELD_LIST:
        return take_list(r, f, value, slot);
    case FIELD_BOOL:
        if (!json_is_boolean(value))
            return wrong(r, "'%s' is neither true nor false", f->name);
        *(bool *)slot = json_is_true(value);
        return 0;
    }
    return 0;
}

/* Fills *out, zeroed or with defaults, which holds what was decoded so far after a failure. */
static int take_object(struct reader *r, const json_t *object, const struct field *fields,
                       size_t count, void *out)
{
    if (!json_is_object(object))
        return wrong(r, "this is not an object");
    for (size_t i = 0; i < count; i++)
        if (take_field(r, &fields[i], json_object_get(object, fields[i].name),
                       (char *)out + fields[i].offset) < 0)
            return -1;
    json_t *all = (json_t *)object;
    for (void *it = json_object_iter(all); it; it = json_object_iter_next(all, it)) {
        bool known = false;
        for (size_t i = 0; i < count && !known; i++)
            known = strcmp(json_object_iter_key(it), fields[i].name) == 0;
        _cleanup_free_ char *key = text_bounded(json_object_iter_key(it), 60);
        if (!known)
            return wrong(r, "there is no field '%s'", key);
    }
    return 0;
}

/* A word of an enum's names. */
static int take_word(struct reader *r, const char *field, const char *word,
                     const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], word) == 0)
            return i;
    _cleanup_free_ char *shown = text_bounded(word, 60);
    return wrong(r, "'%s' cannot be '%s'", field, shown);
}

/* --- its parts -------------------------------------------------------------------------------- */

static int take_arguments(struct reader *r, const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item)
    {
        if (!json_is_string(item))
            return wrong(r, "argument %zu is not a text", i + 1);
        strvec_push(&r->p->arguments, json_string_value(item));
    }
    return 0;
}

#define IMAGE_FIELD(n) .name = #n, .offset = offsetof(struct planfile_image, n)

static int take_images(struct reader *r, const json_t *list)
{
    static const struct field fields[] = {
        {IMAGE_FIELD(ref), .kind = FIELD_TEXT},
        {IMAGE_FIELD(id), .kind = FIELD_TEXT},
        {IMAGE_FIELD(digest), .kind = FIELD_TEXT, .nullable = true},
    };
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item)
    {
        size_t before = enter(r, "image", i);
        if (take_object(r, item, fields, ARRAY_SIZE(fields), vec_push(&r->p->images)) < 0)
            return -1;
        strbuf_truncate(&r->place, before);
    }
    return 0;
}

static int take_test(struct reader *r, const json_t *value)
{
    static const struct field fields[] = {
        {.name = "id", .kind = FIELD_TEXT, .offset = offsetof(struct test, id)},
        {.name = "key", .kind = FIELD_TEXT, .offset = offsetof(struct test, key)},
    };
    struct test *t = vec_push(&r->p->tests.tests);
    if (take_object(r, value, fields, ARRAY_SIZE(fields), t) < 0)
        return -1;
    if (strlen(t->id) > LIST_ID_MAX)
        return wrong(r, "'id' is longer than %zu bytes", LIST_ID_MAX);
    if (r->p->tests.tests.len > LIST_TESTS_MAX)
        return wrong(r, "there are more than %d tests", LIST_TESTS_MAX);
    return 0;
}

static int take_tests(struct reader *r, const json_t *list, struct unit *unit)
{
    size_t i;
    json_t *item;
    unit->tests = json_array_size(list);
    if (unit->tests == 0)
        return wrong(r, "there is not a test in it");
    json_array_foreach((json_t *)list, i, item)
    {
        size_t before = enter(r, "test", i);
        if (take_test(r, item) < 0)
            return -1;
        strbuf_truncate(&r->place, before);
    }
    return 0;
}

struct raw_unit {
    char *name;
    int64_t shard, msec;
    bool known;
    const json_t *tests;
};

#define UNIT_FIELD(n) .name = #n, .offset = offsetof(struct raw_unit, n)

static int take_unit(struct reader *r, const json_t *value, int *shard)
{
    static const struct field fields[] = {
        {UNIT_FIELD(name), .kind = FIELD_TEXT},
        {UNIT_FIELD(shard), .kind = FIELD_NUMBER, .min = 1, .max = SHARDS_MAX},
        {UNIT_FIELD(msec), .kind = FIELD_NUMBER, .min = 1,
         .max = TIMINGS_MSEC_MAX * LIST_TESTS_MAX},
        {UNIT_FIELD(known), .kind = FIELD_BOOL},
        {UNIT_FIELD(tests), .kind = FIELD_LIST, .max = LIST_TESTS_MAX},
    };
    struct raw_unit raw = {0};
    int status = take_object(r, value, fields, ARRAY_SIZE(fields), &raw);
    struct unit *unit = vec_push(&r->p->units.items);
    *unit = (struct unit){.name = raw.name, .msec = raw.msec, .known = raw.known};
    if (status < 0)
        return -1;
    if (raw.shard > r->p->shards)
        return wrong(r, "its shard is %lld of %lld", (long long)raw.shard, (long long)r->p->shards);
    *shard = (int)raw.shard - 1;
    status = take_tests(r, raw.tests, unit);
    r->p->units.tests += unit->tests;
    return status;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Takes the array, whose texts stay whose they are. */
static int check_once(struct reader *r, const char *what, const char **names, size_t count)
{
    _cleanup_free_ const char **sorted = names;
    if (count)
        qsort(sorted, count, sizeof(*sorted), compare_texts);
    for (size_t i = 1; i < count; i++) {
        _cleanup_free_ char *shown = text_bounded(sorted[i], 200);
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            return wrong(r, "%s '%s' is there twice", what, shown);
    }
    return 0;
}

/* Nobody could say which of two ran. */
static int check_all_once(struct reader *r)
{
    const struct planfile *p = r->p;
    const char **units = xcalloc(p->units.items.len, sizeof(*units));
    for (size_t i = 0; i < p->units.items.len; i++)
        units[i] = p->units.items.items[i].name;
    if (check_once(r, "unit", units, p->units.items.len) < 0)
        return -1;
    const char **tests = xcalloc(p->tests.tests.len, sizeof(*tests));
    for (size_t i = 0; i < p->tests.tests.len; i++)
        tests[i] = p->tests.tests.items[i].id;
    if (check_once(r, "test", tests, p->tests.tests.len) < 0)
        return -1;
    const char **images = xcalloc(p->images.len, sizeof(*images));
    for (size_t i = 0; i < p->images.len; i++)
        images[i] = p->images.items[i].ref;
    return check_once(r, "image", images, p->images.len);
}

static int take_units(struct reader *r, const json_t *list)
{
    size_t i, count = json_array_size(list);
    json_t *item;
    if (count == 0)
        return wrong(r, "'units' is empty");
    r->p->shard_of = xcalloc(count, sizeof(*r->p->shard_of));
    json_array_foreach((json_t *)list, i, item)
    {
        size_t before = enter(r, "unit", i);
        if (take_unit(r, item, &r->p->shard_of[i]) < 0)
            return -1;
        strbuf_truncate(&r->place, before);
    }
    return 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* The file, and what it has in another form than *p. */
struct raw {
    struct planfile p;
    char *tool, *split, *order, *granularity;
    int64_t format;
    const json_t *arguments, *images, *units;
};

static void raw_deinit(struct raw *raw)
{
    planfile_deinit(&raw->p);
    free(raw->tool);
    free(raw->split);
    free(raw->order);
    free(raw->granularity);
}

#define OWN_FIELD(n) .name = #n, .offset = offsetof(struct raw, p.n)
#define RAW_FIELD(n) .name = #n, .offset = offsetof(struct raw, n)

static const struct field fields[] = {
    {RAW_FIELD(tool), .kind = FIELD_TEXT},
    {RAW_FIELD(format), .kind = FIELD_NUMBER, .min = PLANFILE_FORMAT, .max = PLANFILE_FORMAT},
    {OWN_FIELD(version), .kind = FIELD_TEXT},
    {OWN_FIELD(id), .kind = FIELD_TEXT},
    {OWN_FIELD(application), .kind = FIELD_TEXT},
    {OWN_FIELD(target), .kind = FIELD_TEXT},
    {RAW_FIELD(arguments), .kind = FIELD_LIST, .max = ITEMS_MAX},
    {RAW_FIELD(images), .kind = FIELD_LIST, .max = ITEMS_MAX},
    {OWN_FIELD(shards), .kind = FIELD_NUMBER, .min = 1, .max = SHARDS_MAX},
    {RAW_FIELD(split), .kind = FIELD_TEXT},
    {OWN_FIELD(runner), .kind = FIELD_TEXT, .nullable = true},
    {RAW_FIELD(order), .kind = FIELD_TEXT},
    {OWN_FIELD(seed), .kind = FIELD_NUMBER, .max = INT64_MAX},
    {OWN_FIELD(expect), .kind = FIELD_NUMBER, .max = INT32_MAX},
    {OWN_FIELD(files), .kind = FIELD_BOOL},
    {RAW_FIELD(granularity), .kind = FIELD_TEXT, .nullable = true},
    {RAW_FIELD(units), .kind = FIELD_LIST, .nullable = true, .max = LIST_TESTS_MAX},
};

/* Before anything else is looked at, which another format may have otherwise. */
static int check_mark(struct reader *r, const json_t *root)
{
    const char *tool = json_string_value(json_object_get(root, "tool"));
    json_int_t format = json_integer_value(json_object_get(root, "format"));
    if (!tool || strcmp(tool, PLANFILE_TOOL) != 0)
        return wrong(r, "this is no plan of cleanroom's; 'cleanroom plan -o FILE' makes one");
    if (format != PLANFILE_FORMAT)
        return wrong(r,
                     "it is of another format than %d, which this cleanroom reads: make it again",
                     PLANFILE_FORMAT);
    return 0;
}

static int take_words(struct reader *r, const struct raw *raw)
{
    struct planfile *p = r->p;
    int split = take_word(r, "split", raw->split, own_by_flag("split")->names);
    int order = split < 0 ? -1 : take_word(r, "order", raw->order, own_by_flag("order")->names);
    if (order < 0)
        return -1;
    p->split = (enum split_mode)split;
    p->order = (enum test_order)order;
    if (p->runner && !preset_find(p->runner)) {
        _cleanup_free_ char *shown = text_bounded(p->runner, 60);
        return wrong(r, "'runner' cannot be '%s'", shown);
    }
    p->listed = raw->units;
    int granularity = raw->granularity ? granularity_of(raw->granularity) : 0;
    if (!raw->units != !raw->granularity || granularity < 0)
        return wrong(r, "'granularity' does not fit 'units'");
    p->granularity = (enum granularity)granularity;
    return 0;
}

static int take_root(struct reader *r, const json_t *root, struct raw *raw)
{
    if (check_mark(r, root) < 0 || take_object(r, root, fields, ARRAY_SIZE(fields), raw) < 0 ||
        take_words(r, raw) < 0 || take_arguments(r, raw->arguments) < 0 ||
        take_images(r, raw->images) < 0)
        return -1;
    if (raw->units && take_units(r, raw->units) < 0)
        return -1;
    return check_all_once(r);
}

int planfile_parse(struct planfile *p, const char *path, const char *text, size_t len,
                   struct error *err)
{
    json_error_t problem = {0};
    _cleanup_(cleanup_json) json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &problem);
    if (!root) {
        _cleanup_free_ char *why = text_first_line(problem.text, 200);
        return error_set(err, ERROR_CONFIG, "%s:%d:%d: %s", path, problem.line, problem.column,
                         why ? why : "this is not JSON");
    }
    _cleanup_(raw_deinit) struct raw raw = {.p.path = xstrdup(path)};
    _cleanup_(reader_deinit) struct reader r = {&raw.p, err, STRBUF_INIT};
    if (take_root(&r, root, &raw) < 0)
        return -1;
    *p = raw.p;
    raw.p = PLANFILE_INIT;
    return 0;
}

int planfile_read(struct planfile *p, const char *path, struct error *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (strbuf_read_file(&text, path, PLANFILE_MAX) < 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "cannot read '%s'", path);
    return planfile_parse(p, path, text.buf, text.len, err);
}
