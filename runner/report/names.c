/* SPDX-License-Identifier: Apache-2.0 */
#include "report/names.h"

#include <search.h>
#include <string.h>

struct named {
    char *classname;
    char *name;
    unsigned used; /* how often the name was wished for */
};

static int compare(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->classname, y->classname);
}

static void named_free(void *p)
{
    struct named *e = p;
    free(e->classname);
    free(e->name);
    free(e);
}

void names_deinit(struct names *names)
{
    tdestroy(names->root, named_free);
    names->root = NULL;
}

static struct named *find(const struct names *names, const char *classname, const char *name)
{
    const struct named key = {.classname = (char *)classname, .name = (char *)name};
    struct named *const *found = tfind(&key, &names->root, compare);
    return found ? *found : NULL;
}

bool names_contains(const struct names *names, const char *classname, const char *name)
{
    return find(names, classname, name) != NULL;
}

static void add(struct names *names, const char *classname, const char *name)
{
    struct named *e = xmalloc(sizeof(*e));
    *e = (struct named){xstrdup(classname), xstrdup(name), 1};
    if (!tsearch(e, &names->root, compare))
        abort(); /* out of memory, as in mem.c */
}

char *names_unique(struct names *names, const char *classname, const char *name)
{
    struct named *taken = find(names, classname, name);
    if (!taken) {
        add(names, classname, name);
        return xstrdup(name);
    }
    for (;;) {
        char *numbered = xasprintf("%s (%u)", name, ++taken->used);
        if (!names_contains(names, classname, numbered)) {
            add(names, classname, numbered);
            return numbered;
        }
        free(numbered);
    }
}
