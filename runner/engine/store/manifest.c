/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/manifest.h"

#include <string.h>

#include "engine/docker/json.h"
#include "engine/store/place.h"
#include "engine/store/sha256.h"

#define NESTING_MAX 4
#define TEXTS_MAX   4096
#define LAYERS_MAX  1024
#define BLOBS       "blobs/sha256/"

#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#elif defined(__arm__)
#define ARCHITECTURE "arm"
#elif defined(__i386__)
#define ARCHITECTURE "386"
#elif defined(__powerpc64__)
#define ARCHITECTURE "ppc64le"
#elif defined(__s390x__)
#define ARCHITECTURE "s390x"
#elif defined(__riscv)
#define ARCHITECTURE "riscv64"
#else
#define ARCHITECTURE "unknown"
#endif

static void part_deinit(struct part *part)
{
    free(part->file);
    free(part->digest);
}

static void manifest_deinit(struct manifest *manifest)
{
    part_deinit(&manifest->config);
    for (size_t i = 0; i < manifest->layers.len; i++)
        part_deinit(&manifest->layers.items[i]);
    vec_deinit(&manifest->layers);
    strvec_deinit(&manifest->names);
}

void manifests_deinit(struct manifests *manifests)
{
    for (size_t i = 0; i < manifests->len; i++)
        manifest_deinit(&manifests->items[i]);
    vec_deinit(manifests);
}

const char *manifest_platform(void)
{
    return "linux/" ARCHITECTURE;
}

/* --- OCI ---------------------------------------------------------------------------------------
 */

static bool is_index(const char *media_type)
{
    return strcmp(media_type, "application/vnd.oci.image.index.v1+json") == 0 ||
           strcmp(media_type, "application/vnd.docker.distribution.manifest.list.v2+json") == 0;
}

/* No platform is every one; attestations say "unknown". */
static bool is_ours(const json_t *descriptor)
{
    const json_t *platform = json_at(descriptor, "platform");
    return !platform || (strcmp(json_string_at(platform, "os", ""), "linux") == 0 &&
                         strcmp(json_string_at(platform, "architecture", ""), ARCHITECTURE) == 0);
}

const char *manifest_choose(const json_t *index)
{
    const json_t *list = json_at(index, "manifests");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (is_ours(json_array_get(list, i)))
            return json_string_at(json_array_get(list, i), "digest", NULL);
    return NULL;
}

static int set_part(struct part *part, const char *where, const json_t *descriptor,
                    struct error *err)
{
    const char *digest = json_string_at(descriptor, "digest", "");
    const char *hex = digest_hex(digest);
    if (!hex)
        return error_set(err, ERROR_ENGINE, "'%.80s' is no digest of SHA-256", digest);
    *part = (struct part){.file = xasprintf("%s%s", where, hex), .digest = xstrdup(digest)};
    return 0;
}

static json_t *read_part(struct layout *layout, const struct part *part, struct error *err)
{
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    char is[DIGEST_SIZE];
    int r = layout_text(layout, part->file, &text, err);
    if (r == 0)
        error_set(err, ERROR_ENGINE, "'%s' is missing", part->file);
    if (r <= 0)
        return NULL;
    sha256_of(text.buf, text.len, is);
    if (strcmp(is, part->digest) == 0)
        return json_parse(text.buf, text.len, err);
    error_set(err, ERROR_ENGINE, "'%s' is not what its name says", part->file);
    return NULL;
}

/* A text whose digest is known. */
static json_t *read_checked(struct layout *layout, const json_t *descriptor, struct error *err)
{
    struct part part = {0};
    if (set_part(&part, BLOBS, descriptor, err) < 0 || !part.digest)
        return NULL;
    json_t *json = read_part(layout, &part, err);
    part_deinit(&part);
    return json;
}

/* The full name, where a tool wrote it; a lone "latest" is none. */
static void take_name(const json_t *descriptor, struct strvec *names)
{
    const json_t *notes = json_at(descriptor, "annotations");
    const char *full = json_string_value(json_object_get(notes, "io.containerd.image.name"));
    const char *ref = json_string_value(
        json_object_get(notes, "org.opencontainers.image.ref.name"));
    const char *name = full ? full : ref;
    if (name && strcmp(name, "latest") != 0 && !strvec_contains(names, name))
        strvec_push(names, name);
}

static int take_manifest(const json_t *json, const char *where, struct manifests *out,
                         struct error *err)
{
    struct manifest *manifest = vec_push(out);
    const json_t *layers = json_at(json, "layers");
    if (json_array_size(layers) > LAYERS_MAX)
        return error_set(err, ERROR_ENGINE, "the image has more than %d layers", LAYERS_MAX);
    if (set_part(&manifest->config, where, json_at(json, "config"), err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(layers); i++)
        if (set_part(vec_push(&manifest->layers), where, json_array_get(layers, i), err) < 0)
            return -1;
    return 0;
}

/* Down an index, which may name the same one many times. */
struct descent {
    struct layout *layout;
    struct manifests *out;
    int depth;
    int texts; /* read so far */
};

static int take_index(struct descent *d, const json_t *index, struct error *err);

static int take_descriptor(struct descent *d, const json_t *descriptor, struct error *err)
{
    struct manifests *out = d->out;
    if (++d->texts > TEXTS_MAX)
        return error_set(err, ERROR_ENGINE, "its index leads to more than %d manifests", TEXTS_MAX);
    _cleanup_json_ json_t *json = read_checked(d->layout, descriptor, err);
    if (!json)
        return -1;
    const char *type = json_string_at(descriptor, "mediaType",
                                      json_string_at(json, "mediaType", ""));
    size_t before = out->len;
    int r = is_index(type) ? take_index(d, json, err) : take_manifest(json, BLOBS, out, err);
    if (r < 0)
        return -1;
    /* What the whole is called, its variant for this machine is called. */
    if (out->len > before)
        take_name(descriptor, &out->items[before].names);
    return 0;
}

static int take_index(struct descent *d, const json_t *index, struct error *err)
{
    const json_t *list = json_at(index, "manifests");
    if (d->depth > NESTING_MAX)
        return error_set(err, ERROR_ENGINE, "its index is nested too deeply");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *descriptor = json_array_get(list, i);
        d->depth++;
        int taken = is_ours(descriptor) ? take_descriptor(d, descriptor, err) : 0;
        d->depth--;
        if (taken < 0)
            return -1;
    }
    return 0;
}

/* --- docker save -------------------------------------------------------------------------------
 */

static int take_saved(const json_t *saved, struct manifests *out, struct error *err)
{
    struct manifest *manifest = vec_push(out);
    const char *config = json_string_at(saved, "Config", NULL);
    const json_t *layers = json_at(saved, "Layers"), *names = json_at(saved, "RepoTags");
    if (!config || json_array_size(layers) > LAYERS_MAX)
        return error_set(err, ERROR_ENGINE, "its manifest.json makes no sense");
    manifest->config.file = xstrdup(config);
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const char *file = json_string_value(json_array_get(layers, i));
        vec_push(&manifest->layers)->file = xstrdup(file ? file : "");
    }
    for (size_t i = 0; i < json_array_size(names); i++)
        if (json_is_string(json_array_get(names, i)))
            strvec_push(&manifest->names, json_string_value(json_array_get(names, i)));
    return 0;
}

static int take_all_saved(const json_t *list, struct manifests *out, struct error *err)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (take_saved(json_array_get(list, i), out, err) < 0)
            return -1;
    return 0;
}

/* 0 when there is no such file. */
static int read_json(struct layout *layout, const char *file, json_t **out, struct error *err)
{
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    int r = layout_text(layout, file, &text, err);
    if (r <= 0)
        return r;
    *out = json_loadb(text.buf, text.len, 0, NULL);
    return *out ? 1 : error_set(err, ERROR_ENGINE, "its %s is not JSON", file);
}

int manifests_read(struct layout *layout, struct manifests *out, struct error *err)
{
    /* Newer archives of Docker's have both: only the older one has whole names. */
    _cleanup_json_ json_t *saved = NULL, *index = NULL;
    int r = read_json(layout, "manifest.json", &saved, err);
    if (r > 0)
        r = json_is_array(saved) ? take_all_saved(saved, out, err)
                                 : take_manifest(saved, "", out, err);
    else if (r == 0 && (r = read_json(layout, "index.json", &index, err)) > 0)
        r = take_index(&(struct descent){.layout = layout, .out = out}, index, err);
    else if (r == 0)
        return error_set(
            err, ERROR_ENGINE,
            "it is no archive of images: neither index.json nor manifest.json is there");
    if (r == 0 && out->len == 0)
        return error_set(err, ERROR_ENGINE, "it holds no image for %s", manifest_platform());
    return r;
}
