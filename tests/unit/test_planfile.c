/* SPDX-License-Identifier: Apache-2.0 */
/* plan.json: what is written is read, what is wrong is said, and runs are held against it. */
#include "split/planfile.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cleanroom/strbuf.h>

#include "tap.h"

#define LIST                                                                                       \
    "t/a.py::X::one\n"                                                                             \
    "t/b.py::three\n"                                                                              \
    "t/a.py::X::two\n"                                                                             \
    "t/c.py::f\xc3\xbcnf[\"\\n\"]\n"

/* A run as a user asks for it, and the plan of it. */
struct scene {
    struct settings settings;
    struct plan plan;
    struct test_list list;
    struct units units;
    struct planfile file;
};

static void load(struct settings *settings, const char *image, const char *const *args,
                 const struct cli_value *cli, size_t count)
{
    const struct settings_input in = {.image = image,
                                      .test_args = args,
                                      .cli = cli,
                                      .cli_count = count,
                                      .no_user_config = true,
                                      .directory = "/nonexistent/shop"};
    _cleanup_error_ struct error err = ERROR_INIT;
    check_int(settings_load(settings, &in, &err), 0);
    check_str(err.message, NULL);
}

static const struct cli_value usual[] = {
    {"shards", "3"}, {"split", "timings"}, {"runner", "pytest"},  {"order", "random"},
    {"seed", "42"},  {"expect", "4"},      {"services", "redis"}, {"application-id", "shop"}};

static struct image_info infos[] = {
    {.id = (char *)"sha256:aa", .digest = (char *)"registry.example/app@sha256:a1"},
    {.id = (char *)"sha256:bb"},
};

static void begin(struct scene *s)
{
    static const char *const args[] = {"-k", "two words", "", NULL};
    *s = (struct scene){0};
    load(&s->settings, "app:1", args, usual, ARRAY_SIZE(usual));
    check_int(plan_make(&s->plan, &s->settings, NULL, NULL), 0);
    check_int(test_list_read(&s->list, LIST_PLAIN, NAMING_PYTEST, LIST, strlen(LIST), NULL), 0);
    units_make(&s->units, &s->list, NAMING_PYTEST, GRANULARITY_CLASS, NULL);
    _cleanup_free_ int *shard_of = xcalloc(s->units.items.len, sizeof(*shard_of));
    cut_by_time(&s->units, 3, shard_of);
    planfile_init(&s->file, &s->plan);
    planfile_set_images(&s->file, &s->plan, infos);
    planfile_set_units(&s->file, &s->list, NAMING_PYTEST, GRANULARITY_CLASS, false, &s->units,
                       shard_of);
}

static void scene_deinit(struct scene *s)
{
    planfile_deinit(&s->file);
    units_deinit(&s->units);
    test_list_deinit(&s->list);
    plan_deinit(&s->plan);
    settings_deinit(&s->settings);
}
#define _cleanup_scene_ _cleanup_(scene_deinit)

/* The file as a text; release with free(). */
static char *written(const struct planfile *p)
{
    char directory[] = "/tmp/cleanroom-planfile-XXXXXX";
    check(mkdtemp(directory) != NULL);
    _cleanup_free_ char *path = xasprintf("%s/plan.json", directory);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    check_int(planfile_write(p, path, &err), 0);
    check_str(err.message, NULL);
    check_int(strbuf_read_file(&text, path, PLANFILE_MAX), 0);
    check_int(unlink(path), 0);
    check_int(rmdir(directory), 0); /* and nothing else is left there */
    return strbuf_detach(&text);
}

static int parse(struct planfile *p, const char *text, struct error *err)
{
    return planfile_parse(p, "plan.json", text, strlen(text), err);
}

/* --- there and back --------------------------------------------------------------------------- */

static void check_same_head(const struct planfile *a, const struct planfile *b)
{
    check_str(b->path, "plan.json");
    check_str(b->id, a->id);
    check_str(b->version, VERSION);
    check_str(b->application, "shop");
    check_str(b->target, "app:1");
    check_int(b->shards, 3);
    check_int(b->split, SPLIT_TIMINGS);
    check_str(b->runner, "pytest");
    check_int(b->order, ORDER_RANDOM);
    check_int(b->seed, 42);
    check_int(b->expect, 4);
    check_int(b->arguments.len, 3);
    check_str(b->arguments.items[1], "two words");
    check_str(b->arguments.items[2], "");
    check_int(b->images.len, 2);
    check_str(b->images.items[0].ref, "app:1");
    check_str(b->images.items[0].digest, "registry.example/app@sha256:a1");
    check_str(b->images.items[1].id, "sha256:bb");
    check_str(b->images.items[1].digest, NULL);
}

static void test_there_and_back(void)
{
    static const char *const names[] = {"t/a.py::X", "t/b.py::three", "t/c.py::f\xc3\xbcnf"};
    static const char *const ids[] = {"t/a.py::X::one", "t/a.py::X::two", "t/b.py::three",
                                      "t/c.py::f\xc3\xbcnf[\"\\n\"]"};
    _cleanup_scene_ struct scene s;
    _cleanup_planfile_ struct planfile p = PLANFILE_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    begin(&s);
    _cleanup_free_ char *text = written(&s.file);
    check_int(parse(&p, text, &err), 0);
    check_str(err.message, NULL);
    check_same_head(&s.file, &p);
    check(p.listed);
    check(!p.files);
    check_int(p.granularity, GRANULARITY_CLASS);
    check_int(p.units.tests, 4);
    check_int(p.units.items.len, 3);
    for (size_t i = 0; i < 3; i++) {
        check_str(p.units.items.items[i].name, names[i]);
        check_int(p.units.items.items[i].tests, s.units.items.items[i].tests);
        check_int(p.units.items.items[i].msec, s.units.items.items[i].msec);
        check_int(p.units.items.items[i].known, false);
        check_int(p.shard_of[i], s.file.shard_of[i]);
    }
    for (size_t i = 0; i < 4; i++)
        check_str(p.tests.tests.items[i].id, ids[i]); /* those of a unit together */
    check_str(p.tests.tests.items[1].key, "t.a.X.two");
    _cleanup_free_ char *again = written(&p);
    check_str(again, text);
}

static void test_nothing_listed(void)
{
    _cleanup_(settings_deinit) struct settings settings;
    _cleanup_(plan_deinit) struct plan plan;
    _cleanup_planfile_ struct planfile made = PLANFILE_INIT, p = PLANFILE_INIT;

    load(&settings, "app:1", NULL, NULL, 0);
    check_int(plan_make(&plan, &settings, NULL, NULL), 0);
    planfile_init(&made, &plan);
    _cleanup_free_ char *text = written(&made);
    check_int(parse(&p, text, NULL), 0);
    check(!p.listed);
    check_str(p.runner, NULL);
    check_int(p.split, SPLIT_ENV);
    check_int(p.tests.tests.len, 0);
}

/* JSON holds texts, and a name of a test is any bytes. */
static void test_not_utf8(void)
{
    _cleanup_scene_ struct scene s;
    _cleanup_error_ struct error err = ERROR_INIT;

    begin(&s);
    replace_str(&s.file.tests.tests.items[0].id, "t/a.py::X::\xff");
    check_int(planfile_write(&s.file, "/nonexistent-directory/plan.json", &err), -1);
    check_str(err.message, "cannot write '/nonexistent-directory/plan.json': No such file or "
                           "directory");
    error_clear(&err);
    check_int(planfile_write(&s.file, "/tmp/cleanroom-never-written.json", &err), -1);
    check_contains(err.message, "is not valid UTF-8, so it cannot be part of a plan");
    check_int(access("/tmp/cleanroom-never-written.json", F_OK), -1);
    error_clear(&err);
    check_int(planfile_write(&s.file, "/tmp/", &err), -1);
    check_str(err.message, "'/tmp/' is a directory; name a file in it");
}

/* --- files that are wrong --------------------------------------------------------------------- */

static void check_refused(const char *text, const char *why)
{
    _cleanup_planfile_ struct planfile p = PLANFILE_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    check_int(parse(&p, text, &err), -1);
    check_str(err.message, why);
    check_int(error_exit_code(err.kind), 2);
    check(p.path == NULL && p.tests.tests.items == NULL);
}

/* The usual file with one place of it changed. */
static void check_changed(const char *text, const char *from, const char *to, const char *why)
{
    const char *at = strstr(text, from);
    if (!tap_check(at != NULL, __FILE__, __LINE__, "the file has no '%s'", from))
        return;
    _cleanup_free_ char *changed = xasprintf("%.*s%s%s", (int)(at - text), text, to,
                                             at + strlen(from));
    check_refused(changed, why);
}

static void test_no_plan(void)
{
    check_refused("", "plan.json:1:0: '[' or '{' expected near end of file");
    check_refused("{\n \"a\": tru\n}", "plan.json:2:9: invalid token near 'tru'");
    check_refused("[]", "plan.json: this is no plan of cleanroom's; 'cleanroom plan -o FILE' makes "
                        "one");
    check_refused("{\"tool\": 5}", "plan.json: this is no plan of cleanroom's; 'cleanroom plan -o "
                                   "FILE' makes one");
    check_refused("{\"tool\": \"cleanroom\", \"run\": \"abc\"}",
                  "plan.json: it is of another format than 1, which this cleanroom reads: make it "
                  "again");
    check_refused("{\"tool\": \"cleanroom\", \"tool\": \"cleanroom\"}",
                  "plan.json:1:28: duplicate object key near '\"tool\"'");
}

static void test_wrong_fields(void)
{
    static const struct {
        const char *from, *to, *why;
    } all[] = {
        {"\"shards\": 3", "\"shards\": 0",
         "plan.json: 'shards' is not a number between 1 and 1000"},
        {"\"shards\": 3", "\"shards\": \"3\"",
         "plan.json: 'shards' is not a number between 1 and 1000"},
        {"\"shards\": 3,", "", "plan.json: 'shards' is missing"},
        {"\"shards\": 3", "\"shards\": 2", "plan.json: unit 3: its shard is 3 of 2"},
        {"\"expect\"", "\"expcet\"", "plan.json: 'expect' is missing"},
        {"\"files\": false", "\"files\": false, \"filse\": 1",
         "plan.json: there is no field 'filse'"},
        {"\"files\": false", "\"files\": 0", "plan.json: 'files' is neither true nor false"},
        {"\"id\": \"sha256:aa\"", "\"id\": \"\"", "plan.json: image 1: 'id' is not a text"},
        {"\"ref\": \"redis:7\"", "\"ref\": \"app:1\"", "plan.json: image 'app:1' is there twice"},
        {"\"split\": \"timings\"", "\"split\": \"time\"", "plan.json: 'split' cannot be 'time'"},
        {"\"order\": \"random\"", "\"order\": null", "plan.json: 'order' is not a text"},
        {"\"runner\": \"pytest\"", "\"runner\": \"pytset\"",
         "plan.json: 'runner' cannot be 'pytset'"},
        {"\"granularity\": \"class\"", "\"granularity\": null",
         "plan.json: 'granularity' does not fit 'units'"},
        {"\"granularity\": \"class\"", "\"granularity\": \"line\"",
         "plan.json: 'granularity' does not fit 'units'"},
        {"\"two words\"", "7", "plan.json: argument 2 is not a text"},
        {"\"arguments\": [", "\"arguments\": 1, \"files2\": [",
         "plan.json: 'arguments' is not a list"},
        {"\"msec\": 2", "\"msec\": 0",
         "plan.json: unit 1: 'msec' is not a number between 1 and 200000000000000"},
        {"\"id\": \"t/b.py::three\"", "\"id\": null",
         "plan.json: unit 2, test 1: 'id' is not a text"},
        {"\"id\": \"t/b.py::three\"", "\"id\": \"t/a.py::X::one\"",
         "plan.json: test 't/a.py::X::one' is there twice"},
        {"\"name\": \"t/b.py::three\"", "\"name\": \"t/a.py::X\"",
         "plan.json: unit 't/a.py::X' is there twice"},
    };
    _cleanup_scene_ struct scene s;

    begin(&s);
    _cleanup_free_ char *text = written(&s.file);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        check_changed(text, all[i].from, all[i].to, all[i].why);
}

static void test_unreadable(void)
{
    _cleanup_planfile_ struct planfile p = PLANFILE_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    check_int(planfile_read(&p, "/nonexistent/plan.json", &err), -1);
    check_str(err.message, "cannot read '/nonexistent/plan.json': No such file or directory");
}

/* --- runs by it ------------------------------------------------------------------------------- */

static void test_settles(void)
{
    static const struct cli_value cli[] = {{"slice", "2/3"}, {"granularity", "auto"}};
    _cleanup_scene_ struct scene s;
    _cleanup_(settings_deinit) struct settings settings;
    _cleanup_(plan_deinit) struct plan plan;
    _cleanup_error_ struct error err = ERROR_INIT;

    begin(&s);
    load(&settings, NULL, NULL, cli, ARRAY_SIZE(cli));
    check_int(planfile_settle(&s.file, &settings, &err), 0);
    check_str(err.message, NULL);
    check_int(settings.own.shards, 3);
    check_int(settings.own.split, SPLIT_TIMINGS);
    check_str(settings.own.runner, "pytest");
    check_int(settings.own.granularity, GRANULE_CLASS);
    check_int(settings.own.order, ORDER_RANDOM);
    check_int(settings.own.seed, 42);
    check_int(settings.own.expect, 4);
    check_str(settings.image.value, "app:1");
    check_str(settings.image.source, "the plan");
    check_int(settings.test_args.len, 3);
    check_int(plan_make(&plan, &settings, NULL, &err), 0);
    check_int(plan.first_shard, 1);
    check_int(plan.shard_count, 1);

    /* Whoever says the same is heard, too. */
    check_int(planfile_settle(&s.file, &s.settings, &err), 0);
}

static void test_says_otherwise(void)
{
    static const struct {
        const char *flag, *value, *why;
    } all[] = {
        {"shards", "1", "--shards: '1' is not what the plan was made with: '3'; leave it out"},
        {"split", "env", "--split: 'env' is not what the plan was made with: 'timings'"},
        {"runner", "jest", "--runner: 'jest' is not what"},
        {"granularity", "file", "was made with: 'class'"},
        {"order", "listed", "was made with: 'random'"},
        {"seed", "43", "was made with: '42'"},
        {"expect", "5", "was made with: '4'"},
        {"application-id", "other", "was made with: 'shop'"},
    };
    static const char *const args[] = {"-x", NULL};
    _cleanup_scene_ struct scene s;

    begin(&s);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        const struct cli_value cli = {all[i].flag, all[i].value};
        _cleanup_(settings_deinit) struct settings settings;
        _cleanup_error_ struct error err = ERROR_INIT;
        load(&settings, "app:1", NULL, &cli, 1);
        check_int(planfile_settle(&s.file, &settings, &err), -1);
        check_contains(err.message, all[i].why);
    }
    _cleanup_(settings_deinit) struct settings image, words, version;
    _cleanup_error_ struct error err = ERROR_INIT;
    load(&image, "app:2", NULL, NULL, 0);
    check_int(planfile_settle(&s.file, &image, &err), -1);
    check_contains(err.message,
                   "command line: 'app:2' is not what the plan was made with: 'app:1'");
    error_clear(&err);
    load(&words, "app:1", args, NULL, 0);
    check_int(planfile_settle(&s.file, &words, &err), -1);
    check_contains(err.message, "made with: -x and -k 'two words' ''; leave them out");
    error_clear(&err);
    load(&version, "app:1", NULL, NULL, 0);
    replace_str(&s.file.version, "9.9");
    check_int(planfile_settle(&s.file, &version, &err), -1);
    check_contains(err.message, "the plan was made by cleanroom 9.9, and this is " VERSION);
}

static void test_images(void)
{
    _cleanup_scene_ struct scene s;
    _cleanup_error_ struct error err = ERROR_INIT;
    begin(&s);
    struct image_info here[] = {infos[0], infos[1]};

    check_int(planfile_check_images(&s.file, &s.plan, here, &err), 0);
    here[0].id = (char *)"sha256:of-another-engine"; /* by another name, but the same digest */
    here[0].digest = (char *)"mirror.example/app@sha256:a1";
    check_int(planfile_check_images(&s.file, &s.plan, here, &err), 0);
    here[0].digest = NULL;
    check_int(planfile_check_images(&s.file, &s.plan, here, &err), -1);
    check_str(err.message, "image 'app:1' (app) is sha256:of-another-engine here and "
                           "registry.example/app@sha256:a1 in the plan; bring that one here, or "
                           "make the plan again");
    error_clear(&err);
    here[0] = infos[0];
    replace_str(&s.file.images.items[1].ref, "redis:6");
    check_int(planfile_check_images(&s.file, &s.plan, here, &err), -1);
    check_contains(err.message, "image 'redis:7' (redis) is not in the plan");
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_there_and_back),
                                       TAP(test_nothing_listed),
                                       TAP(test_not_utf8),
                                       TAP(test_no_plan),
                                       TAP(test_wrong_fields),
                                       TAP(test_unreadable),
                                       TAP(test_settles),
                                       TAP(test_says_otherwise),
                                       TAP(test_images),
                                       {0}});
}
