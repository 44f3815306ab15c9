/* SPDX-License-Identifier: Apache-2.0 */
#include "report/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cleanroom/junit.h>
#include <cleanroom/strbuf.h>

#include "report/directory.h"
#include "report/journal.h"
#include "report/names.h"
#include "report/unpack.h"

#define BYTES_MAX  ((uint64_t)256 << 20)
#define FILES_MAX  ((size_t)10000)
#define REPORT_MAX ((size_t)32 << 20)
#define UNREAD_MAX 20 /* unread reports that are named */

/* What headers, padding and extended headers add to so many files. */
#define ARCHIVE_MAX (BYTES_MAX + FILES_MAX * 4096 + ((uint64_t)1 << 20))

struct collect {
    int dir; /* borrowed */
    int shard;
    struct strvec allowed;
    char *pattern, *place; /* or NULL */
    int archive;           /* the unlinked file, or -1 */
    uint64_t fed;
    bool cut; /* the archive was longer than ARCHIVE_MAX */
    bool reported;
    int errnum; /* of the first write that failed */
};

/* Not every file system knows O_TMPFILE. */
static int open_unlinked(int dir, int shard)
{
    int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    _cleanup_free_ char *name = xasprintf(".shard-%d.tar", shard);
    (void)unlinkat(dir, name, 0);
    fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)unlinkat(dir, name, 0);
    return fd;
}

struct collect *collect_new(int dir, int shard, const struct strvec *allowed)
{
    struct collect *c = xcalloc(1, sizeof(*c));
    *c = (struct collect){.dir = dir, .shard = shard, .archive = open_unlinked(dir, shard)};
    strvec_append(&c->allowed, allowed);
    if (c->archive < 0)
        c->errnum = errno;
    return c;
}

struct collect *collect_new_reports(int dir, int shard, const char *place, const char *pattern)
{
    const struct strvec none = STRVEC_INIT;
    struct collect *c = collect_new(dir, shard, &none);
    c->pattern = xstrdup(pattern);
    c->place = xstrdup(place);
    return c;
}

void collect_free(struct collect *c)
{
    if (!c)
        return;
    if (c->archive >= 0)
        close(c->archive);
    strvec_deinit(&c->allowed);
    free(c->pattern);
    free(c->place);
    free(c);
}

void collect_feed(struct collect *c, const void *bytes, size_t len)
{
    const char *p = bytes;
    if (len > ARCHIVE_MAX - c->fed) {
        c->cut = true;
        len = (size_t)(ARCHIVE_MAX - c->fed);
    }
    while (len > 0 && c->errnum == 0) {
        ssize_t n = write(c->archive, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            c->errnum = errno;
            return;
        }
        p += n;
        len -= (size_t)n;
        c->fed += (uint64_t)n;
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_xml(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcasecmp(name + len - 4, ".xml") == 0;
}

/* The name was made by us, of directories made by us: no link is on the way. */
static int read_report(int dir, const char *name, struct strbuf *xml)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -1 : strbuf_read_fd(xml, fd, SIZE_MAX);
}

/* Cases of this file (from `first` on) that an earlier file had too take the file's name along. */
static void separate(struct result_suite *suite, size_t first, struct names *seen, const char *file)
{
    for (size_t i = first; i < suite->cases.len; i++) {
        struct result_case *c = &suite->cases.items[i];
        if (!names_contains(seen, c->classname, c->name))
            continue;
        char *name = xasprintf("%s (%s)", c->name, file);
        free(c->name);
        c->name = name;
    }
    for (size_t i = first; i < suite->cases.len; i++)
        free(names_unique(seen, suite->cases.items[i].classname, suite->cases.items[i].name));
}

/* Returns whether the file was a report. */
static bool add_report(int dir, const char *name, struct result_suite *suite, struct names *seen,
                       bool say)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_strbuf_ struct strbuf xml;
    strbuf_init(&xml, REPORT_MAX);
    size_t first = suite->cases.len;
    if (read_report(dir, name, &xml) < 0)
        error_set_errno(&err, ERROR_INTERNAL, errno, "cannot be read");
    else if (junit_read(xml.buf, xml.len, suite, &err) >= 0) {
        separate(suite, first, seen, name);
        return true;
    }
    if (say)
        strvec_pushf(&suite->properties, "unread report=%s: %s", name, err.message);
    return false;
}

/* Returns whether there was one. */
static bool add_reports(int dir, struct strvec *files, struct result_suite *suite)
{
    _cleanup_names_ struct names seen = {0};
    size_t read = 0, unread = 0;
    if (files->len)
        qsort(files->items, files->len, sizeof(*files->items), compare_names);
    for (size_t i = 0; i < files->len; i++) {
        if (!is_xml(files->items[i]))
            continue;
        bool is_report = add_report(dir, files->items[i], suite, &seen, unread < UNREAD_MAX);
        *(is_report ? &read : &unread) += 1;
    }
    if (unread > UNREAD_MAX)
        strvec_pushf(&suite->properties, "unread reports=%zu", unread);
    return read > 0;
}

static void say_what_is_missing(const struct collect *c, const struct unpack *u,
                                struct result_suite *suite)
{
    if (u->unsafe)
        strvec_pushf(&suite->properties,
                     "not collected=%zu entries that are not plain files of xml/ or outputs/",
                     u->unsafe);
    if (u->over_limit || c->cut)
        strvec_pushf(&suite->properties,
                     "left out=%zu%s files beyond %zu MiB or %zu files of a shard", u->over_limit,
                     c->cut ? " or more" : "", (size_t)(BYTES_MAX >> 20), FILES_MAX);
}

static size_t count_lines(int dir, const char *name)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    size_t lines = 0;
    char chunk[16384];
    ssize_t n;
    while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno != EINTR)
            break;
        for (ssize_t i = 0; i < n; i++)
            lines += chunk[i] == '\n';
    }
    return lines;
}

static size_t count_messages(const struct strvec *files, const char *directory, size_t len)
{
    size_t messages = 0;
    for (size_t i = 0; i < files->len; i++) {
        const char *name = files->items[i];
        messages += strncmp(name, directory, len) == 0 &&
                    strcmp(name + strlen(name) - 4, ".eml") == 0;
    }
    return messages;
}

/* To the services that are only there to keep what they are sent. */
static void say_what_was_sent(const struct collect *c, int dir, const struct strvec *files,
                              struct result_suite *suite)
{
    for (size_t i = 0; i < files->len; i++) {
        const char *name = files->items[i];
        if (strchr(name, '/'))
            continue;
        size_t lines = count_lines(dir, name);
        strvec_pushf(&suite->properties, "%s=%zu line%s", name, lines, lines == 1 ? "" : "s");
    }
    for (size_t i = 0; i < c->allowed.len; i++) {
        const char *name = c->allowed.items[i];
        size_t len = strlen(name);
        bool mail = strncmp(name, "mail", 4) == 0;
        size_t messages = mail ? count_messages(files, name, len) : 0;
        if (messages)
            strvec_pushf(&suite->properties, "%.*s=%zu message%s", (int)len - 1, name, messages,
                         messages == 1 ? "" : "s");
    }
}

int collect_finish(struct collect *c, struct result_suite *suite, bool *acknowledged,
                   struct error *err)
{
    *acknowledged = false;
    if (c->errnum)
        return error_set_errno(err, ERROR_INTERNAL, c->errnum,
                               "what the tests left could not be kept");
    if (c->fed == 0)
        return 0;

    char name[RESULTS_NAME];
    results_name(c->shard, name);
    _cleanup_close_ int dir = directory_enter(c->dir, name);
    if (dir < 0 || lseek(c->archive, 0, SEEK_SET) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot write '%s'", name);

    _cleanup_(unpack_deinit) struct unpack u = {.limits = {BYTES_MAX, FILES_MAX},
                                                .dir = dir,
                                                .allowed = &c->allowed,
                                                .pattern = c->pattern,
                                                .place = c->place,
                                                .signal = "shard-status"};
    /* An archive that we cut short ourselves must end early. */
    int status = unpack_tar(&u, c->archive, c->cut ? NULL : err);
    *acknowledged = u.signalled;
    c->reported = add_reports(dir, &u.written, suite);
    say_what_was_sent(c, dir, &u.written, suite);
    say_what_is_missing(c, &u, suite);
    return c->cut ? 0 : status;
}

bool collect_reported(const struct collect *c)
{
    return c && c->reported;
}
