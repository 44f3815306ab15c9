/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between main and keeper: whatever the bytes are, they are read as a message or said to
 * be bad, and what was read is written and read again as the same.
 *
 * The first byte chooses: a request or an answer.
 */
#include "engine/embedded/message.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Both kinds, with what is common to them. */
union message {
    struct request request;
    struct answer answer;
};

static void exchange(struct wire *w, union message *m, bool is_request)
{
    if (is_request)
        request_wire(w, &m->request);
    else
        answer_wire(w, &m->answer);
}

static void deinit(union message *m, bool is_request)
{
    if (is_request)
        request_deinit(&m->request);
    else
        answer_deinit(&m->answer);
}

/* What was read, as it would be sent. */
static void write_out(struct wire *w, union message *m, bool is_request)
{
    wire_init(w);
    exchange(w, m, is_request);
    assert(!w->bad);
}

static void check_again(union message *m, bool is_request)
{
    _cleanup_wire_ struct wire once, twice;
    union message again = {0};
    write_out(&once, m, is_request);
    once.reading = true;
    exchange(&once, &again, is_request);
    assert(!once.bad && once.at == once.text.len);
    write_out(&twice, &again, is_request);
    assert(once.text.len == twice.text.len);
    assert(memcmp(once.text.buf, twice.text.buf, once.text.len) == 0);
    deinit(&again, is_request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    bool is_request = data[0] & 1;
    _cleanup_wire_ struct wire w;
    union message m = {0};
    wire_init(&w);
    (void)strbuf_add(&w.text, data + 1, size - 1);
    w.reading = true;
    exchange(&w, &m, is_request);
    assert(w.at <= w.text.len);
    if (!w.bad)
        check_again(&m, is_request);
    deinit(&m, is_request);
    return 0;
}
