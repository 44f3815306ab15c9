/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Elasticsearch and its fork OpenSearch have in common: lists of URLs, an index name, and the
 * cluster's health.
 */
#ifndef PROVIDERS_SEARCH_H
#define PROVIDERS_SEARCH_H

#include <cleanroom/provider.h>

enum { SEARCH_OVERRIDES = 8 };

extern const struct override_def search_overrides[SEARCH_OVERRIDES];
extern const struct probe search_probe;

/* The plan but for the container; the app's variables begin with the prefix. */
int search_plan(const struct provider *provider, const struct provider_input *in,
                const char *prefix, struct service_plan *out, struct error *err);
/* A container that is a cluster of its own; java: the variable of the virtual machine's options. */
void search_container(const struct provider_input *in, const char *java, struct service_plan *out);

#endif
