/* SPDX-License-Identifier: Apache-2.0 */
/* The plan from settings made by hand: what is started, what the app is told, what is shown. */
#include "config/plan.h"

#include <errno.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cleanroom/strbuf.h>

#include "config/mask.h"
#include "config/program.h"
#include "config/shardvars.h"
#include "tap.h"

/* Settings as settings_load() leaves them; all strings are copies. */
static void put(struct setting *set, const char *value, const char *source)
{
    *set = (struct setting){xstrdup(value), xstrdup(source)};
}

static void add_service(struct settings *s, const char *name)
{
    struct service_setting *service = vec_push(&s->services);

    service->provider = provider_find(name);
    service->name = xstrdup(name);
    service->source = xasprintf("forklift.yaml:1:%zu", s->services.len * 10);
}

/* To the service added last. */
static void add_override(struct settings *s, const char *key, const char *value)
{
    struct service_setting *service = &s->services.items[s->services.len - 1];
    struct override_setting *o = vec_push(&service->overrides);

    o->key = xstrdup(key);
    put(&o->set, value, "forklift.yaml:5:3");
}

static void add_variable(struct settings *s, const char *key, const char *value)
{
    struct env_setting *e = vec_push(&s->environment);

    e->key = xstrdup(key);
    put(&e->set, value, "--environment");
}

static void settings_make(struct settings *s, int shards)
{
    *s = (struct settings){.own.shards = shards};
    put(&s->image, "registry.example/app:1", "command line");
    put(&s->application_id, "my-app", "default");
}

static void setting_free(struct setting *set)
{
    free(set->value);
    free(set->source);
}

static void settings_free(struct settings *s)
{
    for (size_t i = 0; i < s->services.len; i++) {
        struct service_setting *service = &s->services.items[i];
        for (size_t k = 0; k < service->overrides.len; k++) {
            free(service->overrides.items[k].key);
            setting_free(&service->overrides.items[k].set);
        }
        vec_deinit(&service->overrides);
        free(service->source);
        free(service->name);
    }
    for (size_t i = 0; i < s->environment.len; i++) {
        free(s->environment.items[i].key);
        setting_free(&s->environment.items[i].set);
    }
    vec_deinit(&s->services);
    vec_deinit(&s->environment);
    strvec_deinit(&s->test_args);
    setting_free(&s->image);
    setting_free(&s->application_id);
}
#define _cleanup_settings_ _cleanup_(settings_free)
#define _cleanup_plan_     _cleanup_(plan_deinit)

/* Each call yields other bytes, the same in every run of the test. */
static unsigned char counter;

static int fixed_random(void *bytes, size_t len)
{
    memset(bytes, ++counter, len);
    return 0;
}

static int no_random(void *bytes, size_t len)
{
    (void)bytes, (void)len;
    errno = ENOSYS;
    return -1;
}

static int make_plan(struct plan *plan, const struct settings *s, struct error *err)
{
    counter = 0xa0;
    return plan_make(plan, s, fixed_random, err);
}

static void test_app_environment(void)
{
    _cleanup_settings_ struct settings s;
    _cleanup_plan_ struct plan plan;

    settings_make(&s, 4);
    add_service(&s, "memcache");
    add_service(&s, "postgres");
    add_service(&s, "redis");
    add_variable(&s, "ZED", "z=z");
    add_variable(&s, "DEVNAME", "me");
    check_int(make_plan(&plan, &s, NULL), 0);
    check_int(plan.shards.len, 4);

    _cleanup_free_ char *env = strvec_join(&plan.shards.items[2].app_env, "\n");
    check_str(env, "BUILDKITE_PARALLEL_JOB=2\n"
                   "BUILDKITE_PARALLEL_JOB_COUNT=4\n"
                   "CIRCLE_NODE_INDEX=2\n"
                   "CIRCLE_NODE_TOTAL=4\n"
                   "CLEANROOM_SHARD=3/4\n"
                   "CLEANROOM_SHARD_INDEX=2\n"
                   "CLEANROOM_SHARD_NUMBER=3\n"
                   "CLEANROOM_SHARD_TOTAL=4\n"
                   "DB_DEFAULT_URL=postgres://my_app:a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9"
                   "@127.0.0.1:5432/my_app\n"
                   "DEVNAME=me\n"
                   "ENVIRONMENT=dev_local\n"
                   "GTEST_OUTPUT=xml:/cleanroom/collect/xml/\n"
                   "GTEST_SHARD_INDEX=2\n"
                   "GTEST_SHARD_STATUS_FILE=/cleanroom/collect/shard-status\n"
                   "GTEST_TOTAL_SHARDS=4\n"
                   "KNAPSACK_PRO_CI_NODE_INDEX=2\n"
                   "KNAPSACK_PRO_CI_NODE_TOTAL=4\n"
                   "LIT_NUM_SHARDS=4\n"
                   "LIT_RUN_SHARD=3\n"
                   "MEMCACHE_HOSTS=127.0.0.1:11211\n"
                   "MEMCACHE_PREFIX=my-app\n"
                   "REDIS_DB_INDEX=0\n"
                   "REDIS_HOSTS=127.0.0.1:6379\n"
                   "SITE_DOMAIN=localhost:8000\n"
                   "SITE_PROTOCOL=http\n"
                   "TEST_SHARD_INDEX=2\n"
                   "TEST_SHARD_STATUS_FILE=/cleanroom/collect/shard-status\n"
                   "TEST_TMPDIR=/cleanroom/tmp\n"
                   "TEST_TOTAL_SHARDS=4\n"
                   "TEST_UNDECLARED_OUTPUTS_DIR=/cleanroom/collect/outputs\n"
                   "XML_OUTPUT_FILE=/cleanroom/collect/xml/test.xml\n"
                   "ZED=z=z");
}

/* An outer CI's values must not reach the app; the user's explicit ones do, even over ours. */
static void test_environment_is_ours(void)
{
    _cleanup_settings_ struct settings s;
    _cleanup_plan_ struct plan plan;

    setenv("CI_NODE_INDEX", "7", 1);
    setenv("CIRCLE_NODE_INDEX", "7", 1);
    setenv("DEVNAME", "outer", 1);
    settings_make(&s, 2);
    add_variable(&s, "LIT_RUN_SHARD", "9");
    check_int(make_plan(&plan, &s, NULL), 0);

    const struct strvec *env = &plan.shards.items[1].app_env;
    check_str(strvec_getenv(env, "CI_NODE_INDEX"), NULL);
    check_str(strvec_getenv(env, "PATH"), NULL);
    check_str(strvec_getenv(env, "CIRCLE_NODE_INDEX"), "1");
    check_str(strvec_getenv(env, "LIT_RUN_SHARD"), "9");
    const struct passwd *me = getpwuid(geteuid());
    if (me)
        check_str(strvec_getenv(env, "DEVNAME"), me->pw_name);
}

static void test_numbers(void)
{
    static const struct {
        const char *name;
        int first, last; /* in shards 1 and 12 of 12 */
    } numbers[] = {
        {"CLEANROOM_SHARD_INDEX", 0, 11},
        {"CLEANROOM_SHARD_NUMBER", 1, 12},
        {"TEST_SHARD_INDEX", 0, 11},
        {"GTEST_SHARD_INDEX", 0, 11},
        {"CIRCLE_NODE_INDEX", 0, 11},
        {"BUILDKITE_PARALLEL_JOB", 0, 11},
        {"KNAPSACK_PRO_CI_NODE_INDEX", 0, 11},
        {"LIT_RUN_SHARD", 1, 12},
        {"LIT_NUM_SHARDS", 12, 12},
        {"GTEST_TOTAL_SHARDS", 12, 12},
    };
    _cleanup_strvec_ struct strvec first = STRVEC_INIT, last = STRVEC_INIT;

    shardvars_set(&first, 1, 12, PLAN_SCRATCH);
    shardvars_set(&last, 12, 12, PLAN_SCRATCH);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        check_int(strtol(strvec_getenv(&first, numbers[i].name), NULL, 10), numbers[i].first);
        check_int(strtol(strvec_getenv(&last, numbers[i].name), NULL, 10), numbers[i].last);
        check(shardvars_has(numbers[i].name));
    }
    check_str(strvec_getenv(&last, "CLEANROOM_SHARD"), "12/12");
    check(!shardvars_has("CI_NODE_INDEX"));

    shardvars_set_undivided(&last);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        bool ours = strncmp(numbers[i].name, "CLEANROOM_", 10) == 0;
        bool counts_from_0 = numbers[i].first == 0;
        check_int(strtol(strvec_getenv(&last, numbers[i].name), NULL, 10),
                  ours ? numbers[i].last : !counts_from_0);
    }
    check_str(strvec_getenv(&last, "XML_OUTPUT_FILE"), PLAN_XML_DIR "/test.xml");
}

static void test_images_once(void)
{
    _cleanup_settings_ struct settings s;
    _cleanup_plan_ struct plan plan;

    settings_make(&s, 3);
    add_service(&s, "redis");
    add_override(&s, "image", "kv:1");
    add_service(&s, "memcache");
    add_override(&s, "image", "kv:1");
    add_service(&s, "postgres");
    add_override(&s, "host", "db.example");
    check_int(make_plan(&plan, &s, NULL), 0);
    check_int(plan.images.len, 2);
    check_str(plan.images.items[0].ref, "registry.example/app:1");
    check_str(plan.images.items[0].used_by, "app");
    check_str(plan.images.items[1].ref, "kv:1");
    check_str(plan.images.items[1].used_by, "redis, memcache");
    check(plan.shards.items[0].services.items[2].spec.external);
}

static void test_commands(void)
{
    _cleanup_settings_ struct settings s;
    _cleanup_plan_ struct plan plan;

    settings_make(&s, 1);
    s.own.deploy = DEPLOY_EACH;
    strvec_push(&s.test_args, "-k");
    strvec_push(&s.test_args, "a b");
    check_int(make_plan(&plan, &s, NULL), 0);
    _cleanup_free_ char *test = strvec_join(&plan.test_argv, "|");
    _cleanup_free_ char *deploy = strvec_join(&plan.deploy_argv, "|");
    check_str(test, "test|-k|a b");
    check_str(deploy, "deploy");
    check_str(plan.run_id, "a1a1a1a1a1a1");
    check_int(plan.deploy, DEPLOY_EACH);
}

/* The world that copies are made of has its own secrets, and no shard's number. */
static void test_the_seed(void)
{
    _cleanup_settings_ struct settings s;
    _cleanup_plan_ struct plan plan;

    settings_make(&s, 2);
    add_service(&s, "postgres");
    check_int(plan_make(&plan, &s, NULL, NULL), 0);
    check_int(plan.seed.number, 0);
    check_int(plan.seed.services.len, 1);
    check(strvec_getenv(&plan.seed.app_env, "DB_DEFAULT_URL") != NULL);
    check(!strvec_getenv(&plan.seed.app_env, "CLEANROOM_SHARD_NUMBER"));
    check(strvec_getenv(&plan.shards.items[1].app_env, "CLEANROOM_SHARD_NUMBER") != NULL);
    for (size_t i = 0; i < 2; i++)
        check(strcmp(plan.seed.services.items[0].spec.password,
                     plan.shards.items[i].services.items[0].spec.password) != 0);
}

static void test_deploy_once(void)
{
    static struct provider stubborn;
    _cleanup_settings_ struct settings s;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct plan plan;

    settings_make(&s, 1);
    add_service(&s, "postgres");
    s.own.deploy = DEPLOY_ONCE;
    s.own.snapshots = true;
    check_int(plan_make(&plan, &s, NULL, NULL), 0);
    check_int(plan.deploy, DEPLOY_ONCE);
    plan_deinit(&plan);

    s.own.snapshots = false; /* everything from nothing */
    check_int(plan_make(&plan, &s, NULL, NULL), 0);
    check_int(plan.deploy, DEPLOY_EACH);
    plan_deinit(&plan);

    s.own.snapshots = true;
    stubborn = *provider_find("postgres");
    stubborn.name = "stubborn";
    stubborn.recipe = NULL;
    s.services.items[0].provider = &stubborn;
    replace_str(&s.services.items[0].name, "stubborn");
    check_int(plan_make(&plan, &s, NULL, &err), -1);
    check_int(err.kind, ERROR_CONFIG);
    check_contains(err.message, "service 'stubborn' has no recipe");
}

/* Sinks need no image and are no obstacle to a deploy for all; nor is a proxy that has nothing to
   do, or a port that it would have taken. */
static void test_sinks(void)
{
    _cleanup_settings_ struct settings s;
    struct plan plan;

    settings_make(&s, 1);
    add_service(&s, "email");
    add_service(&s, "proxy");
    s.own.deploy = DEPLOY_ONCE;
    s.own.snapshots = true;
    check_int(plan_make(&plan, &s, NULL, NULL), 0);
    check_int(plan.images.len, 1);
    check_int(plan.shards.items[0].services.items[1].spec.sink, SINK_PROXY);
    check_str(strvec_getenv(&plan.shards.items[0].app_env, "EMAIL_PORT"), "25");
    check_str(strvec_getenv(&plan.shards.items[0].app_env, "http_proxy"), "http://127.0.0.1:3128");
    plan_deinit(&plan);

    s.own.network = NETWORK_OUTSIDE;
    check_int(plan_make(&plan, &s, NULL, NULL), 0);
    check(plan.shards.items[0].services.items[1].spec.idle);
    check(!strvec_getenv(&plan.shards.items[0].app_env, "http_proxy"));
    plan_deinit(&plan);
}

/* The kernel's: every secret is another one. */
static void test_real_secrets(void)
{
    _cleanup_settings_ struct settings s;
    _cleanup_plan_ struct plan plan, other;

    settings_make(&s, 8);
    add_service(&s, "postgres");
    check_int(plan_make(&plan, &s, NULL, NULL), 0);
    check_int(plan_make(&other, &s, NULL, NULL), 0);
    check_int(strlen(plan.run_id), 12);
    check_int(strspn(plan.run_id, "0123456789abcdef"), 12);
    check(strcmp(plan.run_id, other.run_id) != 0);
    check_int(plan.secrets.len, 9); /* the seed's too */
    for (size_t i = 0; i < plan.secrets.len; i++) {
        check_int(strlen(plan.secrets.items[i]), 32);
        check(!strvec_contains(&other.secrets, plan.secrets.items[i]));
    }
}

static void expect_error(const struct settings *s, int (*random)(void *, size_t),
                         enum error_kind kind, const char *const *words)
{
    struct plan plan;
    _cleanup_error_ struct error err = ERROR_INIT;

    counter = 0;
    check_int(plan_make(&plan, s, random, &err), -1);
    check_int(err.kind, kind);
    for (; *words; words++)
        check_contains(err.message, *words);
    plan_deinit(&plan);
}
#define expect(s, random, kind, ...)                                                               \
    expect_error(s, random, kind, (const char *const[]){__VA_ARGS__, NULL})

static void test_port_clash(void)
{
    _cleanup_settings_ struct settings s;

    settings_make(&s, 1);
    add_service(&s, "postgres");
    add_service(&s, "redis");
    add_override(&s, "port", "5432");
    expect(&s, fixed_random, ERROR_CONFIG, "'postgres' and 'redis'", "port 5432",
           "'redis: {port: 5433}'");

    /* Of somebody else's server only the app need know the port. */
    add_override(&s, "host", "elsewhere");
    _cleanup_plan_ struct plan plan;
    check_int(make_plan(&plan, &s, NULL), 0);
}

static void test_variable_clash(void)
{
    _cleanup_settings_ struct settings s;

    settings_make(&s, 1);
    add_service(&s, "postgres");
    add_service(&s, "postgis");
    expect(&s, fixed_random, ERROR_CONFIG, "'postgres' and 'postgis' both give the app",
           "DB_DEFAULT_URL");

    /* Once the user has decided about the variable, the later one moves. */
    add_variable(&s, "DB_DEFAULT_URL", "mine");
    _cleanup_plan_ struct plan plan;
    check_int(make_plan(&plan, &s, NULL), 0);
    check_str(strvec_getenv(&plan.shards.items[0].app_env, "DB_DEFAULT_URL"), "mine");
    check_int(plan.shards.items[0].services.items[1].spec.port, 5433);
}

static void test_errors(void)
{
    _cleanup_settings_ struct settings s;

    settings_make(&s, 1);
    expect(&s, no_random, ERROR_INTERNAL, "no random bytes");
    add_service(&s, "postgres");
    add_override(&s, "memory", "much");
    expect(&s, fixed_random, ERROR_CONFIG, "service 'postgres' (forklift.yaml:1:10)", "'memory'",
           "'much' is not a size");
    free(s.image.value);
    s.image.value = NULL;
    expect(&s, fixed_random, ERROR_USAGE, "no image is named");
}

static char *print(const struct plan *plan)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    plan_print(plan, out);
    fclose(out);
    return text;
}

/* Runs of blanks as one: what is said, not where in the line. */
static char *squeeze(const char *text)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    for (; *text; text++) {
        if (*text != ' ' || out.len == 0 || out.buf[out.len - 1] != ' ')
            strbuf_addc(&out, *text);
    }
    return strbuf_detach(&out);
}

/* In which column of its line the word first stands. */
static long column(const char *text, const char *word)
{
    const char *at = strstr(text, word), *line = at;

    while (at && line > text && line[-1] != '\n')
        line--;
    return at ? at - line : -1;
}

static void test_print(void)
{
    _cleanup_settings_ struct settings s;
    _cleanup_plan_ struct plan plan;

    settings_make(&s, 3);
    strvec_push(&s.test_args, "it's");
    add_service(&s, "postgres");
    add_override(&s, "port", "5433");
    add_override(&s, "password", "o'pen se@me");
    add_override(&s, "environment", "TZ=UTC");
    add_service(&s, "redis");
    add_override(&s, "host", "r.example");
    add_variable(&s, "SECRET_KEY", "tell-nobody");
    add_variable(&s, "DB_OTHER_URL", "postgres://alice:rabbit@test.server/other");
    add_variable(&s, "TWO", "a\nb\x1b");
    check_int(make_plan(&plan, &s, NULL), 0);
    _cleanup_free_ char *text = print(&plan);

    _cleanup_free_ char *said = squeeze(text);

    check_contains(said, "run a1a1a1a1a1a1\n");
    check_contains(said, "\n image registry.example/app:1 command line\n");
    check_contains(said, "\n test test 'it'\\''s'\n");
    check_contains(said, "\nimages\n registry.example/app:1 for app\n postgres:16 for postgres\n");
    check_contains(said, "\nshard 1 of 3\n service postgres forklift.yaml:1:10\n");
    check_contains(said, "\n postgres.password ****** forklift.yaml:5:3\n");
    check_contains(said, "\n POSTGRES_PASSWORD ******\n");
    check_contains(said, "\n ready when it answers at 127.0.0.2:5433\n");
    check_contains(said, "\n shm 128 MiB\n");
    check_contains(said, "\n PGPORT 5433\n TZ UTC forklift.yaml:5:3\n");
    check_contains(said, " postgres://my_app:******@127.0.0.1:5433/my_app postgres\n");
    check_contains(said, " postgres://alice:******@test.server/other --environment\n");
    check_contains(said, "\n TWO a\\nb\\x1b --environment\n");
    check_contains(said, "all shards share that server\n");
    check_contains(said, "\nshards 2..3 differ in\n");
    check_contains(said, "\n CLEANROOM_SHARD_NUMBER\n");
    check_int(column(text, "my-app"), column(text, "5433"));    /* values stand in one column */
    check_int(column(text, "default"), column(text, "pallet")); /* and sources in another */
    static const char *const hidden[] = {"o'pen", "se@me", "se%40me", "tell-nobody", "rabbit"};
    for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
        tap_check(!strstr(text, hidden[i]), __FILE__, __LINE__, "'%s' is shown", hidden[i]);
}

/* Where a value comes from stands at the end of its line. */
static void test_print_sources(void)
{
    static const struct {
        const char *line, *source;
    } rows[] = {
        {"\n  image  ", "command line"},         {"\n    port  ", "forklift.yaml:5:3"},
        {"\n    memory  ", "forklift.yaml:5:3"}, {"\n    command  ", "default"},
        {"\n    CIRCLE_NODE_TOTAL  ", "shard"},  {"\n    REDIS_HOSTS  ", "redis"},
        {"\n    ENVIRONMENT  ", "pallet"},       {"\n    LIT_RUN_SHARD  ", "--environment"},
        {"\n  service  ", "forklift.yaml:1:10"},
    };
    _cleanup_settings_ struct settings s;
    _cleanup_plan_ struct plan plan;

    settings_make(&s, 1);
    add_service(&s, "redis");
    add_override(&s, "port", "7000");
    add_override(&s, "memory", "64m");
    add_variable(&s, "LIT_RUN_SHARD", "1");
    check_int(make_plan(&plan, &s, NULL), 0);
    _cleanup_free_ char *text = print(&plan);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *line = strstr(text, rows[i].line);
        if (!tap_check(line != NULL, __FILE__, __LINE__, "no line '%s'", rows[i].line + 1))
            continue;
        _cleanup_free_ char *copy = xstrndup(line + 1, strcspn(line + 1, "\n"));
        const char *gap = strrchr(copy, ' ');
        check(gap && strlen(copy) > strlen(rows[i].source) + 2);
        check_str(copy + strlen(copy) - strlen(rows[i].source), rows[i].source);
    }
    check(strstr(text, "differ") == NULL);
}

static void test_mask(void)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},
        {"abcabcd", "******d"}, /* the longest secret first */
        {"xabcx", "x******x"},
        {"http://u:p@h/", "http://u:******@h/"},
        {"http://u:p@q@h|x://:pw@i", "http://u:******@h|x://:******@i"},
        {"http://u@h:80/a:b@c", "http://u@h:80/a:b@c"},
        {"http://h/?u:p@", "http://h/?u:p@"},
        {"://", "://"},
    };
    _cleanup_strvec_ struct strvec secrets = STRVEC_INIT;

    strvec_push(&secrets, "abc");
    strvec_push(&secrets, "abcabc");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *masked = mask_text(&secrets, rows[i].text);
        check_str(masked, rows[i].want);
    }
    check(mask_is_secret_name("SECRET_KEY"));
    check(mask_is_secret_name("my_api_token"));
    check(!mask_is_secret_name("KEYBOARD"));
}

/* A program of this machine: no image of its own, an address and directories for each shard. */
static void test_program(void)
{
    _cleanup_settings_ struct settings s;
    _cleanup_plan_ struct plan plan;
    struct error err _cleanup_error_ = ERROR_INIT;

    settings_make(&s, 300);
    add_service(&s, "redis");
    replace_str(&s.image.value, "/bin/sh");
    s.own.deploy = DEPLOY_ONCE;
    s.own.snapshots = true;
    if (!check_int(make_plan(&plan, &s, &err), 0))
        return;
    check_str(plan.program, "/bin/sh");
    check_int(plan.images.len, 1);
    check_int(plan.deploy, DEPLOY_EACH);
    for (size_t i = 0; i < plan.shards.len; i++) {
        const struct plan_shard *shard = &plan.shards.items[i];
        _cleanup_free_ char *hosts = xasprintf("%s:6379", shard->address);
        _cleanup_free_ char *tmp = xasprintf("%s/tmp", shard->scratch);
        check_str(strvec_getenv(&shard->app_env, "REDIS_HOSTS"), hosts);
        check_str(strvec_getenv(&shard->app_env, "TEST_TMPDIR"), tmp);
        for (size_t k = 0; k < i; k++)
            check(strcmp(shard->address, plan.shards.items[k].address) != 0);
    }
}

static void expect_url(const struct plan_shard *shard, const char *password, const char *name)
{
    _cleanup_free_ char *url = xasprintf("postgres://my_app:%s@127.0.0.1:5432/%s", password, name);
    check_str(strvec_getenv(&shard->app_env, "DB_DEFAULT_URL"), url);
}

/* One for all: the same place and password in the commons and in all shards; the rest is theirs. */
static void test_shared(void)
{
    _cleanup_settings_ struct settings s;
    _cleanup_plan_ struct plan plan;

    settings_make(&s, 3);
    add_service(&s, "redis");
    add_service(&s, "postgres");
    add_override(&s, "isolation", "namespace");
    add_service(&s, "memcache");
    add_override(&s, "isolation", "shard");
    if (!check_int(make_plan(&plan, &s, NULL), 0))
        return;
    const struct plan_service *one = &plan.commons.services.items[1];
    check_int(plan.commons.services.len, 3);
    check(one->shared && !plan.commons.services.items[0].shared &&
          !plan.commons.services.items[2].shared);
    check_int(one->spec.namespace_words.len, 0);
    check(strvec_contains(&plan.secrets, one->spec.password));
    for (size_t i = 0; i < plan.shards.len; i++) {
        const struct plan_shard *shard = &plan.shards.items[i];
        _cleanup_free_ char *name = xasprintf("my_app_%zu", i + 1);
        check(shard->services.items[1].shared);
        check(shard->services.items[1].spec.namespace_words.len > 0);
        expect_url(shard, one->spec.password, name);
    }
    _cleanup_free_ char *text = print(&plan), *said = squeeze(text);
    check_contains(said, "\n shared one for all shards, a database each forklift.yaml:5:3\n");
    check_contains(said, "\n namespace psql ");
    check_contains(said, "\nshards 2..3 differ in\n");
    check_contains(said, "\n DB_DEFAULT_URL\n");
}

/* Several of a kind: each shard is told of the same namespace in all of them. */
static void test_shared_count(void)
{
    _cleanup_settings_ struct settings s;
    _cleanup_plan_ struct plan plan;

    settings_make(&s, 2);
    add_service(&s, "amqp");
    add_override(&s, "isolation", "namespace");
    add_override(&s, "count", "2");
    if (!check_int(make_plan(&plan, &s, NULL), 0))
        return;
    const struct plan_shard *second = &plan.shards.items[1];
    const char *urls = strvec_getenv(&second->app_env, "AMQP_URLS");
    _cleanup_free_ char *wanted = xasprintf(
        "amqp://my-app:%s@127.0.0.1:5672/my-app_2|amqp://my-app:%s@127.0.0.1:5673/my-app_2",
        plan.commons.services.items[0].spec.password, plan.commons.services.items[1].spec.password);
    check_str(urls, wanted);
    check(second->services.items[1].spec.namespace_words.len > 0);
}

/* Without any of them there are no commons. */
static void test_nothing_shared(void)
{
    _cleanup_settings_ struct settings s;
    _cleanup_plan_ struct plan plan;

    settings_make(&s, 2);
    add_service(&s, "postgres");
    add_override(&s, "isolation", "shard");
    check_int(make_plan(&plan, &s, NULL), 0);
    check_int(plan.commons.services.len, 0);
}

static bool is_root_s(unsigned port)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    (void)strbuf_read_file(&text, "/proc/sys/net/ipv4/ip_unprivileged_port_start", 64);
    return port < strtoul(text.buf, NULL, 10);
}

static bool plan_mail(struct settings *s, const char *email, const char *syslog)
{
    struct plan plan;
    if (!check_int(plan_make(&plan, s, NULL, NULL), 0))
        return false;
    const struct plan_shard *shard = &plan.shards.items[0];
    bool ok = check_str(strvec_getenv(&shard->app_env, "EMAIL_PORT"), email);
    ok &= check_str(strvec_getenv(&shard->app_env, "SYSLOG_PORT"), syslog);
    ok &= check_int(shard->services.items[0].spec.port, strtol(syslog, NULL, 10));
    plan_deinit(&plan);
    return ok;
}

/* As who has not root's powers: ports that are not ours to open on this machine are moved, but for
   those that were chosen. */
static bool plan_mail_as_nobody(void)
{
    _cleanup_settings_ struct settings s;
    settings_make(&s, 1);
    add_service(&s, "syslog");
    add_service(&s, "email");
    replace_str(&s.image.value, "/bin/sh");
    if (setresuid(65534, 65534, 65534) < 0 && geteuid() == 0)
        return check(!"nobody to be");
    bool ok = plan_mail(&s, is_root_s(25) ? "1049" : "25", is_root_s(514) ? "1538" : "514");
    add_override(&s, "port", "26");
    ok &= plan_mail(&s, "26", is_root_s(514) ? "1538" : "514");
    replace_str(&s.image.value, "app");
    return ok & plan_mail(&s, "26", "514");
}

static void test_ports_of_root(void)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(plan_mail_as_nobody() ? 0 : 1);
    check_int(waitpid(child, &status, 0), child);
    check_int(status, 0);
}

static void test_too_many_ports(void)
{
    _cleanup_settings_ struct settings s;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct plan plan;

    settings_make(&s, 1);
    add_service(&s, "memcache");
    replace_str(&s.image.value, "/bin/sh");
    add_override(&s, "count", "60");
    check_int(plan_make(&plan, &s, NULL, &err), 0);
    check_int(plan.shards.items[0].services.len, PUBLISH_MAX);
    plan_deinit(&plan);
    replace_str(&s.services.items[0].overrides.items[0].set.value, "61");
    check_int(plan_make(&plan, &s, NULL, &err), -1);
    check_contains(err.message, "60 ports of services in a shard, and these services have 61");
    error_clear(&err);
    replace_str(&s.image.value, "app");
    check_int(plan_make(&plan, &s, NULL, &err), 0);
    plan_deinit(&plan);
}

static void check_target(enum driver_choice driver, const char *target, bool good,
                         const char *program)
{
    _cleanup_settings_ struct settings s;
    _cleanup_free_ char *found = NULL;
    struct error err _cleanup_error_ = ERROR_INIT;

    settings_make(&s, 1);
    s.own.driver = driver;
    replace_str(&s.image.value, target);
    check_int(program_find(&s, &found, &err), good ? 0 : -1);
    check_str(found, program);
}

static void test_targets(void)
{
    check_target(DRIVER_AUTO, "sh", true, NULL);
    check_target(DRIVER_AUTO, "registry.example/app:1", true, NULL);
    check_target(DRIVER_AUTO, "/bin/sh", true, "/bin/sh");
    check_target(DRIVER_AUTO, "/no/such/file", false, NULL);
    check_target(DRIVER_AUTO, "/etc/passwd", false, NULL);
    check_target(DRIVER_AUTO, "/etc", false, NULL);
    check_target(DRIVER_DOCKER, "/bin/sh", true, NULL);
    check_target(DRIVER_DIRECT, "sh", false, NULL);
    check_target(DRIVER_DIRECT, "registry.example/app:1", false, NULL);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_app_environment),
                                       TAP(test_environment_is_ours),
                                       TAP(test_numbers),
                                       TAP(test_images_once),
                                       TAP(test_commands),
                                       TAP(test_the_seed),
                                       TAP(test_deploy_once),
                                       TAP(test_sinks),
                                       TAP(test_real_secrets),
                                       TAP(test_port_clash),
                                       TAP(test_variable_clash),
                                       TAP(test_errors),
                                       TAP(test_print),
                                       TAP(test_print_sources),
                                       TAP(test_mask),
                                       TAP(test_program),
                                       TAP(test_ports_of_root),
                                       TAP(test_too_many_ports),
                                       TAP(test_targets),
                                       TAP(test_shared),
                                       TAP(test_shared_count),
                                       TAP(test_nothing_shared),
                                       {0}});
}
