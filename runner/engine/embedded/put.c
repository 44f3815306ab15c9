/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/put.h"

#include <fcntl.h>

#include <cleanroom/mem.h>

#include "base/file.h"

int put_file(const char *path, const char *text, unsigned mode)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return -1;
    return file_write_all(fd, text, strlen(text));
}
