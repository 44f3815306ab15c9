/* SPDX-License-Identifier: Apache-2.0 */
/* Archives as an app could leave them, the hostile ones too, made with libarchive. */
#include "report/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>

#include <cleanroom/strbuf.h>

#include "report/directory.h"

#include "tap.h"

struct scene {
    char path[64];
    int dir;
    struct archive *tar;
    struct strbuf bytes;
    bool disk_full; /* the archive's writer gets an error from now on */
    struct result result;
    struct result_suite *suite;
    bool acknowledged;
    struct error err;
};

static la_ssize_t take(struct archive *a _unused_, void *data, const void *bytes, size_t len)
{
    struct scene *s = data;
    if (s->disk_full)
        return -1;
    strbuf_add(&s->bytes, bytes, len);
    return (la_ssize_t)len;
}

static struct collect *start(const struct scene *s)
{
    _cleanup_strvec_ struct strvec allowed = STRVEC_INIT;
    strvec_split(&allowed, "xml/ outputs/ mail/ mail-reports/ syslog.log audit.log proxy.log", " ");
    return collect_new(s->dir, 2, &allowed);
}

static void scene_init(struct scene *s)
{
    *s = (struct scene){.bytes = STRBUF_INIT};
    (void)snprintf(s->path, sizeof(s->path), "/tmp/test-collect-XXXXXX");
    check(mkdtemp(s->path) != NULL);
    s->dir = open(s->path, O_DIRECTORY | O_CLOEXEC);
    s->tar = archive_write_new();
    archive_write_set_format_pax_restricted(s->tar);
    check_int(archive_write_open(s->tar, s, NULL, take, NULL), ARCHIVE_OK);
    result_init(&s->result, "id", "app");
    s->suite = result_add_suite(&s->result, 2, 4);
}

static void scene_deinit(struct scene *s)
{
    close(s->dir);
    check_int(directory_remove(AT_FDCWD, s->path), 0);
    strbuf_deinit(&s->bytes);
    result_deinit(&s->result);
    error_clear(&s->err);
}

static void header(struct scene *s, const char *name, mode_t type, int64_t size, const char *link)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, type == AE_IFDIR ? 0777 : 0666);
    archive_entry_set_size(entry, size);
    if (link && type == AE_IFLNK)
        archive_entry_set_symlink(entry, link);
    else if (link)
        archive_entry_set_hardlink(entry, link);
    check(archive_write_header(s->tar, entry) >= ARCHIVE_WARN);
    archive_entry_free(entry);
}

static void file(struct scene *s, const char *name, const char *content)
{
    header(s, name, AE_IFREG, (int64_t)strlen(content), NULL);
    check_int(archive_write_data(s->tar, content, strlen(content)), strlen(content));
}

static int feed_and_finish(struct scene *s, const char *bytes, size_t len, size_t piece)
{
    struct collect *c = start(s);
    for (size_t at = 0; at < len; at += piece)
        collect_feed(c, bytes + at, piece < len - at ? piece : len - at);
    int status = collect_finish(c, s->suite, &s->acknowledged, &s->err);
    collect_free(c);
    return status;
}

static int finish(struct scene *s)
{
    archive_write_free(s->tar);
    return feed_and_finish(s, s->bytes.buf, s->bytes.len, 1000);
}

static bool exists(const struct scene *s, const char *name)
{
    struct stat st;
    return fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void check_content(const struct scene *s, const char *name, const char *want)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", s->path, name);
    _cleanup_strbuf_ struct strbuf content = STRBUF_INIT;
    check_int(strbuf_read_file(&content, path, 1 << 20), 0);
    check_str(content.buf, want);
}

static const char *property(const struct scene *s, const char *key)
{
    const char *value = strvec_getenv(&s->suite->properties, key);
    return value ? value : "";
}

static void test_reports_and_files(void)
{
    struct scene s;
    scene_init(&s);
    header(&s, "collect/", AE_IFDIR, 0, NULL);
    file(&s, "collect/shard-status", "");
    header(&s, "collect/xml/", AE_IFDIR, 0, NULL);
    file(&s, "collect/xml/b.xml", "<testsuite><testcase classname='T' name='t'/></testsuite>");
    file(&s, "./collect/./xml/sub/a.XML",
         "<testsuite><testcase classname='T' name='t'><failure/></testcase>"
         "<testcase classname='T' name='t'/></testsuite>");
    file(&s, "collect/outputs/shot.png", "not a report");
    file(&s, "collect/outputs/coverage.xml", "<coverage/>");
    file(&s, "collect/outputs/na\xc3\xafve name.txt", "x");
    check_int(finish(&s), 0);
    check(s.acknowledged);
    check_content(&s, "shard-2/outputs/shot.png", "not a report");
    check_content(&s, "shard-2/outputs/na\xc3\xafve name.txt", "x");
    check(exists(&s, "shard-2/xml/sub/a.XML"));
    check_int(s.suite->cases.len, 3);
    check_str(s.suite->cases.items[0].name, "t");
    check_str(s.suite->cases.items[1].name, "t (xml/sub/a.XML)");
    check_int(s.suite->cases.items[1].status, CASE_FAILED);
    check_str(property(&s, "unread report"),
              "outputs/coverage.xml: its root element is 'coverage', not testsuites or testsuite");
    check_str(property(&s, "not collected"), "");
    scene_deinit(&s);
}

static void test_nothing_at_all(void)
{
    struct scene s;
    scene_init(&s);
    archive_write_free(s.tar);
    check_int(feed_and_finish(&s, "", 0, 1), 0);
    check(!s.acknowledged);
    scene_deinit(&s);

    scene_init(&s);
    header(&s, "collect/", AE_IFDIR, 0, NULL);
    check_int(finish(&s), 0);
    check(!s.acknowledged);
    scene_deinit(&s);
}

static void test_names_that_lead_elsewhere(void)
{
    struct scene s;
    scene_init(&s);
    file(&s, "/tmp/absolute-of-test-collect", "x");
    file(&s, "collect/../../escaped", "x");
    file(&s, "collect/xml/../../../escaped", "x");
    file(&s, "../collect/xml/escaped", "x");
    file(&s, "collect/xml/..", "x");
    file(&s, "collect/app.log", "would replace ours");
    file(&s, "collect/xml", "a file where a directory must be");
    file(&s, "collect", "x");
    file(&s, "collect/xml/good", "x");
    check_int(finish(&s), 0);
    check(exists(&s, "shard-2/xml/good"));
    check(!exists(&s, "shard-2/app.log") && !exists(&s, "escaped") && !exists(&s, "../escaped"));
    check(access("/tmp/absolute-of-test-collect", F_OK) != 0);
    check_str(property(&s, "not collected"),
              "8 entries that are not plain files of xml/ or outputs/");
    scene_deinit(&s);
}

static void test_links_and_devices(void)
{
    struct scene s;
    scene_init(&s);
    header(&s, "collect/outputs/up", AE_IFLNK, 0, "../../..");
    file(&s, "collect/outputs/up/written-through", "x");
    header(&s, "collect/outputs/passwd", AE_IFREG, 0, "/etc/passwd");
    header(&s, "collect/outputs/dev", AE_IFCHR, 0, NULL);
    header(&s, "collect/outputs/fifo", AE_IFIFO, 0, NULL);
    header(&s, "collect/shard-status", AE_IFLNK, 0, "/etc/passwd");
    check_int(finish(&s), 0);
    check(!s.acknowledged);
    check_content(&s, "shard-2/outputs/up/written-through", "x"); /* in a plain directory */
    check(!exists(&s, "../written-through") && !exists(&s, "written-through"));
    check(!exists(&s, "shard-2/outputs/passwd") && !exists(&s, "shard-2/outputs/dev"));
    check(!exists(&s, "shard-2/outputs/fifo"));
    scene_deinit(&s);
}

/* What was sent to the services that only keep it. */
static void test_sinks(void)
{
    struct scene s;
    scene_init(&s);
    file(&s, "collect/mail/001.eml", "Subject: s\r\n\r\n");
    file(&s, "collect/mail/002.eml", "x");
    file(&s, "collect/mail/.partial", "x");
    file(&s, "collect/mail-reports/001.eml", "r");
    file(&s, "collect/mail-others/001.eml", "x");
    file(&s, "collect/outputs/saved.eml", "x");
    file(&s, "collect/audit.log", "one\n");
    file(&s, "collect/syslog.log", "<1>a\n<2>b\n");
    file(&s, "collect/proxy.log", "");
    file(&s, "collect/other.log", "x");
    header(&s, "collect/syslog.log", AE_IFLNK, 0, NULL);
    check_int(finish(&s), 0);
    check_content(&s, "shard-2/mail/001.eml", "Subject: s\r\n\r\n");
    check_content(&s, "shard-2/syslog.log", "<1>a\n<2>b\n");
    check_content(&s, "shard-2/proxy.log", "");
    check(!exists(&s, "shard-2/other.log"));
    check_content(&s, "shard-2/mail-reports/001.eml", "r");
    check_content(&s, "shard-2/audit.log", "one\n");
    check(!exists(&s, "shard-2/mail-others"));
    check_str(property(&s, "mail"), "2 messages");
    check_str(property(&s, "mail-reports"), "1 message");
    check_str(property(&s, "audit.log"), "1 line");
    check_str(property(&s, "outputs"), "");
    check_str(property(&s, "syslog.log"), "2 lines");
    check_str(property(&s, "proxy.log"), "0 lines");
    check_contains(property(&s, "not collected"), "3 entries");
    scene_deinit(&s);
}

/* Even where somebody has put a link into the results directory itself. */
static void test_no_link_is_followed(void)
{
    struct scene s;
    scene_init(&s);
    check_int(mkdirat(s.dir, "shard-2", 0755), 0);
    check_int(mkdirat(s.dir, "victim", 0755), 0);
    check_int(symlinkat("../victim", s.dir, "shard-2/xml"), 0);
    file(&s, "collect/xml/a", "x");
    check_int(finish(&s), 0);
    check(!exists(&s, "victim/a"));
    check_contains(property(&s, "not collected"), "1 entries");
    scene_deinit(&s);
}

static void test_what_changes_its_kind(void)
{
    struct scene s;
    scene_init(&s);
    file(&s, "collect/xml/a", "first");
    file(&s, "collect/xml/a/b", "x");
    file(&s, "collect/xml/a", "second");
    header(&s, "collect/xml/a", AE_IFDIR, 0, NULL);
    file(&s, "collect/xml/d/x", "x");
    file(&s, "collect/xml/d", "x");
    check_int(finish(&s), 0);
    check_content(&s, "shard-2/xml/a", "first");
    check_content(&s, "shard-2/xml/d/x", "x");
    check_contains(property(&s, "not collected"), "4 entries");
    scene_deinit(&s);
}

static void test_too_many_files(void)
{
    struct scene s;
    scene_init(&s);
    file(&s, "collect/xml/a.xml", "<testsuite><testcase name='t'/></testsuite>");
    for (int i = 1; i < 20000; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "collect/outputs/%d/%d", i % 10, i);
        file(&s, name, "");
    }
    check_int(finish(&s), 0);
    check_int(s.suite->cases.len, 1);
    check(exists(&s, "shard-2/outputs/9/9999") && !exists(&s, "shard-2/outputs/0/10000"));
    check_str(property(&s, "left out"), "10000 files beyond 256 MiB or 10000 files of a shard");
    scene_deinit(&s);
}

/* Says 1 TiB, and breaks off soon. */
static void test_huge_sizes(void)
{
    struct scene s;
    scene_init(&s);
    file(&s, "collect/xml/a.xml", "<testsuite><testcase name='t'/></testsuite>");
    header(&s, "collect/outputs/huge", AE_IFREG, INT64_C(1) << 40, NULL);
    static const char some[100000];
    check_int(archive_write_data(s.tar, some, sizeof(some)), sizeof(some));
    s.disk_full = true;
    archive_write_free(s.tar);
    check_int(feed_and_finish(&s, s.bytes.buf, s.bytes.len, 4096), -1); /* it broke off */
    check_contains(s.err.message, "what the tests left cannot be unpacked");
    check(!exists(&s, "shard-2/outputs/huge"));
    check_int(s.suite->cases.len, 1);
    check_contains(property(&s, "left out"), "1 files");
    scene_deinit(&s);
}

static void test_a_truncated_file_is_not_kept(void)
{
    struct scene s;
    scene_init(&s);
    file(&s, "collect/xml/a.xml", "<testsuite><testcase name='t'/></testsuite>");
    file(&s, "collect/xml/b.xml", "<testsuite><testcase name='u'/></testsuite>");
    archive_write_free(s.tar);
    check_int(feed_and_finish(&s, s.bytes.buf, 512 * 3 + 10, 100), -1);
    check_int(s.suite->cases.len, 1);
    check(!exists(&s, "shard-2/xml/b.xml"));
    scene_deinit(&s);
}

static void test_garbage(void)
{
    struct scene s;
    scene_init(&s);
    archive_write_free(s.tar);
    char garbage[10000];
    for (size_t i = 0; i < sizeof(garbage); i++)
        garbage[i] = (char)(i * 7919 >> 3);
    check_int(feed_and_finish(&s, garbage, sizeof(garbage), 333), -1);
    check_int(s.err.kind, ERROR_ENGINE);
    scene_deinit(&s);
}

/* 300 MiB of one file after a good one: the good one is kept, the rest is said. */
static void test_an_endless_archive(void)
{
    struct scene s;
    scene_init(&s);
    file(&s, "collect/xml/a.xml", "<testsuite><testcase name='t'/></testsuite>");
    header(&s, "collect/outputs/fits", AE_IFREG, 200 << 20, NULL);
    static char block[1 << 20];
    size_t head = 0;
    struct collect *c = start(&s);
    for (int i = 0; i < 400; i++) {
        if (i == 200)
            header(&s, "collect/outputs/too-much", AE_IFREG, 200 << 20, NULL);
        check_int(archive_write_data(s.tar, block, sizeof(block)), sizeof(block));
        collect_feed(c, s.bytes.buf + head, s.bytes.len - head);
        strbuf_reset(&s.bytes);
    }
    archive_write_free(s.tar);
    collect_feed(c, s.bytes.buf, s.bytes.len);
    check_int(collect_finish(c, s.suite, &s.acknowledged, &s.err), 0);
    collect_free(c);
    check(exists(&s, "shard-2/outputs/fits") && !exists(&s, "shard-2/outputs/too-much"));
    check_int(s.suite->cases.len, 1);
    check_contains(property(&s, "left out"), "1 or more files beyond 256 MiB");
    scene_deinit(&s);
}

static void test_deep_and_long_names(void)
{
    struct scene s;
    scene_init(&s);
    struct strbuf deep = STRBUF_INIT;
    strbuf_adds(&deep, "collect/xml");
    for (int i = 0; i < 40; i++)
        strbuf_adds(&deep, "/d");
    file(&s, deep.buf, "x");
    strbuf_reset(&deep);
    strbuf_adds(&deep, "collect/xml/");
    for (int i = 0; i < 300; i++)
        strbuf_addc(&deep, 'n');
    file(&s, deep.buf, "x");
    check_int(finish(&s), 0);
    check_contains(property(&s, "not collected"), "2 entries");
    strbuf_deinit(&deep);
    scene_deinit(&s);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_reports_and_files),
        TAP(test_nothing_at_all),
        TAP(test_names_that_lead_elsewhere),
        TAP(test_links_and_devices),
        TAP(test_no_link_is_followed),
        TAP(test_sinks),
        TAP(test_what_changes_its_kind),
        TAP(test_too_many_files),
        TAP(test_huge_sizes),
        TAP(test_a_truncated_file_is_not_kept),
        TAP(test_garbage),
        TAP(test_an_endless_archive),
        TAP(test_deep_and_long_names),
        {0},
    });
}
