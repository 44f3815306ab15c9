/* SPDX-License-Identifier: Apache-2.0 */
/* Services defined in a project file: from its text to what is started and what the app is told. */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cleanroom/strbuf.h>

#include "config/plan.h"
#include "tap.h"

struct world {
    struct settings settings;
    struct plan plan;
    struct error err;
    bool loaded, planned;
};

static void world_deinit(struct world *w)
{
    if (w->planned)
        plan_deinit(&w->plan);
    if (w->loaded)
        settings_deinit(&w->settings);
    error_clear(&w->err);
}
#define _cleanup_world_ _cleanup_(world_deinit)

static int fixed_random(void *bytes, size_t len)
{
    memset(bytes, 0xab, len);
    return 0;
}
#define SECRET "abababababababababababababababab"

/* Its errors begin with the file's name, which is then cut off. */
static void cut_name(struct world *w, const char *path)
{
    size_t len = strlen(path);
    if (w->err.message && strncmp(w->err.message, path, len) == 0) {
        char *rest = xstrdup(w->err.message + len + 1);
        free(w->err.message);
        w->err.message = rest;
    }
}

/* --NAME VALUE pairs, up to NULL. */
static int make(struct world *w, const char *yaml, const char *const *flags)
{
    struct cli_value said[8];
    size_t count = 0;
    char path[32];

    *w = (struct world){0};
    for (; flags && *flags; flags += 2)
        said[count++] = (struct cli_value){flags[0], flags[1]};
    _cleanup_close_ int fd = memfd_create("yaml", MFD_CLOEXEC);
    check_int(write(fd, yaml, strlen(yaml)), strlen(yaml));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    const struct settings_input in = {.image = "app",
                                      .project_file = path,
                                      .no_user_config = true,
                                      .cli = said,
                                      .cli_count = count,
                                      .directory = "/shop"};
    w->loaded = settings_load(&w->settings, &in, &w->err) == 0;
    w->planned = w->loaded && plan_make(&w->plan, &w->settings, fixed_random, &w->err) == 0;
    cut_name(w, path);
    return w->planned ? 0 : -1;
}

static const struct service_plan *spec(const struct world *w, const char *name)
{
    static const struct service_plan none;
    for (size_t i = 0; w->planned && i < w->plan.shards.items[0].services.len; i++)
        if (strcmp(w->plan.shards.items[0].services.items[i].name, name) == 0)
            return &w->plan.shards.items[0].services.items[i].spec;
    return &none;
}

static const char *told(const struct world *w, const char *key)
{
    return w->planned ? strvec_getenv(&w->plan.shards.items[0].app_env, key) : NULL;
}

/* Everything a service gives the app, as lines. */
static void check_told(const struct world *w, const char *name, const char *want)
{
    _cleanup_free_ char *lines = strvec_join(&spec(w, name)->app_env, "\n");
    check_str(lines, want);
}

static const char search[] =
    "services: [search]\n"
    "cleanroom:\n"
    "  services:\n"
    "    search:\n"
    "      image: typesense/typesense:0.25.2\n"
    "      command: --data-dir '/my data' --api-key ${password} -p ${port}\n"
    "      entrypoint: [/bin/it, 'a b', '${port2}']\n"
    "      user: '1000'\n"
    "      environment: {FOO: '$${x} $y ${name}'}\n"
    "      ports: [8108, 8107]\n"
    "      tmpfs: [/data, '/run:size=1m']\n"
    "      memory: 512m\n"
    "      files: {/etc/s.conf: 'key=${password} of ${application_id}'}\n"
    "      probe: {http: /health, status: 200}\n"
    "      app_environment:\n"
    "        SEARCH_URL: http://${host}:${port}\n"
    "        SEARCH_KEY: ${password}\n"
    "        SEARCH_OF: ${shard}/${shards} ${port2} $$\n";

static void test_declared(void)
{
    _cleanup_world_ struct world w;
    check_int(make(&w, search, NULL), 0);
    check_told(&w, "search",
               "SEARCH_URL=http://127.0.0.1:8108\nSEARCH_KEY=" SECRET "\nSEARCH_OF=1/1 8107 $");
    const struct service_plan *s = spec(&w, "search");
    _cleanup_free_ char *argv = strvec_join(&s->argv, "|");
    _cleanup_free_ char *entrypoint = strvec_join(&s->entrypoint, "|");
    _cleanup_free_ char *env = strvec_join(&s->env, "|");
    _cleanup_free_ char *files = strvec_join(&s->files, "|");
    _cleanup_free_ char *tmpfs = strvec_join(&s->tmpfs, "|");
    check_str(s->image, "typesense/typesense:0.25.2");
    check_str(argv, "--data-dir|/my data|--api-key|" SECRET "|-p|8108");
    check_str(entrypoint, "/bin/it|a b|8107");
    check_str(env, "FOO=${x} $y search");
    check_str(files, "/etc/s.conf|key=" SECRET " of shop");
    check_str(tmpfs, "/data|/run:size=1m");
    check_str(s->user, "1000");
    check_str(s->probe_arg, "/health 200");
    check_int(s->port, 8108);
    check_int(s->more_ports[0], 8107);
    check_int(s->memory, 512 << 20);
    check(strvec_contains(&w.plan.secrets, SECRET));
    check_str(w.plan.shards.items[0].services.items[0].provider->probe_name, "http");
}

static void test_declared_overrides(void)
{
    static const char *const flags[] = {
        "search.image", "mine:1", "search.command", "serve \"${port}\" x", "search.environment.FOO",
        "${shard}",     NULL};
    static const char *const elsewhere[] = {"search.host",     "s.example", "search.port", "80",
                                            "search.password", "p w",       NULL};
    static const char *const no_password[] = {"search.host", "s.example", NULL};
    _cleanup_world_ struct world w, external, forgotten;
    check_int(make(&w, search, flags), 0);
    _cleanup_free_ char *argv = strvec_join(&spec(&w, "search")->argv, "|");
    check_str(argv, "serve|8108|x");
    check_str(spec(&w, "search")->image, "mine:1");
    check_str(strvec_getenv(&spec(&w, "search")->env, "FOO"), "1");

    check_int(make(&external, search, elsewhere), 0);
    check(spec(&external, "search")->external);
    check_told(&external, "search",
               "SEARCH_URL=http://s.example:80\nSEARCH_KEY=p w\nSEARCH_OF=1/1 8107 $");
    check(strvec_contains(&external.plan.secrets, "p w"));

    check_int(make(&forgotten, search, no_password), -1);
    check_contains(forgotten.err.message, "service 'search' (");
    check_contains(forgotten.err.message, "the server at 's.example' has a password of its own");
}

static void test_probes(void)
{
    _cleanup_world_ struct world w;
    check_int(make(&w,
                   "services: [a, b, c, d]\n"
                   "cleanroom: {services: {a: {image: x, probe: {log: 'at ${name}'}},\n"
                   "  b: {image: x, probe: {exec: [sh, -c, 'test ${shard}']}},\n"
                   "  c: {image: x, port: 7, probe: {http: /}}, d: {image: x, port: 8}}}\n",
                   NULL),
              0);
    check_str(spec(&w, "a")->log_text, "at a");
    check_int(spec(&w, "a")->port, 0);
    _cleanup_free_ char *words = strvec_join(&spec(&w, "b")->exec_words, "|");
    check_str(words, "sh|-c|test 1");
    check_str(spec(&w, "c")->probe_arg, "/");
    check_str(w.plan.shards.items[0].services.items[3].provider->probe_name, "tcp");
    check_str(spec(&w, "d")->probe_arg, "");
}

/* The order of keys in a file does not matter, and definitions are overridden like any service. */
static void test_another(void)
{
    _cleanup_world_ struct world w;
    check_int(make(&w,
                   "reports: {user: rep}\n"
                   "services: [postgres, reports, queue, redis]\n"
                   "cleanroom: {services: {reports: {service: postgres, user: x, name: figures},\n"
                   "                       queue: {service: redis, db_index: 2}}}\n",
                   (const char *const[]){"reports.password", "pw", NULL}),
              0);
    check_told(&w, "postgres", "DB_DEFAULT_URL=postgres://shop:" SECRET "@127.0.0.1:5432/shop");
    check_told(&w, "reports", "DB_REPORTS_URL=postgres://rep:pw@127.0.0.1:5433/figures");
    check_told(&w, "queue", "QUEUE_REDIS_HOSTS=127.0.0.1:6379\nQUEUE_REDIS_DB_INDEX=2");
    check_told(&w, "redis", "REDIS_HOSTS=127.0.0.1:6380\nREDIS_DB_INDEX=0");
    check_str(strvec_getenv(&spec(&w, "reports")->env, "PGPORT"), "5433");
}

/* Of every provider there can be one more beside the first, with variables of its own. */
static void test_another_of_each(void)
{
    for (size_t i = 0; i < provider_count; i++) {
        const struct provider *p = providers[i];
        _cleanup_world_ struct world w;
        _cleanup_free_ char *yaml = xasprintf(
            "services: [%s, qx-7]\ncleanroom: {services: {qx-7: {service: %s}}}\n", p->name,
            p->name);
        if (!tap_check(make(&w, yaml, NULL) == 0, __FILE__, __LINE__, "%s: %s", p->name,
                       w.err.message))
            continue;
        const struct service_plan *first = spec(&w, p->name), *other = spec(&w, "qx-7");
        check(other->app_env.len > 0);
        check(first->port != other->port || !other->port);
        for (size_t k = 0; k < other->app_env.len; k++) {
            const char *entry = other->app_env.items[k];
            const char *at = strstr(entry, "QX_7");
            tap_check(at && at < strchr(entry, '=') && !strstr(at + 1, "QX_7_"), __FILE__, __LINE__,
                      "%s tells '%s'", p->name, entry);
        }
    }
}

static void test_count(void)
{
    _cleanup_world_ struct world w, flag, chosen, one;
    check_int(make(&w, "services: [memcache, redis]\nmemcache: {count: 3}\n", NULL), 0);
    check_str(told(&w, "MEMCACHE_HOSTS"), "127.0.0.1:11211|127.0.0.1:11212|127.0.0.1:11213");
    check_str(told(&w, "MEMCACHE_PREFIX"), "shop");
    check_int(w.plan.shards.items[0].services.len, 4);
    check_str(w.plan.images.items[1].used_by, "memcache, memcache-2, memcache-3");
    _cleanup_free_ char *argv = strvec_join(&spec(&w, "memcache-3")->argv, " ");
    check_str(argv, "memcached -m 64 -p 11213");

    check_int(make(&flag,
                   "services: [cache]\ncleanroom: {services: {cache: {service: memcache}}}\n",
                   (const char *const[]){"cache.count", "2", NULL}),
              0);
    check_str(told(&flag, "CACHE_MEMCACHE_HOSTS"), "127.0.0.1:11211|127.0.0.1:11212");

    check_int(make(&chosen, "services: [redis]\nredis: {count: 2, port: 7000}\n", NULL), 0);
    check_str(told(&chosen, "REDIS_HOSTS"), "127.0.0.1:7000|127.0.0.1:7001");
    check_int(make(&one, "services: [redis]\nredis: {count: 1}\n", NULL), 0);
    check_str(told(&one, "REDIS_HOSTS"), "127.0.0.1:6379");
}

static void test_most_of_all(void)
{
    _cleanup_world_ struct world w;
    check_int(make(&w, "services: [redis, memcache]\nredis: {count: 32}\nmemcache: {count: 32}\n",
                   (const char *const[]){"shards", "100", NULL}),
              0);
    check_int(spec(&w, "redis-32")->port, 6379 + 31);
    check_int(w.plan.shards.items[99].services.len, 64);
}

/* What is in the way is gone round, whoever it is. */
static void test_moves(void)
{
    _cleanup_world_ struct world w, still, stuck;
    check_int(make(&w,
                   "services: [mine, redis, pair]\n"
                   "cleanroom: {services: {mine: {image: x, ports: [6380, 6379]},\n"
                   "  pair: {image: x, ports: [6378, 6380], command: '${port} ${port2}'}}}\n",
                   NULL),
              0);
    check_int(spec(&w, "redis")->port, 6381);
    check_int(spec(&w, "pair")->port, 6382); /* 6378 and 6380, 6379 and 6381 ... are taken */
    check_int(spec(&w, "pair")->more_ports[0], 6384);

    check_int(make(&still,
                   "services: [redis, mine]\n"
                   "cleanroom: {services: {mine: {image: x, port: 6379}}}\n",
                   NULL),
              -1);
    check_str(
        still.err.message,
        "2:24: services 'redis' and 'mine' would both listen on port 6379 of their shard; tell "
        "'mine' its ports by ${port} in its command, environment or files, so that it can be "
        "moved, or give 'redis' another port");

    check_int(make(&stuck,
                   "services: [postgres, mine]\nmine: {port: 5432}\n"
                   "cleanroom: {services: {mine: {image: x, port: 1, command: '${port}'}}}\n",
                   NULL),
              -1);
    check_contains(stuck.err.message, "as in 'mine: {port: 5433}'");
}

/* A higher layer's definition replaces the whole of a lower one's. */
static void test_layers(void)
{
    char dir[] = "/tmp/cleanroom-declared-XXXXXX";
    check(mkdtemp(dir) != NULL);
    static const char *const texts[] = {
        "services: [it]\ncleanroom: {services: {it: {image: a, port: 1, user: u}}}\nit: {memory: "
        "1m}\n",
        "it: {host: h}\ncleanroom: {services: {it: {service: redis}}}\n"};
    _cleanup_free_ char *user = xasprintf("%s/forklift", dir);
    _cleanup_strvec_ struct strvec files = STRVEC_INIT;
    strvec_pushf(&files, "%s/forklift.yaml", dir);
    strvec_pushf(&files, "%s/_default.yaml", user);
    check_int(mkdir(user, 0700), 0);
    for (size_t i = 0; i < 2; i++) {
        FILE *f = fopen(files.items[i], "we");
        check(f && fputs(texts[i], f) >= 0 && fclose(f) == 0);
    }
    _cleanup_free_ char *home = xasprintf("XDG_CONFIG_HOME=%s", dir);
    const char *const environment[] = {home, NULL};
    const struct settings_input in = {.directory = dir, .environ = environment};
    _cleanup_error_ struct error err = ERROR_INIT;
    struct settings s;
    if (check_int(settings_load(&s, &in, &err), 0)) {
        check_str(s.services.items[0].provider->name, "redis");
        check_int(s.services.items[0].overrides.len, 1);
        check_contains(s.services.items[0].defined, "_default.yaml:2:");
        settings_deinit(&s);
    }
    for (size_t i = 0; i < 2; i++)
        unlink(files.items[i]);
    rmdir(user);
    rmdir(dir);
}

#define DEFINE(text) "cleanroom: {services: {" text "}}\n"

static const struct {
    const char *yaml, *message;
} wrong[] = {
    {"services: [serch]\n" DEFINE("search: {image: x, port: 1}"),
     "1:12: unknown service 'serch', did you mean 'search'?"},
    {"serch: {}\n" DEFINE("search: {image: x, port: 1}"),
     "1:1: unknown key 'serch', did you mean 'search'?"},
    {"search: {imag: x}\n" DEFINE("search: {image: x, port: 1}"),
     "1:10: unknown search override 'imag', did you mean 'image'?"},
    {DEFINE("postgres: {image: x}"),
     "1:24: 'postgres' is a service already: this one needs another name"},
    {DEFINE("postgresql: {image: x}"),
     "1:24: 'postgresql' is a service already: this one needs another name"},
    {DEFINE("environment: {image: x}"),
     "1:24: 'environment' is the name of something else: this service needs another"},
    {DEFINE("app: {image: x}"),
     "1:24: 'app' is the name of something else: this service needs another"},
    {DEFINE("Search: {image: x}"),
     "1:24: 'Search' cannot name a service: use small letters, digits, '_' and '-', 32 at "
     "most, and a letter first"},
    {DEFINE("a: {}"), "1:24: 'a' has neither an 'image' nor a 'service' of which it is one more"},
    {DEFINE("a: "), "1:24: a map with 'image', or with 'service', is wanted here"},
    {DEFINE("a: b"), "1:27: a map with 'image', or with 'service', is wanted here"},
    {"cleanroom: {services: [a]}\n", "1:23: a map of services is wanted here, not a list"},
    {DEFINE("a: {service: postgrse}"),
     "1:37: unknown service 'postgrse', did you mean 'postgres'?"},
    {DEFINE("a: {service: postgres, usr: x}"),
     "1:47: unknown a override 'usr', did you mean 'user'?"},
    {DEFINE("a: {image: x, prot: 1}"),
     "1:38: unknown key of a service 'prot', did you mean 'port'?"},
    {DEFINE("a: {image: x}"),
     "1:27: a 'port' is wanting, at which 'a' can be asked whether it is ready (or a 'probe' "
     "of another kind)"},
    {DEFINE("a: {image: x, port: 1, ports: [1]}"),
     "1:54: either 'port' or 'ports', of which the first is ${port}"},
    {DEFINE("a: {image: x, ports: [1, 1]}"), "1:49: port 1 is given twice"},
    {DEFINE("a: {image: x, port: 70000}"),
     "1:44: '70000' is not a port: a number between 1 and 65535"},
    {DEFINE("a: {image: x, ports: [1,2,3,4,5,6,7,8,9]}"), "1:62: a service has 8 ports at most"},
    {DEFINE("a: {image: x, port: 1, command: 'x ${prot}'}"),
     "1:56: unknown placeholder 'prot', did you mean 'port'?"},
    {DEFINE("a: {image: x, port: 1, command: 'x ${port2}'}"),
     "1:56: there is no '${port2}': the service has 1 port"},
    {DEFINE("a: {image: x, port: 1, command: ['x', '${port']}"),
     "1:56: a placeholder, '${', is not closed ('$$' is a dollar by itself)"},
    {DEFINE("a: {image: x, port: 1, command: \"x 'y\"}"),
     "1:56: a quotation mark (') is not closed"},
    {DEFINE("a: {image: x, port: 1, command: ''}"), "1:56: there is not a word here"},
    {DEFINE("a: {image: x, port: 1, entrypoint: []}"), "1:59: there is not a word here"},
    {DEFINE("a: {image: x, port: 1, environment: {A: '${x}'}}"),
     "1:61: unknown placeholder 'x'; known are host, password, shard, shards, application_id, "
     "name, port"},
    {DEFINE("a: {image: x, port: 1, app_environment: {A: '${hots}'}}"),
     "1:65: unknown placeholder 'hots', did you mean 'host'?"},
    {DEFINE("a: {image: x, port: 1, app_environment: {1A: x}}"),
     "1:65: '1A' cannot name a variable: use letters, digits and '_', and no digit first"},
    {DEFINE("a: {image: x, port: 1, files: {etc/x: y}}"),
     "1:55: 'etc/x' is not the absolute path of a file"},
    {DEFINE("a: {image: x, port: 1, files: {/etc/../x: y}}"),
     "1:55: '/etc/../x' is not the absolute path of a file"},
    {DEFINE("a: {image: x, port: 1, files: {/etc/x: [y]}}"),
     "1:63: the content of a file must be text, not a list"},
    {DEFINE("a: {image: x, port: 1, files: {/d/x: y}, tmpfs: [/d/]}"),
     "1:55: '/d/x' would be hidden by the tmpfs '/d/'"},
    {DEFINE("a: {image: x, port: 1, tmpfs: d}"),
     "1:54: 'd' is not an absolute path, perhaps with ':size=64m'"},
    {DEFINE("a: {image: x, port: 1, probe: tpc}"),
     "1:54: unknown probe 'tpc', did you mean 'tcp'?"},
    {DEFINE("a: {image: x, port: 1, probe: http}"),
     "1:54: which path? Write it as {http: /health}"},
    {DEFINE("a: {image: x, port: 1, probe: {http: health}}"),
     "1:61: 'health' is not a path: write it as /health"},
    {DEFINE("a: {image: x, port: 1, probe: {http: /, status: 99}}"),
     "1:72: a status is a number between 100 and 599"},
    {DEFINE("a: {image: x, port: 1, probe: {log: x, status: 200}}"),
     "1:71: a status is what 'http' answers"},
    {DEFINE("a: {image: x, port: 1, probe: {log: x, http: /}}"),
     "1:54: one probe only: 'http', 'exec' or 'log'"},
    {DEFINE("a: {image: x, port: 1, probe: {exec: []}}"), "1:61: there is not a word here"},
    {"postgres: {count: 2}\n",
     "1:19: there is one 'postgres' at most, since the app is told of one; define another "
     "under a name of its own, below 'cleanroom: services'"},
    {"redis: {isolation: pod}\n", "1:20: 'pod' is neither 'shard' nor 'namespace'"},
    {"nats: {isolation: namespace}\n",
     "1:19: there are no namespaces in 'nats', so each shard needs its own; one for all can be: "
     "postgres, postgis, redis, memcache, elasticsearch, opensearch, mongodb, s3, amqp, mysql, "
     "mariadb, valkey"},
    {"services: [x]\n" DEFINE("x: {image: x, port: 1}") "x: {isolation: namespace}\n",
     "3:16: there are no namespaces in 'x', so each shard needs its own; one for all can be: "
     "postgres, postgis, redis, memcache, elasticsearch, opensearch, mongodb, s3, amqp, mysql, "
     "mariadb, valkey"},
    {"services: [redis]\nredis: {isolation: namespace, host: h}\n",
     "2:20: service 'redis' is a server elsewhere, in which no namespaces are made; leave "
     "'isolation' out"},
    {"services: [redis]\nredis: {isolation: namespace}\ncleanroom: {deploy: once}\n",
     "service 'redis' is one for all shards ('isolation: namespace'), and 'deploy: once' gives "
     "each "
     "shard a copy; use 'deploy: each'"},
    {"redis: {count: 33}\n", "1:16: '33' is not a number between 1 and 32"},
    {"services: [redis]\nredis: {count: 2, host: h}\n",
     "2:16: service 'redis' is a server elsewhere, of which 'count' cannot start more; list "
     "them all as its hosts"},
    {"services: [redis, redis-2]\nredis: {count: 2}\n" DEFINE("redis-2: {image: x, port: 1}"),
     "3:24: 'redis-2' is also the name of number 2 of 'redis'; give it another name"},
    {"services: [a]\n" DEFINE("a: {image: x, port: 1}") /* and deploy: once */,
     "service 'a' has no recipe by which 'deploy: once' could make copies of it; use 'deploy: "
     "each'"},
};

static void test_errors(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        _cleanup_world_ struct world w;
        bool last = i + 1 == ARRAY_SIZE(wrong);
        check_int(
            make(&w, wrong[i].yaml, last ? (const char *const[]){"deploy", "once", NULL} : NULL),
            -1);
        check_int(w.err.kind, ERROR_CONFIG);
        check_str(w.err.message, wrong[i].message);
    }
}

/* What cannot be in a file can be in a flag. */
static void test_flag_errors(void)
{
    _cleanup_world_ struct world w, count;
    check_int(make(&w, search, (const char *const[]){"search.command", "${prot}", NULL}), -1);
    check_str(w.err.message, "--search.command: unknown placeholder 'prot', did you mean 'port'?");
    check_int(w.err.kind, ERROR_USAGE);
    check_int(make(&count, search, (const char *const[]){"search.count", "2", NULL}), -1);
    check_contains(count.err.message, "--search.count: there is one 'search' at most");
}

static enum probe_verdict http(const char *arg, const char *text, char *why, size_t size)
{
    return probe_find("http")->answer_to(arg, (const unsigned char *)text, strlen(text), why, size);
}

static void test_http_probe(void)
{
    static const struct {
        const char *arg, *text;
        enum probe_verdict verdict;
    } rows[] = {
        {"/", "", PROBE_MORE},
        {"/", "HTT", PROBE_MORE},
        {"/", "HTTP/1.1 200 O", PROBE_MORE},
        {"/", "HTTP/1.1 200 OK\r\n", PROBE_MORE},
        {"/", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", PROBE_READY},
        {"/", "HTTP/1.1 200 OK\r\n\r\n", PROBE_READY},
        {"/", "HTTP/1.0 302 Found\n\n", PROBE_READY},
        {"/", "HTTP/1.1 204\r\n\r\n", PROBE_READY},
        {"/", "HTTP/1.1 404 Not Found\r\n\r\n", PROBE_NOT_YET},
        {"/ 404", "HTTP/1.1 404 Not Found\r\n\r\n", PROBE_READY},
        {"/ 404", "HTTP/1.1 200 OK\r\n\r\n", PROBE_NOT_YET},
        {"/", "HTTP/1.1 503 Later\r\n\r\n", PROBE_NOT_YET},
        {"/", "HTTP/1.1 2000 OK\r\n\r\n", PROBE_WRONG},
        {"/", "HTTP/1.1\r\n", PROBE_WRONG},
        {"/", "SSH-2.0-x\r\n", PROBE_WRONG},
    };
    char why[64];
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check_int(http(rows[i].arg, rows[i].text, why, sizeof(why)), rows[i].verdict);
    check_int(http("/", "HTTP/1.1 503 Later\r\n\r\n", why, sizeof(why)), PROBE_NOT_YET);
    check_str(why, "HTTP/1.1 503 Later");

    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    check_int(probe_find("http")->request("/a?b 200", &out), 0);
    check_contains(out.buf, "GET /a?b HTTP/1.1\r\nHost: localhost\r\n");
    static const char *const bad[] = {"", "a", "/a 20", "/a 2000", "/a\r\nX: y 200", "/a b"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        check_int(probe_find("http")->request(bad[i], &out), -1);
    check_int(probe_find("tcp")->request("x", &out), -1);
    check(probe_find("redis") == provider_find("redis")->probe);
    check(probe_find("smoke") == NULL);
}

static void test_print(void)
{
    _cleanup_world_ struct world w;
    check_int(make(&w, search, NULL), 0);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    plan_print(&w.plan, out);
    fclose(out);
    check(!strstr(text, SECRET));
    check_contains(text, "key=****** of shop");
    check_contains(text, "when http://127.0.0.1:8108/health answers 200");
    check_contains(text, "/bin/it 'a b' 8107");
    free(text);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_declared),
                                       TAP(test_declared_overrides),
                                       TAP(test_probes),
                                       TAP(test_another),
                                       TAP(test_another_of_each),
                                       TAP(test_count),
                                       TAP(test_most_of_all),
                                       TAP(test_moves),
                                       TAP(test_layers),
                                       TAP(test_errors),
                                       TAP(test_flag_errors),
                                       TAP(test_http_probe),
                                       TAP(test_print),
                                       {0}});
}
