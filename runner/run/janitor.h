/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The janitor: a process of its own, begun before the first object is made, that removes a run's
 * objects when the main process dies without having done so.
 *
 * It is no child of ours when it works (forked twice), in a session of its own, and shows a small
 * clean environment: Jenkins kills by parentage, by process group and by the BUILD_ID and
 * JENKINS_NODE_COOKIE variables it finds in a process's initial environment. It ignores signals;
 * the end of its socket is its only event. It is a fork of ours and no program begun anew, and
 * opens no engine before it has to work, because every run pays for it.
 */
#ifndef CLEANROOM_JANITOR_H
#define CLEANROOM_JANITOR_H

#include <sys/types.h>

#include "config/settings.h"

struct janitor {
    pid_t pid;
    int socket; /* the ledger's lines go here; owned until handed to the ledger; its end = our end
                 */
    int gone;   /* becomes readable (end of file) when the janitor has ended; owned */
};

/* results_dir: the open directory where janitor.log is written if it has to act. SIGINT, SIGTERM
   and SIGHUP should be blocked already: the janitor inherits that. */
int janitor_start(struct janitor *j, const char *run_id, const struct settings *settings,
                  int results_dir, struct error *err);
/* At the end. wait: until the janitor has ended, which is expected soon (5 s at most). In a
   container, which may end with us and take the janitor along, until it has done its work in any
   case. */
void janitor_leave(struct janitor *j, bool wait);

#endif
