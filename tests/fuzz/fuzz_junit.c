/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JUnit readers: any bytes give cases with names, or a reason and no case at all; and what they
 * gave can be merged with itself.
 *
 *     clang -fsanitize=fuzzer,address,undefined ... && fuzz_junit tests/fuzz/corpus/junit
 */
#include <cleanroom/junit.h>

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_cases(const struct result_suite *s)
{
    for (size_t i = 0; i < s->cases.len; i++) {
        const struct result_case *c = &s->cases.items[i];
        assert(c->name && *c->name && c->classname && *c->classname);
        assert(c->duration >= 0 && c->line >= 0);
        for (size_t k = 0; k < c->reruns.len; k++)
            assert(c->reruns.items[k].status == CASE_FAILED ||
                   c->reruns.items[k].status == CASE_ERROR);
    }
}

static void read_cases(const char *xml, size_t size)
{
    struct result r;
    result_init(&r, "id", "app");
    struct result_suite *s = result_add_suite(&r, 1, 1);
    _cleanup_error_ struct error err = ERROR_INIT;
    long count = junit_read(xml, size, s, &err);
    assert(count < 0 || (size_t)count == s->cases.len);
    assert((count < 0) == (error_is_set(&err) != 0));
    assert(count >= 0 || s->cases.len == 0);
    check_cases(s);
    for (size_t i = 0; i < s->cases.len; i++)
        assert(!s->cases.items[i].message || !strchr(s->cases.items[i].message, '\n'));
    result_settle(&r);
    result_deinit(&r);
}

static long read_suites(const char *xml, size_t size, struct result *r)
{
    result_init(r, "id", "app");
    _cleanup_error_ struct error err = ERROR_INIT;
    long count = junit_read_suites(xml, size, r, &err);
    assert((count < 0) == (error_is_set(&err) != 0));
    long cases = 0;
    for (size_t i = 0; i < r->suites.len; i++) {
        const struct result_suite *s = &r->suites.items[i];
        assert(s->name && s->shard >= 0 && s->duration >= 0 && s->started_wall >= 0);
        check_cases(s);
        cases += (long)s->cases.len;
    }
    assert(count < 0 ? r->suites.len == 0 && r->properties.len == 0 : count == cases);
    return count;
}

/* A test that runs again is still there once, and nothing is lost of what is not. */
static void merge(struct result *r, struct result *again)
{
    for (size_t i = 0; i < r->suites.len; i++) {
        struct result_suite *s = &r->suites.items[i];
        size_t before = s->cases.len;
        struct result_merged m = i % 2 ? result_merge_repeat(s, &again->suites.items[i])
                                       : result_merge_reruns(s, &again->suites.items[i], i % 4);
        assert(m.added == 0 && s->cases.len == before);
        assert(m.met + again->suites.items[i].cases.len == before);
        check_cases(s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_cases((const char *)data, size);
    struct result r, again;
    long count = read_suites((const char *)data, size, &r);
    assert(read_suites((const char *)data, size, &again) == count);
    if (count > 0)
        merge(&r, &again);
    result_settle(&r);
    result_deinit(&r);
    result_deinit(&again);
    return 0;
}
