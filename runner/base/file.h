/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files by their descriptors.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/types.h>

/* Writes all of it, however often it is interrupted. -1 with errno. */
int file_write_all(int fd, const void *bytes, size_t len);
/* The same at a place of the file. */
int file_write_all_at(int fd, const void *bytes, size_t len, off_t at);

/* Makes a directory and what is missing above it; it may be there already. -1 with errno. */
int file_make_dirs(const char *path, mode_t mode);

/* A file without a name that has this content and is read from its beginning. -1 with errno. */
int file_in_memory(const void *bytes, size_t len);

/* Like openat(2), but as if `root` were the root directory: no "..", no absolute path and no
   symbolic link leads out of it, and links of /proc lead nowhere. CLOEXEC always. */
int file_open_in_root(int root, const char *path, int flags);

#endif
