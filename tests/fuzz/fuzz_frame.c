/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine streams: frames of output give the same bytes however they are split, and nothing
 * that is sent as events, progress, references, credentials or a connection's head does harm.
 */
#include "engine/docker/frame.h"

#include <assert.h>
#include <string.h>

#include "engine/docker/json.h"
#include "engine/docker/pull.h"
#include "engine/docker/raw.h"
#include "engine/docker/reference.h"
#include "engine/docker/registry_auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_bytes(void *data, int stream, const void *bytes, size_t len)
{
    struct strbuf *seen = data;
    assert(stream == 1 || stream == 2);
    for (size_t i = 0; i < len; i++) {
        strbuf_addc(seen, (char)stream);
        strbuf_addc(seen, ((const char *)bytes)[i]);
    }
}

static void check_frames(const uint8_t *data, size_t size)
{
    struct strbuf whole _cleanup_strbuf_ = STRBUF_INIT, split _cleanup_strbuf_ = STRBUF_INIT;
    struct frame a = {0}, b = {0};
    frame_feed(&a, data, size, on_bytes, &whole);
    for (size_t at = 0, step = 1; at < size; at += step, step = step % 7 + 1) {
        if (step > size - at)
            step = size - at;
        frame_feed(&b, data + at, step, on_bytes, &split);
    }
    assert(a.broken == b.broken && frame_at_edge(&a) == frame_at_edge(&b));
    assert(whole.len == split.len && memcmp(whole.buf, split.buf, whole.len) == 0);
}

static void on_line(void *data, const json_t *line)
{
    pull_message(data, line);
    free(registry_auth_from_config(line, "docker.io"));
    (void)registry_auth_helper(line, "docker.io");
}

static void check_lines(const uint8_t *data, size_t size)
{
    struct json_lines lines;
    struct pull pull = {0};
    uint64_t done, total;
    json_lines_init(&lines);
    (void)json_lines_feed(&lines, data, size, on_line, &pull);
    pull_bytes(&pull, &done, &total);
    json_lines_deinit(&lines);
    pull_deinit(&pull);
    free(json_error_message((const char *)data, size));
}

/* How an attached connection begins. */
static void check_head(const uint8_t *data, size_t size)
{
    int status;
    size_t body, head = raw_head((const char *)data, size, &status, &body);
    assert(head <= size && (head == 0 || head >= 4));
    assert(head || (status == -1 && body == 0));
}

static void check_text(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = xstrndup((const char *)data, size);
    struct reference ref;
    char *header = NULL;
    if (reference_parse(&ref, text, NULL) == 0)
        assert(ref.lookup && (ref.is_id || (ref.domain && ref.name && ref.tag)));
    reference_deinit(&ref);
    (void)registry_auth_from_answer((const char *)data, size, "server", &header);
    free(header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_frames(data, size);
    check_lines(data, size);
    check_head(data, size);
    check_text(data, size);
    return 0;
}
