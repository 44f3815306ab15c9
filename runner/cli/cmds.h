/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands: each in a file of its name. The contract of all of them is command.h's `run`.
 */
#ifndef CLEANROOM_CMDS_H
#define CLEANROOM_CMDS_H

#include "cli/invocation.h"

int cmd_serve(const struct invocation *inv, FILE *out, struct error *err);
int cmd_run(const struct invocation *inv, FILE *out, struct error *err);
int cmd_replay(const struct invocation *inv, FILE *out, struct error *err);
int cmd_plan(const struct invocation *inv, FILE *out, struct error *err);
int cmd_merge(const struct invocation *inv, FILE *out, struct error *err);
int cmd_shell(const struct invocation *inv, FILE *out, struct error *err);
int cmd_services(const struct invocation *inv, FILE *out, struct error *err);
int cmd_recycle(const struct invocation *inv, FILE *out, struct error *err);
int cmd_doctor(const struct invocation *inv, FILE *out, struct error *err);
int cmd_image(const struct invocation *inv, FILE *out, struct error *err);
int cmd_version(const struct invocation *inv, FILE *out, struct error *err);
int cmd_help(const struct invocation *inv, FILE *out, struct error *err);

#endif
