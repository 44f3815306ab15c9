/* SPDX-License-Identifier: Apache-2.0 */
#include "split/planfile.h"

#include <inttypes.h>
#include <string.h>

#include "config/own.h"
#include "config/words.h"

/* --- making ----------------------------------------------------------------------------------- */

void planfile_init(struct planfile *p, const struct plan *plan)
{
    const struct settings *s = plan->settings;
    *p = (struct planfile){
        .path = xstrdup("the plan"),
        .id = xstrdup(plan->run_id),
        .version = xstrdup(VERSION),
        .application = xstrdup(s->application_id.value),
        .target = xstrdup(s->image.value),
        .shards = s->own.shards,
        .split = s->own.split,
        .runner = xstrdup(s->own.runner),
        .order = s->own.order,
        .seed = s->own.seed,
        .expect = s->own.expect,
    };
    strvec_append(&p->arguments, &s->test_args);
}

void planfile_set_images(struct planfile *p, const struct plan *plan,
                         const struct image_info *infos)
{
    for (size_t i = 0; i < plan->images.len; i++)
        *vec_push(&p->images) = (struct planfile_image){
            xstrdup(plan->images.items[i].ref), xstrdup(infos[i].id), xstrdup(infos[i].digest)};
}

/* Where the unit of a name is; the first member is what naming_compare() looks at. */
struct place {
    const char *name;
    size_t next; /* where its next test goes */
};

/* The tests of each unit together, in the order of the list. */
static void set_tests(struct planfile *p, const struct test_list *tests, enum naming naming)
{
    _cleanup_free_ struct place *places = xcalloc(p->units.items.len, sizeof(*places));
    size_t next = 0;
    for (size_t i = 0; i < p->units.items.len; i++) {
        places[i] = (struct place){p->units.items.items[i].name, next};
        next += p->units.items.items[i].tests;
    }
    if (p->units.items.len)
        qsort(places, p->units.items.len, sizeof(*places), naming_compare);
    for (size_t i = 0; i < tests->tests.len; i++)
        (void)vec_push(&p->tests.tests);
    for (size_t i = 0; i < tests->tests.len; i++) {
        const struct test *t = &tests->tests.items[i];
        _cleanup_free_ char *name = naming_group(naming, t->id, p->granularity);
        const struct place wanted = {name, 0};
        struct place *found = bsearch(&wanted, places, p->units.items.len, sizeof(*places),
                                      naming_compare);
        if (!found)
            abort(); /* units of another list */
        p->tests.tests.items[found->next++] = (struct test){xstrdup(t->id), xstrdup(t->key)};
    }
}

void planfile_set_units(struct planfile *p, const struct test_list *tests, enum naming naming,
                        enum granularity granularity, bool files, const struct units *units,
                        const int *shard_of)
{
    p->listed = true;
    p->files = files;
    p->granularity = granularity;
    p->shard_of = xmemdup(shard_of, units->items.len * sizeof(*shard_of));
    for (size_t i = 0; i < units->items.len; i++)
        units_add(&p->units, &units->items.items[i]);
    set_tests(p, tests, naming);
}

void planfile_deinit(struct planfile *p)
{
    for (size_t i = 0; i < p->images.len; i++) {
        free(p->images.items[i].ref);
        free(p->images.items[i].id);
        free(p->images.items[i].digest);
    }
    vec_deinit(&p->images);
    free(p->path);
    free(p->id);
    free(p->version);
    free(p->application);
    free(p->target);
    free(p->runner);
    strvec_deinit(&p->arguments);
    units_deinit(&p->units);
    free(p->shard_of);
    test_list_deinit(&p->tests);
    *p = PLANFILE_INIT;
}

/* --- holding a run against it ----------------------------------------------------------------- */

/* source: where it was said. */
static int differs(const struct planfile *p, const char *source, const char *said,
                   const char *pinned, struct error *err)
{
    return error_set(err, ERROR_CONFIG,
                     "%s: '%s' is not what %s was made with: '%s'; leave it out, or make the plan "
                     "again",
                     source, said, p->path, pinned);
}

static char *number_text(int64_t number)
{
    return xasprintf("%" PRId64, number);
}

static char *shards_text(const struct planfile *p)
{
    return number_text(p->shards);
}

static char *split_text(const struct planfile *p)
{
    return xstrdup(own_by_flag("split")->names[p->split]);
}

static char *runner_text(const struct planfile *p)
{
    return xstrdup(p->runner);
}

static char *granularity_text(const struct planfile *p)
{
    return p->listed ? xstrdup(granularity_name(p->granularity)) : NULL;
}

static char *order_text(const struct planfile *p)
{
    return xstrdup(own_by_flag("order")->names[p->order]);
}

static char *seed_text(const struct planfile *p)
{
    return number_text(p->seed);
}

static char *expect_text(const struct planfile *p)
{
    return number_text(p->expect);
}

/* Settings that the file has, and the word by which they leave it open. */
static const struct {
    const char *flag;
    const char *open; /* besides not being said; or NULL */
    char *(*text)(const struct planfile *p);
} pins[] = {
    {"shards", NULL, shards_text}, {"split", NULL, split_text},
    {"runner", NULL, runner_text}, {"granularity", "auto", granularity_text},
    {"order", NULL, order_text},   {"seed", "0", seed_text},
    {"expect", "0", expect_text},
};

static int settle_pin(const struct planfile *p, struct settings *s, size_t i, struct error *err)
{
    const struct setting_def *def = own_by_flag(pins[i].flag);
    const struct setting *said = &s->own_sources[def - setting_defs];
    const struct origin origin = {.name = p->path, .kind = ERROR_CONFIG};
    _cleanup_free_ char *value = pins[i].text(p);
    bool open = strcmp(said->source, "default") == 0 ||
                (pins[i].open && strcmp(said->value, pins[i].open) == 0);

    if (open)
        return value ? own_set(s, def, value, &origin, err) : 0;
    bool same = value && (def->type == SETTING_INT
                              ? strtoll(said->value, NULL, 10) == strtoll(value, NULL, 10)
                              : strcmp(said->value, value) == 0);
    return same ? 0 : differs(p, said->source, said->value, value ? value : "none", err);
}

static int settle_text(const struct planfile *p, struct setting *set, const char *pinned,
                       struct error *err)
{
    if (set->value && strcmp(set->source, "default") != 0)
        return strcmp(set->value, pinned) == 0 ? 0
                                               : differs(p, set->source, set->value, pinned, err);
    replace_str(&set->value, pinned);
    replace_str(&set->source, p->path);
    return 0;
}

static int settle_arguments(const struct planfile *p, struct settings *s, struct error *err)
{
    _cleanup_free_ char *said = words_join(&s->test_args), *pinned = words_join(&p->arguments);

    if (s->test_args.len == 0)
        strvec_append(&s->test_args, &p->arguments);
    else if (strcmp(said, pinned) != 0)
        return error_set(err, ERROR_CONFIG,
                         "the tests' arguments are not what %s was made with: %s and %s; leave "
                         "them out, or make the plan again",
                         p->path, said, *pinned ? pinned : "none");
    return 0;
}

int planfile_settle(const struct planfile *p, struct settings *settings, struct error *err)
{
    if (strcmp(p->version, VERSION) != 0)
        return error_set(err, ERROR_CONFIG,
                         "%s was made by cleanroom %s, and this is %s: use one version everywhere",
                         p->path, p->version, VERSION);
    for (size_t i = 0; i < ARRAY_SIZE(pins); i++)
        if (settle_pin(p, settings, i, err) < 0)
            return -1;
    if (settle_text(p, &settings->application_id, p->application, err) < 0 ||
        settle_text(p, &settings->image, p->target, err) < 0)
        return -1;
    return settle_arguments(p, settings, err);
}

/* A digest is the registry's, "name@sha256:...": the name may be another one's of the same. */
static bool is_same_image(const struct planfile_image *pinned, const struct image_info *here)
{
    const char *theirs = pinned->digest ? strchr(pinned->digest, '@') : NULL;
    const char *ours = here->digest ? strchr(here->digest, '@') : NULL;

    return strcmp(pinned->id, here->id) == 0 || (theirs && ours && strcmp(theirs, ours) == 0);
}

static const struct planfile_image *find_image(const struct planfile *p, const char *ref)
{
    for (size_t i = 0; i < p->images.len; i++)
        if (strcmp(p->images.items[i].ref, ref) == 0)
            return &p->images.items[i];
    return NULL;
}

int planfile_check_images(const struct planfile *p, const struct plan *plan,
                          const struct image_info *infos, struct error *err)
{
    for (size_t i = 0; i < plan->images.len; i++) {
        const struct plan_image *image = &plan->images.items[i];
        const struct planfile_image *pinned = find_image(p, image->ref);
        if (!pinned)
            return error_set(err, ERROR_CONFIG,
                             "image '%s' (%s) is not in %s: the services have changed since; make "
                             "the plan again",
                             image->ref, image->used_by, p->path);
        if (!is_same_image(pinned, &infos[i]))
            return error_set(err, ERROR_CONFIG,
                             "image '%s' (%s) is %s here and %s in %s; bring that one here, or "
                             "make the plan again",
                             image->ref, image->used_by, infos[i].id,
                             pinned->digest ? pinned->digest : pinned->id, p->path);
    }
    return 0;
}
