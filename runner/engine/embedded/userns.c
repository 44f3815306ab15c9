/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/userns.h"
#include <unistd.h>
bool userns_needed(void)
{
    return geteuid() != 0;
}
int userns_enter(struct error *err)
{
    return userns_needed() ? error_set(err, ERROR_ENGINE, "not yet") : 0;
}
