/* SPDX-License-Identifier: Apache-2.0 */
/* What each provider makes of each override, byte for byte. */
#include <cleanroom/provider.h>

#include "tap.h"

/* Rows of the tables leave out what they do not say. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define SECRET "0123456789abcdef0123456789abcdef"
#define MAX    6

struct given {
    const char *provider;
    const char *id; /* application id; NULL: "my-app" */
    struct override_value overrides[MAX];
};

static int make_plan(const struct given *given, struct service_plan *out, struct error *err)
{
    const struct provider *provider = provider_find(given->provider);
    struct provider_input in = {.overrides = given->overrides,
                                .application_id = given->id ? given->id : "my-app",
                                .shard = 1,
                                .secret = SECRET};

    while (in.override_count < MAX && given->overrides[in.override_count].key) {
        /* No row may use what the tables do not know: settings would have refused it. */
        check(provider_override(provider, given->overrides[in.override_count].key) != NULL);
        in.override_count++;
    }
    return provider->plan(provider, &in, out, err);
}

static const struct env_case {
    struct given given;
    const char *env;
    bool external;
} env_cases[] = {
    /* postgres */
    {{"postgres"}, "DB_DEFAULT_URL=postgres://my_app:" SECRET "@127.0.0.1:5432/my_app"},
    {{"postgis"}, "DB_DEFAULT_URL=postgis://my_app:" SECRET "@127.0.0.1:5432/my_app"},
    {{"postgres", "2048Game"},
     "DB_DEFAULT_URL=postgres://two048game:" SECRET "@127.0.0.1:5432/two048game"},
    {{"postgres", "pg_dump"},
     "DB_DEFAULT_URL=postgres://app_pg_dump:" SECRET "@127.0.0.1:5432/app_pg_dump"},
    {{"postgres", "template1"},
     "DB_DEFAULT_URL=postgres://app_template1:" SECRET "@127.0.0.1:5432/app_template1"},
    {{"postgres", "caf\xc3\xa9"},
     "DB_DEFAULT_URL=postgres://caf__:" SECRET "@127.0.0.1:5432/caf__"},
    {{"postgres", ""}, "DB_DEFAULT_URL=postgres://app:" SECRET "@127.0.0.1:5432/app"},
    {{"postgres", NULL, {{"port", "5433"}}},
     "DB_DEFAULT_URL=postgres://my_app:" SECRET "@127.0.0.1:5433/my_app"},
    {{"postgres", NULL, {{"user", "al ice"}, {"password", "p@ss:/w%"}, {"name", "d/b?"}}},
     "DB_DEFAULT_URL=postgres://al%20ice:p%40ss%3A%2Fw%25@127.0.0.1:5432/d%2Fb%3F"},
    {{"postgres", NULL, {{"path", "/other%20one"}}},
     "DB_DEFAULT_URL=postgres://my_app:" SECRET "@127.0.0.1:5432/other%20one"},
    {{"postgres", NULL, {{"path", "/lost"}, {"name", "won"}}},
     "DB_DEFAULT_URL=postgres://my_app:" SECRET "@127.0.0.1:5432/won"},
    {{"postgres", NULL, {{"host", "db.example"}}},
     "DB_DEFAULT_URL=postgres://my_app@db.example:5432/my_app",
     true},
    {{"postgres", NULL, {{"host", "db.example:5544"}}},
     "DB_DEFAULT_URL=postgres://my_app@db.example:5544/my_app",
     true},
    {{"postgres", NULL, {{"host", "db.example"}, {"port", "6000"}, {"password", "x"}}},
     "DB_DEFAULT_URL=postgres://my_app:x@db.example:6000/my_app",
     true},
    {{"postgres", NULL, {{"host", "fe80::1"}}},
     "DB_DEFAULT_URL=postgres://my_app@[fe80::1]:5432/my_app",
     true},
    {{"postgres", NULL, {{"urls", "postgres://al:bo@db.example:99/n?sslmode=require"}}},
     "DB_DEFAULT_URL=postgres://al:bo@db.example:99/n?sslmode=require",
     true},
    {{"postgres", NULL, {{"urls", "postgres://db.example"}}},
     "DB_DEFAULT_URL=postgres://db.example:5432",
     true},
    {{"postgres", NULL, {{"urls", "postgres://al:b%40o@db/n"}, {"host", "other"}, {"user", "eve"}}},
     "DB_DEFAULT_URL=postgres://eve:b%40o@other:5432/n",
     true},
    {{"postgres",
      NULL,
      {{"urls", "pgsql://al:bo@db:99/n"}, {"port", "7"}, {"password", "c/d"}, {"name", "m"}}},
     "DB_DEFAULT_URL=pgsql://al:c%2Fd@db:7/m",
     true},
    {{"postgis", NULL, {{"urls", "postgis://a@h/n"}, {"path", "/o"}}},
     "DB_DEFAULT_URL=postgis://a@h:5432/o",
     true},
    /* redis */
    {{"redis"}, "REDIS_HOSTS=127.0.0.1:6379\nREDIS_DB_INDEX=0"},
    {{"redis", NULL, {{"db_index", "3"}, {"port", "6380"}}},
     "REDIS_HOSTS=127.0.0.1:6380\nREDIS_DB_INDEX=3"},
    {{"redis", NULL, {{"path", "/4"}}}, "REDIS_HOSTS=127.0.0.1:6379\nREDIS_DB_INDEX=4"},
    {{"redis", NULL, {{"host", "r.example"}}},
     "REDIS_HOSTS=r.example:6379\nREDIS_DB_INDEX=0",
     true},
    {{"redis", NULL, {{"host", "r.example:1"}, {"db_index", "1"}}},
     "REDIS_HOSTS=r.example:1\nREDIS_DB_INDEX=1",
     true},
    {{"redis", NULL, {{"hosts", "a|b:7|[::1]|fe80::2"}, {"port", "5"}}},
     "REDIS_HOSTS=a:5|b:7|[::1]:5|[fe80::2]:5\nREDIS_DB_INDEX=0",
     true},
    {{"redis", NULL, {{"urls", "redis://:pw@r:8/2"}}}, "REDIS_HOSTS=r:8\nREDIS_DB_INDEX=2", true},
    {{"redis", NULL, {{"urls", "redis://r/2"}, {"db_index", "9"}, {"host", "s"}}},
     "REDIS_HOSTS=s:6379\nREDIS_DB_INDEX=9",
     true},
    /* memcache */
    {{"memcache"}, "MEMCACHE_HOSTS=127.0.0.1:11211\nMEMCACHE_PREFIX=my-app"},
    {{"memcached", NULL, {{"port", "11212"}, {"key_prefix", "k:"}}},
     "MEMCACHE_HOSTS=127.0.0.1:11212\nMEMCACHE_PREFIX=k:"},
    {{"memcache", NULL, {{"key_prefix", ""}}}, "MEMCACHE_HOSTS=127.0.0.1:11211\nMEMCACHE_PREFIX="},
    {{"memcache", NULL, {{"hosts", "a|b:2"}}},
     "MEMCACHE_HOSTS=a:11211|b:2\nMEMCACHE_PREFIX=my-app",
     true},
    {{"memcache", NULL, {{"host", "a"}, {"port", "3"}}},
     "MEMCACHE_HOSTS=a:3\nMEMCACHE_PREFIX=my-app",
     true},
    {{"memcache", NULL, {{"urls", "memcache://a/p%20q|memcache://b:4/p%20q"}}},
     "MEMCACHE_HOSTS=a:11211|b:4\nMEMCACHE_PREFIX=p q",
     true},
    {{"memcache", NULL, {{"urls", "memcache://a/p"}, {"path", "/o"}}},
     "MEMCACHE_HOSTS=a:11211\nMEMCACHE_PREFIX=o",
     true},
    /* email */
    {{"email"}, "EMAIL_HOST=127.0.0.1\nEMAIL_PORT=25"},
    {{"email", NULL, {{"port", "2525"}}}, "EMAIL_HOST=127.0.0.1\nEMAIL_PORT=2525"},
    {{"email", NULL, {{"host", "mx.example"}}}, "EMAIL_HOST=mx.example\nEMAIL_PORT=25", true},
    {{"email", NULL, {{"host", "mx.example"}, {"port", "587"}}},
     "EMAIL_HOST=mx.example\nEMAIL_PORT=587",
     true},
    {{"email", NULL, {{"host", "mx:26"}, {"port", "587"}}}, "EMAIL_HOST=mx\nEMAIL_PORT=26", true},
    {{"email", NULL, {{"host", "fe80::1"}}}, "EMAIL_HOST=fe80::1\nEMAIL_PORT=25", true},
    /* syslog */
    {{"syslog"}, "SYSLOG_SERVER=127.0.0.1\nSYSLOG_PORT=514\nSYSLOG_PROTO=udp"},
    {{"syslog", NULL, {{"proto", "TCP"}, {"port", "1514"}}},
     "SYSLOG_SERVER=127.0.0.1\nSYSLOG_PORT=1514\nSYSLOG_PROTO=tcp"},
    {{"syslog", NULL, {{"host", "log.example"}}},
     "SYSLOG_SERVER=log.example\nSYSLOG_PORT=514\nSYSLOG_PROTO=udp",
     true},
    {{"syslog", NULL, {{"host", "log.example:6514"}, {"proto", "tcp"}}},
     "SYSLOG_SERVER=log.example\nSYSLOG_PORT=6514\nSYSLOG_PROTO=tcp",
     true},
    /* proxy: by hand as Forklift had it; ours for all clients, but not for the app's services */
    {{"proxy", NULL, {{"host", "p.example"}, {"port", "8080"}}},
     "HTTP_PROXY=http://p.example:8080",
     true},
    {{"proxy", NULL, {{"host", "[::1]:81"}}}, "HTTP_PROXY=http://[::1]:81", true},
    {{"proxy", NULL, {{"host", "p.example"}}}, "HTTP_PROXY=http://p.example:3128", true},
    {{"proxy"},
     "HTTP_PROXY=http://127.0.0.1:3128\nHTTPS_PROXY=http://127.0.0.1:3128\n"
     "http_proxy=http://127.0.0.1:3128\nhttps_proxy=http://127.0.0.1:3128\n"
     "NO_PROXY=127.0.0.1,localhost\nno_proxy=127.0.0.1,localhost"},
};

static void test_app_environment(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(env_cases); i++) {
        const struct env_case *c = &env_cases[i];
        struct service_plan plan = {0};
        _cleanup_error_ struct error err = ERROR_INIT;

        check_int(make_plan(&c->given, &plan, &err), 0);
        _cleanup_free_ char *env = strvec_join(&plan.app_env, "\n");
        check_str(env, c->env);
        check_int(plan.external, c->external);
        check((plan.image == NULL) == (c->external || plan.sink));
        check(!(c->external && plan.sink));
        check_int(err.kind, ERROR_NONE);
        service_plan_deinit(&plan);
    }
}

static const struct error_case {
    struct given given;
    const char *message;
} error_cases[] = {
    {{"postgres", NULL, {{"urls", "postgres://a/b|postgres://c/d"}}}, "DB_DEFAULT_URL holds one"},
    {{"postgres", NULL, {{"urls", ""}}}, "has 0"},
    {{"postgres", NULL, {{"urls", "db.example"}}}, "override 'urls': a URL must begin"},
    {{"postgres", NULL, {{"urls", "postgres://a:99999/b"}}}, "'99999' is not a port"},
    {{"postgres", NULL, {{"urls", "postgres://[::1/b"}}}, "no closing bracket"},
    {{"postgres", NULL, {{"host", ":5432"}}}, "a host is missing in ':5432'"},
    {{"postgres", NULL, {{"host", "[::1]x"}}}, "'x' after a host is not ':port'"},
    {{"postgres", NULL, {{"password", ""}}}, "must not be empty"},
    {{"postgres", NULL, {{"user", ""}}}, "must not be empty"},
    {{"postgres", NULL, {{"image", ""}}}, "override 'image' is empty"},
    {{"postgres", NULL, {{"memory", "lots"}}}, "override 'memory': 'lots' is not a size"},
    {{"postgres", NULL, {{"memory", "9999999999999999t"}}}, "is not a size"},
    {{"postgres", NULL, {{"tmpfs", "maybe"}}}, "'maybe' is neither yes nor no"},
    {{"postgres", NULL, {{"command", "a 'b"}}}, "a quotation mark (') is not closed"},
    {{"postgres", NULL, {{"command", "  "}}}, "override 'command' is empty"},
    {{"redis", NULL, {{"host", "|"}}}, "the list of hosts is empty"},
    {{"redis", NULL, {{"host", "a:b"}}}, "override 'host': 'b' is not a port"},
    {{"redis", NULL, {{"path", "/one"}}}, "'one' is not the number of a database"},
    {{"redis", NULL, {{"urls", "redis:///1"}}}, "a URL has no host"},
    {{"memcache", NULL, {{"hosts", "a|:1"}}}, "a host is missing"},
    {{"email", NULL, {{"host", ""}}}, "override 'host': a host is missing"},
    {{"email", NULL, {{"image", "x"}}}, "override 'image' is of containers, and this service has"},
    {{"proxy", NULL, {{"host", "p"}, {"memory", "1g"}}}, "override 'memory' is of containers"},
    {{"syslog", NULL, {{"proto", "tls"}}}, "override 'proto' is udp or tcp, not 'tls'"},
};

static void test_errors(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(error_cases); i++) {
        struct service_plan plan = {0};
        _cleanup_error_ struct error err = ERROR_INIT;

        check_int(make_plan(&error_cases[i].given, &plan, &err), -1);
        check_int(err.kind, ERROR_CONFIG);
        check_contains(err.message, error_cases[i].message);
        service_plan_deinit(&plan);
    }
}

/* A bad URL may hold a password: the message must not repeat it. */
static void test_error_hides_password(void)
{
    struct service_plan plan = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    check_int(
        make_plan(&(struct given){"postgres", NULL, {{"urls", "me:hunter2@db/x"}}}, &plan, &err),
        -1);
    check(err.message && !strstr(err.message, "hunter2"));
    service_plan_deinit(&plan);
}

static const struct container_case {
    struct given given;
    const char *argv; /* joined by "|" */
    const char *env;  /* joined by "|" */
    const char *arg;
    uint64_t memory;
    bool tmpfs;
} container_cases[] = {
    {{"postgres"},
     "postgres|-c|fsync=off|-c|synchronous_commit=off|-c|full_page_writes=off|-c|"
     "max_wal_size=256MB",
     "POSTGRES_USER=my_app|POSTGRES_PASSWORD=" SECRET "|POSTGRES_DB=my_app|"
     "POSTGRES_INITDB_ARGS=--no-sync --auth-host=scram-sha-256",
     "my_app/my_app",
     0,
     true},
    {{"postgres",
      NULL,
      {{"port", "5433"},
       {"user", "a b"},
       {"name", "c/d"},
       {"tmpfs", "No"},
       {"memory", "512m"},
       {"command", "postgres -c 'a b=\"c' \"d \\\" e\" f\\ g ''"}}},
     "postgres|-c|a b=\"c|d \" e|f g|",
     "POSTGRES_USER=a b|POSTGRES_PASSWORD=" SECRET "|POSTGRES_DB=c/d|"
     "POSTGRES_INITDB_ARGS=--no-sync --auth-host=scram-sha-256|PGPORT=5433",
     "a%20b/c%2Fd",
     UINT64_C(512) << 20,
     false},
    {{"postgres", NULL, {{"environment", "POSTGRES_INITDB_ARGS=\nTZ=UTC\nX=a=b"}}},
     "postgres|-c|fsync=off|-c|synchronous_commit=off|-c|full_page_writes=off|-c|"
     "max_wal_size=256MB",
     "POSTGRES_USER=my_app|POSTGRES_PASSWORD=" SECRET "|POSTGRES_DB=my_app|"
     "POSTGRES_INITDB_ARGS=|TZ=UTC|X=a=b",
     "my_app/my_app",
     0,
     true},
    {{"redis"}, "redis-server|--save||--appendonly|no", "", "", 0, true},
    {{"redis", NULL, {{"port", "7000"}, {"db_index", "20"}, {"memory", "1g"}}},
     "redis-server|--save||--appendonly|no|--port|7000|--databases|21",
     "",
     "",
     UINT64_C(1) << 30,
     true},
    {{"memcache"}, "memcached|-m|64|-p|11211", "", "", 0, true},
    {{"memcache", NULL, {{"port", "1"}, {"environment", "A=b"}, {"memory", "1048576"}}},
     "memcached|-m|64|-p|1",
     "A=b",
     "",
     1048576,
     true},
};

static void test_container(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(container_cases); i++) {
        const struct container_case *c = &container_cases[i];
        struct service_plan plan = {0};
        _cleanup_error_ struct error err = ERROR_INIT;

        check_int(make_plan(&c->given, &plan, &err), 0);
        _cleanup_free_ char *argv = strvec_join(&plan.argv, "|");
        _cleanup_free_ char *env = strvec_join(&plan.env, "|");
        check_str(argv, c->argv);
        check_str(env, c->env);
        check_str(plan.probe_arg, c->arg);
        check_int(plan.memory, c->memory);
        check_int(plan.tmpfs_volumes, c->tmpfs);
        service_plan_deinit(&plan);
    }
}

static const struct sink_case {
    struct given given;
    enum sink_kind sink;
    int port;
} sink_cases[] = {
    {{"email"}, SINK_SMTP, 25},
    {{"email", NULL, {{"port", "2525"}}}, SINK_SMTP, 2525},
    {{"syslog"}, SINK_SYSLOG_UDP, 514},
    {{"syslog", NULL, {{"proto", "udp"}}}, SINK_SYSLOG_UDP, 514},
    {{"syslog", NULL, {{"proto", "tcp"}}}, SINK_SYSLOG_TCP, 514},
    {{"proxy", NULL, {{"port", "8"}}}, SINK_PROXY, 8},
    {{"redis"}, SINK_NONE, 6379},
};

static void test_sinks(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(sink_cases); i++) {
        const struct sink_case *c = &sink_cases[i];
        struct service_plan plan = {0};

        check_int(make_plan(&c->given, &plan, NULL), 0);
        check_int(plan.sink, c->sink);
        check_int(plan.port, c->port);
        check(!plan.external && !plan.idle && plan.snapshot);
        service_plan_deinit(&plan);
    }
}

/* A proxy without a host is not in the way of shards that have a network; a given one is used. */
static void test_proxy_outside(void)
{
    const struct provider *proxy = provider_find("proxy");
    const struct override_value host = {"host", "p.example"};
    struct provider_input in = {.application_id = "a", .outside = true, .shard = 1};
    struct service_plan idle = {0}, given = {0};

    check_int(proxy->plan(proxy, &in, &idle, NULL), 0);
    check(idle.external && idle.idle && idle.sink == SINK_NONE);
    check_int(idle.app_env.len, 0);
    in.overrides = &host;
    in.override_count = 1;
    check_int(proxy->plan(proxy, &in, &given, NULL), 0);
    check(given.external && !given.idle);
    check_int(given.app_env.len, 1);
    service_plan_deinit(&idle);
    service_plan_deinit(&given);
}

/* Another of a kind beside the first, whose usual port is taken. */
static void test_sink_shift(void)
{
    const struct provider *email = provider_find("email");
    const struct provider_input in = {.application_id = "a", .shift = 1, .shard = 1};
    struct service_plan plan = {0};

    check_int(email->plan(email, &in, &plan, NULL), 0);
    check_int(plan.port, 26);
    check_str(strvec_getenv(&plan.app_env, "EMAIL_PORT"), "26");
    service_plan_deinit(&plan);
}

static const struct image_case {
    const char *provider, *image;
    int port;
} image_cases[] = {
    {"postgres", "postgres:16", 5432},
    {"postgis", "postgis/postgis:16-3.4", 5432},
    {"redis", "redis:7", 6379},
    {"memcache", "memcached:1.6", 11211},
    {"email", NULL, 25},
    {"syslog", NULL, 514},
    {"proxy", NULL, 3128},
};

static void test_images(void)
{
    check_int(provider_count, ARRAY_SIZE(image_cases));
    for (size_t i = 0; i < ARRAY_SIZE(image_cases); i++) {
        struct service_plan plan = {0}, other = {0};

        check_str(providers[i]->name, image_cases[i].provider);
        check_int(make_plan(&(struct given){image_cases[i].provider}, &plan, NULL), 0);
        check_str(plan.image, image_cases[i].image);
        check_int(plan.port, image_cases[i].port);
        if (!image_cases[i].image) {
            service_plan_deinit(&plan);
            continue;
        }
        check_int(make_plan(&(struct given){image_cases[i].provider, NULL, {{"image", "own:1"}}},
                            &other, NULL),
                  0);
        check_str(other.image, "own:1");
        service_plan_deinit(&plan);
        service_plan_deinit(&other);
    }
}

static void test_secrets(void)
{
    struct service_plan plan = {0};

    make_plan(&(struct given){"postgres", NULL, {{"password", "p@ss"}}}, &plan, NULL);
    check(strvec_contains(&plan.secrets, "p@ss"));
    check(strvec_contains(&plan.secrets, "p%40ss"));
    check(strstr(plan.probe_arg, "ss") == NULL);
    service_plan_deinit(&plan);

    make_plan(&(struct given){"redis", NULL, {{"urls", "redis://u:p%2Fw@h"}}}, &plan, NULL);
    check(strvec_contains(&plan.secrets, "p/w"));
    check(strvec_contains(&plan.secrets, "p%2Fw"));
    service_plan_deinit(&plan);
}

static void test_registry(void)
{
    check(provider_find("postgresql") == provider_find("postgres"));
    check(provider_find("memcached") == provider_find("memcache"));
    check(provider_find("oracle") == NULL);
    check(provider_find("") == NULL);

    const struct provider *p = provider_find("postgres");
    check(provider_override(p, "password")->secret);
    check(!provider_override(p, "port")->secret);
    check_int(provider_override(p, "environment")->type, OVERRIDE_ENV);
    check_int(provider_override(p, "urls")->type, OVERRIDE_LIST);
    check(provider_override(p, "db_index") == NULL);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_app_environment),
                                       TAP(test_sinks),
                                       TAP(test_proxy_outside),
                                       TAP(test_sink_shift),
                                       TAP(test_errors),
                                       TAP(test_error_hides_password),
                                       TAP(test_container),
                                       TAP(test_images),
                                       TAP(test_secrets),
                                       TAP(test_registry),
                                       {0}});
}
