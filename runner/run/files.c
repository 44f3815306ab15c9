/* SPDX-License-Identifier: Apache-2.0 */
#include "run/files.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

static la_ssize_t append(struct archive *a, void *out, const void *bytes, size_t len)
{
    (void)a;
    return strbuf_add(out, bytes, len) < 0 ? -1 : (la_ssize_t)len;
}

static int add_file(struct archive *a, const char *path, const char *text)
{
    size_t size = strlen(text);
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, path + strspn(path, "/"));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)size);
    int r = archive_write_header(a, entry);
    if (r == ARCHIVE_OK && size && archive_write_data(a, text, size) != (la_ssize_t)size)
        r = ARCHIVE_FATAL;
    archive_entry_free(entry);
    return r == ARCHIVE_OK ? 0 : -1;
}

int files_tar(const struct strvec *files, struct strbuf *out)
{
    int r = 0;
    struct archive *a = archive_write_new();
    archive_write_set_format_pax_restricted(a);
    archive_write_set_options(a, "hdrcharset=BINARY");
    /* Podman breaks its own pipe over what comes behind the end of an archive. */
    archive_write_set_bytes_in_last_block(a, 1);
    archive_write_open2(a, out, NULL, append, NULL, NULL);
    for (size_t i = 0; i + 1 < files->len && r == 0; i += 2)
        r = add_file(a, files->items[i], files->items[i + 1]);
    if (archive_write_close(a) != ARCHIVE_OK)
        r = -1;
    archive_write_free(a);
    return r;
}
