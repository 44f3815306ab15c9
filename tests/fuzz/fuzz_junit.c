/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JUnit reader: any bytes give cases with names, or a reason and no case at all.
 *
 *     clang -fsanitize=fuzzer,address,undefined ... && fuzz_junit tests/fuzz/corpus/junit
 */
#include <cleanroom/junit.h>

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct result r;
    result_init(&r, "id", "app");
    struct result_suite *s = result_add_suite(&r, 1, 1);
    _cleanup_error_ struct error err = ERROR_INIT;

    long count = junit_read((const char *)data, size, s, &err);
    assert(count < 0 || (size_t)count == s->cases.len);
    assert((count < 0) == (error_is_set(&err) != 0));
    assert(count >= 0 || s->cases.len == 0);
    for (size_t i = 0; i < s->cases.len; i++) {
        const struct result_case *c = &s->cases.items[i];
        assert(c->name && *c->name && c->classname && *c->classname);
        assert(c->duration >= 0);
        assert(!c->message || !strchr(c->message, '\n'));
    }
    result_settle(&r);
    result_deinit(&r);
    return 0;
}
