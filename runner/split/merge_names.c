/* SPDX-License-Identifier: Apache-2.0 */
#include "split/merge_names.h"

#include <string.h>

#include "report/names.h"
#include "split/presets.h"

/* How many bytes of "name (2)" are the name that is there already; 0: it is no such name. */
static size_t base_length(const char *name)
{
    size_t len = strlen(name), digits = 0;
    if (len < 4 || name[len - 1] != ')')
        return 0;
    while (digits < len - 1 && name[len - 2 - digits] >= '0' && name[len - 2 - digits] <= '9')
        digits++;
    if (digits == 0 || digits > 9 || digits + 3 >= len)
        return 0;
    size_t base = len - digits - 3;
    return memcmp(name + base, " (", 2) == 0 && strtol(name + base + 2, NULL, 10) > 1 ? base : 0;
}

static void add_name(struct names *names, const char *classname, const char *name)
{
    if (!names_contains(names, classname, name))
        free(names_unique(names, classname, name));
}

static void add_planned(struct names *planned, const struct planfile *plan)
{
    for (size_t i = 0; plan && i < plan->tests.tests.len; i++)
        add_name(planned, "", plan->tests.tests.items[i].key);
}

static bool is_planned(const struct names *planned, const struct preset *preset,
                       const struct result_case *c)
{
    _cleanup_free_ char *key = naming_case(preset ? preset->naming : NAMING_PLAIN, c);
    return names_contains(planned, "", key);
}

void merge_restore_names(struct result *r, const struct planfile *plan)
{
    const struct preset *preset = plan && plan->runner ? preset_find(plan->runner) : NULL;
    _cleanup_names_ struct names seen = {0}, planned = {0};

    add_planned(&planned, plan);
    for (size_t i = 0; i < r->suites.len; i++) {
        for (size_t k = 0; k < r->suites.items[i].cases.len; k++) {
            struct result_case *c = &r->suites.items[i].cases.items[k];
            size_t base = base_length(c->name);
            _cleanup_free_ char *first = base ? xstrndup(c->name, base) : NULL;
            bool again = first && names_contains(&seen, c->classname, first);
            add_name(&seen, c->classname, c->name);
            if (again && !is_planned(&planned, preset, c))
                replace_str(&c->name, first);
        }
    }
}
