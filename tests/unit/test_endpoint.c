/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/endpoint.h"

#include <ftw.h>
#include <sys/stat.h>

#include <cleanroom/strbuf.h>

#include "tap.h"

static void endpoints_cleanup(struct endpoints *list)
{
    endpoints_deinit(list);
}
#define PLACES struct endpoints __attribute__((cleanup(endpoints_cleanup)))

static void write_file(const char *dir, const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
    for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        (void)mkdir(path, 0700);
        *p = '/';
    }
    FILE *f = fopen(path, "we");
    if (check(f != NULL)) {
        fputs(text, f);
        fclose(f);
    }
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void test_hosts(void)
{
    static const struct {
        const char *host;
        const char *tls;
        const char *unix_path;
        const char *base;
    } cases[] = {
        {"unix:///run/x.sock", NULL, "/run/x.sock", "http://localhost"},
        {"unix:///run/x.sock", "1", "/run/x.sock", "http://localhost"},
        {"tcp://build:2375", NULL, NULL, "http://build:2375"},
        {"tcp://build", NULL, NULL, "http://build:2375"},
        {"tcp://build", "1", NULL, "https://build:2376"},
        {"tcp://build:1/", "1", NULL, "https://build:1"},
        {"tcp://[::1]", NULL, NULL, "http://[::1]:2375"},
        {"tcp://[::1]:99", NULL, NULL, "http://[::1]:99"},
        {"http://build:80", NULL, NULL, "http://build:80"},
        {"https://build", NULL, NULL, "https://build:2376"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        PLACES places = {0};
        struct error err _cleanup_error_ = ERROR_INIT;
        struct endpoint_env env = {.docker_host = cases[i].host, .tls_verify = cases[i].tls};
        check_int(endpoint_find(&(struct engine_options){0}, &env, &places, &err), 0);
        check_int(places.len, 1);
        check_str(places.items[0].where, cases[i].host);
        check_str(places.items[0].unix_path, cases[i].unix_path);
        check_str(places.items[0].base, cases[i].base);
    }
}

static void test_bad_hosts(void)
{
    static const struct {
        const char *host;
        const char *words;
    } cases[] = {
        {"unix://run/x.sock", "no absolute path"},
        {"tcp://", "no host"},
        {"tcp://:2375", "no host"},
        {"tcp://build:1/path", "has a path"},
        {"ssh://me@far", "--host unix:///"},
        {"/run/docker.sock", "not understood"},
        {"npipe://x", "not understood"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        PLACES places = {0};
        struct error err _cleanup_error_ = ERROR_INIT;
        struct endpoint_env env = {0};
        struct engine_options options = {.host = cases[i].host};
        check_int(endpoint_find(&options, &env, &places, &err), -1);
        check_int(err.kind, ERROR_ENGINE);
        check_contains(err.message, cases[i].words);
    }
}

static void test_order(void)
{
    char dir[] = "/tmp/endpoint-XXXXXX";
    check(mkdtemp(dir) != NULL);
    write_file(dir, "config.json", "{\"currentContext\": \"current\"}");
    write_file(dir, "contexts/meta/aa/meta.json",
               "{\"Name\":\"current\",\"Endpoints\":{\"docker\":{\"Host\":\"unix:///c1\"}}}");
    write_file(dir, "contexts/meta/bb/meta.json",
               "{\"Name\":\"other\",\"Endpoints\":{\"docker\":{\"Host\":\"tcp://far:1\","
               "\"SkipTLSVerify\":true}}}");
    write_file(dir, "contexts/meta/cc/meta.json", "not json");
    write_file(dir, "contexts/tls/bb/docker/ca.pem", "ca");
    write_file(dir, "contexts/tls/bb/docker/cert.pem", "cert");

    static const struct {
        const char *host, *context, *env_host, *env_context, *where;
    } cases[] = {
        {"unix:///a", "other", "unix:///b", "current", "unix:///a"},
        {NULL, "other", "unix:///b", "current", "tcp://far:1"},
        {NULL, NULL, "unix:///b", "other", "unix:///b"},
        {NULL, NULL, NULL, "other", "tcp://far:1"},
        {NULL, NULL, NULL, NULL, "unix:///c1"},
        {NULL, "default", NULL, "other", "unix:///var/run/docker.sock"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        PLACES places = {0};
        struct error err _cleanup_error_ = ERROR_INIT;
        struct endpoint_env env = {.docker_host = cases[i].env_host,
                                   .docker_context = cases[i].env_context,
                                   .config_dir = dir};
        struct engine_options options = {.host = cases[i].host, .context = cases[i].context};
        check_int(endpoint_find(&options, &env, &places, &err), 0);
        check_str(places.len ? places.items[0].where : NULL, cases[i].where);
    }

    PLACES tls = {0};
    struct endpoint_env env = {.config_dir = dir};
    endpoint_find(&(struct engine_options){.context = "other"}, &env, &tls, NULL);
    check_str(tls.items[0].base, "https://far:1");
    check_contains(tls.items[0].ca, "tls/bb/docker/ca.pem");
    check(tls.items[0].cert && !tls.items[0].key);
    check(tls.items[0].insecure);

    PLACES none = {0};
    struct error err _cleanup_error_ = ERROR_INIT;
    check_int(endpoint_find(&(struct engine_options){.context = "gone"}, &env, &none, &err), -1);
    check_contains(err.message, "'gone'");
    check_int(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void test_usual_places(void)
{
    PLACES places = {0};
    struct endpoint_env env = {.runtime_dir = "/run/user/7"};
    check_int(endpoint_find(&(struct engine_options){0}, &env, &places, NULL), 0);
    static const char *const want[] = {"/var/run/docker.sock", "/run/user/7/docker.sock",
                                       "/run/user/7/podman/podman.sock", "/run/podman/podman.sock"};
    check_int(places.len, ARRAY_SIZE(want));
    for (size_t i = 0; i < places.len; i++)
        check_str(places.items[i].unix_path, want[i]);
}

static void test_missing_certificates(void)
{
    PLACES places = {0};
    struct error err _cleanup_error_ = ERROR_INIT;
    struct endpoint_env env = {
        .docker_host = "tcp://x", .tls_verify = "1", .cert_path = "/no/such"};
    check_int(endpoint_find(&(struct engine_options){0}, &env, &places, &err), -1);
    check_contains(err.message, "'/no/such' has no readable ca.pem");
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_hosts),
                                       TAP(test_bad_hosts),
                                       TAP(test_order),
                                       TAP(test_usual_places),
                                       TAP(test_missing_certificates),
                                       {0}});
}
