/* SPDX-License-Identifier: Apache-2.0 */
/* Archives of images: of `docker save`, old and new, OCI layouts, and what is wrong with some. */
#include "engine/store/import.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <archive.h>
#include <archive_entry.h>

#include <cleanroom/strbuf.h>

#include "engine/store/manifest.h"
#include "engine/store/sha256.h"
#include "engine/store/tree.h"
#include "tap.h"

/* --- making them ------------------------------------------------------------------------------ */

struct blob {
    char *bytes;
    size_t len;
    char digest[DIGEST_SIZE];
};

static struct blob blob_of(const void *bytes, size_t len)
{
    struct blob blob = {.bytes = xmemdup(bytes, len), .len = len};
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, bytes, len);
    sha256_digest(&h, blob.digest);
    return blob;
}

static struct blob text_blob(char *text)
{
    struct blob blob = blob_of(text, strlen(text));
    free(text);
    return blob;
}

/* An archive in memory, and what may be around it. */
struct tar {
    struct archive *a;
    char *bytes;
    size_t len;
};

static void tar_begin(struct tar *tar, int filter)
{
    *tar = (struct tar){.bytes = xmalloc(1 << 20)};
    tar->a = archive_write_new();
    archive_write_set_format_ustar(tar->a);
    archive_write_add_filter(tar->a, filter);
    archive_write_open_memory(tar->a, tar->bytes, 1 << 20, &tar->len);
}

static void tar_add(struct tar *tar, const char *name, const void *bytes, size_t len)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, name);
    archive_entry_set_mode(e, S_IFREG | 0644);
    archive_entry_set_size(e, (int64_t)len);
    archive_write_header(tar->a, e);
    archive_write_data(tar->a, bytes, len);
    archive_entry_free(e);
}

static void tar_symlink(struct tar *tar, const char *name, const char *target)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, name);
    archive_entry_set_mode(e, S_IFLNK | 0777);
    archive_entry_set_symlink(e, target);
    archive_write_header(tar->a, e);
    archive_entry_free(e);
}

static struct blob tar_end(struct tar *tar)
{
    archive_write_close(tar->a);
    archive_write_free(tar->a);
    struct blob blob = blob_of(tar->bytes, tar->len);
    free(tar->bytes);
    return blob;
}

static struct blob layer(const char *name, const char *text, int filter)
{
    struct tar tar;
    tar_begin(&tar, filter);
    tar_add(&tar, name, text, strlen(text));
    return tar_end(&tar);
}

static struct blob config(const char *diff_ids)
{
    return text_blob(xasprintf("{\"config\":{\"User\":\"app\",\"Cmd\":[\"run\"],"
                               "\"WorkingDir\":\"/srv\",\"StopSignal\":\"SIGQUIT\"},"
                               "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[%s]}}",
                               diff_ids));
}

/* --- loading them ----------------------------------------------------------------------------- */

struct fixture {
    char dir[40];
    struct store *store;
    struct import import;
    struct error err;
};

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){.dir = "/tmp/cleanroom-archive-XXXXXX"};
    check(mkdtemp(f->dir) != NULL);
    f->store = store_open(f->dir, &f->err);
    f->import.store = f->store;
}

static void fixture_deinit(struct fixture *f)
{
    import_deinit(&f->import);
    error_clear(&f->err);
    store_close(f->store);
    check_int(tree_remove(AT_FDCWD, f->dir), 0);
}
#define _cleanup_fixture_ _cleanup_(fixture_deinit)

static int load(struct fixture *f, const struct blob *archive)
{
    int fd = memfd_create("archive", MFD_CLOEXEC);
    check_int(write(fd, archive->bytes, archive->len), (ssize_t)archive->len);
    check_int(lseek(fd, 0, SEEK_SET), 0);
    return import_archive(&f->import, fd, &f->err);
}

static void check_loaded(struct fixture *f, const char *ref, size_t layers)
{
    struct store_image image;
    if (!check_int(store_find(f->store, ref, &image, NULL), 1)) {
        printf("# %s: %s\n", ref, f->err.message ? f->err.message : "");
        return;
    }
    check_int(image.layers.len, layers);
    check_str(image.info.user, "app");
    check_str(image.working_dir, "/srv");
    check_int(image.stop_signal, SIGQUIT);
    store_image_release(&image);
}

/* An archive of `docker save`, with two layers, the second one as a link to the first's twin. */
static struct blob saved(int filter, const char *names)
{
    struct tar tar;
    struct blob one = layer("one", "1", ARCHIVE_FILTER_NONE);
    struct blob two = layer("two", "2", ARCHIVE_FILTER_NONE);
    _cleanup_free_ char *ids = xasprintf("\"%s\",\"%s\",\"%s\"", one.digest, two.digest,
                                         one.digest);
    struct blob json = config(ids);
    struct blob manifest = text_blob(
        xasprintf("[{\"Config\":\"c.json\",\"RepoTags\":%s,"
                  "\"Layers\":[\"a/layer.tar\",\"b/layer.tar\",\"c/layer.tar\"]}]",
                  names));
    tar_begin(&tar, filter);
    tar_add(&tar, "a/layer.tar", one.bytes, one.len);
    tar_add(&tar, "b/layer.tar", two.bytes, two.len);
    tar_symlink(&tar, "c/layer.tar", "../a/layer.tar");
    tar_add(&tar, "c.json", json.bytes, json.len);
    tar_add(&tar, "manifest.json", manifest.bytes, manifest.len);
    free(one.bytes);
    free(two.bytes);
    free(json.bytes);
    free(manifest.bytes);
    return tar_end(&tar);
}

static void test_docker_save(void)
{
    static const int filters[] = {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD,
                                  ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_BZIP2};
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
        _cleanup_fixture_ struct fixture f;
        fixture_init(&f);
        struct blob archive = saved(filters[i], "[\"app:1\",\"registry.example/app:2\"]");
        check_int(load(&f, &archive), 0);
        check_loaded(&f, "app:1", 3);
        check_loaded(&f, "registry.example/app:2", 3);
        check_int(f.import.images.len, 2);
        free(archive.bytes);
    }
}

static void test_a_pipe(void)
{
    _cleanup_fixture_ struct fixture f;
    fixture_init(&f);
    struct blob archive = saved(ARCHIVE_FILTER_NONE, "null");
    int ends[2];
    check_int(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        for (size_t at = 0; at < archive.len; at += 100)
            (void)!write(ends[1], archive.bytes + at,
                         archive.len - at < 100 ? archive.len - at : 100);
        _exit(0);
    }
    close(ends[1]);
    f.import.ref = "piped";
    check_int(import_archive(&f.import, ends[0], &f.err), 0);
    check_int(waitpid(pid, NULL, 0), pid);
    check_loaded(&f, "piped", 3);
    check_loaded(&f, f.import.id, 3);
    free(archive.bytes);
}

/* What an archive may not call itself. */
static void test_names(void)
{
    _cleanup_fixture_ struct fixture f;
    fixture_init(&f);
    static const char victim[] =
        "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    _cleanup_free_ char *names = xasprintf("[\"%s\",\"x@%s\",\"../..\",\"\",7,\"good\"]", victim,
                                           victim);
    struct blob archive = saved(ARCHIVE_FILTER_NONE, names);
    struct store_image image;
    check_int(load(&f, &archive), 0);
    check_loaded(&f, "good", 3);
    check_int(f.import.images.len, 1);
    check_int(store_find(f.store, victim, &image, NULL), 0);
    free(archive.bytes);
}

/* --- OCI ---------------------------------------------------------------------------------------
 */

static void add_blob(struct tar *tar, const struct blob *blob)
{
    _cleanup_free_ char *name = xasprintf("blobs/sha256/%s", blob->digest + 7);
    tar_add(tar, name, blob->bytes, blob->len);
}

static struct blob manifest_of(const struct blob *json, const struct blob *travels)
{
    return text_blob(xasprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
        "\"config\":{\"digest\":\"%s\"},\"layers\":[{\"digest\":\"%s\",\"size\":%zu}]}",
        json->digest, travels->digest, travels->len));
}

enum damage {
    NONE,
    LAYER_CHANGED,
    CONFIG_CHANGED,
    MANIFEST_CHANGED,
    LAYER_MISSING,
    CONFIG_MISSING,
    OTHER_CONTENT, /* than the configuration says */
    OTHER_PLATFORM,
};

/* What travels under its name may be another thing. */
static void add_damaged(struct tar *tar, const struct blob *blob, bool change)
{
    struct blob copy = *blob;
    copy.bytes = xmemdup(blob->bytes, blob->len);
    copy.bytes[blob->len / 2] ^= (char)change;
    add_blob(tar, &copy);
    free(copy.bytes);
}

static struct blob oci(int filter, enum damage damage)
{
    struct tar tar;
    struct blob plain = layer("file", "hello, world", ARCHIVE_FILTER_NONE);
    struct blob travels = layer("file", damage == OTHER_CONTENT ? "HELLO, world" : "hello, world",
                                filter);
    _cleanup_free_ char *ids = xasprintf("\"%s\"", plain.digest);
    struct blob json = config(ids), manifest = manifest_of(&json, &travels);
    const char *ours = strchr(manifest_platform(), '/') + 1;
    struct blob nested = text_blob(xasprintf(
        "{\"manifests\":[{\"digest\":\"%s\",\"platform\":{\"os\":\"windows\",\"architecture\":\"%"
        "s\"}},"
        "{\"digest\":\"%s\",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}},"
        "{\"digest\":\"%s\",\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}}]}",
        plain.digest, ours, plain.digest, manifest.digest,
        damage == OTHER_PLATFORM ? "vax" : ours));
    struct blob index = text_blob(
        xasprintf("{\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.index.v1+json\","
                  "\"digest\":\"%s\",\"annotations\":{\"org.opencontainers.image.ref.name\":"
                  "\"quay.io/app:3\"}}]}",
                  nested.digest));
    tar_begin(&tar, ARCHIVE_FILTER_NONE);
    tar_add(&tar, "./oci-layout", "{}", 2);
    tar_add(&tar, "./index.json", index.bytes, index.len);
    add_blob(&tar, &nested);
    add_damaged(&tar, &manifest, damage == MANIFEST_CHANGED);
    if (damage != CONFIG_MISSING)
        add_damaged(&tar, &json, damage == CONFIG_CHANGED);
    if (damage != LAYER_MISSING)
        add_damaged(&tar, &travels, damage == LAYER_CHANGED);
    const struct blob all[] = {plain, travels, json, manifest, nested, index};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        free(all[i].bytes);
    return tar_end(&tar);
}

static void test_oci(void)
{
    static const int filters[] = {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD};
    _cleanup_free_ char *first = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
        _cleanup_fixture_ struct fixture f;
        fixture_init(&f);
        struct blob archive = oci(filters[i], NONE);
        check_int(load(&f, &archive), 0);
        check_loaded(&f, "quay.io/app:3", 1);
        /* However it travelled, it is the same image. */
        if (first)
            check_str(f.import.id, first);
        replace_str(&first, f.import.id);
        free(archive.bytes);
    }
}

static void test_damage(void)
{
    static const char *const messages[] = {
        [LAYER_CHANGED] = "the layer",
        [CONFIG_CHANGED] = "not what its name says",
        [MANIFEST_CHANGED] = "not what its name says",
        [LAYER_MISSING] = "is missing",
        [CONFIG_MISSING] = "is missing",
        [OTHER_CONTENT] = "the layer's content is not",
        [OTHER_PLATFORM] = "no image for linux/",
    };
    for (enum damage damage = LAYER_CHANGED; damage <= OTHER_PLATFORM; damage++) {
        _cleanup_fixture_ struct fixture f;
        fixture_init(&f);
        struct blob archive = oci(ARCHIVE_FILTER_GZIP, damage);
        struct store_entries list;
        struct stat st;
        check_int(load(&f, &archive), -1);
        check_contains(f.err.message, messages[damage]);
        check_int(f.err.kind, ERROR_ENGINE);
        check_int(store_list(f.store, &list, NULL), 0);
        check_int(list.len, 0);
        store_entries_deinit(&list);
        _cleanup_free_ char *layers = xasprintf("%s/layers", f.dir);
        check_int(stat(layers, &st), 0);
        check_int(st.st_nlink, 2);
        free(archive.bytes);
    }
}

/* Each byte of an archive cut off, or changed, somewhere: an error or the image, and no harm. */
static void test_cut_and_changed(void)
{
    struct blob archive = oci(ARCHIVE_FILTER_GZIP, NONE);
    size_t loaded = 0, refused = 0;
    for (size_t at = 0; at < archive.len; at += 331) {
        for (int cut = 0; cut < 2; cut++) {
            _cleanup_fixture_ struct fixture f;
            fixture_init(&f);
            struct blob other = blob_of(archive.bytes, archive.len);
            if (cut)
                other.len = at;
            else
                other.bytes[at] ^= 0x10;
            if (load(&f, &other) == 0) {
                loaded++;
                check_str(f.import.images.items[0].id, f.import.id);
            } else {
                refused++;
                check(error_is_set(&f.err));
            }
            free(other.bytes);
        }
    }
    check(loaded > 0 && refused > loaded);
    free(archive.bytes);
}

/* --- what manifest.json may say -----------------------------------------------------------------
 */

static void test_strange_manifests(void)
{
    static const struct {
        const char *manifest, *config, *message;
    } cases[] = {
        {"[", "{}", "not JSON"},
        {"[]", "{}", "no image"},
        {"[{}]", "{}", "makes no sense"},
        {"[{\"Config\":\"nothing\",\"Layers\":[]}]", "{}", "'nothing' is missing"},
        {"[{\"Config\":\"c\",\"Layers\":[]}]", "{}", "rootfs/diff_ids"},
        {"[{\"Config\":\"c\",\"Layers\":[]}]", "{\"rootfs\":{\"diff_ids\":[]}}", "it has 0 layers"},
        {"[{\"Config\":\"c\",\"Layers\":[\"x\"]}]", "{\"rootfs\":{\"diff_ids\":[]}}",
         "it has 1 layers and speaks of 0"},
        {"[{\"Config\":\"c\",\"Layers\":[\"x\"]}]",
         "{\"rootfs\":{\"diff_ids\":[\"sha256:../../../../etc\"]}}", "is no layer's id"},
        {"[{\"Config\":\"c\",\"Layers\":[\"x\"]}]", "{\"rootfs\":{\"diff_ids\":[7]}}", "strange"},
        {"[{\"Config\":\"../../../../etc/passwd\",\"Layers\":[]}]", "{}", "is missing"},
        {"[{\"Config\":\"loop\",\"Layers\":[]}]", "{}", "is missing"},
        {"{\"config\":{\"digest\":\"md5:1\"}}", "{}", "no digest of SHA-256"},
        {"7", "{}", "not JSON"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_fixture_ struct fixture f;
        fixture_init(&f);
        struct tar tar;
        tar_begin(&tar, ARCHIVE_FILTER_NONE);
        tar_add(&tar, "manifest.json", cases[i].manifest, strlen(cases[i].manifest));
        tar_add(&tar, "c", cases[i].config, strlen(cases[i].config));
        tar_symlink(&tar, "loop", "pool");
        tar_symlink(&tar, "pool", "loop");
        struct blob archive = tar_end(&tar);
        check_int(load(&f, &archive), -1);
        if (f.err.message)
            check_contains(f.err.message, cases[i].message);
        free(archive.bytes);
    }
}

/* In a directory, links must not lead out of it. */
static void test_directory(void)
{
    _cleanup_fixture_ struct fixture f;
    fixture_init(&f);
    _cleanup_free_ char *dir = xasprintf("%s/layout", f.dir);
    _cleanup_free_ char *link = xasprintf("%s/manifest.json", dir);
    check_int(mkdir(dir, 0700), 0);
    check_int(symlink("../../../../../../../../etc/passwd", link), 0);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_int(import_archive(&f.import, fd, &f.err), -1);
    check_contains(f.err.message, "neither index.json nor manifest.json");
    error_clear(&f.err);

    check_int(unlink(link), 0);
    check_int(mkfifo(link, 0600), 0);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_int(import_archive(&f.import, fd, &f.err), -1);
    check_contains(f.err.message, "is no file");
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_docker_save),
                                       TAP(test_a_pipe),
                                       TAP(test_names),
                                       TAP(test_oci),
                                       TAP(test_damage),
                                       TAP(test_cut_and_changed),
                                       TAP(test_strange_manifests),
                                       TAP(test_directory),
                                       {0}});
}
