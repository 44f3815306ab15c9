/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/pull.h"

#include "engine/docker/json.h"
#include "tap.h"

static void feed(struct pull *pull, const char *text)
{
    _cleanup_json_ json_t *message = json_loads(text, 0, NULL);
    check(message != NULL);
    pull_message(pull, message);
}

static void check_bytes(const struct pull *pull, uint64_t done, uint64_t total)
{
    uint64_t d, t;
    pull_bytes(pull, &d, &t);
    check_int(d, done);
    check_int(t, total);
}

static void test_progress(void)
{
    struct pull pull = {0};
    feed(&pull, "{\"status\":\"Pulling from library/redis\",\"id\":\"7\"}");
    feed(&pull, "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"aa\"}");
    check_bytes(&pull, 0, 0);
    feed(&pull, "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":10,\"total\":100},"
                "\"progress\":\"x\",\"id\":\"aa\"}");
    feed(&pull, "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":50},"
                "\"id\":\"bb\"}");
    check_bytes(&pull, 15, 150);
    feed(&pull, "{\"status\":\"Download complete\",\"progressDetail\":{},\"id\":\"bb\"}");
    check_bytes(&pull, 60, 150);
    feed(&pull, "{\"status\":\"Extracting\",\"progressDetail\":{\"current\":1,\"total\":50},"
                "\"id\":\"bb\"}");
    check_bytes(&pull, 60, 150);
    feed(&pull, "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":-5,\"total\":-1},"
                "\"id\":\"aa\"}");
    check_bytes(&pull, 60, 150);
    feed(&pull, "{\"status\":\"Pull complete\",\"id\":\"aa\"}");
    check_bytes(&pull, 150, 150);
    check(pull.error == NULL);
    pull_deinit(&pull);
}

static void test_errors(void)
{
    struct pull pull = {0};
    feed(&pull, "{\"errorDetail\":{\"message\":\"first\\nline\"}}");
    check_str(pull.error, "first line");
    feed(&pull, "{\"errorDetail\":{\"message\":\"x\"},\"error\":\"manifest unknown\"}");
    check_str(pull.error, "manifest unknown");
    check_contains(pull_hint(pull.error), "no such image or tag");
    check_str(pull_hint("something else"), "");
    check_contains(pull_hint("pull access denied for x"), "docker login");
    pull_deinit(&pull);
}

/* A daemon gone mad costs bounded memory. */
static void test_many_layers(void)
{
    struct pull pull = {0};
    for (int i = 0; i < 5000; i++) {
        _cleanup_free_ char *text = xasprintf("{\"status\":\"x\",\"id\":\"%d\"}", i);
        feed(&pull, text);
    }
    check_int(pull.layers.len, 1024);
    pull_deinit(&pull);
}

int main(void)
{
    return tap_run(
        (struct tap_test[]){TAP(test_progress), TAP(test_errors), TAP(test_many_layers), {0}});
}
