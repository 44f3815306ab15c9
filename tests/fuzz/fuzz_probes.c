/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probes: whatever a server answers, the verdict is one of four, the reason is short and
 * printable, and more bytes after a judgement do not make a READY server a wrong one.
 *
 * The first byte chooses the provider, whether the rest is an answer or an argument, and of which
 * exchange.
 */
#include <cleanroom/provider.h>

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum probe_verdict judge_fn(const unsigned char *data, size_t len, char *why, size_t size);

static enum probe_verdict judge(judge_fn *fn, const uint8_t *data, size_t size)
{
    /* Of exactly that size, so that the sanitizer sees every byte read too far. */
    _cleanup_free_ uint8_t *copy = xmalloc(size ? size : 1);
    char why[48];

    memcpy(copy, data, size);
    memset(why, 'x', sizeof(why));
    enum probe_verdict verdict = fn(copy, size, why, sizeof(why));
    assert(verdict >= PROBE_MORE && verdict <= PROBE_WRONG);
    assert(memchr(why, '\0', sizeof(why)));
    for (const char *p = why; *p; p++)
        assert(*p >= ' ' && *p < 0x7f);
    assert(verdict != PROBE_WRONG || *why);
    return verdict;
}

static void check_answer(judge_fn *probe, const uint8_t *data, size_t size)
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
        assert(out.len <= strlen(arg) + 128); /* nothing, where the server speaks first */
}

/* Everything quoted may be twice as long, and nothing of it may end what it is in. */
static void check_rekey(const struct probe *probe, const uint8_t *data, size_t size)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    _cleanup_free_ char *password = xstrndup((const char *)data, size);

    if (probe->rekey("user/name", password, &out) < 0)
        return;
    const char *sql = memmem(out.buf, out.len, "PASSWORD E'", 11);
    assert(sql && out.len <= 2 * strlen(password) + 256);
    const char *p = sql + 11;
    while (*p && *p != '\'')
        p += (*p == '\\' || (*p == '\'' && p[1] == '\'')) ? 2 : 1;
    for (; *p == '\'' && p[1] == '\''; p += 2)
        while (p[2] && p[2] != '\'')
            p += p[2] == '\\' ? 2 : 1;
    assert(*p == '\'' && !p[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct probe *probe = providers[(*data & 0x3f) % provider_count]->probe;

    if (!probe)
        return 0;
    const struct probe *second = (*data & 0x40) && probe->rekey ? probe : NULL;

    if (second && (*data & 0x80))
        check_rekey(second, data + 1, size - 1);
    else if (*data & 0x80)
        check_request(probe, data + 1, size - 1);
    else
        check_answer(second ? second->rekeyed : probe->answer, data + 1, size - 1);
    return 0;
}
