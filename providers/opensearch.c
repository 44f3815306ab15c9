/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSearch.
 *
 * Container: docs.opensearch.org, "Docker", "Disabling security" and "Setting up a demo
 * configuration", and opensearch-docker-entrypoint.sh in
 * github.com/opensearch-project/opensearch-build. Since 2.12 the image refuses to start without
 * OPENSEARCH_INITIAL_ADMIN_PASSWORD, but only where it installs that demo configuration.
 */
#include "common.h"
#include "search.h"

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    static const char *const env[] = {
        "network.host=0.0.0.0", /* otherwise set by the demo configuration */
        "DISABLE_SECURITY_PLUGIN=true", "DISABLE_INSTALL_DEMO_CONFIG=true",
        "DISABLE_PERFORMANCE_ANALYZER_AGENT_CLI=true", /* a virtual machine, and ports, of its own
                                                        */
    };

    if (search_plan(provider, in, "OPENSEARCH", out, err) < 0)
        return -1;
    if (out->external)
        return 0;
    search_container(in, "OPENSEARCH_JAVA_OPTS", out);
    for (size_t i = 0; i < ARRAY_SIZE(env); i++)
        strvec_push(&out->env, env[i]);
    return common_finish(in, out, err);
}

const struct provider provider_opensearch = {
    .name = "opensearch",
    .doc = "OpenSearch: OPENSEARCH_URLS, OPENSEARCH_INDEX_NAME",
    .image = "opensearchproject/opensearch:2",
    .port = 9200,
    .overrides = search_overrides,
    .override_count = SEARCH_OVERRIDES,
    .plan = plan,
    .probe = &search_probe,
    .namespaces = "an index name each",
    .countable = true,
    .by_the_book = true,
};
