/* SPDX-License-Identifier: Apache-2.0 */
/* The results directory: whose it is, and what may be taken out of it. */
#include "base/file.h"
#include "report/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "report/directory.h"
#include "report/replace.h"

/* Files a run leaves besides shard-N/. */
static const char *const own_files[] = {
    "junit.xml",
    "run.json",
    "janitor.log",
    "seed",
    "bake",
    "commons",
    ".junit.xml" REPLACEMENT_SUFFIX,
    ".run.json" REPLACEMENT_SUFFIX,
};

static bool is_shard_name(const char *name)
{
    static const char prefix[] = "shard-";
    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
        return false;
    const char *number = name + sizeof(prefix) - 1;
    return *number && number[strspn(number, "0123456789")] == '\0';
}

static bool is_own_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(own_files); i++)
        if (strcmp(name, own_files[i]) == 0)
            return true;
    return is_shard_name(name);
}

/* Whether there is a run.json that a run of ours wrote. */
static bool has_journal(int dir)
{
    _cleanup_close_ int fd = openat(dir, "run.json",
                                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    json_t *root = json_loadfd(fd, 0, NULL);
    const char *tool = json_string_value(json_object_get(root, "tool"));
    bool ours = tool && strcmp(tool, "cleanroom") == 0;
    json_decref(root);
    return ours;
}

static const char *find_foreign(const struct strvec *names, const struct strvec *kept)
{
    for (size_t i = 0; i < names->len; i++)
        if (!is_own_name(names->items[i]) && !strvec_contains(kept, names->items[i]))
            return names->items[i];
    return NULL;
}

static int empty(int dir, const char *path, const struct strvec *kept, struct error *err)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    if (directory_list(dir, &names) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot list '%s'", path);

    const char *foreign = find_foreign(&names, kept);
    if (foreign && !has_journal(dir))
        return error_set(err, ERROR_CONFIG,
                         "results directory '%s' is not empty and not ours: it holds '%s' and no "
                         "run.json of an earlier run; name another with --results",
                         path, foreign);
    for (size_t i = 0; i < names.len; i++)
        if (is_own_name(names.items[i]) && !strvec_contains(kept, names.items[i]) &&
            directory_remove(dir, names.items[i]) < 0)
            return error_set_errno(err, ERROR_INTERNAL, errno, "cannot remove '%s/%s'", path,
                                   names.items[i]);
    return 0;
}

/* Appends the entry of the directory in which an input is, or which it is, if it is below it. */
static int keep_input(const char *path, const char *input, struct strvec *kept, struct error *err)
{
    const char *slash = strrchr(input, '/');
    _cleanup_free_ char *parent = slash ? xstrndup(input, (size_t)(slash - input) + 1)
                                        : xstrdup(".");
    _cleanup_free_ char *above = realpath(parent, NULL), *top = realpath(path, NULL);
    size_t len = top ? strlen(top) : 0;
    if (!above || !top || strncmp(above, top, len) != 0 || (above[len] && above[len] != '/'))
        return 0;
    const char *below = above[len] ? above + len + 1 : slash ? slash + 1 : input;
    strvec_take(kept, xstrndup(below, strcspn(below, "/")));
    if (above[len] || strcmp(below, "junit.xml") != 0)
        return 0;
    return error_set(err, ERROR_CONFIG,
                     "'%s' is to be read, and what is made of it would take its place; leave it "
                     "out, or name another directory with --results",
                     input);
}

int results_open_beside(const char *path, const struct strvec *inputs, struct error *err)
{
    _cleanup_strvec_ struct strvec kept = STRVEC_INIT;
    if (!*path)
        return error_set(err, ERROR_CONFIG, "the results directory has no name");
    if (file_make_dirs(path, 0755) < 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "cannot make results directory '%s'",
                               path);
    _cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "cannot open results directory '%s'",
                               path);
    for (size_t i = 0; i < inputs->len; i++)
        if (keep_input(path, inputs->items[i], &kept, err) < 0)
            return -1;
    if (empty(dir, path, &kept, err) < 0)
        return -1;
    return TAKE_FD(dir);
}

int results_open(const char *path, struct error *err)
{
    return results_open_beside(path, &STRVEC_INIT, err);
}

const char *results_place(int place)
{
    static const char *const names[] = {"seed", "bake", "commons"};
    return names[-place - 1];
}

void results_name(int shard, char name[RESULTS_NAME])
{
    if (shard > 0)
        (void)snprintf(name, RESULTS_NAME, "shard-%d", shard);
    else
        (void)snprintf(name, RESULTS_NAME, "%s", shard == 0 ? "." : results_place(shard));
}

int results_create(int dir, int shard, const char *name, struct error *err)
{
    if (strchr(name, '/') || name[0] == '\0' || name[0] == '.')
        return error_set(err, ERROR_INTERNAL, "'%s' is no name for a file of results", name);

    char sub[RESULTS_NAME];
    results_name(shard, sub);
    _cleanup_close_ int parent = directory_enter(dir, sub);
    int fd = parent < 0 ? -1
                        : openat(parent, name,
                                 O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot write '%s%s%s'",
                               shard ? sub : "", shard ? "/" : "", name);
    return fd;
}
