/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cleanroom/strbuf.h>

#include "base/process.h"
#include "engine/embedded/cgroup.h"
#include "engine/embedded/outside.h"
#include "engine/embedded/put.h"
#include "engine/embedded/userns.h"
#include "engine/store/tree.h"

#define FILE_MAX (1 << 20)
/* Before the run's id, until the directory is what it should be: who was killed meanwhile leaves
   one. */
#define UNFINISHED ".new-"

void trace_deinit(struct trace *t)
{
    free(t->run);
    free(t->owner);
    free(t->dir);
    free(t->scratch);
    strvec_deinit(&t->cgroups);
    strvec_deinit(&t->images);
    *t = (struct trace){0};
}

/* --- where ----------------------------------------------------------------------------------- */

static char *place(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR"), *tmp = getenv("TMPDIR");
    if (geteuid() == 0)
        return xstrdup("/run/cleanroom");
    if (runtime && *runtime == '/')
        return xasprintf("%s/cleanroom", runtime);
    return xasprintf("%s/cleanroom-%u", tmp && *tmp == '/' ? tmp : "/tmp", (unsigned)geteuid());
}

char *trace_base(struct error *err)
{
    _cleanup_free_ char *dir = place();
    struct stat st;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
        error_set_errno(err, ERROR_INTERNAL, errno, "could not make '%s'", dir);
        return NULL;
    }
    if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & 077)) {
        error_set(err, ERROR_INTERNAL, "'%s' is not a directory of ours alone; remove it", dir);
        return NULL;
    }
    /* Both have a meaning in the options of an overlay mount. */
    if (strpbrk(dir, ",:\\")) {
        error_set(err, ERROR_INTERNAL,
                  "'%s' has a ',', ':' or '\\' in its name; set XDG_RUNTIME_DIR to another place",
                  dir);
        return NULL;
    }
    return TAKE_PTR(dir);
}

/* --- writing --------------------------------------------------------------------------------- */

static json_t *strings(const struct strvec *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->len; i++)
        json_array_append_new(list, json_string(v->items[i]));
    return list;
}

static int write_file(const struct trace *t, const char *dir, struct error *err)
{
    json_t *root = json_pack("{s:s, s:o, s:o}", "owner", t->owner, "cgroups", strings(&t->cgroups),
                             "images", strings(&t->images));
    if (t->nat)
        json_object_set_new(root, "nat", json_true());
    if (t->scratch)
        json_object_set_new(root, "scratch", json_string(t->scratch));
    _cleanup_free_ char *text = json_dumps(root, JSON_COMPACT);
    _cleanup_free_ char *path = xasprintf("%s/world", dir), *new = xasprintf("%s.new", path);
    json_decref(root);
    if (!text || put_file(new, text, 0600) < 0 || rename(new, path) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not write '%s'", path);
    return 0;
}

int trace_write(const struct trace *t, struct error *err)
{
    return write_file(t, t->dir, err);
}

/* Under another name first, so that nobody ever sees one whose owner is not known. */
int trace_make(struct trace *t, struct error *err)
{
    _cleanup_free_ char *base = trace_base(err);
    if (!base)
        return -1;
    _cleanup_free_ char *new = xasprintf("%s/" UNFINISHED "%s", base, t->run);
    _cleanup_free_ char *world = xasprintf("%s/w", new);
    _cleanup_free_ char *dir = xasprintf("%s/%s", base, t->run);
    if (mkdir(new, 0700) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not make '%s'", new);
    int made = mkdir(world, 0700) < 0
                   ? error_set_errno(err, ERROR_INTERNAL, errno, "could not make '%s'", world)
                   : write_file(t, new, err);
    if (made == 0 && rename(new, dir) < 0)
        made = error_set_errno(err, ERROR_INTERNAL, errno, "could not make '%s'", dir);
    if (made < 0)
        (void)tree_remove(AT_FDCWD, new);
    else
        t->dir = TAKE_PTR(dir);
    return made;
}

int trace_write_keeper(const struct trace *t, struct error *err)
{
    _cleanup_free_ char *start = process_start_time(t->keeper);
    _cleanup_free_ char *text = xasprintf("%d %s\n", (int)t->keeper, start ? start : "0");
    _cleanup_free_ char *path = xasprintf("%s/keeper", t->dir);
    if (put_file(path, text, 0600) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not write '%s'", path);
    return 0;
}

/* --- reading --------------------------------------------------------------------------------- */

static void read_strings(const json_t *list, struct strvec *out)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) if (json_string_value(item))
        strvec_push(out, json_string_value(item));
}

static void read_world(const char *dir, struct trace *t)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_free_ char *path = xasprintf("%s/world", dir);
    json_t *root = strbuf_read_file(&text, path, FILE_MAX) == 0
                       ? json_loadb(text.buf, text.len, 0, NULL)
                       : NULL;
    const char *owner = json_string_value(json_object_get(root, "owner"));
    t->owner = xstrdup(owner ? owner : "");
    t->scratch = xstrdup(json_string_value(json_object_get(root, "scratch")));
    t->nat = json_is_true(json_object_get(root, "nat"));
    read_strings(json_object_get(root, "cgroups"), &t->cgroups);
    read_strings(json_object_get(root, "images"), &t->images);
    json_decref(root);
}

/* A pid alone may be somebody else's by now. */
static pid_t read_keeper(const char *dir)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_free_ char *path = xasprintf("%s/keeper", dir);
    if (strbuf_read_file(&text, path, 64) < 0)
        return 0;
    char *start;
    pid_t pid = (pid_t)strtol(text.buf, &start, 10);
    if (pid <= 0 || *start != ' ')
        return 0;
    start[1 + strcspn(start + 1, "\n")] = '\0';
    _cleanup_free_ char *now = process_start_time(pid);
    return now && strcmp(now, start + 1) == 0 ? pid : 0;
}

int trace_read(const char *run, struct trace *out)
{
    _cleanup_free_ char *base = trace_base(NULL);
    _cleanup_free_ char *dir = base ? xasprintf("%s/%s", base, run) : NULL;
    *out = (struct trace){0};
    if (!dir || !*run || strchr(run, '/') || *run == '.')
        return 0;
    if (access(dir, F_OK) < 0) {
        free(dir);
        dir = xasprintf("%s/" UNFINISHED "%s", base, run);
    }
    if (access(dir, F_OK) < 0)
        return 0;
    read_world(dir, out);
    out->run = xstrdup(run);
    out->keeper = read_keeper(dir);
    out->dir = TAKE_PTR(dir);
    return 1;
}

/* First the descriptor, then the look: so what is looked at is what is held. */
int trace_open_keeper(const struct trace *t)
{
    _cleanup_close_ int fd = t->keeper ? (int)syscall(SYS_pidfd_open, t->keeper, 0) : -1;
    return fd >= 0 && read_keeper(t->dir) == t->keeper ? TAKE_FD(fd) : -1;
}

void trace_list(struct strvec *runs)
{
    _cleanup_free_ char *base = trace_base(NULL);
    DIR *entries = base ? opendir(base) : NULL;
    if (!entries)
        return;
    for (struct dirent *e; (e = readdir(entries));) {
        size_t skip = strncmp(e->d_name, UNFINISHED, strlen(UNFINISHED)) ? 0 : strlen(UNFINISHED);
        if (e->d_name[skip] != '.')
            strvec_push(runs, e->d_name + skip);
    }
    (void)closedir(entries);
}

/* Its owners may be ids that are ours only inside. */
static int remove_scratch(void *path)
{
    return tree_remove(AT_FDCWD, path);
}

int trace_remove(const struct trace *t)
{
    if (cgroup_remove_all(&t->cgroups) < 0)
        return -1;
    if (t->nat && outside_remove(t->run) < 0) {
        errno = EBUSY;
        return -1;
    }
    if (t->scratch && userns_run(remove_scratch, t->scratch) < 0)
        return -1;
    return tree_remove(AT_FDCWD, t->dir);
}
