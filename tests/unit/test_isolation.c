/* SPDX-License-Identifier: Apache-2.0 */
/* What each provider tells a shard of a server that all shards share, and by which words it makes
   the shard's namespace there. */
#include <cleanroom/provider.h>

#include "tap.h"

/* Rows of the tables leave out what they do not say. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define SECRET "0123456789abcdef0123456789abcdef"
#define MAX    3

struct given {
    const char *provider;
    int shard, shards;
    struct override_value overrides[MAX];
    const char *id; /* NULL: "my-app" */
};

static void make_plan(const struct given *given, struct service_plan *out)
{
    const struct provider *provider = provider_find(given->provider);
    _cleanup_error_ struct error err = ERROR_INIT;
    struct provider_input in = {.overrides = given->overrides,
                                .application_id = given->id ? given->id : "my-app",
                                .shared = true,
                                .shard = given->shard,
                                .shards = given->shards,
                                .secret = SECRET};

    while (in.override_count < MAX && given->overrides[in.override_count].key)
        in.override_count++;
    check(provider->namespaces != NULL);
    if (!check_int(provider->plan(provider, &in, out, &err), 0))
        tap_check(false, __FILE__, __LINE__, "%s: %s", given->provider, err.message);
}

#define TEN "aaaaaaaaaa"

static const struct row {
    struct given given;
    const char *env;   /* one line of it */
    const char *words; /* joined by '|' */
} rows[] = {
    {{"postgres", 2, 4},
     "DB_DEFAULT_URL=postgres://my_app:" SECRET "@127.0.0.1:5432/my_app_2",
     "psql|--no-psqlrc|--quiet|--no-password|--dbname=postgres|--username=my_app|"
     "--command=CREATE DATABASE \"my_app_2\" TEMPLATE \"my_app\""},
    {{"postgis", 3, 12},
     "DB_DEFAULT_URL=postgis://my_app:" SECRET "@127.0.0.1:5432/my_app_03",
     "psql|--no-psqlrc|--quiet|--no-password|--dbname=postgres|--username=my_app|"
     "--command=CREATE DATABASE \"my_app_03\" TEMPLATE \"my_app\""},
    {{"postgres", 1, 1, {{"name", "postgres"}, {"user", "al"}}},
     "DB_DEFAULT_URL=postgres://al:" SECRET "@127.0.0.1:5432/postgres_1",
     "psql|--no-psqlrc|--quiet|--no-password|--dbname=template1|--username=al|"
     "--command=CREATE DATABASE \"postgres_1\" TEMPLATE \"postgres\""},
    {{"postgres", 1, 1, {{"path", "/a%22b"}}},
     "DB_DEFAULT_URL=postgres://my_app:" SECRET "@127.0.0.1:5432/a%22b_1",
     "psql|--no-psqlrc|--quiet|--no-password|--dbname=postgres|--username=my_app|"
     "--command=CREATE DATABASE \"a\"\"b_1\" TEMPLATE \"a\"\"b\""},
    {{"postgres", 100, 100, {}, TEN TEN TEN TEN TEN TEN TEN},
     "DB_DEFAULT_URL=postgres://" TEN TEN TEN TEN TEN "aaaaaaaaa:" SECRET
     "@127.0.0.1:5432/" TEN TEN TEN TEN TEN "aaaaaaaaa_100"},
    {{"mysql", 2, 4},
     "DB_DEFAULT_URL=mysql://my_app:" SECRET "@127.0.0.1:3306/my_app_2",
     "sh|-c|MYSQL_PWD=$MYSQL_ROOT_PASSWORD exec mysql --user=root --execute=\"$0\"|"
     "CREATE DATABASE `my_app_2`; GRANT ALL ON `my\\_app\\_2`.* TO 'my_app'@'%'"},
    {{"mariadb", 2, 4, {{"user", "root"}, {"name", "a`b"}}},
     "DB_DEFAULT_URL=mysql://root:" SECRET "@127.0.0.1:3306/a%60b_2",
     "sh|-c|MYSQL_PWD=$MARIADB_ROOT_PASSWORD exec mariadb --user=root --execute=\"$0\"|"
     "CREATE DATABASE `a``b_2`"},
    {{"redis", 1, 4}, "REDIS_DB_INDEX=0", ""},
    {{"redis", 4, 4}, "REDIS_DB_INDEX=3", ""},
    {{"valkey", 4, 4, {{"db_index", "7"}}}, "REDIS_DB_INDEX=10", ""},
    {{"memcache", 2, 4}, "MEMCACHE_PREFIX=my-app_2", ""},
    {{"memcache", 2, 10, {{"key_prefix", "k:"}}}, "MEMCACHE_PREFIX=k:_02", ""},
    {{"elasticsearch", 2, 4}, "ELASTICSEARCH_INDEX_NAME=my-app_2", ""},
    {{"opensearch", 2, 4, {{"index_name", "Given"}}}, "OPENSEARCH_INDEX_NAME=Given_2", ""},
    {{"amqp", 2, 4},
     "AMQP_URLS=amqp://my-app:" SECRET "@127.0.0.1:5672/my-app_2",
     "sh|-c|printf %s \"$0\" | rabbitmqctl --quiet import_definitions|"
     "{\"vhosts\":[{\"name\":\"my-app_2\"}],\"permissions\":[{\"user\":\"my-app\",\"vhost\":"
     "\"my-app_2\",\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}]}"},
    {{"amqp", 2, 4, {{"vhost", "a\"/"}, {"user", "u"}}},
     "AMQP_URLS=amqp://u:" SECRET "@127.0.0.1:5672/a%22%2F_2",
     "sh|-c|printf %s \"$0\" | rabbitmqctl --quiet import_definitions|"
     "{\"vhosts\":[{\"name\":\"a\\\"/_2\"}],\"permissions\":[{\"user\":\"u\",\"vhost\":"
     "\"a\\\"/_2\",\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}]}"},
    {{"mongodb", 2, 4},
     "MONGODB_URL=mongodb://my-app:" SECRET "@127.0.0.1:27017/my-app_2?authSource=admin",
     ""},
    {{"mongodb", 2, 4, {{"path", "/a"}}},
     "MONGODB_URL=mongodb://my-app:" SECRET "@127.0.0.1:27017/a_2?authSource=admin",
     ""},
    {{"s3", 2, 4}, "S3_BUCKET=my-app-2", ""},
    {{"s3", 2, 10, {}, TEN TEN TEN TEN TEN TEN TEN},
     "S3_BUCKET=" TEN TEN TEN TEN TEN TEN "-02",
     ""},
    {{"s3", 2, 2, {}, "x"}, "S3_BUCKET=app-x-2", ""},
};

static void test_namespaces(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct service_plan plan = {0};
        make_plan(&rows[i].given, &plan);
        _cleanup_free_ char *env = strvec_join(&plan.app_env, "\n");
        _cleanup_free_ char *words = strvec_join(&plan.namespace_words, "|");
        tap_check(strvec_contains(&plan.app_env, rows[i].env), __FILE__, __LINE__,
                  "no '%s' in '%s'", rows[i].env, env);
        if (rows[i].words)
            check_str(words, rows[i].words);
        check(strstr(words, SECRET) == NULL);
        service_plan_deinit(&plan);
    }
}

/* A name of nothing but its number would be no name. */
static void test_no_name(void)
{
    static const struct override_value empty[] = {{"name", ""}, {"vhost", ""}, {"bucket", ""}};
    static const char *const named[] = {"postgres", "mysql", "mongodb", "amqp", "s3"};

    for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
        struct service_plan plan = {0};
        _cleanup_error_ struct error err = ERROR_INIT;
        const struct provider_input in = {.overrides = empty,
                                          .override_count = ARRAY_SIZE(empty),
                                          .application_id = "a",
                                          .shared = true,
                                          .shard = 1,
                                          .shards = 2,
                                          .secret = SECRET};
        check_int(provider_find(named[i])->plan(provider_find(named[i]), &in, &plan, &err), -1);
        service_plan_deinit(&plan);
    }
}

static void check_same(const struct strvec *a, const struct strvec *b)
{
    _cleanup_free_ char *left = strvec_join(a, "\n"), *right = strvec_join(b, "\n");
    check_str(left, right);
}

/* The server is the same whoever asks, and there is room for all in it. */
static void test_one_server(void)
{
    for (size_t i = 0; i < provider_count; i++) {
        struct service_plan server = {0}, first = {0}, last = {0};
        if (!providers[i]->namespaces)
            continue;
        make_plan(&(struct given){providers[i]->name, 0, 20}, &server);
        make_plan(&(struct given){providers[i]->name, 1, 20}, &first);
        make_plan(&(struct given){providers[i]->name, 20, 20}, &last);
        check_int((long)server.namespace_words.len, 0);
        check_same(&server.env, &first.env);
        check_same(&server.argv, &first.argv);
        check_same(&server.entrypoint, &first.entrypoint);
        check_same(&server.env, &last.env);
        check_same(&server.argv, &last.argv);
        check_str(server.probe_arg, last.probe_arg);
        _cleanup_free_ char *one = strvec_join(&first.app_env, "\n");
        _cleanup_free_ char *other = strvec_join(&last.app_env, "\n");
        check(strcmp(one, other) != 0);
        service_plan_deinit(&server);
        service_plan_deinit(&first);
        service_plan_deinit(&last);
    }
}

static void test_room(void)
{
    static const struct {
        const char *provider, *words;
    } wanted[] = {
        {"redis", "|--databases|20"},
        {"memcache", "memcached|-m|1280|"},
        {"postgres", "|max_connections=500"},
        {"mariadb", "|--max-connections=500"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        struct service_plan plan = {0};
        make_plan(&(struct given){wanted[i].provider, 0, 20}, &plan);
        _cleanup_free_ char *argv = strvec_join(&plan.argv, "|");
        check_contains(argv, wanted[i].words);
        service_plan_deinit(&plan);
    }

    struct service_plan plan = {0};
    make_plan(&(struct given){"s3", 0, 3}, &plan);
    _cleanup_free_ char *entrypoint = strvec_join(&plan.entrypoint, "|");
    check_contains(entrypoint, "|minio|my-app-1|my-app-2|my-app-3|--");
    service_plan_deinit(&plan);
}

/* Of a copy both know their password: the app, and root, who makes the namespaces. */
static void test_copy_of_mysql(void)
{
    struct strvec entrypoint = STRVEC_INIT, volumes = STRVEC_INIT, env = STRVEC_INIT;
    struct service_plan zero = {0}, copy = {0};
    const struct recipe_image image = {
        .user = "", .entrypoint = &entrypoint, .env = &env, .volumes = &volumes};

    strvec_push(&entrypoint, "docker-entrypoint.sh");
    strvec_push(&volumes, "/var/lib/mysql");
    make_plan(&(struct given){"mariadb", 0, 2}, &zero);
    check(strvec_contains(&zero.env, "MARIADB_ROOT_PASSWORD=" SECRET));
    check_int(provider_find("mariadb")->recipe->copy(&zero, &image, &copy, NULL), 0);
    check_str(copy.files.items[1], "ALTER USER IF EXISTS 'root'@'%' IDENTIFIED BY '" SECRET
                                   "', 'root'@'localhost' IDENTIFIED BY '" SECRET
                                   "', 'my_app'@'%' IDENTIFIED BY '" SECRET "';\n");
    service_plan_deinit(&zero);
    service_plan_deinit(&copy);
    strvec_deinit(&entrypoint);
    strvec_deinit(&volumes);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_namespaces),
                                       TAP(test_no_name),
                                       TAP(test_one_server),
                                       TAP(test_room),
                                       TAP(test_copy_of_mysql),
                                       {0}});
}
