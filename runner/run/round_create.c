/* SPDX-License-Identifier: Apache-2.0 */
#include "run/round_create.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "config/shardvars.h"
#include "run/files.h"
#include "run/shard_create.h"

/* In the app's container; readable by whoever it runs as. */
#define TESTS_FILE "/.cleanroom-tests"

/* Where the runner of a preset writes its report. */
static char *report_path(const struct shard *s)
{
    const struct preset *p = s->ctx->division->method.preset;
    return shard_path(s, p && p->report_is_directory ? PLAN_XML_DIR : PLAN_XML_DIR "/test.xml");
}

static int write_tests_file(const struct shard *s, const char *path, const char *text,
                            struct error *err)
{
    if (file_make_dirs(s->plan->scratch, 0700) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "no directory '%s'", s->plan->scratch);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                                  0600);
    if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot write '%s'", path);
    return 0;
}

/* The file with the names of the tests. */
static int put_tests_file(struct shard *s, const char *path, struct error *err)
{
    struct shard_rounds *r = &s->rounds;
    _cleanup_free_ char *text = division_file(s->ctx->division, &r->part);
    strvec_setenv(&r->env, "CLEANROOM_TESTS_FILE", path);
    if (s->ctx->plan->program)
        return write_tests_file(s, path, text, err);
    _cleanup_strvec_ struct strvec files = STRVEC_INIT;
    strvec_push(&files, path);
    strvec_push(&files, text);
    strbuf_reset(&r->files);
    return files_tar(&files, &r->files) < 0
               ? error_set(err, ERROR_INTERNAL, "the list of tests does not fit into an archive")
               : 0;
}

static void set_report_variable(struct shard *s, const char *report)
{
    const struct preset *p = s->ctx->division->method.preset;
    const char *form = p ? p->report_variable : NULL;
    const char *place = form ? strstr(form, "{report}") : NULL;
    if (!place)
        return;
    _cleanup_free_ char *key = xstrndup(form, strcspn(form, "="));
    _cleanup_free_ char *value = xasprintf("%.*s%s", (int)(place - form - strlen(key) - 1),
                                           form + strlen(key) + 1, report);
    strvec_setenv(&s->rounds.env, key, value);
}

int round_create(struct shard *s, struct error *err)
{
    struct shard_rounds *r = &s->rounds;
    struct division *d = s->ctx->division;
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    _cleanup_free_ char *report = report_path(s);
    _cleanup_free_ char *file = s->plan->scratch ? xasprintf("%s/tests.txt", s->plan->scratch)
                                                 : xstrdup(TESTS_FILE);
    strvec_deinit(&r->env);
    set_report_variable(s, report);
    if (d->seed) {
        _cleanup_free_ char *seed = xasprintf("%llu", (unsigned long long)d->seed);
        strvec_setenv(&r->env, "CLEANROOM_SEED", seed);
    }
    if (!r->part.whole) {
        shardvars_set_undivided(&r->env);
        if (put_tests_file(s, file, err) < 0)
            return -1;
    }
    if (division_words(d, &r->part, s->number, report, file, &words, err) < 0)
        return -1;
    const struct app_run run = {.argv = &words,
                                .env = &r->env,
                                .files = r->part.whole || s->ctx->plan->program ? NULL : &r->files};
    shard_create_phase(s, &s->test, &run);
    return 0;
}
