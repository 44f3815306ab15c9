/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/reference.h"

#include "tap.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_parse(void)
{
    static const struct {
        const char *text, *domain, *name, *tag, *lookup;
    } cases[] = {
        {"postgres", "docker.io", "docker.io/library/postgres", "latest", "postgres"},
        {"postgres:16", "docker.io", "docker.io/library/postgres", "16", "postgres:16"},
        {"me/app:1", "docker.io", "docker.io/me/app", "1", "me/app:1"},
        {"docker.io/redis", "docker.io", "docker.io/library/redis", "latest", "docker.io/redis"},
        {"index.docker.io/me/a", "docker.io", "docker.io/me/a", "latest", "index.docker.io/me/a"},
        {"quay.io/a/b/c:x", "quay.io", "quay.io/a/b/c", "x", "quay.io/a/b/c:x"},
        {"host:5000/a", "host:5000", "host:5000/a", "latest", "host:5000/a"},
        {"localhost/a:b", "localhost", "localhost/a", "b", "localhost/a:b"},
        {"a@sha256:" HEX64, "docker.io", "docker.io/library/a", "sha256:" HEX64, "a@sha256:" HEX64},
        {"r.io/a:1@sha256:" HEX64, "r.io", "r.io/a", "sha256:" HEX64, "r.io/a@sha256:" HEX64},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct reference ref;
        check_int(reference_parse(&ref, cases[i].text, NULL), 0);
        check(!ref.is_id);
        check_str(ref.domain, cases[i].domain);
        check_str(ref.name, cases[i].name);
        check_str(ref.tag, cases[i].tag);
        check_str(ref.lookup, cases[i].lookup);
        reference_deinit(&ref);
    }
}

static void test_ids(void)
{
    static const char *const ids[] = {"sha256:" HEX64, HEX64, "sha256:0123"};
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        struct reference ref;
        check_int(reference_parse(&ref, ids[i], NULL), 0);
        check(ref.is_id);
        check_str(ref.lookup, ids[i]);
        reference_deinit(&ref);
    }
}

static void test_nonsense(void)
{
    static const char *const texts[] = {"",   " a", "a b",   "a?b",  "a//b", "/a",      ":x",
                                        "a:", "a@", "--all", "a\nb", "-v",   "\xc3\xa4"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct reference ref;
        struct error err _cleanup_error_ = ERROR_INIT;
        check_int(reference_parse(&ref, texts[i], &err), -1);
        check_int(err.kind, ERROR_CONFIG);
        reference_deinit(&ref);
    }
}

static void test_familiar(void)
{
    _cleanup_free_ char *a = reference_familiar("docker.io/library/a:1");
    _cleanup_free_ char *b = reference_familiar("docker.io/me/a:1");
    _cleanup_free_ char *c = reference_familiar("quay.io/a:1");
    check_str(a, "a:1");
    check_str(b, "me/a:1");
    check_str(c, "quay.io/a:1");
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_parse), TAP(test_ids), TAP(test_nonsense), TAP(test_familiar), {0}});
}
