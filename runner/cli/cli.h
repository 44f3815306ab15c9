/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLEANROOM_CLI_H
#define CLEANROOM_CLI_H

/* Does what the command line says and prints the error, if there is one, to standard error.
   Returns the exit code. */
int cli_main(int argc, char **argv);

#endif
