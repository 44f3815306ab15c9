/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probes: whatever a server answers, the verdict is one of four, the reason is short and
 * printable, and more bytes after a judgement do not make a READY server a wrong one.
 *
 * The first byte chooses the provider, and whether the rest is an answer or an argument.
 */
#include <cleanroom/provider.h>

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum probe_verdict judge(const struct probe *probe, const uint8_t *data, size_t size)
{
    /* Of exactly that size, so that the sanitizer sees every byte read too far. */
    _cleanup_free_ uint8_t *copy = xmalloc(size ? size : 1);
    char why[48];

    memcpy(copy, data, size);
    memset(why, 'x', sizeof(why));
    enum probe_verdict verdict = probe->answer(copy, size, why, sizeof(why));
    assert(verdict >= PROBE_MORE && verdict <= PROBE_WRONG);
    assert(memchr(why, '\0', sizeof(why)));
    for (const char *p = why; *p; p++)
        assert(*p >= ' ' && *p < 0x7f);
    assert(verdict != PROBE_WRONG || *why);
    return verdict;
}

static void check_answer(const struct probe *probe, const uint8_t *data, size_t size)
{
    enum probe_verdict whole = judge(probe, data, size);
    enum probe_verdict half = judge(probe, data, size / 2);

    if (half == PROBE_READY)
        assert(whole == PROBE_READY);
    if (whole == PROBE_MORE)
        assert(half == PROBE_MORE);
}

static void check_request(const struct probe *probe, const uint8_t *data, size_t size)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    _cleanup_free_ char *arg = xstrndup((const char *)data, size);

    if (probe->request(arg, &out) == 0)
        assert(out.len > 0 && out.len <= strlen(arg) + 128);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct probe *probe = providers[(*data & 0x7f) % provider_count]->probe;

    if (*data & 0x80)
        check_request(probe, data + 1, size - 1);
    else
        check_answer(probe, data + 1, size - 1);
    return 0;
}
