/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elasticsearch.
 *
 * Container: elastic.co/docs, "Start a single-node cluster in Docker", and its docker-entrypoint.sh
 * in github.com/elastic/elasticsearch. The docker-library image is the same one; it has no tags but
 * those of whole versions.
 */
#include "common.h"
#include "search.h"

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    if (search_plan(provider, in, "ELASTICSEARCH", out, err) < 0)
        return -1;
    if (out->external)
        return 0;
    search_container(in, "ES_JAVA_OPTS", out);
    strvec_push(&out->env, "xpack.security.enabled=false");
    return common_finish(in, out, err);
}

const struct provider provider_elasticsearch = {
    .name = "elasticsearch",
    .doc = "Elasticsearch: ELASTICSEARCH_URLS, ELASTICSEARCH_INDEX_NAME",
    .image = "elasticsearch:8.17.0",
    .port = 9200,
    .overrides = search_overrides,
    .override_count = SEARCH_OVERRIDES,
    .plan = plan,
    .probe = &search_probe,
    .namespaces = "an index name each",
    .countable = true,
    .by_the_book = true,
};
