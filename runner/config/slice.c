/* SPDX-License-Identifier: Apache-2.0 */
#include "config/slice.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "config/values.h"

#define AUTO "auto"

/* GitHub has none of these, but `strategy.job-total` for what its matrix counts: CLEANROOM_SLICE.
   Where a CI's jobs are Kubernetes' own, the CI knows better: so that one is last. */
const struct slice_system slice_systems[] = {
    {.name = "GitLab CI",
     .sign = "GITLAB_CI",
     .index = "CI_NODE_INDEX",
     .total = "CI_NODE_TOTAL",
     .base = 1,
     .source = "https://docs.gitlab.com/ci/variables/predefined_variables/"},
    {.name = "CircleCI",
     .index = "CIRCLE_NODE_INDEX",
     .total = "CIRCLE_NODE_TOTAL",
     .base = 0,
     .source = "https://circleci.com/docs/variables/"},
    {.name = "Buildkite",
     .index = "BUILDKITE_PARALLEL_JOB",
     .total = "BUILDKITE_PARALLEL_JOB_COUNT",
     .base = 0,
     .source = "https://buildkite.com/docs/pipelines/configure/environment-variables"},
    {.name = "Semaphore",
     .index = "SEMAPHORE_JOB_INDEX",
     .total = "SEMAPHORE_JOB_COUNT",
     .base = 1,
     .source = "https://docs.semaphore.io/reference/env-vars"},
    {.name = "Azure Pipelines",
     .index = "SYSTEM_JOBPOSITIONINPHASE",
     .total = "SYSTEM_TOTALJOBSINPHASE",
     .base = 1,
     .source = "https://learn.microsoft.com/en-us/azure/devops/pipelines/test/"
               "parallel-testing-any-test-runner"},
    {.name = "Bitbucket Pipelines",
     .index = "BITBUCKET_PARALLEL_STEP",
     .total = "BITBUCKET_PARALLEL_STEP_COUNT",
     .base = 0,
     .source = "https://support.atlassian.com/bitbucket-cloud/docs/parallel-step-options/"},
    {.name = "Bitrise",
     .index = "BITRISE_IO_PARALLEL_INDEX",
     .total = "BITRISE_IO_PARALLEL_TOTAL",
     .base = 0,
     .source = "https://docs.bitrise.io/en/bitrise-ci/references/available-environment-variables"},
    {.name = "Kubernetes",
     .index = "JOB_COMPLETION_INDEX",
     .base = 0,
     .source = "https://kubernetes.io/docs/tasks/job/indexed-parallel-processing-static/"},
    {0},
};

/* NULL also when it is empty, as templates of CI systems leave what is not there. */
static const char *get_variable(const char *const *environment, const char *name)
{
    size_t len = strlen(name);

    for (; environment && *environment; environment++) {
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return (*environment)[len + 1] ? *environment + len + 1 : NULL;
    }
    return NULL;
}

static int parse_number(const char *text, int64_t least, int64_t most, int *out)
{
    int64_t value;

    if (value_int(text, &value) < 0 || value < least || value > most)
        return -1;
    *out = (int)value;
    return 0;
}

static int parse_total(const char *text, int *out)
{
    return parse_number(text, 1, SLICES_MAX, out);
}

static int not_a_slice(const char *text, const char *source, struct error *err)
{
    return error_set(err, ERROR_CONFIG,
                     "%s: '%s' is no slice: write the second of three as 2/3, or 'auto' to take it "
                     "from the CI system's variables",
                     source, text);
}

/* --- as the CI system says ------------------------------------------------------------------- */

static const struct slice_system *find_system(const char *const *environment)
{
    for (const struct slice_system *s = slice_systems; s->name; s++) {
        if (s->sign && !get_variable(environment, s->sign))
            continue;
        if (get_variable(environment, s->index))
            return s;
    }
    return NULL;
}

static int no_system(const char *source, struct error *err)
{
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;

    for (const struct slice_system *s = slice_systems; s->name; s++)
        strbuf_addf(&names, "%s%s (%s)", names.len ? ", " : "", s->index, s->name);
    return error_set(err, ERROR_CONFIG,
                     "%s: none of the variables is set that number parallel jobs: %s; write the "
                     "second of three as 2/3",
                     source, names.buf);
}

/* said: how many the setting says there are, or 0. */
static int find_total(const struct slice_system *s, const char *const *environment, int said,
                      const char *source, int *out, struct error *err)
{
    const char *text = s->total ? get_variable(environment, s->total) : NULL;

    if (!text && said) {
        *out = said;
        return 0;
    }
    if (!text)
        return error_set(err, ERROR_CONFIG,
                         "%s: %s sets %s, but nothing says of how many: write 'auto/3' for three",
                         source, s->name, s->index);
    if (parse_total(text, out) < 0)
        return error_set(err, ERROR_CONFIG, "%s: %s is '%s', and not a number of jobs", source,
                         s->total, text);
    if (said && said != *out)
        return error_set(err, ERROR_CONFIG, "%s: 'auto/%d' is not what %s says: %s is %d", source,
                         said, s->name, s->total, *out);
    return 0;
}

static int parse_auto(struct slice *out, int said, const char *source,
                      const char *const *environment, struct error *err)
{
    const struct slice_system *s = find_system(environment);
    int number;

    if (!s)
        return no_system(source, err);
    if (find_total(s, environment, said, source, &out->total, err) < 0)
        return -1;
    const char *text = get_variable(environment, s->index);
    if (parse_number(text, s->base, s->base + out->total - 1, &number) < 0)
        return error_set(err, ERROR_CONFIG, "%s: %s is '%s', and not one of %d to %d", source,
                         s->index, text, s->base, s->base + out->total - 1);
    out->index = number - s->base;
    out->ci = s->name;
    return 0;
}

/* --------------------------------------------------------------------------------------------- */

int slice_parse(struct slice *out, const char *text, const char *source,
                const char *const *environment, struct error *err)
{
    const char *slash = strchr(text, '/');
    _cleanup_free_ char *index = xstrndup(text, slash ? (size_t)(slash - text) : strlen(text));
    bool is_auto = strcmp(index, AUTO) == 0;
    int total = 0, number = 0;

    *out = (struct slice){0};
    if (slash ? parse_total(slash + 1, &total) < 0 : !is_auto)
        return not_a_slice(text, source, err);
    if (is_auto)
        return parse_auto(out, total, source, environment, err);
    if (parse_number(index, 0, SLICES_MAX, &number) < 0)
        return not_a_slice(text, source, err);
    if (number < 1 || number > total)
        return error_set(err, ERROR_CONFIG, "%s: '%s' is none of the slices 1/%d to %d/%d", source,
                         text, total, total, total);
    *out = (struct slice){.index = number - 1, .total = total};
    return 0;
}

int slice_range(const struct slice *slice, int shards, const char *source, int *first, int *count,
                struct error *err)
{
    if (slice->total > shards)
        return error_set(err, ERROR_CONFIG,
                         "%s: %d shards are not enough for %d slices; --shards N makes more of "
                         "them, which are those of all slices together",
                         source, shards, slice->total);
    *first = slice->index * shards / slice->total;
    *count = (slice->index + 1) * shards / slice->total - *first;
    return 0;
}
