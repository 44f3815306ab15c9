/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

#include <cleanroom/log.h>
#include <cleanroom/strbuf.h>

#include "config/settings.h"
#include "config/values.h"

#include "tap.h"

/* A project directory and a home of its own, with what the settings are read from. */
struct world {
    char dir[32];
    char *project; /* "<dir>/my-app" */
    struct strvec environ;
    VEC(struct cli_value) cli;
    bool no_user_config;
    const char *file;
    struct settings s;
    struct error err;
};

static void write_file(const struct world *w, const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", w->dir, name);
    _cleanup_fclose_ FILE *f = fopen(path, "we");
    if (check(f != NULL))
        fputs(text, f);
}

static void make_dir(const struct world *w, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", w->dir, name);
    check(mkdir(path, 0700) == 0);
}

static void world_init(struct world *w)
{
    *w = (struct world){.dir = "/tmp/test-settings-XXXXXX"};
    if (!mkdtemp(w->dir))
        abort();
    make_dir(w, "my-app");
    make_dir(w, "config");
    make_dir(w, "config/forklift");
    w->project = xasprintf("%s/my-app", w->dir);
    strvec_pushf(&w->environ, "XDG_CONFIG_HOME=%s/config", w->dir);
}

static int remove_entry(const char *path, const struct stat *st _unused_, int type _unused_,
                        struct FTW *ftw _unused_)
{
    return remove(path);
}

static void world_deinit(struct world *w)
{
    nftw(w->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(w->project);
    strvec_deinit(&w->environ);
    vec_deinit(&w->cli);
    settings_deinit(&w->s);
    error_clear(&w->err);
}
#define _cleanup_world_ _cleanup_(world_deinit)

static void project(const struct world *w, const char *text)
{
    write_file(w, "my-app/forklift.yaml", text);
}

static void flag(struct world *w, const char *name, const char *value)
{
    *vec_push(&w->cli) = (struct cli_value){name, value};
}

static int load(struct world *w)
{
    settings_deinit(&w->s);
    error_clear(&w->err);
    const struct settings_input in = {
        .image = "myapp:1",
        .cli = w->cli.items,
        .cli_count = w->cli.len,
        .project_file = w->file,
        .no_user_config = w->no_user_config,
        .environ = (const char *const *)w->environ.items,
        .directory = w->project,
    };
    return settings_load(&w->s, &in, &w->err);
}

/* Loads; what went wrong, should it, is shown. */
static bool loads(struct world *w)
{
    int r = load(w);
    check_str(w->err.message, NULL);
    return r == 0;
}

static const struct setting *own(const struct world *w, const char *key)
{
    for (size_t i = 0; i < setting_def_count; i++)
        if (strcmp(setting_defs[i].key, key) == 0)
            return &w->s.own_sources[i];
    return NULL;
}

static const struct setting *env(const struct world *w, const char *key)
{
    static const struct setting none;
    for (size_t i = 0; i < w->s.environment.len; i++)
        if (strcmp(w->s.environment.items[i].key, key) == 0)
            return &w->s.environment.items[i].set;
    return &none;
}

static const struct setting * override(const struct world *w, const char *service, const char *key)
{
    static const struct setting none;
    for (size_t i = 0; i < w->s.services.len; i++) {
        const struct service_setting *s = &w->s.services.items[i];
        if (strcmp(s->provider->name, service) != 0)
            continue;
        for (size_t k = 0; k < s->overrides.len; k++)
            if (strcmp(s->overrides.items[k].key, key) == 0)
                return &s->overrides.items[k].set;
    }
    return &none;
}

/* "postgres redis": what was asked for, in its order; a static buffer. */
static const char *services(const struct world *w)
{
    static char names[256];
    names[0] = '\0';
    for (size_t i = 0; i < w->s.services.len; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? " " : "",
                 w->s.services.items[i].provider->name);
    return names;
}

static void test_without_anything_there_are_defaults(void)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    if (!loads(&w))
        return;
    check_str(w.s.image.value, "myapp:1");
    check_str(w.s.image.source, "command line");
    check_str(w.s.application_id.value, "my-app");
    check_str(w.s.application_id.source, "default");
    check_int(w.s.services.len, 0);
    check_int(w.s.own.shards, 1);
    check_int(w.s.own.pull, PULL_MISSING);
    check_int(w.s.own.network, NETWORK_NONE);
    check_int(w.s.own.test_timeout, 3600 * NSEC_PER_SEC);
    check_int(w.s.own.teardown_timeout, 30 * NSEC_PER_SEC);
    check_str(w.s.own.results, "cleanroom-results");
    check_str(w.s.own.host, NULL);
    check_str(own(&w, "shards")->value, "1");
    check_str(own(&w, "shards")->source, "default");
    check_str(own(&w, "host")->value, "");
}

static void test_a_project_file_says_it_all(void)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    project(&w, "services: [postgres, memcache]\n"
                "application_id: shop\n"
                "environment:\n  N: 010\n  T: yes\n  Q: \"a: b\"\n  EMPTY:\n"
                "postgres: {port: 5433, image: 'postgres:16', environment: {A: 1, B: x=y}}\n"
                "memcache:\n  hosts: [h1, 'h2:11212']\n"
                "redis: {port: 7000}\n"
                "cleanroom:\n  shards: 4\n  deploy: true\n  snapshots: no\n  cpus: 1.5\n"
                "  pids: 300\n  pull: always\n  network: none\n"
                "  results: out\n  memory: 2g\n  start-limit: 3\n  quiet: no\n"
                "  timeouts: {pull: 5m, test: 1h30m, start: 250ms, deploy: 90}\n");
    if (!loads(&w))
        return;
    check_str(services(&w), "postgres memcache");
    check_str(w.s.services.items[1].source, "forklift.yaml:1:22");
    check_str(w.s.application_id.value, "shop");
    check_str(env(&w, "N")->value, "010");
    check_str(env(&w, "T")->value, "yes");
    check_str(env(&w, "Q")->value, "a: b");
    check_str(env(&w, "EMPTY")->value, "");
    check_str(env(&w, "N")->source, "forklift.yaml:4:3");
    check_str(override(&w, "postgres", "port")->value, "5433");
    check_str(override(&w, "postgres", "port")->source, "forklift.yaml:8:18");
    check_str(override(&w, "postgres", "environment")->value, "A=1\nB=x=y");
    check_str(override(&w, "memcache", "hosts")->value, "h1|h2:11212");
    check_int(w.s.own.shards, 4);
    check_int(w.s.own.deploy, DEPLOY_EACH);
    check(!w.s.own.snapshots);
    check_int(w.s.own.cpus, 1500);
    check_int(w.s.own.pids, 300);
    check_int(w.s.own.pull, PULL_ALWAYS);
    check_int(w.s.own.network, NETWORK_NONE);
    check_int(w.s.own.memory, INT64_C(2) << 30);
    check_int(w.s.own.start_limit, 3);
    check_int(w.s.own.pull_timeout, 300 * NSEC_PER_SEC);
    check_int(w.s.own.test_timeout, 5400 * NSEC_PER_SEC);
    check_int(w.s.own.start_timeout, 250 * NSEC_PER_MSEC);
    check_int(w.s.own.deploy_timeout, 90 * NSEC_PER_SEC);
    check_str(own(&w, "timeouts.test")->value, "1h30m");
    check_str(own(&w, "timeouts.test")->source, "forklift.yaml:24:30");
}

static void test_services_and_environment_have_two_shapes(void)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    project(&w, "services: redis\nenvironment:\n- A=1\n- B=\n- C=x=y\n");
    if (!loads(&w))
        return;
    check_str(services(&w), "redis");
    check_str(env(&w, "A")->value, "1");
    check_str(env(&w, "B")->value, "");
    check_str(env(&w, "C")->value, "x=y");
    check_str(env(&w, "C")->source, "forklift.yaml:5:3");

    project(&w, "services:\nenvironment:\nredis:\ncleanroom:\napplication_id:\n");
    check(loads(&w));
    check_int(w.s.services.len, 0);
}

/* Every layer says all; they are taken away one by one, from the highest. */
static void test_each_layer_beats_the_next(void)
{
    static const char layer[] = "cleanroom: {shards: %d, pull: missing}\n"
                                "services: [redis]\n"
                                "redis: {port: %d}\nenvironment: {A: %d, L%d: x}\n";
    _cleanup_world_ struct world w;
    world_init(&w);
    static const char *const files[] = {"my-app/forklift.yaml", "config/forklift/_default.yaml",
                                        "config/forklift/my-app.yaml"};
    for (int i = 0; i < 3; i++) {
        char text[256];
        snprintf(text, sizeof(text), layer, i + 5, i + 5, i + 5, i + 5);
        write_file(&w, files[i], text);
    }
    strvec_push(&w.environ, "CLEANROOM_SHARDS=8");
    strvec_push(&w.environ, "CLEANROOM_START_TIMEOUT=5s");
    strvec_push(&w.environ, "CLEANROOM_PULL=");
    strvec_push(&w.environ, "CLEANROOM_SHARD_INDEX=not a setting");
    flag(&w, "shards", "9");
    flag(&w, "redis.port", "9");
    flag(&w, "environment", "A=9");
    flag(&w, "services", "memcache");

    check(loads(&w));
    check_int(w.s.own.shards, 9);
    check_str(own(&w, "shards")->source, "--shards");
    check_str(services(&w), "memcache");
    check_str(w.s.services.items[0].source, "--services");
    check_str(env(&w, "A")->value, "9");
    check_str(env(&w, "A")->source, "--environment");
    check(env(&w, "L5")->value && env(&w, "L6")->value && env(&w, "L7")->value);

    w.cli.len = 0;
    check(loads(&w));
    check_int(w.s.own.shards, 8);
    check_str(own(&w, "shards")->source, "CLEANROOM_SHARDS");
    check_int(w.s.own.start_timeout, 5 * NSEC_PER_SEC);
    check_int(w.s.own.pull, PULL_MISSING);
    check_str(services(&w), "redis");
    check_str(override(&w, "redis", "port")->value, "7");

    strvec_setenv(&w.environ, "CLEANROOM_SHARDS", "");
    check(loads(&w));
    check_int(w.s.own.shards, 7);
    _cleanup_free_ char *source = xasprintf("%s/%s:1:21", w.dir, files[2]);
    check_str(own(&w, "shards")->source, source);

    _cleanup_free_ char *path = xasprintf("%s/%s", w.dir, files[2]);
    check(unlink(path) == 0);
    check(loads(&w));
    check_int(w.s.own.shards, 6);

    strvec_setenv(&w.environ, "CI", "true");
    check(loads(&w));
    check_int(w.s.own.shards, 5);
    check(!env(&w, "L6")->value);

    strvec_setenv(&w.environ, "CI", "false");
    check(loads(&w));
    check_int(w.s.own.shards, 6);
    w.no_user_config = true;
    check(loads(&w));
    check_int(w.s.own.shards, 5);
}

static void test_the_user_file_goes_by_the_application_id(void)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    write_file(&w, "config/forklift/shop.yaml", "cleanroom: {shards: 2}\n");
    write_file(&w, "config/forklift/other.yaml", "cleanroom: {shards: 3}\n");
    project(&w, "application_id: shop\n");
    check(loads(&w));
    check_int(w.s.own.shards, 2);
    flag(&w, "application-id", "other");
    check(loads(&w));
    check_int(w.s.own.shards, 3);
    check_str(w.s.application_id.value, "other");
    check_str(w.s.application_id.source, "--application-id");
}

static void test_home_is_found_without_xdg(void)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    make_dir(&w, ".config");
    make_dir(&w, ".config/forklift");
    write_file(&w, ".config/forklift/_default.yaml", "cleanroom: {shards: 2}\n");
    strvec_setenv(&w.environ, "XDG_CONFIG_HOME", "not/absolute");
    strvec_setenv(&w.environ, "HOME", w.dir);
    check(loads(&w));
    check_int(w.s.own.shards, 2);
    strvec_setenv(&w.environ, "HOME", "");
    check(loads(&w));
    check_int(w.s.own.shards, 1);
}

static void test_overrides_merge_key_by_key(void)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    project(&w, "services: postgres\npostgres: {user: a, name: n, environment: {X: 1, Y: 1}}\n");
    write_file(&w, "config/forklift/_default.yaml",
               "postgres: {user: b, environment: [Y=2], name: }\n");
    flag(&w, "postgres.environment.Z", "3");
    flag(&w, "postgres.environment", "X=0");
    flag(&w, "postgres.urls", "u1");
    flag(&w, "postgres.urls", "u2");
    check(loads(&w));
    check_str(override(&w, "postgres", "user")->value, "b");
    check_str(override(&w, "postgres", "name")->value, "n");
    check_str(override(&w, "postgres", "environment")->value, "X=0\nY=2\nZ=3");
    check_str(override(&w, "postgres", "urls")->value, "u1|u2");
}

static void test_flags_add_up(void)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    project(&w, "services: postgis\n");
    flag(&w, "services", "redis, memcache");
    flag(&w, "services", "postgres");
    flag(&w, "environment.FOO", "bar");
    flag(&w, "shards", "2");
    flag(&w, "shards", "3");
    check(loads(&w));
    check_str(services(&w), "redis memcache postgres");
    check_str(env(&w, "FOO")->value, "bar");
    check_int(w.s.own.shards, 3);
}

static void test_aliases_are_the_service(void)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    project(&w, "services: [postgresql]\npostgres: {user: a}\n");
    write_file(&w, "config/forklift/_default.yaml", "services:\npostgresql: {user: b}\n");
    check(loads(&w));
    check_str(services(&w), "postgres");
    check_str(override(&w, "postgres", "user")->value, "b");
    write_file(&w, "config/forklift/_default.yaml", "services: []\n");
    check(loads(&w));
    check_int(w.s.services.len, 0);
}

static void test_the_directory_names_the_application(void)
{
    static const struct {
        const char *directory, *id;
    } rows[] = {
        {"/a/My App (2)", "My-App--2-"}, {"/", "app"}, {"/x/y//", "y"}, {"/x/..", "app"},
        {"/x/_private", "private"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct settings s;
        const struct settings_input in = {.directory = rows[i].directory, .no_user_config = true};
        check_int(settings_load(&s, &in, NULL), 0);
        check_str(s.application_id.value, rows[i].id);
        settings_deinit(&s);
    }
}

/* One thing wrong in forklift.yaml: its message, and the line and caret. */
static void wrong(const char *text, const char *message, const char *detail)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    project(&w, text);
    check_int(load(&w), -1);
    check_int(w.err.kind, ERROR_CONFIG);
    check_str(w.err.message, message);
    if (detail)
        check_str(w.err.detail, detail);
    check(w.s.own_sources == NULL && w.s.services.len == 0);
}

static char *all_services(void)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;

    for (size_t i = 0; i < provider_count; i++)
        strvec_push(&names, providers[i]->name);
    return strvec_join(&names, ", ");
}

static void test_wrong_names_in_files(void)
{
    wrong("services:\n  - redis\n  - postgrse\n",
          "forklift.yaml:3:5: unknown service 'postgrse', did you mean 'postgres'?",
          "  - postgrse\n    ^");
    _cleanup_free_ char *names = all_services();
    _cleanup_free_ char *unknown = xasprintf(
        "forklift.yaml:1:12: unknown service 'oracle'; known are %s", names);
    wrong("services: [oracle]\n", unknown, "services: [oracle]\n           ^");
    wrong("servces: redis\n", "forklift.yaml:1:1: unknown key 'servces', did you mean 'services'?",
          "servces: redis\n^");
    wrong("redis:\n  prot: 1\n",
          "forklift.yaml:2:3: unknown redis override 'prot', did you mean 'port'?", NULL);
    wrong("cleanroom:\n  shard: 1\n",
          "forklift.yaml:2:3: unknown key 'shard', did you mean 'shards'?", "  shard: 1\n  ^");
    wrong("cleanroom:\n  timeouts: {tests: 1}\n",
          "forklift.yaml:2:14: unknown key 'tests', did you mean 'test'?", NULL);
    wrong("cleanroom: {pull: alway}\n",
          "forklift.yaml:1:19: unknown value 'alway', did you mean 'always'?", NULL);
    wrong("cleanroom: {timeouts.test: 1h}\n",
          "forklift.yaml:1:13: unknown key 'timeouts.test'; known are shards, deploy, driver, "
          "snapshots, keep, "
          "results, "
          "pull, network, memory, cpus, pids, scratch, start-limit, runner, split, granularity, "
          "list, list-file, list-format, part, timings, reports, reader, expect, retries, "
          "fail-on-flaky, fail-fast, repeat, until-fail, order, seed, slice, junit-dialect, "
          "annotations, timeouts, engine, host, "
          "context, image-cache, color, "
          "quiet, verbose, services",
          NULL);
}

static void test_wrong_shapes_in_files(void)
{
    wrong("[]\n", "forklift.yaml:1:1: a map is wanted here, not a list", NULL);
    wrong("hello\n", "forklift.yaml:1:1: a map is wanted here, not text", NULL);
    wrong("services: {redis: 1}\n",
          "forklift.yaml:1:11: the name of a service is wanted here, not a map", NULL);
    wrong("services: [redis: {port: 1}]\n",
          "forklift.yaml:1:12: the name of a service is wanted here, not a map", NULL);
    wrong("services: [redis, redis]\n", "forklift.yaml:1:19: the service 'redis' is listed twice",
          NULL);
    wrong("redis: 6380\n", "forklift.yaml:1:8: a map is wanted here, not text", NULL);
    wrong("redis: {port: [1]}\n",
          "forklift.yaml:1:15: the value of 'port' must be text, not a list", NULL);
    wrong("memcache: {hosts: {a: b}}\n", "forklift.yaml:1:19: text is wanted here, not a map",
          NULL);
    wrong("redis: {environment: x}\n",
          "forklift.yaml:1:22: a map or a list of KEY=VALUE is wanted here, not text", NULL);
    wrong("environment: {A: [1]}\n",
          "forklift.yaml:1:18: the value of 'A' must be text, not a list", NULL);
    wrong("environment: [A]\n", "forklift.yaml:1:15: 'A' is not of the form KEY=VALUE", NULL);
    wrong("environment: [[A]]\n", "forklift.yaml:1:15: KEY=VALUE is wanted here, not a list", NULL);
    wrong("environment: {1A: x}\n",
          "forklift.yaml:1:15: '1A' cannot name a variable: use letters, digits and '_', and no "
          "digit first",
          NULL);
    wrong("cleanroom: {timeouts: 5s}\n", "forklift.yaml:1:23: a map is wanted here, not text",
          NULL);
    wrong("cleanroom: {shards: [4]}\n",
          "forklift.yaml:1:21: the value of 'shards' must be text, not a list", NULL);
    wrong("application_id: [x]\n",
          "forklift.yaml:1:17: the application id must be text, not a list", NULL);
    wrong("services: [postgres, postgresql]\n",
          "forklift.yaml:1:22: the service 'postgres' is listed twice", NULL);
    wrong("memcache: {}\nmemcached: {}\n",
          "forklift.yaml:2:1: 'memcached' is another name of 'memcache', which is on line 1",
          "memcached: {}\n^");
    wrong("redis: {}\nredis: {}\n", "forklift.yaml:2:1: 'redis' is given twice, first on line 1",
          NULL);
}

static void test_wrong_values_in_files(void)
{
    wrong("cleanroom:\n  shards: many\n",
          "forklift.yaml:2:11: 'many' is not a number between 1 and 1000",
          "  shards: many\n          ^");
    wrong("cleanroom: {shards: 0}\n", "forklift.yaml:1:21: '0' is not a number between 1 and 1000",
          NULL);
    wrong("cleanroom: {shards: \"4\"}\n",
          "forklift.yaml:1:21: 'shards' wants a number, not text: write it without quotes", NULL);
    wrong("cleanroom: {quiet: 'true'}\n",
          "forklift.yaml:1:20: 'quiet' wants true or false, not text: write it without quotes",
          NULL);
    wrong("cleanroom: {deploy: maybe}\n",
          "forklift.yaml:1:21: unknown value 'maybe'; known are no, each, once", NULL);
    wrong("cleanroom: {snapshots: maybe}\n",
          "forklift.yaml:1:24: 'maybe' is neither true nor false", NULL);
    wrong("cleanroom: {cpus: many}\n",
          "forklift.yaml:1:19: 'many' is not a number: write it as 2 or 1.5", NULL);
    wrong("cleanroom: {cpus: 1.2345}\n",
          "forklift.yaml:1:19: '1.2345' is not a number: write it as 2 or 1.5", NULL);
    wrong("cleanroom: {cpus: 0.001}\n",
          "forklift.yaml:1:19: '0.001' is out of bounds: 0.01 at least and 1000 at most", NULL);
    wrong("cleanroom: {memory: lots}\n",
          "forklift.yaml:1:21: 'lots' is not a size: write it as 512m or 2g", NULL);
    wrong("cleanroom: {memory: 4k}\n",
          "forklift.yaml:1:21: '4k' is out of bounds: 6m at least, or 0 for no limit", NULL);
    wrong("cleanroom: {timeouts: {test: soon}}\n",
          "forklift.yaml:1:30: 'soon' is not a time: write it as 90s, 5m or 1h30m", NULL);
    wrong("cleanroom: {timeouts: {test: 8d}}\n",
          "forklift.yaml:1:30: '8d' is out of bounds: between 1ms and 7d", NULL);
    wrong("cleanroom: {results: ''}\n", "forklift.yaml:1:22: the value is empty", NULL);
    wrong("redis: {port: 65536}\n",
          "forklift.yaml:1:15: '65536' is not a port: a number between 1 and 65535", NULL);
    wrong("redis: {db_index: -1}\n", "forklift.yaml:1:19: '-1' is not a number, 0 or more", NULL);
    wrong("redis: {environment: {A: \"x\\ny\"}}\n",
          "forklift.yaml:1:23: the value of 'A' must be a single line", NULL);
    wrong("application_id: a/b\n",
          "forklift.yaml:1:17: 'a/b' cannot be an application id: use letters, digits, '_', '.' "
          "and '-', 64 at most, and a letter or digit first",
          "application_id: a/b\n                ^");
}

/* One thing wrong on the command line. */
static void wrong_flag(const char *name, const char *value, const char *message)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    flag(&w, name, value);
    check_int(load(&w), -1);
    check_int(w.err.kind, ERROR_USAGE);
    check_str(w.err.message, message);
    check_str(w.err.detail, NULL);
}

static void test_wrong_flags(void)
{
    wrong_flag("shards", "x", "--shards: 'x' is not a number between 1 and 1000");
    wrong_flag("services", "redis,postgrse",
               "--services: unknown service 'postgrse', did you mean 'postgres'?");
    wrong_flag("services", "redis,redis", "--services: the service 'redis' is listed twice");
    wrong_flag("postgrse.port", "1",
               "--postgrse.port: unknown service 'postgrse', did you mean 'postgres'?");
    wrong_flag("postgres.prot", "1",
               "--postgres.prot: unknown postgres override 'prot', did you mean 'port'?");
    wrong_flag("postgres.port", "x",
               "--postgres.port: 'x' is not a port: a number between 1 and 65535");
    wrong_flag("postgres.port.x", "1", "--postgres.port.x: 'port' has nothing below it");
    wrong_flag("postgres.environment.1", "x",
               "--postgres.environment.1: '1' cannot name a variable: use letters, digits and "
               "'_', and no digit first");
    wrong_flag("environment", "FOO", "--environment: 'FOO' is not of the form KEY=VALUE");
    wrong_flag("environment", "=x",
               "--environment: '' cannot name a variable: use letters, "
               "digits and '_', and no digit first");
    wrong_flag("pull", "sometimes",
               "--pull: unknown value 'sometimes'; known are missing, always, never");
    wrong_flag("nonsense", "1", "unknown option '--nonsense'");
}

static void test_wrong_variables(void)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    strvec_push(&w.environ, "CLEANROOM_SHARDS=x");
    check_int(load(&w), -1);
    check_int(w.err.kind, ERROR_CONFIG);
    check_str(w.err.message, "CLEANROOM_SHARDS: 'x' is not a number between 1 and 1000");
    strvec_setenv(&w.environ, "CLEANROOM_SHARDS", "2");
    strvec_push(&w.environ, "CLEANROOM_DEPLOY=1");
    check(loads(&w));
    check_int(w.s.own.deploy, DEPLOY_EACH);
}

static void test_wrong_files(void)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    w.file = "none.yaml";
    check_int(load(&w), -1);
    check_str(w.err.message, "--file: cannot read 'none.yaml': No such file or directory");
    w.file = "..";
    check_int(load(&w), -1);
    check_str(w.err.message, "cannot read '..': Is a directory");

    w.file = NULL;
    write_file(&w, "config/forklift/_default.yaml", "cleanroom: {shards: x}\n");
    check_int(load(&w), -1);
    _cleanup_free_ char *message = xasprintf(
        "%s/config/forklift/_default.yaml:1:21: 'x' is not a number between 1 and 1000", w.dir);
    check_str(w.err.message, message);

    /* A higher layer does not hide what is wrong in a lower one. */
    flag(&w, "shards", "2");
    check_int(load(&w), -1);
    w.no_user_config = true;
    check(loads(&w));
    check_int(w.s.own.shards, 2);
}

static void test_another_file_can_be_named(void)
{
    _cleanup_world_ struct world w;
    world_init(&w);
    project(&w, "cleanroom: {shards: 2}\n");
    write_file(&w, "my-app/ci.yaml", "cleanroom: {shards: 3}\n");
    w.file = "ci.yaml";
    check(loads(&w));
    check_int(w.s.own.shards, 3);
    check_str(own(&w, "shards")->source, "ci.yaml:1:21");
}

static void test_values(void)
{
    nsec_t t;
    uint64_t size;
    int64_t n;
    static const char *const no_times[] = {"",
                                           "s",
                                           "5",
                                           "1x",
                                           "-1s",
                                           "1 s",
                                           "1h30",
                                           "1.5s",
                                           "99999999999999h",
                                           "9223372036854775807",
                                           "5ms3"};
    for (size_t i = 0; i < ARRAY_SIZE(no_times); i++)
        if (strcmp(no_times[i], "5") != 0)
            tap_check(value_duration(no_times[i], &t) < 0, __FILE__, __LINE__, "'%s' is no time",
                      no_times[i]);
    static const char *const no_sizes[] = {
        "", "m", "1x", "-1", "1mm", "1bb", "16777216t", "1 m", "99999999999999999999"};
    for (size_t i = 0; i < ARRAY_SIZE(no_sizes); i++)
        tap_check(value_size(no_sizes[i], &size) < 0, __FILE__, __LINE__, "'%s' is no size",
                  no_sizes[i]);
    static const char *const no_numbers[] = {
        "", "-", "+1", "1 ", "0x1", "1e3", "9223372036854775808"};
    for (size_t i = 0; i < ARRAY_SIZE(no_numbers); i++)
        tap_check(value_int(no_numbers[i], &n) < 0, __FILE__, __LINE__, "'%s' is no number",
                  no_numbers[i]);

    check(value_size("512MiB", &size) == 0 && size == 512u << 20);
    check(value_size("1K", &size) == 0 && size == 1024);
    check(value_size("7b", &size) == 0 && size == 7);
    check(value_int("-9223372036854775807", &n) == 0 && n == -INT64_MAX);
    check(value_duration("1m500ms", &t) == 0 && t == 60500 * NSEC_PER_MSEC);
}

static void test_nearest_names(void)
{
    static const char *const names[] = {"postgres", "postgis", NULL, "redis", "memcache"};
    check_str(nearest_name("postgrse", names, ARRAY_SIZE(names)), "postgres");
    check_str(nearest_name("postgresql", names, ARRAY_SIZE(names)), "postgres");
    check_str(nearest_name("Memcached", names, ARRAY_SIZE(names)), "memcache");
    check_str(nearest_name("rdeis", names, ARRAY_SIZE(names)), "redis");
    check_str(nearest_name("mysql", names, ARRAY_SIZE(names)), NULL);
    check_str(nearest_name("", names, ARRAY_SIZE(names)), NULL);
    check_str(nearest_name("x", names, ARRAY_SIZE(names)), NULL);
}

/* The table holds what the code leans on. */
static void test_the_table_is_sound(void)
{
    for (size_t i = 0; i < setting_def_count; i++) {
        const struct setting_def *d = &setting_defs[i];
        check(d->key && d->flag && d->doc);
        check(d->offset < sizeof(struct cleanroom_settings));
        bool flag = d->type == SETTING_BOOL || d->type == SETTING_BOOL_ENUM;
        check((d->type == SETTING_ENUM || d->type == SETTING_BOOL_ENUM) == (d->names != NULL));
        check(d->argument || flag || d->type == SETTING_INT);
        for (size_t k = 0; k < i; k++) {
            check(strcmp(d->key, setting_defs[k].key) != 0);
            check(strcmp(d->flag, setting_defs[k].flag) != 0);
            check(!d->short_flag || d->short_flag != setting_defs[k].short_flag);
            check(d->offset != setting_defs[k].offset);
        }
    }
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_without_anything_there_are_defaults),
        TAP(test_a_project_file_says_it_all),
        TAP(test_services_and_environment_have_two_shapes),
        TAP(test_each_layer_beats_the_next),
        TAP(test_the_user_file_goes_by_the_application_id),
        TAP(test_home_is_found_without_xdg),
        TAP(test_overrides_merge_key_by_key),
        TAP(test_flags_add_up),
        TAP(test_aliases_are_the_service),
        TAP(test_the_directory_names_the_application),
        TAP(test_wrong_names_in_files),
        TAP(test_wrong_shapes_in_files),
        TAP(test_wrong_values_in_files),
        TAP(test_wrong_flags),
        TAP(test_wrong_variables),
        TAP(test_wrong_files),
        TAP(test_another_file_can_be_named),
        TAP(test_values),
        TAP(test_nearest_names),
        TAP(test_the_table_is_sound),
        {0},
    });
}
