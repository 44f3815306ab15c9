/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/bundle_mounts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include <cleanroom/strbuf.h>

#include "base/file.h"

#define SHM_DEFAULT (64UL << 20)

/* When a default mount is there. */
enum need {
    NEED_NOTHING,
    NEED_CGROUP,
};

struct default_mount {
    const char *target;
    const char *type;
    const char *source;
    const char *options[8];
    enum need need;
};

/* Docker's, in Docker's order (moby daemon/pkg/oci/defaults.go). */
static const struct default_mount defaults[] = {
    {.target = "/proc", .type = "proc", .source = "proc", .options = {"nosuid", "noexec", "nodev"}},
    {.target = "/dev",
     .type = "tmpfs",
     .source = "tmpfs",
     .options = {"nosuid", "strictatime", "mode=755", "size=65536k"}},
    {.target = "/dev/pts",
     .type = "devpts",
     .source = "devpts",
     .options = {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
    {.target = "/sys",
     .type = "sysfs",
     .source = "sysfs",
     .options = {"nosuid", "noexec", "nodev", "ro"}},
    {.target = "/sys/fs/cgroup",
     .type = "cgroup",
     .source = "cgroup",
     .options = {"ro", "nosuid", "noexec", "nodev"},
     .need = NEED_CGROUP},
    {.target = "/dev/mqueue",
     .type = "mqueue",
     .source = "mqueue",
     .options = {"nosuid", "noexec", "nodev"}},
    {.target = "/dev/shm",
     .type = "tmpfs",
     .source = "shm",
     .options = {"nosuid", "noexec", "nodev", "mode=1777"}},
};

json_t *bundle_text(const char *s, bool *bad)
{
    json_t *text = json_string(s);
    if (text)
        return text;
    *bad = true;
    return json_null();
}

static json_t *mount_json(const char *target, const char *type, const char *source, json_t *options,
                          bool *bad)
{
    json_t *out = json_object();
    json_object_set_new(out, "destination", bundle_text(target, bad));
    json_object_set_new(out, "type", json_string(type));
    json_object_set_new(out, "source", bundle_text(source, bad));
    json_object_set_new(out, "options", options);
    return out;
}

/* The same directory, however many slashes it is written with. */
static bool same_path(const char *a, const char *b)
{
    for (;;) {
        size_t slashes_a = strspn(a, "/"), slashes_b = strspn(b, "/");
        a += slashes_a, b += slashes_b;
        if (!*a || !*b)
            return !*a && !*b;
        size_t len = strcspn(a, "/");
        if (len != strcspn(b, "/") || memcmp(a, b, len) != 0)
            return false;
        a += len, b += len;
    }
}

static int path_depth(const char *path)
{
    int depth = 0;
    while (*(path += strspn(path, "/"))) {
        path += strcspn(path, "/");
        depth++;
    }
    return depth;
}

static bool below_dev(const char *target)
{
    return strncmp(target, "/dev/", 5) == 0;
}

/* A mount of ours on /dev takes what Docker has below it away too, as Docker does. */
static bool replaced_by(const struct default_mount *mount, const char *target)
{
    return same_path(mount->target, target) ||
           (below_dev(mount->target) && same_path("/dev", target));
}

static bool is_replaced(const struct bundle *bundle, const struct default_mount *mount)
{
    for (size_t i = 0; i < bundle->spec->mount_count; i++)
        if (replaced_by(mount, bundle->spec->mounts[i].target))
            return true;
    for (size_t i = 0; i < bundle->bind_count; i++)
        if (replaced_by(mount, bundle->binds[i].target))
            return true;
    return false;
}

/* Who a user namespace does not know cannot own anything. map: "uid_map" or "gid_map". */
static bool id_exists(const char *map, unsigned int id)
{
    _cleanup_free_ char *path = xasprintf("/proc/self/%s", map);
    FILE *f _cleanup_fclose_ = fopen(path, "re");
    unsigned int inside, outside, count;
    if (!f)
        return false;
    while (fscanf(f, "%u %u %u", &inside, &outside, &count) == 3)
        if (id >= inside && id - inside < count)
            return true;
    return false;
}

#define TTY_GROUP 5

static json_t *default_options(const struct bundle *bundle, const struct default_mount *mount)
{
    json_t *options = json_array();
    for (size_t i = 0; mount->options[i]; i++)
        json_array_append_new(options, json_string(mount->options[i]));
    if (strcmp(mount->type, "devpts") == 0 &&
        (!bundle->user_namespace || id_exists("gid_map", TTY_GROUP)))
        json_array_append_new(options, json_sprintf("gid=%d", TTY_GROUP));
    if (strcmp(mount->source, "shm") == 0) {
        uint64_t size = bundle->spec->shm_size ? bundle->spec->shm_size : SHM_DEFAULT;
        _cleanup_free_ char *option = xasprintf("size=%" PRIu64, size);
        json_array_append_new(options, json_string(option));
    }
    return options;
}

static void add_defaults(json_t *mounts, const struct bundle *bundle, bool *bad)
{
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
        const struct default_mount *m = &defaults[i];
        if ((m->need == NEED_CGROUP && !bundle->cgroup) || is_replaced(bundle, m))
            continue;
        json_array_append_new(
            mounts, mount_json(m->target, m->type, m->source, default_options(bundle, m), bad));
    }
}

/* Docker's defaults for a tmpfs, each unless its opposite is asked for. */
static const char *const tmpfs_flags[][2] = {
    {"noexec", "exec"}, {"nosuid", "suid"}, {"nodev", "dev"}};

static bool gives(const struct strvec *options, const char *key)
{
    for (size_t i = 0; i < options->len; i++)
        if (strncmp(options->items[i], key, strlen(key)) == 0)
            return true;
    return false;
}

static void add_owner(json_t *options, const struct bundle *bundle, const struct strvec *given,
                      const char *key, const char *map, unsigned int id)
{
    if (id != 0 && !gives(given, key) && (!bundle->user_namespace || id_exists(map, id)))
        json_array_append_new(options, json_sprintf("%s%u", key, id));
}

/* A tmpfs on a directory of the image has that directory's mode, as with runc; crun came to it
   with version 1.11.2. And its owner, as a volume has on Docker: entry points that look for files
   which are not their server's find none, and servers that are not root's can write there. */
static void add_looks(json_t *options, const struct bundle *bundle, int rootfs, const char *path,
                      const struct strvec *given)
{
    int fd _cleanup_close_ = file_open_in_root(rootfs, path, O_PATH | O_DIRECTORY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return;
    if (!gives(given, "mode="))
        json_array_append_new(options, json_sprintf("mode=%o", st.st_mode & 07777));
    add_owner(options, bundle, given, "uid=", "uid_map", st.st_uid);
    add_owner(options, bundle, given, "gid=", "gid_map", st.st_gid);
}

static json_t *tmpfs_options(const struct bundle *bundle, const struct mount *mount, int rootfs,
                             bool *bad)
{
    struct strvec given _cleanup_strvec_ = STRVEC_INIT;
    json_t *options = json_array();
    if (mount->options)
        strvec_split(&given, mount->options, ",");
    for (size_t i = 0; i < ARRAY_SIZE(tmpfs_flags); i++)
        if (!strvec_contains(&given, tmpfs_flags[i][0]) &&
            !strvec_contains(&given, tmpfs_flags[i][1]))
            json_array_append_new(options, json_string(tmpfs_flags[i][0]));
    json_array_append_new(options, json_string("rprivate"));
    add_looks(options, bundle, rootfs, mount->target, &given);
    for (size_t i = 0; i < given.len; i++)
        json_array_append_new(options, bundle_text(given.items[i], bad));
    return options;
}

static json_t *bind_options(const struct bundle_bind *bind)
{
    json_t *options = json_pack("[sss]", "rbind", "rprivate", "nodev");
    if (bind->read_only)
        json_array_append_new(options, json_string("ro"));
    return options;
}

/* Behind those that are as deep or less: parents first, else in the order given. */
static void insert_by_depth(json_t *mounts, size_t first, const char *target, json_t *mount)
{
    size_t at = json_array_size(mounts);
    for (; at > first; at--) {
        json_t *before = json_object_get(json_array_get(mounts, at - 1), "destination");
        const char *other = json_string_value(before);
        if (!other || path_depth(other) <= path_depth(target))
            break;
    }
    json_array_insert_new(mounts, at, mount);
}

/* The keeper mounts the root without devices, but crun mounts it once more and forgets that; it
   minds nobody's "/", so this is how it is said again. In a user namespace the kernel sees to it.
 */
static void add_root(json_t *mounts, const struct bundle *bundle, bool *bad)
{
    if (bundle->runtime != BUNDLE_CRUN || bundle->user_namespace)
        return;
    json_t *options = json_pack("[sss]", "remount", "bind", "nodev");
    json_array_append_new(mounts, mount_json("/.", "bind", "/", options, bad));
}

json_t *bundle_mounts(const struct bundle *bundle, int rootfs, bool *bad)
{
    json_t *mounts = json_array();
    add_root(mounts, bundle, bad);
    add_defaults(mounts, bundle, bad);
    size_t first = json_array_size(mounts);
    for (size_t i = 0; i < bundle->bind_count; i++) {
        const struct bundle_bind *b = &bundle->binds[i];
        insert_by_depth(mounts, first, b->target,
                        mount_json(b->target, "bind", b->source, bind_options(b), bad));
    }
    for (size_t i = 0; i < bundle->spec->mount_count; i++) {
        const struct mount *m = &bundle->spec->mounts[i];
        if (m->kind != MOUNT_TMPFS)
            continue;
        insert_by_depth(
            mounts, first, m->target,
            mount_json(m->target, "tmpfs", "tmpfs", tmpfs_options(bundle, m, rootfs, bad), bad));
    }
    return mounts;
}
