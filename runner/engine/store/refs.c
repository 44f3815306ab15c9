/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file's lines: the image's id, the name, and the digest if one is known. Its own name is only
 * there to be found by: names that are too long for a file are shortened to a digest.
 */
#include "engine/store/refs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <cleanroom/strbuf.h>

#include "engine/docker/reference.h"
#include "engine/store/place.h"
#include "engine/store/sha256.h"
#include "engine/store/tree.h"

#define FILE_MAX    4096
#define NAME_LENGTH 240

void ref_deinit(struct ref *ref)
{
    free(ref->file);
    free(ref->name);
    free(ref->id);
    free(ref->digest);
    *ref = (struct ref){0};
}

char *ref_normalise(const char *text, struct error *err)
{
    struct reference ref;
    char *name = NULL;
    if (reference_parse(&ref, text, err) == 0) {
        bool digest = ref.tag && strchr(ref.tag, ':');
        if (ref.is_id)
            name = xasprintf("%s%s", strchr(text, ':') ? "" : "sha256:", text);
        else
            name = xasprintf("%s%s%s", ref.name, digest ? "@" : ":", ref.tag);
    }
    reference_deinit(&ref);
    return name;
}

char *ref_familiar(const char *name)
{
    return reference_familiar(name);
}

static char *file_name(const char *name)
{
    struct strbuf sb _cleanup_strbuf_ = STRBUF_INIT;
    for (const char *p = name; *p; p++) {
        if (*p == '/')
            strbuf_adds(&sb, "%2F");
        else
            strbuf_addc(&sb, *p);
    }
    if (sb.len <= NAME_LENGTH)
        return strbuf_detach(&sb);
    char digest[DIGEST_SIZE];
    sha256_of(name, strlen(name), digest);
    return xasprintf("%%%s", digest);
}

static ssize_t read_text(int dir, const char *file, char *text, size_t size)
{
    int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, size);
    if (fd >= 0)
        close(fd);
    return len;
}

/* 0 also when it is gone, or not one of ours. */
static int read_file(struct store *store, const char *file, struct ref *out)
{
    char text[FILE_MAX];
    ssize_t len = read_text(store->refs, file, text, sizeof(text) - 1);
    if (len <= 0)
        return 0;
    text[len] = '\0';
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    strvec_split(&lines, text, "\n");
    if (lines.len < 2 || !digest_hex(lines.items[0]))
        return 0;
    *out = (struct ref){.file = xstrdup(file),
                        .id = xstrdup(lines.items[0]),
                        .name = xstrdup(lines.items[1]),
                        .digest = lines.len > 2 ? xstrdup(lines.items[2]) : NULL};
    return 1;
}

int ref_read(struct store *store, const char *name, struct ref *out, struct error *err _unused_)
{
    _cleanup_free_ char *file = file_name(name);
    *out = (struct ref){0};
    return read_file(store, file, out);
}

int ref_write(struct store *store, const char *name, const char *id, const char *digest,
              struct error *err)
{
    _cleanup_free_ char *file = file_name(name);
    _cleanup_free_ char *text = xasprintf("%s\n%s\n%s\n", id, name, digest ? digest : "");
    return place_file(store, store->refs, file, text, strlen(text), true, err) < 0 ? -1 : 0;
}

int ref_remove(struct store *store, const struct ref *ref)
{
    struct ref now;
    if (read_file(store, ref->file, &now) == 0)
        return 0;
    bool same = strcmp(now.id, ref->id) == 0;
    ref_deinit(&now);
    return same ? unlinkat(store->refs, ref->file, 0) : 0;
}

int ref_list(struct store *store, struct ref_list *out, struct error *err)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    if (tree_names(store->refs, &names) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot read '%s/refs'", store->path);
    for (size_t i = 0; i < names.len; i++) {
        struct ref ref;
        if (read_file(store, names.items[i], &ref))
            *vec_push(out) = ref;
    }
    return 0;
}

void ref_list_deinit(struct ref_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        ref_deinit(&list->items[i]);
    vec_deinit(list);
}
