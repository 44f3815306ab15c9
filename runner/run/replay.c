/* SPDX-License-Identifier: Apache-2.0 */
#include "run/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include <cleanroom/log.h>

#include "base/file.h"
#include "config/words.h"

#define JOURNAL_MAX ((size_t)64 << 20)

/* What is replayed elsewhere, or in another way. */
static bool is_left_out(const struct setting_def *def)
{
    static const char *const flags[] = {"results", "slice",      "keep",   "order",   "seed",
                                        "repeat",  "until-fail", "expect", "verbose", NULL};
    for (size_t i = 0; flags[i]; i++)
        if (strcmp(def->flag, flags[i]) == 0)
            return true;
    return false;
}

/* Files are read again; what was said besides them is noted. Not the app's variables and services'
   options: they may be secret. */
static void add_options(const struct settings *s, struct strvec *words)
{
    for (size_t i = 0; s->own_sources && i < setting_def_count; i++) {
        const char *source = s->own_sources[i].source;
        bool said = strncmp(source, "--", 2) == 0 || strncmp(source, "CLEANROOM_", 10) == 0;
        if (said && !is_left_out(&setting_defs[i]))
            strvec_pushf(words, "--%s=%s", setting_defs[i].flag, s->own_sources[i].value);
    }
}

void replay_note_run(const struct run *r)
{
    const struct settings *s = r->ctx.settings;
    _cleanup_strvec_ struct strvec options = STRVEC_INIT;
    add_options(s, &options);
    if (r->division.seed) {
        strvec_push(&options, "--order=random");
        strvec_pushf(&options, "--seed=%llu", (unsigned long long)r->division.seed);
    }
    _cleanup_free_ char *said = words_join(&options), *arguments = words_join(&s->test_args);
    _cleanup_free_ char *shards = xasprintf("%lld", (long long)s->own.shards);
    journal_fact(r->ctx.journal, "target", s->image.value);
    journal_fact(r->ctx.journal, "shard_count", shards);
    journal_fact(r->ctx.journal, "options", said);
    journal_fact(r->ctx.journal, "arguments", arguments);
}

void replay_note_shard(const struct shard *s)
{
    const struct shard_rounds *r = &s->rounds;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    if (r->parts.len == 0 || r->parts.items[0].whole)
        return;
    for (size_t i = 0; i < r->parts.len; i++) {
        strbuf_adds(&text, i ? "\n" : "");
        for (size_t k = 0; k < r->parts.items[i].names.len; k++)
            strbuf_addf(&text, "%s\n", r->parts.items[i].names.items[k]);
    }
    _cleanup_close_ int fd = results_create(s->ctx->results_dir, s->number, REPLAY_TESTS_FILE,
                                            &err);
    if (fd < 0)
        log_warning("%s", err.message);
    else if (file_write_all(fd, text.buf, text.len) < 0)
        log_warning("shard %d: " REPLAY_TESTS_FILE " could not be written: %s", s->number,
                    strerror(errno));
}

char *replay_command(const struct shard *s)
{
    _cleanup_strbuf_ struct strbuf command = STRBUF_INIT;
    strbuf_adds(&command, "cleanroom replay ");
    words_quote(&command, s->ctx->settings->own.results);
    strbuf_addf(&command, " --shard %d", s->number);
    return strbuf_detach(&command);
}

/* --- again ------------------------------------------------------------------------------------ */

static json_t *read_journal(const char *results, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/run.json", results);
    _cleanup_strbuf_ struct strbuf text;
    strbuf_init(&text, JOURNAL_MAX);
    json_error_t why;
    if (strbuf_read_file(&text, path, JOURNAL_MAX) < 0) {
        error_set_errno(err, ERROR_USAGE, errno, "'%s' is no directory of results: '%s'", results,
                        path);
        return NULL;
    }
    json_t *root = json_loadb(text.buf, text.len, 0, &why);
    if (!root)
        error_set(err, ERROR_USAGE, "%s:%d:%d: %s", path, why.line, why.column, why.text);
    else if (!json_string_value(json_object_get(root, "target")))
        error_set(err, ERROR_USAGE, "%s: it does not say what was run", path);
    else
        return root;
    json_decref(root);
    return NULL;
}

static int take_words(const json_t *root, const char *key, struct strvec *words, struct error *err)
{
    const char *text = json_string_value(json_object_get(root, key));
    return text ? provider_split_words(words, text, err) : 0;
}

static int check_shard(const json_t *root, int shard, struct error *err)
{
    const char *text = json_string_value(json_object_get(root, "shard_count"));
    long shards = text ? strtol(text, NULL, 10) : 0;
    if (shard >= 1 && shard <= shards)
        return 0;
    return error_set(err, ERROR_USAGE, "--shard %d: the run had shards 1 to %ld", shard, shards);
}

static int read_tests(struct replay *r, const char *results, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/shard-%d/" REPLAY_TESTS_FILE, results, r->shard);
    _cleanup_strbuf_ struct strbuf text;
    strbuf_init(&text, LIST_TEXT_MAX);
    if (strbuf_read_file(&text, path, LIST_TEXT_MAX) < 0)
        return errno == ENOENT ? 0
                               : error_set_errno(err, ERROR_USAGE, errno, "cannot read '%s'", path);
    r->has_tests = true;
    for (char *line = text.buf, *end; *line; line = end + 1) {
        end = strchrnul(line, '\n');
        bool last = *end == '\0';
        *end = '\0';
        strvec_push(&r->tests, line);
        if (last)
            break;
    }
    return 0;
}

static int take_all(struct replay *r, const json_t *root, const char *results, struct error *err)
{
    if (check_shard(root, r->shard, err) < 0 || take_words(root, "options", &r->words, err) < 0)
        return -1;
    strvec_push(&r->words, json_string_value(json_object_get(root, "target")));
    strvec_push(&r->words, "--");
    if (take_words(root, "arguments", &r->words, err) < 0)
        return -1;
    return read_tests(r, results, err);
}

int replay_load(struct replay *out, const char *results, int shard, struct error *err)
{
    *out = (struct replay){.shard = shard};
    json_t *root = read_journal(results, err);
    if (!root)
        return -1;
    int r = take_all(out, root, results, err);
    json_decref(root);
    if (r < 0)
        replay_deinit(out);
    return r;
}

void replay_deinit(struct replay *r)
{
    strvec_deinit(&r->tests);
    strvec_deinit(&r->words);
}
