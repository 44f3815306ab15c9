/* SPDX-License-Identifier: Apache-2.0 */
/* What mysql.c and mariadb.c share: a MySQL server, or one that descends from it, in a container.
 */
#ifndef PROVIDERS_MYSQL_H
#define PROVIDERS_MYSQL_H

#include <cleanroom/provider.h>

#define MYSQL_OVERRIDES 7
extern const struct override_def mysql_overrides[MYSQL_OVERRIDES];
extern const struct probe mysql_probe;   /* mysql_probe.c */
extern const struct recipe mysql_recipe; /* mysql_recipe.c */

int mysql_plan(const struct provider *provider, const struct provider_input *in,
               struct service_plan *out, struct error *err);
/* Appends text as a string in SQL. */
void mysql_add_quoted(struct strbuf *out, const char *text);

#endif
