/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: every object made in the engine is entered before its create call and struck out only
 * after a confirmed delete. Each line also goes to the janitor by a socket, who keeps the same
 * book.
 *
 * Lines: "+ KIND NAME\n" (about to be made), "- KIND NAME\n" (gone), "@ ENGINE WHERE\n" (its
 * kind and address), "done\n" (nothing is left to do).
 */
#ifndef CLEANROOM_LEDGER_H
#define CLEANROOM_LEDGER_H

#include <stdbool.h>

#include <cleanroom/engine.h>
#include <cleanroom/vec.h>

struct ledger_entry {
    enum object_kind kind;
    char *name;
};

struct ledger {
    VEC(struct ledger_entry) entries; /* in the order in which they were entered */
    int socket;                       /* to the janitor, owned; -1 = none */
    bool torn;  /* a line did not fit: the janitor's book is not whole, and not continued */
    bool doubt; /* a create call was given up without an answer: it may still take effect */
    char *engine, *where; /* read side: the engine's kind and address, or NULL */
    bool done;            /* read side: "done" was seen */
};

void ledger_init(struct ledger *l, int socket);
void ledger_deinit(struct ledger *l);

void ledger_enter(struct ledger *l, enum object_kind kind, const char *name);
/* How a create call ended; err as in the completion. */
void ledger_answered(struct ledger *l, enum engine_outcome outcome, const struct error *err);
/* Tells the janitor which engine it is; before anything is made. */
void ledger_tell_engine(struct ledger *l, const char *kind, const char *where);
void ledger_strike(struct ledger *l, enum object_kind kind, const char *name);
/* Tells the janitor that it may go, unless its book is torn, and closes the socket. */
void ledger_dismiss(struct ledger *l);

/* The janitor's side: applies one line (without its newline). Unknown lines are ignored. */
void ledger_apply(struct ledger *l, const char *line);

#endif
