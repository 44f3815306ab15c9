/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a container runs as: USER against the image's own /etc/passwd and /etc/group, by the rules of
 * Docker's and the runtimes' (github.com/moby/sys, user): a number is always an id; the first line
 * that matches wins; a number need not be listed; supplementary groups come by the user's name, and
 * only when no group was asked for; HOME is that of the first line with the user's id.
 *
 * The files are an image's: anything may be in them. One difference: a line whose id is no number
 * is no line; Docker takes the id to be 0.
 */
#include "base/file.h"
#include "engine/embedded/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include <cleanroom/strbuf.h>

#define DATABASE_MAX (16UL << 20)
#define ID_MAX       INT_MAX

/* name:password:id:group:comment:home:shell, or name:password:id:members. */
enum { FIELD_NAME, FIELD_ID = 2, FIELD_GROUP = 3, FIELD_MEMBERS = 3, FIELD_HOME = 5, FIELDS = 7 };

struct entry {
    char *fields[FIELDS]; /* never NULL */
    uint32_t id;
};

/* Regular files only: a FIFO would keep us waiting. Returns 0 (empty when there is none), or -1
   with errno. */
static int read_database(struct strbuf *out, int rootfs, const char *path)
{
    int fd _cleanup_close_ = file_open_in_root(rootfs, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return -1;
    }

    return strbuf_read_fd(out, fd, SIZE_MAX);
}

/* The next line of *rest, cut off in place and without the blanks around it; NULL at the end. */
static char *next_line(char **rest)
{
    if (!*rest)
        return NULL;
    char *line = strsep(rest, "\n");
    line += strspn(line, " \t\r\v\f");
    size_t len = strlen(line);
    while (len > 0 && strchr(" \t\r\v\f", line[len - 1]))
        line[--len] = '\0';
    return line;
}

/* A decimal number; what is empty is 0 where the databases leave it out. */
static bool parse_id(const char *s, bool empty_too, uint32_t *out)
{
    uint64_t value = 0;
    if (!*s && !empty_too)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        value = value * 10 + (uint64_t)(*s - '0');
        if (value > ID_MAX)
            return false;
    }
    *out = (uint32_t)value;
    return true;
}

static bool all_digits(const char *s)
{
    return *s && s[strspn(s, "0123456789")] == '\0';
}

static bool next_entry(char **rest, struct entry *out)
{
    for (char *line; (line = next_line(rest));) {
        char *end = line + strlen(line);
        for (size_t i = 0; i < FIELDS; i++)
            out->fields[i] = line ? strsep(&line, ":") : end;
        if (out->fields[FIELD_NAME][0] && parse_id(out->fields[FIELD_ID], true, &out->id))
            return true;
    }
    return false;
}

static bool is_member(char *members, const char *name)
{
    for (char *rest = members, *one; (one = strsep(&rest, ","));)
        if (strcmp(one, name) == 0)
            return true;
    return false;
}

/* USER in its two halves. */
struct wanted {
    char *user;  /* "" = root */
    char *group; /* "" = the user's own */
};

static int id_or_error(const char *what, const char *text, uint32_t *out, struct error *err)
{
    if (parse_id(text, false, out))
        return 0;
    if (all_digits(text))
        return error_set(err, ERROR_SERVICE, "%s id '%s' is beyond the largest, %d", what, text,
                         ID_MAX);
    return error_set(err, ERROR_SERVICE,
                     "unable to find %s '%s' in the image's /etc/%s: create it there or give its "
                     "number",
                     what, text, strcmp(what, "user") == 0 ? "passwd" : "group");
}

/* `name` takes the matching line's user name, NULL when none matches. */
static int find_in_passwd(char *passwd, const struct wanted *wanted, struct bundle_user *out,
                          char **name, struct error *err)
{
    uint32_t id = 0;
    bool by_id = !*wanted->user || parse_id(wanted->user, false, &id);
    for (struct entry e; next_entry(&passwd, &e);) {
        if (by_id ? e.id != id : strcmp(e.fields[FIELD_NAME], wanted->user) != 0)
            continue;
        uint32_t gid;
        if (!parse_id(e.fields[FIELD_GROUP], true, &gid))
            continue;
        out->uid = e.id;
        out->gid = gid;
        *name = xstrdup(e.fields[FIELD_NAME]);
        return 0;
    }
    if (*wanted->user && id_or_error("user", wanted->user, &id, err) < 0)
        return -1;
    out->uid = id;
    return 0;
}

static int find_group(char *group, const char *wanted, struct bundle_user *out, struct error *err)
{
    uint32_t id = 0;
    bool by_id = parse_id(wanted, false, &id);
    for (struct entry e; next_entry(&group, &e);) {
        if (by_id ? e.id == id : strcmp(e.fields[FIELD_NAME], wanted) == 0) {
            out->gid = e.id;
            return 0;
        }
    }
    if (id_or_error("group", wanted, &id, err) < 0)
        return -1;
    out->gid = id;
    return 0;
}

static void find_memberships(char *group, const char *name, struct bundle_user *out)
{
    for (struct entry e; next_entry(&group, &e);)
        if (is_member(e.fields[FIELD_MEMBERS], name))
            *vec_push(&out->groups) = e.id;
}

static char *find_home(char *passwd, uid_t uid)
{
    for (struct entry e; next_entry(&passwd, &e);)
        if (e.id == uid)
            return xstrdup(e.fields[FIELD_HOME][0] ? e.fields[FIELD_HOME] : "/");
    return xstrdup("/");
}

int bundle_find_user(int rootfs, const char *user, struct bundle_user *out, struct error *err)
{
    struct strbuf passwd _cleanup_strbuf_, group _cleanup_strbuf_;
    strbuf_init(&passwd, DATABASE_MAX);
    strbuf_init(&group, DATABASE_MAX);
    *out = (struct bundle_user){0};
    if (read_database(&passwd, rootfs, "/etc/passwd") < 0)
        return error_set_errno(err, ERROR_SERVICE, errno, "the image's /etc/passwd cannot be read");
    if (read_database(&group, rootfs, "/etc/group") < 0)
        return error_set_errno(err, ERROR_SERVICE, errno, "the image's /etc/group cannot be read");

    _cleanup_free_ char *halves = xstrdup(user), *name = NULL, *again = xstrdup(passwd.buf);
    struct wanted wanted = {.group = halves};
    wanted.user = strsep(&wanted.group, ":");
    if (find_in_passwd(passwd.buf, &wanted, out, &name, err) < 0)
        return -1;
    out->home = find_home(again, out->uid);
    if (wanted.group && *wanted.group)
        return find_group(group.buf, wanted.group, out, err);
    if (name)
        find_memberships(group.buf, name, out);
    return 0;
}

void bundle_user_deinit(struct bundle_user *user)
{
    vec_deinit(&user->groups);
    free(user->home);
    user->home = NULL;
}
