/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/disguise.h"

#include <sys/prctl.h>

#include "base/proctitle.h"

void disguise(const char *run)
{
    struct strvec env = STRVEC_INIT; /* for good */
    _cleanup_free_ char *title = xasprintf("cleanroom: keeper %s", run);
    strvec_push(&env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    proctitle_set(title, &env);
    (void)prctl(PR_SET_NAME, "cleanroom-keep");
}
