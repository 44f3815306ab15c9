/* SPDX-License-Identifier: Apache-2.0 */
/* The image store: names, images, layers, what is unpacked, what goes first. */
#include "engine/store/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <archive.h>
#include <archive_entry.h>

#include "engine/store/tree.h"
#include "tap.h"

/* --- a store and tar archives to put into it -------------------------------------------------- */

static char *new_store(struct store **store)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    char *dir = xstrdup("/tmp/cleanroom-store-XXXXXX");
    check(mkdtemp(dir) != NULL);
    *store = store_open(dir, &err);
    if (!check(*store != NULL))
        printf("# %s\n", err.message);
    return dir;
}

static void drop_store(struct store *store, char *dir)
{
    store_close(store);
    check_int(tree_remove(AT_FDCWD, dir), 0);
    free(dir);
}

struct tar {
    struct archive *a;
    char *bytes;
    size_t len, cap;
};

static void tar_begin(struct tar *tar)
{
    *tar = (struct tar){.cap = 1 << 20};
    tar->bytes = xmalloc(tar->cap);
    tar->a = archive_write_new();
    archive_write_set_format_pax_restricted(tar->a);
    archive_write_open_memory(tar->a, tar->bytes, tar->cap, &tar->len);
}

static void tar_end(struct tar *tar)
{
    archive_write_close(tar->a);
    archive_write_free(tar->a);
}

/* One entry; `text` is content, or where a link leads. */
static void tar_add(struct tar *tar, const char *name, mode_t mode, const char *text)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, name);
    archive_entry_set_mode(e, mode);
    archive_entry_set_uid(e, 33);
    archive_entry_set_gid(e, 44);
    archive_entry_set_mtime(e, 1000000000, 0);
    if (S_ISLNK(mode))
        archive_entry_set_symlink(e, text);
    else if (S_ISREG(mode))
        archive_entry_set_size(e, (int64_t)strlen(text));
    if (S_ISCHR(mode))
        archive_entry_set_rdev(e, makedev(1, 3));
    archive_write_header(tar->a, e);
    if (S_ISREG(mode))
        archive_write_data(tar->a, text, strlen(text));
    archive_entry_free(e);
}

static void tar_link(struct tar *tar, const char *name, const char *target)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, name);
    archive_entry_set_mode(e, S_IFREG | 0644);
    archive_entry_set_hardlink(e, target);
    archive_write_header(tar->a, e);
    archive_entry_free(e);
}

static int add(struct store *store, const char *name, struct tar *tar, char **id, struct error *err)
{
    static const char *const entrypoint[] = {"/bin/app", "-x", NULL};
    tar_end(tar);
    int r = store_add_rootfs(store, name, entrypoint, tar->bytes, tar->len, id, err);
    free(tar->bytes);
    return r;
}

/* An image of one file. */
static char *add_simple(struct store *store, const char *name, const char *text)
{
    struct tar tar;
    char *id = NULL;
    struct error err _cleanup_error_ = ERROR_INIT;
    tar_begin(&tar);
    tar_add(&tar, "file", S_IFREG | 0644, text);
    if (!check_int(add(store, name, &tar, &id, &err), 0))
        printf("# %s\n", err.message);
    return id;
}

static char *in_layer(struct store *store, const struct store_image *image, const char *name)
{
    return xasprintf("%s/%s/%s", store_path(store), image->layers.items[0], name);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_add_and_find(void)
{
    struct store *store;
    struct store_image image;
    char *dir = new_store(&store);
    _cleanup_free_ char *id = add_simple(store, "app", "hello");
    static const char *const names[] = {"app", "app:latest", "docker.io/library/app"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        check_int(store_find(store, names[i], &image, NULL), 1);
        check_str(image.info.id, id);
        check_str(image.info.user, "");
        check_str(image.working_dir, "");
        check_int(image.info.entrypoint.len, 2);
        check_int(image.layers.len, 1);
        check(image.lock >= 0);
        store_image_release(&image);
    }
    check_int(store_find(store, id, &image, NULL), 1);
    store_image_release(&image);
    check_int(store_find(store, id + 7, &image, NULL), 1);
    store_image_release(&image);
    check_int(store_find(store, "app:other", &image, NULL), 0);
    struct error err _cleanup_error_ = ERROR_INIT;
    check_int(store_find(store, "no/../such thing", &image, &err), -1);
    check_int(err.kind, ERROR_CONFIG);

    /* The same again is the same. */
    _cleanup_free_ char *again = add_simple(store, "other", "hello");
    check_str(again, id);
    drop_store(store, dir);
}

static void check_kind(struct store *store, const struct store_image *image, const char *name,
                       mode_t mode)
{
    struct stat st = {0};
    _cleanup_free_ char *path = in_layer(store, image, name);
    check_int(lstat(path, &st), 0);
    if (!check_int(st.st_mode, mode))
        printf("# %s\n", name);
}

static void test_kinds(void)
{
    struct store *store;
    struct store_image image;
    struct stat st;
    struct tar tar;
    struct error err _cleanup_error_ = ERROR_INIT;
    char *dir = new_store(&store);
    _cleanup_free_ char *id = NULL;
    tar_begin(&tar);
    tar_add(&tar, "./", S_IFDIR | 0750, NULL);
    tar_add(&tar, "./bin/su", S_IFREG | 04755, "root");
    tar_add(&tar, "bin", S_IFDIR | 01777, NULL);
    tar_add(&tar, "/etc/conf", S_IFREG | 0600, "x=1");
    tar_add(&tar, "link", S_IFLNK | 0777, "/etc");
    tar_add(&tar, "link/through", S_IFREG | 0644, "in etc");
    tar_add(&tar, "pipe", S_IFIFO | 0622, NULL);
    tar_add(&tar, "null", S_IFCHR | 0666, NULL);
    tar_link(&tar, "bin/sudo", "bin/su");
    tar_add(&tar, "caf\xc3\xa9", S_IFREG | 0644, "utf-8");
    tar_add(&tar, "caf\xe9", S_IFREG | 0644, "latin-1");
    tar_add(&tar, "twice", S_IFREG | 0644, "first");
    tar_add(&tar, "twice", S_IFREG | 0644, "second");
    tar_add(&tar, "dir-then-file/inside", S_IFREG | 0644, "");
    tar_add(&tar, "dir-then-file", S_IFREG | 0644, "");
    if (!check_int(add(store, "kinds", &tar, &id, &err), 0))
        printf("# %s\n", err.message);
    check_int(store_find(store, "kinds", &image, NULL), 1);

    check_kind(store, &image, "", S_IFDIR | 0750);
    check_kind(store, &image, "bin", S_IFDIR | 01777);
    check_kind(store, &image, "bin/su", S_IFREG | 04755);
    check_kind(store, &image, "etc", S_IFDIR | 0755);
    check_kind(store, &image, "etc/conf", S_IFREG | 0600);
    check_kind(store, &image, "etc/through", S_IFREG | 0644);
    check_kind(store, &image, "link", S_IFLNK | 0777);
    check_kind(store, &image, "pipe", S_IFIFO | 0622);
    check_kind(store, &image, "null", S_IFCHR | 0666);
    check_kind(store, &image, "caf\xc3\xa9", S_IFREG | 0644);
    check_kind(store, &image, "caf\xe9", S_IFREG | 0644);
    check_kind(store, &image, "dir-then-file", S_IFREG | 0644);

    _cleanup_free_ char *bin = in_layer(store, &image, "bin");
    check_int(stat(bin, &st), 0);
    check_int(st.st_mtime, 1000000000);
    _cleanup_free_ char *su = in_layer(store, &image, "bin/su");
    check_int(stat(su, &st), 0);
    check_int(st.st_uid, 33);
    check_int(st.st_gid, 44);
    check_int(st.st_nlink, 2);
    _cleanup_free_ char *twice = in_layer(store, &image, "twice");
    check_int(stat(twice, &st), 0);
    check_int(st.st_size, 6);
    store_image_release(&image);
    drop_store(store, dir);
}

static void check_opaque(struct store *store, const struct store_image *image, const char *name,
                         bool want)
{
    char value[8];
    _cleanup_free_ char *path = in_layer(store, image, name);
    if (!check_int(getxattr(path, OVERLAY_TRUSTED "opaque", value, sizeof(value)), want ? 1 : -1))
        printf("# %s\n", name);
}

static void test_whiteouts(void)
{
    struct store *store;
    struct store_image image;
    struct stat st;
    struct tar tar;
    struct error err _cleanup_error_ = ERROR_INIT;
    char *dir = new_store(&store);
    _cleanup_free_ char *id = NULL;
    tar_begin(&tar);
    tar_add(&tar, "a/.wh.gone", S_IFREG | 0644, "");
    tar_add(&tar, "new/.wh..wh..opq", S_IFREG | 0644, "");
    tar_add(&tar, ".wh.replaced", S_IFREG | 0644, "");
    tar_add(&tar, "replaced", S_IFDIR | 0755, NULL);
    tar_add(&tar, "also", S_IFDIR | 0755, NULL);
    tar_add(&tar, ".wh.also", S_IFREG | 0644, "");
    tar_add(&tar, ".wh.kept", S_IFREG | 0644, "");
    tar_add(&tar, "kept", S_IFREG | 0644, "I am here");
    tar_add(&tar, ".wh..wh.plnk/1.2", S_IFREG | 0644, "");
    if (!check_int(add(store, "whiteouts", &tar, &id, &err), 0))
        printf("# %s\n", err.message);
    check_int(store_find(store, "whiteouts", &image, NULL), 1);

    _cleanup_free_ char *gone = in_layer(store, &image, "a/gone");
    check_int(lstat(gone, &st), 0);
    check(S_ISCHR(st.st_mode) && st.st_rdev == 0);
    check_opaque(store, &image, "a", false);
    check_opaque(store, &image, "new", true);
    check_opaque(store, &image, "replaced", true);
    check_opaque(store, &image, "also", true);
    check_kind(store, &image, "kept", S_IFREG | 0644);
    store_image_release(&image);
    drop_store(store, dir);
}

/* What an archive may hold to get out of its layer, or to trouble the machine. */
static void test_hostile(void)
{
    static const struct {
        const char *link;    /* a symbolic link "l" to this, first; or NULL */
        const char *name;    /* then a file of this name, */
        const char *hard;    /* or a hard link to this */
        const char *message; /* refused with this; NULL: harmless, below the layer's top */
        const char *found;   /* where the file is then */
    } cases[] = {
        {NULL, "../out", NULL, "leads out of it", NULL},
        {NULL, "a/../../out", NULL, "leads out of it", NULL},
        {NULL, "..", NULL, "leads out of it", NULL},
        {NULL, ".wh...", NULL, "cannot unpack", NULL},
        {NULL, ".wh..", NULL, "cannot unpack", NULL},
        {NULL, ".wh.", NULL, "cannot unpack", NULL},
        {NULL, "/tmp/cleanroom-out", NULL, NULL, "tmp/cleanroom-out"},
        {"../../../../../../tmp", "l/cleanroom-out", NULL, "cannot be", NULL},
        {"/etc", "l/passwd", NULL, "cannot be", NULL},
        {"l", "l/x", NULL, "cannot be", NULL},
        {"/proc/self/root", "l/tmp/cleanroom-out", NULL, "cannot be", NULL},
        {"/", "l/here", NULL, NULL, "here"},
        {"..", "l/here", NULL, NULL, "here"},
        {NULL, "hard", "/etc/passwd", "cannot be a link", NULL},
        {NULL, "hard", "../../../../../../etc/passwd", "leads out of it", NULL},
        {"/etc", "hard", "l/passwd", "cannot be a link", NULL},
        {"/etc/passwd", "hard", "l", NULL, "hard"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct store *store;
        struct store_image image;
        struct tar tar;
        struct error err _cleanup_error_ = ERROR_INIT;
        char *dir = new_store(&store);
        _cleanup_free_ char *id = NULL;
        tar_begin(&tar);
        if (cases[i].link)
            tar_add(&tar, "l", S_IFLNK | 0777, cases[i].link);
        if (cases[i].hard)
            tar_link(&tar, cases[i].name, cases[i].hard);
        else
            tar_add(&tar, cases[i].name, S_IFREG | 0644, "evil");
        int r = add(store, "hostile", &tar, &id, &err);
        if (!check_int(r, cases[i].message ? -1 : 0))
            printf("# case %zu: %s\n", i, r < 0 ? err.message : "");
        if (r < 0 && cases[i].message)
            check_contains(err.message, cases[i].message);
        if (r == 0 && store_find(store, "hostile", &image, NULL) > 0) {
            struct stat st;
            _cleanup_free_ char *path = in_layer(store, &image, cases[i].found);
            check_int(lstat(path, &st), 0);
            store_image_release(&image);
        }
        /* Nothing half is left. */
        struct stat st;
        _cleanup_free_ char *tmp = xasprintf("%s/tmp", dir);
        check_int(stat(tmp, &st), 0);
        check_int(st.st_nlink, 2);
        check_int(access("/tmp/cleanroom-out", F_OK), -1);
        drop_store(store, dir);
    }
}

static void test_remove(void)
{
    struct store *store;
    struct store_image image;
    struct error err _cleanup_error_ = ERROR_INIT;
    char *dir = new_store(&store);
    _cleanup_free_ char *a = add_simple(store, "one", "1"), *b = add_simple(store, "two", "2");
    check_int(store_tag(store, "uno:x", a, NULL), 0);
    check_int(store_remove(store, "three", &err), 0);
    check_int(store_remove(store, "one", &err), 1);
    check_int(store_find(store, "one", &image, NULL), 0);
    check_int(store_find(store, "uno:x", &image, NULL), 1);

    check_int(store_remove(store, "uno:x", &err), -1);
    check_contains(err.message, "in use");
    error_clear(&err);
    _cleanup_free_ char *layer = in_layer(store, &image, "file");
    store_image_release(&image);
    check_int(store_remove(store, "uno:x", &err), 1);
    check_int(access(layer, F_OK), -1);
    check_int(store_find(store, a, &image, NULL), 0);

    b[19] = '\0';
    check_int(store_remove(store, b + 7, &err), 1);
    struct store_entries list;
    check_int(store_list(store, &list, &err), 0);
    check_int(list.len, 0);
    store_entries_deinit(&list);
    drop_store(store, dir);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_add_and_find),
                                       TAP(test_kinds),
                                       TAP(test_whiteouts),
                                       TAP(test_hostile),
                                       TAP(test_remove),
                                       {0}});
}
