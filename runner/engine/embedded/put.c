/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/put.h"

#include <fcntl.h>

#include <cleanroom/mem.h>

int put_file(const char *path, const char *text, unsigned mode)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return -1;
    for (size_t left = strlen(text); left;) {
        ssize_t n = write(fd, text, left);
        if (n < 0)
            return -1;
        text += n;
        left -= (size_t)n;
    }
    return 0;
}
