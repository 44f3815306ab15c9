/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/tool.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cleanroom/vec.h>

#include "base/file.h"
#include "base/process.h"

#define ROOT_PATH "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"

static void read_first_line(int fd, struct strbuf *out)
{
    char text[512];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return;
    text[n] = '\0';
    strbuf_add(out, text, strcspn(text, "\r\n"));
}

int tool_run(const char *const *argv, const char *input, struct strbuf *output)
{
    /* Nothing of the user's environment. */
    static const char *const environment[] = {"PATH=" ROOT_PATH, "LC_ALL=C", NULL};
    int in _cleanup_close_ = file_in_memory(input, input ? strlen(input) : 0);
    int out _cleanup_close_ = file_in_memory(NULL, 0);
    pid_t pid;
    if (in < 0 || out < 0 || process_spawn(argv, (char *const *)environment, in, out, &pid) != 0)
        return -1;
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    if (output)
        read_first_line(out, output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
