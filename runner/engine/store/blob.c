/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two readers of libarchive's, one fed by the other: the outer one takes the compression away, the
 * inner one reads the archive. Between them, and before them, every byte passes a digest.
 */
#include "engine/store/blob.h"

#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "engine/store/sha256.h"

#define PROGRESS_STEP (UINT64_C(4) << 20)

struct pipe {
    const struct blob *blob;
    struct stream *stream;
    struct archive *outer, *inner;
    struct sha256 digest, diff_id;
    bool need_digest;   /* what is not compressed has one digest for both */
    bool empty;         /* not even an archive's end */
    uint64_t most, got; /* bytes of the archive inside */
    uint64_t told;
};

static void pipe_deinit(struct pipe *p)
{
    archive_read_free(p->inner);
    archive_read_free(p->outer);
}

static la_ssize_t read_stream(struct archive *a, void *data, const void **bytes)
{
    struct pipe *p = data;
    ssize_t n = stream_read(p->stream, bytes);
    if (n < 0)
        archive_set_error(a, 1, "it breaks off");
    if (n > 0 && p->need_digest)
        sha256_add(&p->digest, *bytes, (size_t)n);
    if (p->blob->progress && p->stream->done - p->told >= PROGRESS_STEP) {
        p->told = p->stream->done;
        p->blob->progress(p->blob->data, p->told);
    }
    return n;
}

static la_ssize_t read_outer(struct archive *a, void *data, const void **bytes)
{
    struct pipe *p = data;
    size_t len;
    int64_t at;
    int status = p->empty ? ARCHIVE_EOF : archive_read_data_block(p->outer, bytes, &len, &at);
    if (status == ARCHIVE_EOF)
        return 0;
    if (status < ARCHIVE_WARN) {
        const char *why = archive_error_string(p->outer);
        archive_set_error(a, 1, "%s", why ? why : "it breaks off");
        return -1;
    }
    p->got += len;
    if (p->got > p->most) {
        archive_set_error(a, 1, "it is too large");
        return -1;
    }
    sha256_add(&p->diff_id, *bytes, len);
    return (la_ssize_t)len;
}

static int broken(struct archive *a, struct error *err)
{
    const char *why = a ? archive_error_string(a) : NULL;
    return error_set(err, ERROR_ENGINE, "the layer cannot be unpacked: %s",
                     why ? why : "it is no tar archive");
}

static int open_outer(struct pipe *p, struct error *err)
{
    struct archive_entry *e;
    p->outer = archive_read_new();
    if (!p->outer)
        return broken(NULL, err);
    layout_support_filters(p->outer);
    archive_read_support_format_raw(p->outer);
    archive_read_support_format_empty(p->outer);
    if (archive_read_open(p->outer, p, NULL, read_stream, NULL) != ARCHIVE_OK)
        return broken(p->outer, err);
    int status = archive_read_next_header(p->outer, &e);
    p->empty = status == ARCHIVE_EOF;
    return status < ARCHIVE_WARN ? broken(p->outer, err) : 0;
}

static int open_inner(struct pipe *p, struct error *err)
{
    p->inner = archive_read_new();
    if (!p->inner || archive_read_support_format_tar(p->inner) != ARCHIVE_OK ||
        archive_read_support_format_empty(p->inner) != ARCHIVE_OK ||
        archive_read_open(p->inner, p, NULL, read_outer, NULL) != ARCHIVE_OK)
        return broken(p->inner, err);
    return 0;
}

/* A tar archive may be longer than what is in it; the digests are of all. */
static int drain(struct pipe *p, struct error *err)
{
    const void *bytes;
    la_ssize_t n;
    while ((n = read_outer(p->inner, p, &bytes)) > 0)
        continue;
    if (n < 0)
        return broken(p->inner, err);
    while ((n = read_stream(p->outer, p, &bytes)) > 0)
        continue;
    return n < 0 ? broken(p->outer, err) : 0;
}

static int compare(struct sha256 *h, const char *want, const char *what, struct error *err)
{
    char is[DIGEST_SIZE];
    sha256_digest(h, is);
    if (strcmp(is, want) == 0)
        return 0;
    return error_set(err, ERROR_ENGINE, "the layer's %s is not %.80s but %s", what, want, is);
}

int blob_unpack(const struct blob *blob, struct stream *stream, struct untar *to, struct error *err)
{
    struct pipe p _cleanup_(pipe_deinit) = {.blob = blob, .stream = stream};
    p.most = 2 * to->max_bytes; /* headers and padding included */
    p.need_digest = blob->digest && strcmp(blob->digest, blob->diff_id) != 0;
    sha256_init(&p.digest);
    sha256_init(&p.diff_id);
    if (open_outer(&p, err) < 0 || open_inner(&p, err) < 0 || untar_all(to, p.inner, err) < 0 ||
        drain(&p, err) < 0)
        return -1;
    if (p.need_digest && compare(&p.digest, blob->digest, "digest", err) < 0)
        return -1;
    return compare(&p.diff_id, blob->diff_id, "content", err);
}
