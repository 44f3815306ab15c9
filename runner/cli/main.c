/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "cli/cli.h"

/* A missing standard stream would give its number to the first socket, and the report to that. */
static int open_standard_streams(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
    if (open_standard_streams() < 0)
        return 3;
    /* Whoever reads our output may leave before we are done; clean-up must not. */
    signal(SIGPIPE, SIG_IGN);
    return cli_main(argc, argv);
}
