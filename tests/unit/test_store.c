/* SPDX-License-Identifier: Apache-2.0 */
/* The image store: names, images, layers, what is unpacked, what goes first. */
#include "engine/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <archive.h>
#include <archive_entry.h>

#include "engine/store/reach.h"
#include "engine/store/tree.h"
#include "engine/store/untar.h"
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
    if (S_ISCHR(mode) || S_ISBLK(mode))
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

static void check_absent(struct store *store, const struct store_image *image, const char *name)
{
    struct stat st;
    _cleanup_free_ char *path = in_layer(store, image, name);
    if (!check_int(lstat(path, &st), -1))
        printf("# %s\n", name);
}

/* Whoever mounts a layer, and how: nothing in it leads to this machine's devices. */
static void test_devices_of_an_archive(void)
{
    struct store *store;
    struct store_image image;
    struct stat st;
    struct tar tar;
    struct error err _cleanup_error_ = ERROR_INIT;
    char *dir = new_store(&store);
    _cleanup_free_ char *id = NULL;
    tar_begin(&tar);
    tar_add(&tar, "dev/null", S_IFCHR | 0666, NULL);
    tar_add(&tar, "./disk", S_IFBLK | 0666, NULL);
    tar_link(&tar, "linked", "/disk");
    tar_link(&tar, "dev/again", "linked");
    tar_add(&tar, "replaced", S_IFREG | 0644, "first");
    tar_add(&tar, "replaced", S_IFBLK | 0666, NULL);
    tar_add(&tar, ".wh.hidden", S_IFREG | 0644, "");
    tar_add(&tar, "hidden", S_IFCHR | 0666, NULL);
    tar_add(&tar, "after", S_IFREG | 0644, "text");
    if (!check_int(add(store, "devices", &tar, &id, &err), 0))
        printf("# %s\n", err.message);
    check_int(store_find(store, "devices", &image, NULL), 1);
    static const char *const absent[] = {"dev/null", "disk", "linked", "dev/again", "replaced"};
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        check_absent(store, &image, absent[i]);
    check_kind(store, &image, "dev", S_IFDIR | 0755);
    check_kind(store, &image, "after", S_IFREG | 0644);
    _cleanup_free_ char *hidden = in_layer(store, &image, "hidden");
    check_int(lstat(hidden, &st), 0);
    check(S_ISCHR(st.st_mode) && st.st_rdev == 0);
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

/* --- what a container wrote ------------------------------------------------------------------- */

static void write_text(const char *dir, const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    check_int(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void make_upper(const char *dir)
{
    _cleanup_free_ char *gone = xasprintf("%s/gone", dir), *opaque = xasprintf("%s/opaque", dir);
    _cleanup_free_ char *data = xasprintf("%s/data", dir), *twin = xasprintf("%s/twin", dir);
    _cleanup_free_ char *file = xasprintf("%s/data/file", dir);
    check_int(mkdir(dir, 0711), 0);
    check_int(mkdir(data, 0700), 0);
    check_int(mkdir(opaque, 0755), 0);
    check_int(setxattr(opaque, OVERLAY_TRUSTED "opaque", "y", 1, 0), 0);
    check_int(setxattr(opaque, OVERLAY_TRUSTED "origin", "x", 1, 0), 0);
    check_int(setxattr(opaque, "user.mine", "1", 1, 0), 0);
    check_int(mknod(gone, S_IFCHR, makedev(0, 0)), 0);
    write_text(data, "file", "written");
    check_int(chown(file, 999, 999), 0);
    check_int(chmod(file, 04640), 0);
    check_int(link(file, twin), 0);
}

/* By links, as layers of a daemon on this machine come, and by copies. */
static void test_devices_of_a_tree(void)
{
    static const struct {
        const char *name;
        mode_t mode;
        unsigned major, minor;
        int kept;
    } nodes[] = {
        {"null", S_IFCHR | 0666, 1, 3, -1}, {"disk", S_IFBLK | 0666, 7, 0, -1},
        {"none", S_IFBLK | 0666, 0, 0, -1}, {"whiteout", S_IFCHR, 0, 0, 0},
        {"pipe", S_IFIFO | 0600, 0, 0, 0},
    };
    for (int link = 0; link < 2; link++) {
        char dir[] = "/tmp/cleanroom-tree-XXXXXX";
        struct error err _cleanup_error_ = ERROR_INIT;
        struct stat st;
        check(mkdtemp(dir) != NULL);
        _cleanup_close_ int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        check_int(mkdirat(top, "from", 0700), 0);
        check_int(mkdirat(top, "to", 0700), 0);
        _cleanup_close_ int from = openat(top, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int to = openat(top, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
            check_int(mknodat(from, nodes[i].name, nodes[i].mode,
                              makedev(nodes[i].major, nodes[i].minor)),
                      0);
        struct tree_copy copy = {.link = link != 0};
        check_int(tree_copy(&copy, from, to, &err), 0);
        for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
            if (!check_int(fstatat(to, nodes[i].name, &st, AT_SYMLINK_NOFOLLOW), nodes[i].kept))
                printf("# %s\n", nodes[i].name);
        check_int(tree_remove(AT_FDCWD, dir), 0);
    }
}

static void test_upper(void)
{
    struct store *store;
    struct store_image image;
    struct stat st;
    char value[8];
    struct error err _cleanup_error_ = ERROR_INIT;
    char *dir = new_store(&store);
    _cleanup_free_ char *base = add_simple(store, "base", "base"), *id = NULL, *again = NULL;
    _cleanup_free_ char *upper = xasprintf("%s/upper", dir);
    make_upper(upper);
    check_int(store_add_upper(store, "snap:k", "base", upper, "key 1", &id, &err), 0);
    check_int(store_find(store, "snap:k", &image, &err), 1);
    check_int(image.layers.len, 2);
    check_str(image.info.entrypoint.items[1], "-x");

    _cleanup_free_ char *file = in_layer(store, &image, "data/file");
    check_int(stat(file, &st), 0);
    check_int(st.st_uid, 999);
    check_int(st.st_mode, S_IFREG | 04640);
    check_int(st.st_nlink, 2);
    check_opaque(store, &image, "opaque", true);
    _cleanup_free_ char *opaque = in_layer(store, &image, "opaque");
    check_int(getxattr(opaque, OVERLAY_TRUSTED "origin", value, sizeof(value)), -1);
    check_int(getxattr(opaque, "user.mine", value, sizeof(value)), 1);
    _cleanup_free_ char *gone = in_layer(store, &image, "gone");
    check_int(lstat(gone, &st), 0);
    check(S_ISCHR(st.st_mode) && st.st_rdev == 0);
    store_image_release(&image);

    /* Under the same name: the newer one. */
    check_int(store_add_upper(store, "snap:k", base, upper, NULL, &again, &err), 0);
    check(again && strcmp(again, id) != 0);
    struct store_entries list;
    check_int(store_list(store, &list, &err), 0);
    check_int(list.len, 3);
    size_t snapshots = 0, named = 0;
    for (size_t i = 0; i < list.len; i++) {
        snapshots += list.items[i].snapshot && strcmp(list.items[i].snapshot, "key 1") == 0;
        named += list.items[i].refs.len;
    }
    check_int(snapshots, 1);
    check_int(named, 2);
    store_entries_deinit(&list);
    check_int(store_add_upper(store, "x", "nothing", upper, NULL, &again, &err), -1);
    check_contains(err.message, "not in the store");
    drop_store(store, dir);
}

/* As many as overlayfs takes, and in few enough letters for mount(2). */
static void test_many_layers(void)
{
    struct store *store;
    struct store_image image;
    char *dir = new_store(&store);
    _cleanup_free_ char *id = add_simple(store, "base", "0");
    _cleanup_free_ char *upper = xasprintf("%s/upper", dir);
    check_int(mkdir(upper, 0755), 0);
    for (int i = 1; i < 127; i++) {
        struct error err _cleanup_error_ = ERROR_INIT;
        char *next = NULL;
        if (!check_int(store_add_upper(store, "deep", id, upper, NULL, &next, &err), 0))
            break;
        free(id);
        id = next;
    }
    check_int(store_find(store, "deep", &image, NULL), 1);
    check_int(image.layers.len, 127);
    size_t len = 0;
    for (size_t i = 0; i < image.layers.len; i++)
        len += strlen(image.layers.items[i]) - strlen("layers/") + 1;
    check(len < 3500);
    store_image_release(&image);
    drop_store(store, dir);
}

/* --- keeping it small ------------------------------------------------------------------------- */

static void use_at(const char *dir, const char *id, time_t when)
{
    _cleanup_free_ char *path = xasprintf("%s/images/%s.json", dir, id + 7);
    const struct timespec times[] = {{.tv_sec = when}, {.tv_sec = when}};
    check_int(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool has(struct store *store, const char *ref)
{
    struct store_entries list;
    bool found = false;
    check_int(store_list(store, &list, NULL), 0);
    for (size_t i = 0; i < list.len; i++)
        for (size_t j = 0; j < list.items[i].refs.len; j++)
            found = found || strcmp(list.items[i].refs.items[j], ref) == 0;
    store_entries_deinit(&list);
    return found;
}

static void test_least_recently_used_goes_first(void)
{
    static const char *const texts[] = {"aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc", "dddddddddd"};
    static const char *const names[] = {"a:latest", "b:latest", "c:latest", "d:latest"};
    struct store *store;
    struct store_image image;
    uint64_t freed;
    char *ids[4], *dir = new_store(&store);
    time_t now = time(NULL);
    for (size_t i = 0; i < 4; i++)
        ids[i] = add_simple(store, names[i], texts[i]);
    check_int(store_find(store, "a", &image, NULL), 1);
    for (size_t i = 0; i < 4; i++)
        use_at(dir, ids[i], now - 100 + (time_t)i);

    check_int(store_prune(store, false, 0, &freed, NULL), 0);
    check_int(freed, 0);
    check_int(store_prune(store, false, 40, &freed, NULL), 0);
    check_int(freed, 0);
    /* The oldest is in use. */
    check_int(store_prune(store, false, 25, &freed, NULL), 0);
    check_int(freed, 20);
    check(has(store, "a:latest") && !has(store, "b:latest") && !has(store, "c:latest") &&
          has(store, "d:latest"));
    store_image_release(&image);
    check_int(store_prune(store, false, 10, &freed, NULL), 0);
    check(!has(store, "a:latest") && has(store, "d:latest"));

    /* Without a name, and long unused: of no use. */
    check_int(store_tag(store, "d",
                        "sha256:"
                        "0000000000000000000000000000000000000000000000000000000000000000",
                        NULL),
              0);
    check_int(store_prune(store, false, 0, &freed, NULL), 0);
    check_int(freed, 0);
    use_at(dir, ids[3], now - 7200);
    check_int(store_prune(store, false, 0, &freed, NULL), 0);
    check_int(freed, 10);
    for (size_t i = 0; i < 4; i++)
        free(ids[i]);
    drop_store(store, dir);
}

static void test_prune_all(void)
{
    struct store *store;
    struct store_image image;
    uint64_t freed;
    char *dir = new_store(&store);
    free(add_simple(store, "a", "aaa"));
    free(add_simple(store, "b", "bbb"));
    check_int(store_find(store, "a", &image, NULL), 1);
    check_int(store_prune(store, true, 0, &freed, NULL), 0);
    check_int(freed, 3);
    check(has(store, "a:latest") && !has(store, "b:latest"));
    store_image_release(&image);
    drop_store(store, dir);
}

static size_t count_names(const char *dir, const char *below)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, below);
    DIR *d = opendir(path);
    size_t count = 0;
    while (d && readdir(d))
        count++;
    closedir(d);
    return count - 2;
}

static void test_rubbish(void)
{
    struct store *store;
    uint64_t freed;
    char *dir = new_store(&store);
    _cleanup_free_ char *dead = xasprintf("%s/tmp/layer-dead", dir);
    _cleanup_free_ char *alive = xasprintf("%s/tmp/layer-alive", dir);
    _cleanup_free_ char *orphan = xasprintf("%s/layers/0123456789abcdef01234567", dir);
    check_int(mkdir(dead, 0700), 0);
    write_text(dead, "half", "written");
    check_int(mkdir(alive, 0700), 0);
    check_int(mkdir(orphan, 0755), 0);
    _cleanup_close_ int lock = open(alive, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_int(flock(lock, LOCK_SH), 0);
    check_int(store_prune(store, false, 0, &freed, NULL), 0);
    check_int(access(dead, F_OK), -1);
    check_int(access(alive, F_OK), 0);
    check_int(access(orphan, F_OK), -1);
    drop_store(store, dir);
}

/* Deeper than any number of descriptors. */
static void test_deep_tree(void)
{
    struct store *store;
    char *dir = new_store(&store);
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3000; i++) {
        check_int(mkdirat(at, i == 0 ? "deep" : "d", 0700), 0);
        int next = openat(at, i == 0 ? "deep" : "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(at);
        at = next;
    }
    close(at);
    at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_int(tree_remove(at, "deep"), 0);
    check_int(faccessat(at, "deep", F_OK, 0), -1);
    close(at);
    drop_store(store, dir);
}

/* --- two mounts of one file system --------------------------------------------------------------
 */

/* As Docker does it: 0 when links cannot be made the straight way, and can by reach_both(). */
static int link_between_mounts(const char *dir)
{
    _cleanup_free_ char *from = xasprintf("%s/from it", dir), *to = xasprintf("%s/to", dir);
    int a, b;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mkdir(from, 0700) < 0 || mkdir(to, 0700) < 0 || mount(from, from, NULL, MS_BIND, NULL) < 0)
        return 1;
    write_text(from, "file", "text");
    int from_fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int to_fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (linkat(from_fd, "file", to_fd, "file", 0) == 0 || errno != EXDEV)
        return 2;
    if (reach_both(from_fd, to_fd, &a, &b) < 0)
        return 3;
    return linkat(a, "file", b, "file", 0) == 0 && faccessat(to_fd, "file", F_OK, 0) == 0 ? 0 : 4;
}

static void test_reach(void)
{
    int status;
    char dir[] = "/tmp/cleanroom-reach-XXXXXX";
    check(mkdtemp(dir) != NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(link_between_mounts(dir));
    check_int(waitpid(pid, &status, 0), pid);
    check_int(WEXITSTATUS(status), 0);
    check_int(tree_remove(AT_FDCWD, dir), 0);

    /* Two file systems stay two. */
    int a, b;
    _cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_int(reach_both(proc, tmp, &a, &b), -1);
}

/* --- several at once, and killed -------------------------------------------------------------- */

/* Many small files: long enough to be interrupted anywhere. */
static void big_tar(struct tar *tar, char letter)
{
    tar_begin(tar);
    for (int i = 0; i < 400; i++) {
        char name[32], text[32];
        (void)snprintf(name, sizeof(name), "d%d/f%d", i % 20, i);
        (void)snprintf(text, sizeof(text), "%c%d", letter, i);
        tar_add(tar, name, S_IFREG | 0644, text);
    }
}

/* In a child: adds the image, and says by its exit code whether that went well. */
static pid_t add_in_child(const char *dir, const char *name, const struct tar *tar)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    static const char *const entrypoint[] = {"/x", NULL};
    struct error err = ERROR_INIT;
    struct store *store = store_open(dir, &err);
    char *id;
    int r = store_add_rootfs(store, name, entrypoint, tar->bytes, tar->len, &id, &err);
    if (r < 0)
        printf("# %s\n", err.message);
    fflush(stdout);
    _exit(r == 0 ? 0 : 1);
}

static void test_concurrent(void)
{
    enum { CHILDREN = 6 };
    struct store *store;
    struct store_image image;
    struct tar tar;
    uint64_t freed;
    char *dir = new_store(&store);
    big_tar(&tar, 'x');
    tar_end(&tar);
    for (int round = 0; round < 4; round++) {
        pid_t pids[CHILDREN];
        for (int i = 0; i < CHILDREN; i++)
            pids[i] = add_in_child(dir, i % 2 ? "odd" : "even", &tar);
        /* What nobody uses may be removed at any moment, and is made again. */
        for (int i = 0; i < 20; i++)
            check_int(store_prune(store, true, 0, &freed, NULL), 0);
        for (int i = 0; i < CHILDREN; i++) {
            int status;
            check_int(waitpid(pids[i], &status, 0), pids[i]);
            check_int(status, 0);
        }
    }
    pid_t last = add_in_child(dir, "last", &tar);
    check_int(waitpid(last, NULL, 0), last);
    check_int(store_find(store, "last", &image, NULL), 1);
    check_int(count_names(dir, "tmp"), 0);
    check_int(count_names(dir, "layers"), 1);
    check_int(count_names(dir, "images"), 1);
    store_image_release(&image);
    free(tar.bytes);
    drop_store(store, dir);
}

static void test_killed(void)
{
    struct store *store;
    char *dir = new_store(&store);
    size_t interrupted = 0;
    for (int i = 0; i < 60; i++) {
        struct tar tar;
        struct store_image image;
        uint64_t freed;
        int status;
        /* Sixty moments of about the time it takes. */
        const struct timespec delay = {.tv_nsec = i * 400 * 1000};
        big_tar(&tar, (char)('A' + i));
        tar_end(&tar);
        pid_t pid = add_in_child(dir, "killed", &tar);
        (void)ppoll(NULL, 0, &delay, NULL);
        (void)kill(pid, SIGKILL);
        check_int(waitpid(pid, &status, 0), pid);
        interrupted += WIFSIGNALED(status);
        /* Whatever is there is whole, and the rest goes. */
        if (store_find(store, "killed", &image, NULL) > 0) {
            _cleanup_free_ char *last = in_layer(store, &image, "d19/f399");
            check_int(access(last, F_OK), 0);
            store_image_release(&image);
        }
        check_int(store_prune(store, true, 0, &freed, NULL), 0);
        check_int(count_names(dir, "tmp") + count_names(dir, "layers") +
                      count_names(dir, "images") + count_names(dir, "refs"),
                  0);
        free(tar.bytes);
    }
    check(interrupted > 5);
    drop_store(store, dir);
}

/* --- broken and boundless ----------------------------------------------------------------------
 */

static int unpack(const struct tar *tar, size_t len, uint64_t bytes, uint64_t entries,
                  struct error *err)
{
    char dir[] = "/tmp/cleanroom-untar-XXXXXX";
    check(mkdtemp(dir) != NULL);
    _cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct untar u;
    untar_init(&u, fd, false);
    u.max_bytes = bytes;
    u.max_entries = entries;
    struct archive *a = archive_read_new();
    archive_read_support_format_tar(a);
    int r = archive_read_open_memory(a, tar->bytes, len) == ARCHIVE_OK
                ? untar_all(&u, a, err)
                : error_set(err, ERROR_ENGINE, "no archive");
    archive_read_free(a);
    untar_deinit(&u);
    check_int(tree_remove(AT_FDCWD, dir), 0);
    return r;
}

static void test_bounds(void)
{
    struct tar tar;
    struct error err _cleanup_error_ = ERROR_INIT;
    tar_begin(&tar);
    tar_add(&tar, "a", S_IFREG | 0644, "1234567890");
    tar_add(&tar, "b", S_IFREG | 0644, "1234567890");
    tar_end(&tar);
    check_int(unpack(&tar, tar.len, 20, 2, &err), 0);
    check_int(unpack(&tar, tar.len, 19, 2, &err), -1);
    check_contains(err.message, "larger than");
    error_clear(&err);
    check_int(unpack(&tar, tar.len, 20, 1, &err), -1);
    check_contains(err.message, "more than 1 files");
    free(tar.bytes);

    /* A name as long as can be, and longer. */
    char name[5000];
    memset(name, 'n', sizeof(name));
    for (size_t i = 200; i < sizeof(name); i += 200)
        name[i] = '/';
    for (size_t len = 4000; len < sizeof(name); len += 999) {
        error_clear(&err);
        name[len] = '\0';
        tar_begin(&tar);
        tar_add(&tar, name, S_IFREG | 0644, "x");
        tar_end(&tar);
        if (!check_int(unpack(&tar, tar.len, 100, 100, &err), len < 4096 ? 0 : -1))
            printf("# %zu: %s\n", len, err.message ? err.message : "");
        free(tar.bytes);
        name[len] = 'n';
    }
}

static void test_truncated(void)
{
    struct tar tar;
    size_t good = 0;
    tar_begin(&tar);
    tar_add(&tar, "dir", S_IFDIR | 0755, NULL);
    tar_add(&tar, "dir/file", S_IFREG | 0644, "some text that is longer than nothing");
    tar_add(&tar, "dir/link", S_IFLNK | 0777, "file");
    tar_end(&tar);
    for (size_t len = 1; len < tar.len; len += 97) {
        struct error err _cleanup_error_ = ERROR_INIT;
        int r = unpack(&tar, len, 1 << 20, 100, &err);
        check(r == 0 || err.kind == ERROR_ENGINE);
        good += r == 0;
    }
    /* Between entries it cannot be told; the digest tells. */
    check(good < tar.len / 97 / 2);
    free(tar.bytes);
}

static void test_broken_store(void)
{
    struct store *store;
    struct store_image image;
    char *dir = new_store(&store);
    _cleanup_free_ char *id = add_simple(store, "app", "hello");
    check_int(store_find(store, "app", &image, NULL), 1);
    _cleanup_free_ char *layer = in_layer(store, &image, "");
    _cleanup_free_ char *json = xasprintf("%s/images/%s.json", dir, id + 7);
    store_image_release(&image);

    /* Somebody removed a layer: the image is not there, and can be made again. */
    check_int(tree_remove(AT_FDCWD, layer), 0);
    check_int(store_find(store, "app", &image, NULL), 0);
    free(add_simple(store, "app", "hello"));
    check_int(store_find(store, "app", &image, NULL), 1);
    store_image_release(&image);

    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"id\": 1}",
                                        "{\"id\":\"x\",\"layers\":[]}",
                                        "{\"id\":\"x\",\"layers\":[{\"id\":\"../../x\"}]}"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        check_int(truncate(json, 0), 0);
        write_text(dir, json + strlen(dir) + 1, texts[i]);
        check_int(store_find(store, "app", &image, NULL), 0);
        free(add_simple(store, "app", "hello"));
        check_int(store_find(store, "app", &image, NULL), 1);
        store_image_release(&image);
    }
    drop_store(store, dir);

    struct error err _cleanup_error_ = ERROR_INIT;
    check(store_open("/proc/no/store", &err) == NULL);
    check_contains(err.message, "'/proc/no/store'");
}

/* --- whose it is --------------------------------------------------------------------------------
 */

/* What was there before nodes of devices were left out is not trusted, and goes. */
static void test_older_layout(void)
{
    struct store *store;
    struct store_image image;
    uint64_t freed;
    char *dir = new_store(&store);
    _cleanup_free_ char *layout = xasprintf("%s/layout-2", dir);
    free(add_simple(store, "app", "hello"));
    store_close(store);
    check_int(unlink(layout), 0);
    store = store_open(dir, NULL);
    check(store != NULL && access(layout, F_OK) == 0);
    check_int(store_find(store, "app", &image, NULL), 0);
    check_int(count_names(dir, "layers"), 0);
    check_int(count_names(dir, "tmp"), 3);
    check_int(store_prune(store, false, 0, &freed, NULL), 0);
    check_int(count_names(dir, "tmp"), 0);

    free(add_simple(store, "app", "hello"));
    store_close(store);
    store = store_open(dir, NULL);
    check_int(store_find(store, "app", &image, NULL), 1);
    store_image_release(&image);
    drop_store(store, dir);
}

static void check_refused(const char *dir, const char *message)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    struct store *store = store_open(dir, &err);
    if (!check(store == NULL))
        printf("# not refused: %s\n", message);
    store_close(store);
    check_int(err.kind, ERROR_CONFIG);
    check_contains(err.message ? err.message : "", message);
    check_contains(err.message ? err.message : "", "XDG_CACHE_HOME");
}

static void test_not_ours(void)
{
    static const char *const below[] = {"", "/layers", "/images", "/refs", "/tmp"};
    struct store *store;
    char *dir = new_store(&store);
    for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
        _cleanup_free_ char *path = xasprintf("%s%s", dir, below[i]);
        _cleanup_free_ char *message = xasprintf("'%s', which belongs to another user", path);
        _cleanup_free_ char *open_message = xasprintf("'%s', where others may write", path);
        check_int(chown(path, 4711, 4711), 0);
        check_refused(dir, message);
        check_int(chown(path, 0, 0), 0);
        check_int(chmod(path, 0770), 0);
        check_refused(dir, open_message);
        check_int(chmod(path, 0700), 0);
    }
    drop_store(store, dir);
}

/* A link to what root has, put where root is about to clear rubbish away. */
static void test_links(void)
{
    static const char *const below[] = {"layers", "images", "refs", "tmp"};
    char victim[] = "/tmp/cleanroom-victim-XXXXXX";
    check(mkdtemp(victim) != NULL);
    _cleanup_free_ char *precious = xasprintf("%s/file", victim);
    write_text(victim, "file", "precious");
    for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
        struct store *store;
        char *dir = new_store(&store);
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, below[i]);
        check_int(rmdir(path), 0);
        check_int(symlink(victim, path), 0);
        check_refused(dir, "which is no directory");
        check_int(access(precious, F_OK), 0);
        drop_store(store, dir);
    }
    /* The top itself, by a link on the way to it: that is no store. */
    struct stat st;
    check_int(chmod(victim, 0755), 0);
    check_refused(victim, "holds 'file' and is no store");
    check_int(stat(victim, &st), 0);
    check_int(st.st_mode & 07777, 0755);
    check_int(count_names(victim, ""), 1);
    check_int(tree_remove(AT_FDCWD, victim), 0);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_add_and_find),
                                       TAP(test_kinds),
                                       TAP(test_devices_of_an_archive),
                                       TAP(test_whiteouts),
                                       TAP(test_hostile),
                                       TAP(test_remove),
                                       TAP(test_devices_of_a_tree),
                                       TAP(test_upper),
                                       TAP(test_many_layers),
                                       TAP(test_least_recently_used_goes_first),
                                       TAP(test_prune_all),
                                       TAP(test_rubbish),
                                       TAP(test_deep_tree),
                                       TAP(test_reach),
                                       TAP(test_concurrent),
                                       TAP(test_killed),
                                       TAP(test_bounds),
                                       TAP(test_truncated),
                                       TAP(test_broken_store),
                                       TAP(test_older_layout),
                                       TAP(test_not_ours),
                                       TAP(test_links),
                                       {0}});
}
