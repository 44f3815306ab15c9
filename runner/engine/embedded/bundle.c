/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>

#include "engine/embedded/bundle_mounts.h"
#include "engine/embedded/bundle_seccomp.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* moby daemon/pkg/oci/caps/defaults.go, but for CAP_MKNOD: Docker lets a container make the node of
   any device and has a control group keep it closed. We have no such group, so none can be made;
   nor does one come with an image, of which the store keeps none, nor into a container later
   (pack.h); and what is mounted into it, its root too, is mounted "nodev" (bundle_mounts.c). */
static const char *const capabilities[] = {
    "CAP_CHOWN",      "CAP_DAC_OVERRIDE", "CAP_FSETID",      "CAP_FOWNER",  "CAP_NET_RAW",
    "CAP_SETGID",     "CAP_SETUID",       "CAP_SETFCAP",     "CAP_SETPCAP", "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT", "CAP_KILL",         "CAP_AUDIT_WRITE",
};

/* moby daemon/pkg/oci/defaults.go */
static const char *const masked_paths[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
};
static const char *const read_only_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* The value of an unset or empty list is the image's. */
static bool is_given(const char *const *list)
{
    return list && *list;
}

char *bundle_hostname(const struct container_spec *spec)
{
    return xstrndup(spec->hostname ? spec->hostname : spec->name, HOST_NAME_MAX - 1);
}

static json_t *constants(const char *const *items, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_string(items[i]));
    return array;
}

static void append_list(json_t *array, const char *const *items, bool *bad)
{
    for (; items && *items; items++)
        json_array_append_new(array, bundle_text(*items, bad));
}

static void append_strvec(json_t *array, const struct strvec *items, bool *bad)
{
    for (size_t i = 0; i < items->len; i++)
        json_array_append_new(array, bundle_text(items->items[i], bad));
}

/* What runs: ENTRYPOINT and CMD, each the image's unless the spec has one; a new ENTRYPOINT drops
   the image's CMD. */
static json_t *args_json(const struct bundle *bundle, bool *bad)
{
    const struct container_spec *spec = bundle->spec;
    json_t *args = json_array();
    if (spec->entrypoint)
        append_list(args, spec->entrypoint, bad);
    else
        append_strvec(args, &bundle->image->entrypoint, bad);
    if (is_given(spec->argv))
        append_list(args, spec->argv, bad);
    else if (!is_given(spec->entrypoint))
        append_strvec(args, &bundle->image->cmd, bad);
    return args;
}

/* "K=V" sets, a bare "K" takes away, as on Docker. */
static void apply_variable(struct strvec *env, const char *entry)
{
    const char *equals = strchr(entry, '=');
    size_t len = equals ? (size_t)(equals - entry) : strlen(entry);
    _cleanup_free_ char *key = xstrndup(entry, len);
    if (equals) {
        strvec_setenv(env, key, equals + 1);
        return;
    }
    for (size_t i = 0; i < env->len; i++) {
        if (strncmp(env->items[i], key, len) != 0 || env->items[i][len] != '=')
            continue;
        free(env->items[i]);
        memmove(&env->items[i], &env->items[i + 1], (env->len - i) * sizeof(*env->items));
        env->len--;
        return;
    }
}

static json_t *env_json(const struct bundle *bundle, const char *hostname, const char *home,
                        bool *bad)
{
    struct strvec env _cleanup_strvec_ = STRVEC_INIT;
    strvec_setenv(&env, "PATH", DEFAULT_PATH);
    strvec_setenv(&env, "HOSTNAME", hostname);
    for (size_t i = 0; i < bundle->image->env.len; i++)
        apply_variable(&env, bundle->image->env.items[i]);
    for (const char *const *e = bundle->spec->env; e && *e; e++)
        apply_variable(&env, *e);
    const char *given = strvec_getenv(&env, "HOME");
    if (!given || !*given)
        strvec_setenv(&env, "HOME", home);
    json_t *array = json_array();
    append_strvec(array, &env, bad);
    return array;
}

/* The primary group is among the supplementary ones too (CVE-2022-36109). */
static json_t *user_json(const struct bundle_user *user)
{
    json_t *groups = json_array();
    json_array_append_new(groups, json_integer(user->gid));
    for (size_t i = 0; i < user->groups.len; i++)
        json_array_append_new(groups, json_integer(user->groups.items[i]));
    return json_pack("{s:I, s:I, s:o}", "uid", (json_int_t)user->uid, "gid", (json_int_t)user->gid,
                     "additionalGids", groups);
}

/* Who is not root may get what a file's capabilities or a set-user-ID bit give, but has none. */
static json_t *capabilities_json(const struct bundle_user *user)
{
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    json_t *out = json_object();
    for (size_t i = 0; i < (user->uid == 0 ? ARRAY_SIZE(sets) : 1); i++)
        json_object_set_new(out, sets[i], constants(capabilities, ARRAY_SIZE(capabilities)));
    return out;
}

static json_t *cwd_json(const char *dir, bool *bad)
{
    if (!dir || dir[0] == '/')
        return bundle_text(dir ? dir : "/", bad);
    _cleanup_free_ char *absolute = xasprintf("/%s", dir);
    return bundle_text(absolute, bad);
}

/* NULL when nobody can run, or nothing is there to be run. */
static json_t *process_json(const struct bundle *bundle, int rootfs, const char *hostname,
                            bool *bad, struct error *err)
{
    struct bundle_user user _cleanup_(bundle_user_deinit) = {0};
    const char *name = bundle->spec->user ? bundle->spec->user : bundle->image->user;
    if (bundle_find_user(rootfs, name ? name : "", &user, err) < 0)
        return NULL;
    json_t *args = args_json(bundle, bad);
    if (json_array_size(args) == 0) {
        json_decref(args);
        error_set(err, ERROR_SERVICE,
                  "the image has neither ENTRYPOINT nor CMD, and no command was given");
        return NULL;
    }
    json_t *out = json_object();
    json_object_set_new(out, "user", user_json(&user));
    json_object_set_new(out, "args", args);
    json_object_set_new(out, "env", env_json(bundle, hostname, user.home, bad));
    json_object_set_new(out, "cwd", cwd_json(bundle->working_dir, bad));
    json_object_set_new(out, "capabilities", capabilities_json(&user));
    json_object_set_new(out, "noNewPrivileges", json_false());
    if (bundle->spec->terminal) {
        json_object_set_new(out, "terminal", json_true());
        json_object_set_new(out, "consoleSize",
                            json_pack("{s:i, s:i}", "height", bundle->spec->terminal->rows, "width",
                                      bundle->spec->terminal->columns));
    }
    return out;
}

static json_t *namespaces_json(const struct bundle *bundle, bool *bad)
{
    static const char *const always[] = {"mount", "uts", "pid", "ipc"};
    json_t *out = json_array();
    for (size_t i = 0; i < ARRAY_SIZE(always); i++)
        json_array_append_new(out, json_pack("{s:s}", "type", always[i]));
    json_t *network = json_pack("{s:s}", "type", "network");
    if (bundle->netns)
        json_object_set_new(network, "path", bundle_text(bundle->netns, bad));
    json_array_append_new(out, network);
    if (bundle->cgroup)
        json_array_append_new(out, json_pack("{s:s}", "type", "cgroup"));
    return out;
}

static json_t *linux_json(const struct bundle *bundle, bool *bad)
{
    json_t *out = json_object();
    json_object_set_new(out, "namespaces", namespaces_json(bundle, bad));
    json_object_set_new(out, "maskedPaths", constants(masked_paths, ARRAY_SIZE(masked_paths)));
    json_object_set_new(out, "readonlyPaths",
                        constants(read_only_paths, ARRAY_SIZE(read_only_paths)));
    return out;
}

/* ERROR_ENGINE on machines whose system calls we do not know: nothing runs without a filter. */
static int put_seccomp(json_t *root, enum bundle_runtime runtime, struct error *err)
{
    int machine = bundle_seccomp_machine();
    if (machine < 0)
        return error_set(err, ERROR_ENGINE,
                         "the embedded engine knows the system calls of x86_64 and aarch64 only: "
                         "use --engine docker on this machine");
    if (runtime == BUNDLE_RUNC) {
        json_object_set_new(json_object_get(root, "linux"), "seccomp",
                            bundle_seccomp_json((enum seccomp_machine)machine));
        return 0;
    }
    _cleanup_free_ char *filter = bundle_seccomp_text();
    json_object_set_new(root, "annotations",
                        json_pack("{s:s}", "run.oci.seccomp_bpf_data", filter));
    return 0;
}

char *bundle_config(const struct bundle *bundle, struct error *err)
{
    bool bad = false;
    int rootfs _cleanup_close_ = open(bundle->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (rootfs < 0) {
        error_set_errno(err, ERROR_INTERNAL, errno, "cannot open '%s'", bundle->rootfs);
        return NULL;
    }
    _cleanup_free_ char *own = bundle_hostname(bundle->spec);
    const char *hostname = bundle->hostname ? bundle->hostname : own;
    json_t *process = process_json(bundle, rootfs, hostname, &bad, err);
    if (!process)
        return NULL;
    json_t *root = json_object();
    json_object_set_new(root, "ociVersion", json_string("1.0.2"));
    json_object_set_new(root, "process", process);
    json_object_set_new(root, "root",
                        json_pack("{s:o}", "path", bundle_text(bundle->rootfs, &bad)));
    json_object_set_new(root, "hostname", bundle_text(hostname, &bad));
    json_object_set_new(root, "mounts", bundle_mounts(bundle, rootfs, &bad));
    json_object_set_new(root, "linux", linux_json(bundle, &bad));
    int seccomp = put_seccomp(root, bundle->runtime, err);
    char *text = bad || seccomp < 0 ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!text && seccomp == 0)
        error_set(err, ERROR_CONFIG,
                  "an argument, variable or name for a container is not UTF-8, which the runtime's "
                  "configuration cannot say");
    return text;
}
