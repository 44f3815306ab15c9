/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "cli/cmds.h"
#include "run/run.h"
#include "run/shell.h"
#include "run/visit.h"

static int find_number(const struct invocation *inv, const struct settings *settings,
                       struct error *err)
{
    const char *text = invocation_get(inv, "shard");
    char *end;
    if (!text)
        return 1;
    long number = strtol(text, &end, 10);
    if (*end || end == text || number < 1 || number > settings->own.shards)
        return error_set(err, ERROR_USAGE,
                         "--shard '%s': it is one of 1 to %d; --shards N makes it one of N", text,
                         (int)settings->own.shards);
    return (int)number;
}

/* There is no image to be named: all words are the command's. */
static int go_inside(const struct invocation *inv, const char *run, struct error *err)
{
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    const char *shard = invocation_get(inv, "shard");
    for (size_t i = 0; i < inv->words.len; i++)
        strvec_push(&words, inv->words.items[i]);
    for (const char *const *p = inv->args; p && *p; p++)
        strvec_push(&words, *p);
    return visit(run, shard ? (int)strtol(shard, NULL, 10) : 0,
                 words.len ? (const char *const *)words.items : NULL, err);
}

int cmd_shell(const struct invocation *inv, FILE *out, struct error *err)
{
    _cleanup_(settings_deinit) struct settings settings;
    (void)out; /* the container's alone */
    if (invocation_settings(inv, &settings, err) < 0)
        return error_exit_code(err->kind);
    const char *kept = invocation_get(inv, "run");
    if (kept)
        return go_inside(inv, kept, err);
    replace_str(&settings.own.slice, NULL); /* any of all shards can be gone into */
    int number = find_number(inv, &settings, err);
    if (number < 0)
        return error_exit_code(err->kind);
    struct shell shell;
    shell_init(&shell, number, inv->args);
    int code = run_execute(&settings, &shell, stderr, err);
    shell_deinit(&shell);
    return code;
}
