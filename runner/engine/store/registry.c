/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First the manifest is asked for. When the store has its image already, by whatever way that came,
 * there is nothing to fetch but the name. Else skopeo writes what the registry has into tmp/, as it
 * is: in an OCI layout, another configuration would give the image another id than Docker's.
 */
#include "engine/store/registry.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <cleanroom/vec.h>

#include "base/process.h"
#include "engine/docker/json.h"
#include "engine/docker/reference.h"
#include "engine/store/image.h"
#include "engine/store/manifest.h"
#include "engine/store/place.h"
#include "engine/store/program.h"
#include "engine/store/refs.h"
#include "engine/store/sha256.h"
#include "engine/store/staging.h"
#include "engine/store/tree.h"

#define REMEDY "skopeo, which fetches images from registries, is not there: apt-get install skopeo"

bool registry_possible(const char *ref, struct strbuf *why)
{
    _cleanup_free_ char *skopeo = process_find_program("skopeo");
    if (skopeo)
        return true;
    strbuf_addf(why,
                "image '%s' is neither in the store nor in a local Docker or Podman, and " REMEDY,
                ref);
    return false;
}

/* --- skopeo ------------------------------------------------------------------------------------
 */

/* What skopeo was doing is no news; of what it puts before the reason, where that begins. */
static const char *skip_preface(const char *reason)
{
    static const struct {
        const char *begin, *end;
    } prefaces[] = {{"Error parsing image name \"", "\": "}, {"initializing source ", ": "}};
    for (size_t i = 0; i < ARRAY_SIZE(prefaces); i++) {
        if (strncmp(reason, prefaces[i].begin, strlen(prefaces[i].begin)) != 0)
            continue;
        /* A reference has colons, but no blank after them. */
        const char *end = strstr(reason, prefaces[i].end);
        return end ? end + strlen(prefaces[i].end) : reason;
    }
    return reason;
}

/* Of all its lines the last one that tells of the end; else the last. */
static const char *choose_line(const struct strvec *lines)
{
    for (size_t i = lines->len; i-- > 0;)
        if (strstr(lines->items[i], "level=fatal") || strstr(lines->items[i], "FATA["))
            return lines->items[i];
    return lines->len ? lines->items[lines->len - 1] : "";
}

/* Past a character that is not to be shown: as it is, with all of a terminal's sequence
   ("ESC[31m"), or as Go's quotes write it ("\n", "\x1b", "\u200b"). NULL: it is none. */
static const char *skip_control(const char *p, bool quoted)
{
    static const struct {
        char letter;
        size_t digits;
    } escapes[] = {{'a', 0}, {'b', 0}, {'f', 0}, {'n', 0}, {'r', 0},
                   {'t', 0}, {'v', 0}, {'x', 2}, {'u', 4}, {'U', 8}};
    if ((unsigned char)*p < ' ' || *p == 0x7f) {
        bool sequence = *p++ == 0x1b && *p == '[';
        p += sequence ? 1 + strspn(p + 1, "0123456789;?") : 0;
        return sequence && *p ? p + 1 : p;
    }
    for (size_t i = 0; quoted && *p == '\\' && i < ARRAY_SIZE(escapes); i++) {
        if (p[1] != escapes[i].letter)
            continue;
        size_t digits = strspn(p + 2, "0123456789abcdefABCDEF");
        return p + 2 + (digits < escapes[i].digits ? digits : escapes[i].digits);
    }
    return NULL;
}

/* 'time="..." level=fatal msg="..."': that line's message, unquoted. */
char *registry_reason(const char *text)
{
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    strvec_split(&lines, text, "\r\n");
    const char *line = choose_line(&lines), *msg = strstr(line, "msg=\""), *next;
    struct strbuf out _cleanup_strbuf_ = STRBUF_INIT;
    for (const char *p = msg ? msg + 5 : line; *p && !(msg && *p == '"'); p = next) {
        next = skip_control(p, msg != NULL);
        char c = ' ';
        if (!next) {
            p += msg && *p == '\\' && p[1];
            c = *p;
            next = p + 1;
        }
        if (c != ' ' || (out.len && out.buf[out.len - 1] != ' '))
            strbuf_addc(&out, c);
    }
    if (out.len == 0)
        strbuf_adds(&out, "skopeo gave no reason");
    return json_one_line(xstrdup(skip_preface(out.buf)));
}

/* As Docker does it: a registry on this machine may go without TLS. Addresses are compared, because
   "127.0.0.1.example.com" is a name that anybody may have. */
bool registry_is_loopback(const char *domain)
{
    struct in_addr v4;
    struct in6_addr v6;
    bool bracket = *domain == '[';
    const char *host = domain + bracket;
    size_t len = strcspn(host, bracket ? "]" : ":");
    const char *rest = host + len + (bracket && host[len]);
    if ((bracket && !host[len]) || (*rest && *rest != ':'))
        return false;
    _cleanup_free_ char *name = xstrndup(host, len);
    if (bracket)
        return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    if (inet_pton(AF_INET, name, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    return strcmp(name, "localhost") == 0;
}

/* 0; or -1 with what skopeo says. */
static int skopeo(struct strvec *argv, void (*tick)(void *), void *data, struct strbuf *out,
                  struct error *err)
{
    char *path = process_find_program(argv->items[0]);
    if (!path)
        return error_set(err, ERROR_ENGINE, REMEDY);
    free(argv->items[0]);
    argv->items[0] = path;
    struct program p _cleanup_(program_deinit) = {.argv = argv->items, .tick = tick, .data = data};
    int code = program_run(&p);
    if (code < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not run skopeo");
    if (code > 0) {
        _cleanup_free_ char *why = registry_reason(p.error.buf);
        return error_set(err, ERROR_ENGINE, "%s", why);
    }
    if (out)
        (void)strbuf_add(out, p.out.buf, p.out.len);
    return 0;
}

/* --- what there is -----------------------------------------------------------------------------
 */

struct remote {
    struct import *import;
    struct reference ref;
    char digest[DIGEST_SIZE]; /* of what the name means: a manifest, or an index of them */
    char *chosen;             /* of the manifest for this machine */
    char *config;             /* its image's id */
    uint64_t total;           /* bytes of its layers, compressed */
    struct staging staging;   /* where they go */
};

static void remote_deinit(struct remote *r)
{
    staging_deinit(&r->staging);
    reference_deinit(&r->ref);
    free(r->chosen);
    free(r->config);
}

/* NAME@DIGEST, or what the name means now. */
static char *source_of(const struct remote *r, const char *digest)
{
    const char *tag = digest ? digest : r->ref.tag;
    return xasprintf("docker://%s%s%s", r->ref.name, strchr(tag, ':') ? "@" : ":", tag);
}

static json_t *fetch_manifest(const struct remote *r, const char *digest, char is[DIGEST_SIZE],
                              struct error *err)
{
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    _cleanup_strvec_ struct strvec argv = STRVEC_INIT;
    strvec_split(&argv, "skopeo inspect --raw", " ");
    if (registry_is_loopback(r->ref.domain))
        strvec_push(&argv, "--tls-verify=false");
    strvec_take(&argv, source_of(r, digest));
    if (skopeo(&argv, NULL, NULL, &text, err) < 0)
        return NULL;
    sha256_of(text.buf, text.len, is);
    return json_parse(text.buf, text.len, err);
}

static void note_manifest(struct remote *r, const json_t *manifest)
{
    const json_t *layers = json_at(manifest, "layers");
    replace_str(&r->config, json_string_at(manifest, "config/digest", NULL));
    for (size_t i = 0; i < json_array_size(layers); i++)
        r->total += (uint64_t)json_integer_value(json_at(json_array_get(layers, i), "size"));
}

static int look(struct remote *r, struct error *err)
{
    char is[DIGEST_SIZE];
    _cleanup_json_ json_t *top = fetch_manifest(r, NULL, r->digest, err);
    if (!top)
        return -1;
    if (!json_at(top, "manifests")) {
        r->chosen = xstrdup(r->digest);
        note_manifest(r, top);
        return 0;
    }
    replace_str(&r->chosen, manifest_choose(top));
    if (!digest_hex(r->chosen))
        return error_set(err, ERROR_ENGINE, "the registry has no image for %s",
                         manifest_platform());
    _cleanup_json_ json_t *manifest = fetch_manifest(r, r->chosen, is, err);
    if (!manifest)
        return -1;
    note_manifest(r, manifest);
    return 0;
}

/* --- fetching ----------------------------------------------------------------------------------
 */

static void on_tick(void *data)
{
    const struct remote *r = data;
    uint64_t done = tree_size(r->staging.fd);
    import_progress(r->import, done < r->total ? done : r->total, r->total);
}

static int copy(struct remote *r, struct error *err)
{
    _cleanup_strvec_ struct strvec argv = STRVEC_INIT;
    if (staging_begin(&r->staging, r->import->store, "registry", 0700, err) < 0)
        return -1;
    strvec_split(&argv, "skopeo copy --quiet", " ");
    if (registry_is_loopback(r->ref.domain))
        strvec_push(&argv, "--src-tls-verify=false");
    strvec_take(&argv, source_of(r, r->chosen));
    strvec_pushf(&argv, "dir:%s/tmp/%s", r->import->store->path, r->staging.name);
    if (skopeo(&argv, on_tick, r, NULL, err) < 0)
        return -1;
    int dir = openat(r->staging.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0
               ? error_set_errno(err, ERROR_INTERNAL, errno, "cannot open tmp/%s", r->staging.name)
               : import_archive(r->import, dir, err);
}

/* The same content under all its names: as asked for, and by digest. */
static int name_it(const struct remote *r, struct error *err)
{
    struct store *store = r->import->store;
    _cleanup_free_ char *name = ref_normalise(r->import->ref, err);
    _cleanup_free_ char *pinned = xasprintf("%s@%s", r->ref.name, r->digest);
    _cleanup_free_ char *digest = ref_familiar(pinned);
    if (!name || ref_write(store, name, r->import->id, digest, err) < 0)
        return -1;
    return ref_write(store, pinned, r->import->id, digest, err);
}

static int bring(struct remote *r, struct error *err)
{
    struct store_image image;
    if (look(r, err) < 0)
        return -1;
    int known = r->config ? store_find(r->import->store, r->config, &image, NULL) : 0;
    if (known <= 0)
        return copy(r, err) < 0 ? -1 : name_it(r, err);
    replace_str(&r->import->id, image.info.id);
    int named = name_it(r, err);
    store_image_release(&image);
    return named;
}

int import_registry(struct import *import, struct error *err)
{
    struct remote r _cleanup_(remote_deinit) = {.import = import, .staging = STAGING_INIT};
    if (reference_parse(&r.ref, import->ref, err) < 0)
        return -1;
    return bring(&r, err);
}
