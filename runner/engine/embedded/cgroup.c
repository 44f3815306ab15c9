/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/cgroup.h"
void cgroup_find(struct cgroup_places *p, const char *run)
{
    (void)run;
    *p = (struct cgroup_places){0};
}
void cgroup_places_deinit(struct cgroup_places *p)
{
    free(p->why);
    strvec_deinit(&p->dirs);
}
int cgroup_make(const struct cgroup_places *places, const char *name,
                const struct cgroup_limits *limits, struct strvec *procs, struct error *err)
{
    (void)places;
    (void)name;
    (void)limits;
    (void)procs;
    (void)err;
    return 0;
}
bool cgroup_oom(const struct cgroup_places *places, const char *name)
{
    (void)places;
    (void)name;
    return false;
}
int cgroup_remove(const struct cgroup_places *places, const char *name)
{
    (void)places;
    (void)name;
    return 0;
}
int cgroup_remove_all(const struct strvec *dirs)
{
    (void)dirs;
    return 0;
}
