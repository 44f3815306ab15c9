/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root, or root of a user namespace of our own: user_namespaces(7), subuid(5), newuidmap(1).
 *
 * Inside, uid and gid 0 are the caller's, and 1.. his subordinate ids, so that an image's users
 * (postgres = 999) exist and what the caller owns stays his outside.
 */
#ifndef EMBEDDED_USERNS_H
#define EMBEDDED_USERNS_H

#include <stdbool.h>
#include <sys/types.h>

#include <cleanroom/error.h>
#include <cleanroom/vec.h>

/* Whether this process has to enter a user namespace to act as root. */
bool userns_needed(void);

/* Makes this process (one thread only) root of a new user namespace; nothing when not needed. The
   error says which file or package is missing. */
int userns_enter(struct error *err);

/* Gives a process that is in a new user namespace already its ids, from outside; waits for the
   tools that do it. */
int userns_map(pid_t pid, struct error *err);

/* Runs fn in a child that has entered one (where it is needed), and waits for it. fn returns 0, or
   -1 with errno, which is ours afterwards. */
int userns_run(int (*fn)(void *data), void *data);

/* Ids outside that a user may have inside, the first one his own. */
struct id_range {
    unsigned long first, count;
};
struct id_ranges {
    struct id_range *items;
    size_t len, cap;
};
struct id_owner {
    const char *name; /* or NULL: he has none */
    unsigned uid;
    unsigned id; /* his own, of users or of groups */
};
/* Of a file like /etc/subuid, lines of "USER:FIRST:COUNT", the user by name or number. What makes
   no sense is no line, and what has ids of a line before neither. */
void userns_read_ranges(const char *path, const struct id_owner *owner, struct id_ranges *ranges);

/* How many subordinate ids there are, of users and of groups. */
void userns_count(unsigned long *uids, unsigned long *gids);

#endif
