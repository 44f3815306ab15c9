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
#include "config/settings.h"

struct service_request {
    const struct provider *provider;
    char *source;
};

struct service_overrides {
    VEC(struct override_setting) items;
};

struct services {
    VEC(struct service_request) requests;
    struct service_overrides *overrides; /* parallel to providers[] */
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

/* The map of overrides below a service's name. */
int services_overrides_from_yaml(struct services *s, const struct provider *provider,
                                 const struct yaml_node *map, struct error *err);
/* --SERVICE.KEY VALUE and --SERVICE.environment.NAME VALUE; path has no dashes. A list grows when
   its flag is repeated. */
int services_override_from_flag(struct services *s, const char *path, const char *value,
                                const struct origin *origin, struct error *err);

/* Hands over what was asked for, in its order. */
void services_finish(struct services *s, struct settings *out);

/* Releases one of the items of settings.services. */
void service_setting_deinit(struct service_setting *service);

#endif
