/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/bundle.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include <cleanroom/strbuf.h>

#include "engine/embedded/readonly.h"
#include "tap.h"

/* A root file system in the making, below $TMPDIR. */
struct root {
    char *path;
    int fd;
};

static void write_file(const struct root *root, const char *path, const char *text)
{
    int fd _cleanup_close_ = openat(root->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void root_init(struct root *root, const char *passwd, const char *group)
{
    const char *tmp = getenv("TMPDIR");
    root->path = xasprintf("%s/cleanroom-bundle-XXXXXX", tmp ? tmp : "/tmp");
    check(mkdtemp(root->path) != NULL);
    root->fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    check_int(mkdirat(root->fd, "etc", 0755), 0);
    if (passwd)
        write_file(root, "etc/passwd", passwd);
    if (group)
        write_file(root, "etc/group", group);
}

static void root_deinit(struct root *root)
{
    static const char *const files[] = {"etc/passwd", "etc/group", "etc/real", "real"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        unlinkat(root->fd, files[i], 0);
    check_int(unlinkat(root->fd, "etc", AT_REMOVEDIR), 0);
    check_int(rmdir(root->path), 0);
    close(root->fd);
    free(root->path);
}
#define _cleanup_root_ _cleanup_(root_deinit)

/* "uid:gid[groups]home", or the error's words. */
static char *who(const struct root *root, const char *user)
{
    struct bundle_user found _cleanup_(bundle_user_deinit);
    struct error err _cleanup_error_ = ERROR_INIT;
    if (bundle_find_user(root->fd, user, &found, &err) < 0) {
        check_int(err.kind, ERROR_SERVICE);
        return xstrdup(err.message);
    }
    struct strbuf out = STRBUF_INIT;
    strbuf_addf(&out, "%u:%u[", found.uid, found.gid);
    for (size_t i = 0; i < found.groups.len; i++)
        strbuf_addf(&out, i ? " %u" : "%u", found.groups.items[i]);
    strbuf_addf(&out, "]%s", found.home);
    return strbuf_detach(&out);
}

static void check_who(const struct root *root, const char *user, const char *want)
{
    _cleanup_free_ char *got = who(root, user);
    tap_check(strcmp(got, want) == 0, __FILE__, __LINE__, "USER '%s': got '%s', want '%s'", user,
              got, want);
}

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "postgres:x:999:998:Postgres:/var/lib/postgresql:/bin/bash\n"
                             "  padded:x:5:6:::  \n"
                             "\n"
                             "twin:x:999:7::/twin:/bin/sh\n"
                             "1234:x:77:77::/numeric:/bin/sh\n"
                             "homeless:x:1500:1500:::\n"
                             "short:x:42\n"
                             "last:x:2147483647:2147483647::/last:/bin/sh";

static const char group[] = "root:x:0:\n"
                            "staff:x:50:padded,postgres\n"
                            "ssl-cert:x:104:postgres\n"
                            "notme:x:105:postgresql,xpostgres,postgres2\n"
                            "999:x:88:\n"
                            "last:x:9:root,last";

static void test_users(void)
{
    static const struct {
        const char *user, *want;
    } cases[] = {
        {"", "0:0[9]/root"},
        {"root", "0:0[9]/root"},
        {"0", "0:0[9]/root"},
        {"postgres", "999:998[50 104]/var/lib/postgresql"},
        {"999", "999:998[50 104]/var/lib/postgresql"},
        {"twin", "999:7[]/var/lib/postgresql"}, /* HOME goes by the id, as the runtimes do it */
        {"postgres:", "999:998[50 104]/var/lib/postgresql"},
        {"postgres:staff", "999:50[]/var/lib/postgresql"},
        {"postgres:7777", "999:7777[]/var/lib/postgresql"},
        {"1000:1000", "1000:1000[]/"},
        {"1000", "1000:0[]/"},
        {"1234", "1234:0[]/"}, /* a number is an id, never a name */
        {"7:999", "7:999[]/"},
        {":staff", "0:50[]/root"},
        {"padded", "5:6[50]/"},
        {"homeless", "1500:1500[]/"},
        {"short", "42:0[]/"},
        {"last", "2147483647:2147483647[9]/last"},
        {"0007", "7:0[]/"},
    };
    struct root root _cleanup_root_;
    root_init(&root, passwd, group);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        check_who(&root, cases[i].user, cases[i].want);
}

static void test_users_not_there(void)
{
    struct root root _cleanup_root_;
    root_init(&root, passwd, group);
    static const struct {
        const char *user, *want;
    } cases[] = {
        {"nobody", "unable to find user 'nobody' in the image's /etc/passwd"},
        {"-1", "unable to find user '-1'"},
        {"+1", "unable to find user '+1'"},
        {"2147483648", "user id '2147483648' is beyond"},
        {"99999999999999999999999999", "is beyond"},
        {"postgres:wheel", "unable to find group 'wheel' in the image's /etc/group"},
        {"0:4294967296", "group id '4294967296' is beyond"},
        {"a:b:c", "unable to find user 'a'"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *got = who(&root, cases[i].user);
        check_contains(got, cases[i].want);
    }
}

static void test_users_without_files(void)
{
    struct root root _cleanup_root_;
    root_init(&root, NULL, NULL);
    check_who(&root, "", "0:0[]/");
    check_who(&root, "1000:50", "1000:50[]/");
    _cleanup_free_ char *got = who(&root, "postgres");
    check_contains(got, "unable to find user 'postgres'");
}

static void test_users_nasty(void)
{
    struct root root _cleanup_root_;
    root_init(&root,
              "evil:x:zero:0::/:\nneg:x:-1:-1::/:\nhuge:x:4294967296:0::/:\nbadgid:x:3:x::/:\n"
              ":x:7:7::/:\n::::::::::::::\nnocolon\n+::::::\nwin:x:8:8::/win:\r\n",
              "g1:x:bad:win\ng2:x:20:win,\ng3:x:21:,win\ng4:x:22\n");
    _cleanup_free_ char *evil = who(&root, "evil"), *neg = who(&root, "neg"),
                        *huge = who(&root, "huge"), *badgid = who(&root, "badgid");
    check_contains(evil, "unable to find user");
    check_contains(neg, "unable to find user");
    check_contains(huge, "unable to find user");
    check_contains(badgid, "unable to find user");
    check_who(&root, "7", "7:0[]/");
    check_who(&root, "win", "8:8[20 21]/win");
    check_who(&root, "nocolon", "0:0[]/");
}

/* Out of the root, up from the root, round in circles, or something that is no file at all. */
static void test_users_links(void)
{
    struct root root _cleanup_root_;
    root_init(&root, NULL, NULL);
    write_file(&root, "real", "inside:x:11:12::/in:\n");
    check_int(symlinkat("/real", root.fd, "etc/passwd"), 0);
    check_who(&root, "inside", "11:12[]/in");

    check_int(unlinkat(root.fd, "etc/passwd", 0), 0);
    check_int(symlinkat("../../../../../../real", root.fd, "etc/passwd"), 0);
    check_who(&root, "inside", "11:12[]/in");

    check_int(unlinkat(root.fd, "etc/passwd", 0), 0);
    check_int(symlinkat("/etc/passwd", root.fd, "etc/passwd"), 0);
    _cleanup_free_ char *loop = who(&root, "root");
    check_contains(loop, "the image's /etc/passwd cannot be read");

    check_int(unlinkat(root.fd, "etc/passwd", 0), 0);
    check_int(mkfifoat(root.fd, "etc/passwd", 0644), 0);
    _cleanup_free_ char *fifo = who(&root, "root");
    check_contains(fifo, "the image's /etc/passwd cannot be read");
}

/* A bundle of an image with nothing special, to be varied. */
struct sample {
    struct root root;
    struct image_info image;
    struct container_spec spec;
    struct bundle bundle;
};

static void sample_init(struct sample *s)
{
    *s = (struct sample){0};
    root_init(&s->root, passwd, group);
    s->image.user = xstrdup("");
    strvec_push(&s->image.entrypoint, "/entry");
    strvec_push(&s->image.cmd, "serve");
    strvec_push(&s->image.cmd, "-v");
    strvec_push(&s->image.env, "PATH=/opt/bin:/bin");
    strvec_push(&s->image.env, "LANG=C");
    s->spec.name = "run-1-db";
    s->bundle = (struct bundle){.spec = &s->spec,
                                .image = &s->image,
                                .working_dir = "/srv",
                                .rootfs = s->root.path,
                                .netns = "/proc/7/ns/net"};
}

static void sample_deinit(struct sample *s)
{
    root_deinit(&s->root);
    free(s->image.user);
    strvec_deinit(&s->image.entrypoint);
    strvec_deinit(&s->image.cmd);
    strvec_deinit(&s->image.env);
}
#define _cleanup_sample_ _cleanup_(sample_deinit)

static void unref(json_t **json)
{
    json_decref(*json);
}
#define _cleanup_unref_ _cleanup_(unref)

static json_t *config_of(const struct sample *s)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    _cleanup_free_ char *text = bundle_config(&s->bundle, &err);
    check_str(err.message, NULL);
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    check(root != NULL);
    return root;
}

/* The strings of an array at a path, with blanks between. */
static char *joined(const json_t *at, const char *path)
{
    struct strvec keys _cleanup_strvec_ = STRVEC_INIT, out _cleanup_strvec_ = STRVEC_INIT;
    strvec_split(&keys, path, "/");
    for (size_t i = 0; i < keys.len; i++)
        at = json_object_get(at, keys.items[i]);
    for (size_t i = 0; i < json_array_size(at); i++)
        strvec_push(&out, json_string_value(json_array_get(at, i)));
    return strvec_join(&out, " ");
}

static void check_args(const struct sample *s, const char *want)
{
    _cleanup_unref_ json_t *root = config_of(s);
    _cleanup_free_ char *got = joined(root, "process/args");
    check_str(got, want);
}

static void test_args(void)
{
    struct sample s _cleanup_sample_;
    sample_init(&s);
    check_args(&s, "/entry serve -v");
    s.spec.argv = (const char *const[]){"test", NULL};
    check_args(&s, "/entry test");
    s.spec.entrypoint = (const char *const[]){"/sbin/init", "-x", NULL};
    check_args(&s, "/sbin/init -x test");
    s.spec.argv = NULL;
    check_args(&s, "/sbin/init -x");
    s.spec.entrypoint = NULL;
    s.spec.argv = (const char *const[]){NULL};
    check_args(&s, "/entry serve -v");
    strvec_deinit(&s.image.cmd);
    check_args(&s, "/entry");
}

static void check_refused(const struct sample *s, enum error_kind kind, const char *words)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    _cleanup_free_ char *text = bundle_config(&s->bundle, &err);
    check(text == NULL);
    check_int(err.kind, kind);
    check_contains(err.message, words);
}

static void test_refused(void)
{
    struct sample s _cleanup_sample_;
    sample_init(&s);
    s.spec.user = "ghost";
    check_refused(&s, ERROR_SERVICE, "unable to find user 'ghost'");
    s.spec.user = NULL;
    s.spec.argv = (const char *const[]){"\xff", NULL};
    check_refused(&s, ERROR_CONFIG, "is not UTF-8");
    s.spec.argv = NULL;
    strvec_deinit(&s.image.cmd);
    strvec_deinit(&s.image.entrypoint);
    check_refused(&s, ERROR_SERVICE, "neither ENTRYPOINT nor CMD");
    s.bundle.rootfs = "/nowhere/at/all";
    check_refused(&s, ERROR_INTERNAL, "cannot open '/nowhere/at/all'");
}

static void test_env(void)
{
    struct sample s _cleanup_sample_;
    sample_init(&s);
    s.spec.env = (const char *const[]){"A=1", "LANG", "A=2=3", "EMPTY=", "GONE", NULL};
    _cleanup_unref_ json_t *root = config_of(&s);
    _cleanup_free_ char *got = joined(root, "process/env");
    check_str(got, "PATH=/opt/bin:/bin HOSTNAME=run-1-db A=2=3 EMPTY= HOME=/root");

    s.spec.env = (const char *const[]){"HOME=/mine", "HOSTNAME=me", NULL};
    s.bundle.hostname = "pod";
    _cleanup_unref_ json_t *second = config_of(&s);
    _cleanup_free_ char *own = joined(second, "process/env");
    check_str(own, "PATH=/opt/bin:/bin HOSTNAME=me LANG=C HOME=/mine");
    check_str(json_string_value(json_object_get(second, "hostname")), "pod");
}

/* A user's number, "effective capabilities / bounding ones". */
static void check_rights(const struct sample *s, const char *user_json, size_t effective)
{
    _cleanup_unref_ json_t *root = config_of(s);
    const json_t *process = json_object_get(root, "process");
    _cleanup_free_ char *user = json_dumps(json_object_get(process, "user"),
                                           JSON_COMPACT | JSON_SORT_KEYS);
    check_str(user, user_json);
    const json_t *caps = json_object_get(process, "capabilities");
    check_int(json_array_size(json_object_get(caps, "bounding")), 13);
    check_int(json_array_size(json_object_get(caps, "effective")), effective);
    check_int(json_array_size(json_object_get(caps, "permitted")), effective);
    check(!json_object_get(caps, "inheritable") && !json_object_get(caps, "ambient"));
}

static void test_rights(void)
{
    struct sample s _cleanup_sample_;
    sample_init(&s);
    check_rights(&s, "{\"additionalGids\":[0,9],\"gid\":0,\"uid\":0}", 13);
    replace_str(&s.image.user, "postgres");
    check_rights(&s, "{\"additionalGids\":[998,50,104],\"gid\":998,\"uid\":999}", 0);
    s.spec.user = "0:50";
    check_rights(&s, "{\"additionalGids\":[50],\"gid\":50,\"uid\":0}", 13);
}

/* "target(option,option) ..." of the mounts from the first of ours on, or of all. */
static char *mounts_of(const struct sample *s, const char *first)
{
    _cleanup_unref_ json_t *root = config_of(s);
    const json_t *mounts = json_object_get(root, "mounts");
    struct strvec out _cleanup_strvec_ = STRVEC_INIT;
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *m = json_array_get(mounts, i);
        const char *target = json_string_value(json_object_get(m, "destination"));
        if (first && strcmp(target, first) != 0)
            continue;
        _cleanup_free_ char *options = joined(m, "options");
        strvec_pushf(&out, "%s(%s)", target, options);
    }
    return strvec_join(&out, " ");
}

static void check_mounts(const struct sample *s, const char *only, const char *want)
{
    _cleanup_free_ char *got = mounts_of(s, only);
    check_str(got, want);
}

static void test_default_mounts(void)
{
    struct sample s _cleanup_sample_;
    sample_init(&s);
    check_mounts(&s, NULL,
                 "/.(remount bind nodev) /proc(nosuid noexec nodev) /dev(nosuid strictatime "
                 "mode=755 size=65536k) "
                 "/dev/pts(nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5) "
                 "/sys(nosuid noexec nodev ro) /dev/mqueue(nosuid noexec nodev) "
                 "/dev/shm(nosuid noexec nodev mode=1777 size=67108864)");
    s.bundle.cgroup = true;
    s.spec.shm_size = 1 << 20;
    check_mounts(&s, "/sys/fs/cgroup", "/sys/fs/cgroup(ro nosuid noexec nodev)");
    check_mounts(&s, "/dev/shm", "/dev/shm(nosuid noexec nodev mode=1777 size=1048576)");
}

static void test_own_mounts(void)
{
    struct sample s _cleanup_sample_;
    sample_init(&s);
    s.spec.mounts = (const struct mount[]){
        {MOUNT_TMPFS, "/data/pg/deep", NULL, "size=512m,mode=0700"},
        {MOUNT_TMPFS, "/dev/shm/", NULL, "exec,size=1g"},
        {MOUNT_VOLUME, "/storage", "volume", NULL},
        {MOUNT_TMPFS, "/data", NULL, NULL},
    };
    s.spec.mount_count = 4;
    s.bundle.binds = (const struct bundle_bind[]){{"/w/volume", "/storage", false},
                                                  {"/w/pg", "/data/pg", true}};
    s.bundle.bind_count = 2;
    check_mounts(&s, "/dev/shm", "");
    check_mounts(&s, "/dev/shm/", "/dev/shm/(nosuid nodev rprivate exec size=1g)");
    _cleanup_free_ char *all = mounts_of(&s, NULL);
    check_contains(all, " /storage(rbind rprivate nodev) /data(noexec nosuid nodev rprivate) "
                        "/data/pg(rbind rprivate nodev ro) "
                        "/dev/shm/(nosuid nodev rprivate exec size=1g) "
                        "/data/pg/deep(noexec nosuid nodev rprivate size=512m mode=0700)");

    s.spec.mounts = (const struct mount[]){{MOUNT_TMPFS, "/etc", NULL, NULL},
                                           {MOUNT_TMPFS, "/etc/", NULL, "mode=1777"}};
    s.spec.mount_count = 2;
    s.bundle.bind_count = 0;
    check_int(fchmodat(s.root.fd, "etc", 0710, 0), 0);
    check_mounts(&s, "/etc", "/etc(noexec nosuid nodev rprivate mode=710)");
    check_mounts(&s, "/etc/", "/etc/(noexec nosuid nodev rprivate mode=1777)");
    if (geteuid() == 0) {
        check_int(fchownat(s.root.fd, "etc", 999, 998, 0), 0);
        check_int(fchmodat(s.root.fd, "etc", 0710, 0), 0);
        check_mounts(&s, "/etc", "/etc(noexec nosuid nodev rprivate mode=710 uid=999 gid=998)");
        s.spec.mounts = (const struct mount[]){{MOUNT_TMPFS, "/etc", NULL, "uid=7,gid=0"}};
        s.spec.mount_count = 1;
        check_mounts(&s, "/etc", "/etc(noexec nosuid nodev rprivate mode=710 uid=7 gid=0)");
    }

    s.spec.mounts = (const struct mount[]){{MOUNT_TMPFS, "/dev", NULL, "mode=755"}};
    s.spec.mount_count = 1;
    s.bundle.bind_count = 0;
    check_mounts(&s, NULL,
                 "/.(remount bind nodev) /proc(nosuid noexec nodev) /sys(nosuid noexec nodev ro) "
                 "/dev(noexec nosuid nodev rprivate mode=755)");
}

static void test_namespaces(void)
{
    struct sample s _cleanup_sample_;
    sample_init(&s);
    _cleanup_unref_ json_t *joining = config_of(&s);
    const json_t *section = json_object_get(joining, "linux");
    _cleanup_free_ char *text = json_dumps(json_object_get(section, "namespaces"), JSON_COMPACT);
    check_str(text,
              "[{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"pid\"},{\"type\":\"ipc\"},"
              "{\"type\":\"network\",\"path\":\"/proc/7/ns/net\"}]");
    s.bundle.netns = NULL;
    s.bundle.cgroup = true;
    _cleanup_unref_ json_t *own = config_of(&s);
    section = json_object_get(own, "linux");
    _cleanup_free_ char *again = json_dumps(json_object_get(section, "namespaces"), JSON_COMPACT);
    check_contains(again, "{\"type\":\"network\"},{\"type\":\"cgroup\"}]");
}

static void test_control_groups(void)
{
    static const char text[] =
        "25 1 0:22 / /sys rw,nosuid - sysfs sysfs rw\n"
        "30 25 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n"
        "31 30 0:27 / /sys/fs/cgroup/unified rw shared:10 master:2 - cgroup2 cgroup2 rw\n"
        "32 30 0:28 /a\\040b /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        "33 1 0:29 / /mnt/cgroup rw - ext4 cgroup rw\n"
        "rubbish - cgroup\n"
        "\n";
    struct strvec found _cleanup_strvec_ = STRVEC_INIT;
    _cleanup_free_ char *copy = xstrdup(text);
    readonly_parse(copy, &found);
    _cleanup_free_ char *all = strvec_join(&found, " ");
    check_str(all, "/sys/fs/cgroup/unified /sys/fs/cgroup/memory");
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_users),
        TAP(test_users_not_there),
        TAP(test_users_without_files),
        TAP(test_users_nasty),
        TAP(test_users_links),
        TAP(test_args),
        TAP(test_refused),
        TAP(test_env),
        TAP(test_rights),
        TAP(test_default_mounts),
        TAP(test_own_mounts),
        TAP(test_namespaces),
        TAP(test_control_groups),
        {0},
    });
}
