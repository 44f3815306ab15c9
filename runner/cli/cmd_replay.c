/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/cmds.h"
#include "config/values.h"
#include "run/replay.h"
#include "run/run.h"

static int find_shard(const struct invocation *inv, int *shard, struct error *err)
{
    const char *text = invocation_get(inv, "shard");
    int64_t value;
    if (!text)
        return error_set(err, ERROR_USAGE, "which one? --shard K names a shard of that run");
    if (value_int(text, &value) < 0 || value < 1 || value > INT32_MAX)
        return error_set(err, ERROR_USAGE, "--shard '%s': it is a number from 1", text);
    *shard = (int)value;
    return 0;
}

/* As it was typed then, with what is typed now on top. */
static void retype(const struct invocation *inv, const struct replay *r, struct strvec *line)
{
    size_t options = 0;
    while (strncmp(r->words.items[options], "--", 2) == 0)
        options++;
    strvec_push(line, "cleanroom");
    strvec_push(line, "run");
    for (size_t i = 0; i < options; i++)
        strvec_push(line, r->words.items[i]);
    for (size_t i = 0; i < inv->values.len; i++) {
        const struct invocation_value *v = &inv->values.items[i];
        const char *file = strcmp(v->said.name, "file") == 0 ? v->said.value : NULL;
        if (v->is_setting || file)
            strvec_pushf(line, "--%s=%s", v->said.name, v->said.value);
    }
    for (size_t i = options; i < r->words.len; i++)
        strvec_push(line, r->words.items[i]);
}

static int replay(const struct invocation *inv, const struct replay *r, FILE *out,
                  struct error *err)
{
    _cleanup_strvec_ struct strvec line = STRVEC_INIT;
    _cleanup_(invocation_deinit) struct invocation run = {0};
    _cleanup_(settings_deinit) struct settings settings = {0};
    retype(inv, r, &line);
    if (invocation_parse(&run, (int)line.len, line.items, err) < 0 ||
        invocation_settings(&run, &settings, err) < 0)
        return error_exit_code(err->kind);
    if (!invocation_get(inv, "results")) {
        free(settings.own.results);
        settings.own.results = xasprintf("%s/replay", inv->words.items[0]);
    }
    settings.only_shard = r->shard;
    settings.given = r->has_tests ? &r->tests : NULL;
    return run_execute(&settings, NULL, out, err);
}

int cmd_replay(const struct invocation *inv, FILE *out, struct error *err)
{
    int shard = 0;
    struct replay r;
    if (inv->words.len == 0)
        error_set(err, ERROR_USAGE,
                  "which run? its directory of results is the first word, as in "
                  "'cleanroom replay cleanroom-results --shard 2'");
    if (error_is_set(err) || find_shard(inv, &shard, err) < 0 ||
        replay_load(&r, inv->words.items[0], shard, err) < 0)
        return error_exit_code(err->kind);
    int code = replay(inv, &r, out, err);
    replay_deinit(&r);
    return code;
}
