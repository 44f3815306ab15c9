/* SPDX-License-Identifier: Apache-2.0 */
#include "run/ledger.h"

#include <errno.h>

void ledger_init(struct ledger *l, int socket)
{
    *l = (struct ledger){.socket = socket};
}

void ledger_deinit(struct ledger *l)
{
    for (size_t i = 0; i < l->entries.len; i++)
        free(l->entries.items[i].name);
    vec_deinit(&l->entries);
    free(TAKE_PTR(l->engine));
    free(TAKE_PTR(l->where));
    if (l->socket >= 0)
        close(TAKE_FD(l->socket));
}

/* A janitor that is gone (EPIPE) costs us the safety net, not the run. One that does not read must
   not hold it up: the socket does not block, and what does not fit into it is lost, perhaps in the
   middle of a line. From then on nothing is told any more, "done" neither, so that at the end the
   janitor looks for itself. */
static void send_line(struct ledger *l, const char *line)
{
    size_t len = strlen(line);
    if (l->socket < 0 || l->torn)
        return;
    ssize_t n = write(l->socket, line, len);
    if (n < 0 && errno == EPIPE)
        close(TAKE_FD(l->socket));
    else
        l->torn = n != (ssize_t)len;
}

static void tell(struct ledger *l, char sign, enum object_kind kind, const char *name)
{
    if (l->socket < 0)
        return;
    _cleanup_free_ char *line = xasprintf("%c %s %s\n", sign, object_kind_name(kind), name);
    send_line(l, line);
}

static struct ledger_entry *find(struct ledger *l, enum object_kind kind, const char *name)
{
    for (size_t i = l->entries.len; i-- > 0;)
        if (l->entries.items[i].kind == kind && strcmp(l->entries.items[i].name, name) == 0)
            return &l->entries.items[i];
    return NULL;
}

void ledger_enter(struct ledger *l, enum object_kind kind, const char *name)
{
    *vec_push(&l->entries) = (struct ledger_entry){.kind = kind, .name = xstrdup(name)};
    tell(l, '+', kind, name);
}

void ledger_answered(struct ledger *l, enum engine_outcome outcome, const struct error *err)
{
    if (outcome == ENGINE_CANCELLED || (outcome == ENGINE_FAILED && err->kind == ERROR_TIMEOUT))
        l->doubt = true;
}

void ledger_tell_engine(struct ledger *l, const char *kind, const char *where)
{
    _cleanup_free_ char *line = xasprintf("@ %s %s\n", kind, where);
    send_line(l, line);
}

void ledger_strike(struct ledger *l, enum object_kind kind, const char *name)
{
    struct ledger_entry *e = find(l, kind, name);
    if (!e)
        return;
    free(e->name);
    size_t index = (size_t)(e - l->entries.items);
    memmove(e, e + 1, (l->entries.len - index - 1) * sizeof(*e));
    l->entries.len--;
    tell(l, '-', kind, name);
}

void ledger_dismiss(struct ledger *l)
{
    send_line(l, "done\n");
    if (l->socket >= 0)
        close(TAKE_FD(l->socket));
}

static void apply_engine(struct ledger *l, const char *text)
{
    const char *space = strchr(text, ' ');
    if (!space)
        return;
    free(l->engine);
    l->engine = xstrndup(text, (size_t)(space - text));
    replace_str(&l->where, space + 1);
}

void ledger_apply(struct ledger *l, const char *line)
{
    if (strcmp(line, "done") == 0) {
        l->done = true;
        return;
    }
    if (strncmp(line, "@ ", 2) == 0) {
        apply_engine(l, line + 2);
        return;
    }

    _cleanup_strvec_ struct strvec word = STRVEC_INIT;
    strvec_split(&word, line, " ");
    if (word.len != 3)
        return;
    for (int kind = 0; kind < OBJECT_KINDS; kind++) {
        if (strcmp(word.items[1], object_kind_name(kind)) != 0)
            continue;
        if (word.items[0][0] == '+')
            ledger_enter(l, kind, word.items[2]);
        else if (word.items[0][0] == '-')
            ledger_strike(l, kind, word.items[2]);
    }
}
