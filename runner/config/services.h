/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which services are asked for, and the overrides of each, while the layers are merged.
 *
 * Overrides are gathered for every known service, asked for or not: a lower layer may speak of a
 * service that only a higher one asks for. What nobody asked for is checked and then forgotten.
 */
#ifndef CLEANROOM_SERVICES_H
#define CLEANROOM_SERVICES_H

#include "config/origin.h"
#include "config/schema.h"
#include "config/settings.h"

/* A service of which overrides can be given: each provider, and what the files define. */
struct known_service {
    const struct provider *provider;
    char *name;                      /* the provider's, or that of its definition */
    char *defined;                   /* where it is defined; NULL: built in */
    struct declaration *declaration; /* owns the provider; NULL: a built-in provider */
    const struct yaml_node *seen;    /* its key in the file that is being read */
    VEC(struct override_setting) overrides;
};

struct service_request {
    struct known_service *service;
    char *source;
};

struct services {
    VEC(struct service_request) requests;
    VEC(struct known_service *) known; /* first providers[], in its order */
};

void services_init(struct services *s);
void services_deinit(struct services *s);

/* Forgets who was asked for: `services` of a higher layer replaces the list. */
void services_clear(struct services *s);
/* Asks for one service by name or alias. */
int services_request(struct services *s, const char *name, const struct origin *origin,
                     struct error *err);
/* The value of the key `services`: replaces the list, unless it is empty text. */
int services_from_yaml(struct services *s, const struct yaml_node *list, struct error *err);

/* One that is built in, by name or alias; or one that was defined. NULL when there is none. */
struct known_service *services_find(const struct services *s, const char *name);
/* Sets "unknown service 'NAME', did you mean ...?"; returns -1. */
int services_unknown(const struct services *s, const char *name, const struct origin *origin,
                     struct error *err);
/* A service of that name, as if it had just been defined: nothing is left of an earlier one. */
struct known_service *services_define(struct services *s, const char *name,
                                      const struct origin *origin);

struct override_rows {
    struct schema_key *items;
    size_t len, cap;
};
void override_rows_deinit(struct override_rows *rows);
/* Appends a row for each override of a provider; their fact is its override_def. */
void services_add_rows(struct override_rows *rows, const struct provider *provider, schema_fn take);

/* The map of overrides below a service's name. */
int services_overrides_from_yaml(struct known_service *service, const struct yaml_node *map,
                                 struct error *err);
/* One of them, by its row. */
int services_take_override(struct known_service *service, const struct schema_key *row,
                           const struct yaml_node *key, const struct yaml_node *value,
                           struct error *err);
/* --SERVICE.KEY VALUE and --SERVICE.environment.NAME VALUE; path has no dashes. A list grows when
   its flag is repeated. */
int services_override_from_flag(struct services *s, const char *path, const char *value,
                                const struct origin *origin, struct error *err);

/* Hands over what was asked for, in its order. */
void services_finish(struct services *s, struct settings *out);

/* Releases one of the items of settings.services. */
void service_setting_deinit(struct service_setting *service);

#endif
