/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the providers' plan functions and probes have in common. For files in providers/ alone.
 */
#ifndef PROVIDERS_COMMON_H
#define PROVIDERS_COMMON_H

#include <cleanroom/provider.h>

struct url;

#define POD_ADDRESS "127.0.0.1" /* where a service of this pod is found from inside */

extern const struct provider provider_postgres;
extern const struct provider provider_postgis;
extern const struct provider provider_redis;
extern const struct provider provider_memcache;
extern const struct provider provider_mysql;
extern const struct provider provider_mariadb;
extern const struct provider provider_amqp;
extern const struct provider provider_valkey;
extern const struct provider provider_mosquitto;
extern const struct provider provider_nats;
extern const struct provider provider_email;
extern const struct provider provider_syslog;
extern const struct provider provider_proxy;
extern const struct provider provider_elasticsearch;
extern const struct provider provider_opensearch;
extern const struct provider provider_mongodb;
extern const struct provider provider_s3;
extern const struct provider provider_kafka;

extern const struct probe tcp_probe; /* probe.c */
extern const struct probe plain_http_probe;

/* Where the app finds this shard's services. */
const char *common_address(const struct provider_input *in);

/* Does the configuration name somebody else's server (host, hosts or urls)? */
bool common_is_external(const struct provider_input *in);

/* Image, port, memory and tmpfs, from defaults and overrides. Nothing but the port when external.
 */
int common_begin(const struct provider *provider, const struct provider_input *in,
                 struct service_plan *out, struct error *err);
/* The user's own command and environment, over what the provider has set. */
int common_finish(const struct provider_input *in, struct service_plan *out, struct error *err);

/* Instead of both, of what the satellite serves itself: where, which is *host (release with free())
   and out->port. */
int common_sink(const struct provider *provider, const struct provider_input *in,
                enum sink_kind kind, struct service_plan *out, char **host, struct error *err);

extern const struct recipe common_sink_recipe;

/* Another port on which it listens, by default this one; noted in the plan. */
uint16_t common_port(const struct provider_input *in, struct service_plan *out, uint16_t port);
/* The variable of a database's URL: DB_DEFAULT_URL, or DB_<INSTANCE>_URL; release with free(). */
char *common_db_variable(const struct provider_input *in);

/* What a shard calls its own in a server that is shared: "NAME_2", and "NAME_02" of a dozen, so
   that no one's begins with another's. Of any other server: the name. joint: '_'. Release with
   free(). */
char *common_namespace(const struct provider_input *in, const char *name, char joint);
/* So much longer than the name it can be. */
size_t common_namespace_room(const struct provider_input *in);

/* As many clients as reach a shared server: a relay in its pod lets in no more (satellite/relay.h).
 */
#define COMMON_CLIENTS "500"

/* Is the image's entry point the official images' docker-entrypoint.sh, run as root? It does
   nothing for a service that has been initialised but to leave root. */
bool common_is_official(const struct recipe_image *image);

/* Is the path in the directory, or the directory itself? */
bool common_is_below(const char *path, const char *directory);

/* A service whose app is told hosts and one name (a key prefix, a database's number). */
struct common_endpoint {
    char *hosts; /* "host:port|host:port" */
    char *name;  /* of overrides name_key, path, or the first URL's path; else NULL */
};
int common_endpoint(const struct provider_input *in, const char *name_key, uint16_t port,
                    struct common_endpoint *out, struct service_plan *plan, struct error *err);
void common_endpoint_deinit(struct common_endpoint *e);

/* Notes a password, in both of its spellings, as something never to be shown. */
void common_secret(struct service_plan *plan, const char *plain, const char *quoted);
/* The same of a URL's, if it has one. */
void common_url_secret(struct service_plan *plan, const struct url *url);

/* "512m", "2g", "1048576": bytes. */
int common_parse_size(const char *text, uint64_t *out, struct error *err);

/* Copies at most size-1 bytes of what a server said, anything unprintable as '?'. */
void common_reason(char *why, size_t size, const void *text, size_t len);
/* Judges a one-line text answer: the length of the first line without its CR LF, or -1 when the
   line is not complete yet. */
long common_line(const unsigned char *data, size_t len);
/* Does data[0..len) begin with the word, or could it when more arrives (len < strlen(word))? */
bool common_starts(const unsigned char *data, size_t len, const char *word);

#endif
