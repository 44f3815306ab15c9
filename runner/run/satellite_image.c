/* SPDX-License-Identifier: Apache-2.0 */
#include "run/satellite_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include "engine/store/sha256.h"
#include "satellite/satellite.h"

static la_ssize_t append(struct archive *a, void *out, const void *bytes, size_t len)
{
    (void)a;
    return strbuf_add(out, bytes, len) < 0 ? -1 : (la_ssize_t)len;
}

void satellite_image_tar(struct strbuf *out)
{
    size_t size = (size_t)(satellite_blob_end - satellite_blob);
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    archive_write_set_format_ustar(a);
    archive_write_open2(a, out, NULL, append, NULL, NULL);

    archive_entry_set_pathname(entry, &SATELLITE_IMAGE_PATH[1]);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0755);
    archive_entry_set_size(entry, (la_int64_t)size);
    archive_write_header(a, entry);
    archive_write_data(a, satellite_blob, size);

    archive_entry_free(entry);
    archive_write_close(a);
    archive_write_free(a);
}

char *satellite_image_name(void)
{
    char digest[DIGEST_SIZE];
    sha256_of(satellite_blob, (size_t)(satellite_blob_end - satellite_blob), digest);
    return xasprintf(SATELLITE_REPOSITORY ":%.32s", strchr(digest, ':') + 1);
}
