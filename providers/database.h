/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services whose app is told one URL with everything in it: scheme://user:password@host:port/name.
 *
 * Overrides rewrite its parts, whoever's server it is. For files in providers/ alone.
 */
#ifndef PROVIDERS_DATABASE_H
#define PROVIDERS_DATABASE_H

#include <cleanroom/provider.h>

/* What is fixed for a kind of service. */
struct database_kind {
    const char *scheme;
    const char *variable; /* which the app reads */
    const char *id;       /* user and name, where nobody says otherwise */
    const char *name_key; /* the override of the name */
    bool several;         /* the variable takes several URLs, joined by '|' */
    bool open;            /* a server of our own lets everybody in: no user, password, name */
};

/* Who connects to what; all as the server knows it, not percent-encoded. */
struct database {
    char *user;
    char *password; /* NULL: none */
    char *name;
    char *first; /* what the server is begun with: the name, unless that is a shard's namespace */
};
#define _cleanup_database_ _cleanup_(database_deinit)

/*
 * Fills *db (zeroed) and tells the app, after common_begin(). Precedence: the override, then what
 * the URL in 'urls' has, without a URL the kind's id and a random password.
 */
int database_init(struct database *db, const struct database_kind *kind,
                  const struct provider_input *in, struct service_plan *plan, struct error *err);
void database_deinit(struct database *db);

/* The application's id as a name that needs no quotes in SQL, of at most `longest` characters;
   those that the server keeps for itself get "app_" before them. Release with free(). */
char *database_identifier(const char *id, size_t longest, bool (*reserved)(const char *name));

#endif
