/* SPDX-License-Identifier: Apache-2.0 */
#include "run/key.h"

#include <string.h>

#include "config/mask.h"

/* Of the format of what is kept: another one makes all that was kept before unknown. */
#define GENERATION "cleanroom 1"

void key_begin(struct key *k, const char *what)
{
    sha256_init(&k->hash);
    key_add(k, GENERATION);
    key_add(k, what);
}

void key_add(struct key *k, const char *part)
{
    char len[32];
    int n = snprintf(len, sizeof(len), "%zu:", strlen(part));
    sha256_add(&k->hash, len, (size_t)n);
    sha256_add(&k->hash, part, strlen(part));
}

void key_add_list(struct key *k, const struct strvec *list, const struct strvec *random)
{
    char count[32];
    (void)snprintf(count, sizeof(count), "%zu", list->len);
    key_add(k, count);
    for (size_t i = 0; i < list->len; i++) {
        /* A password in a URL that is not of this run only is somebody's choice, and counts. */
        _cleanup_free_ char *part = mask_values(random, list->items[i]);
        key_add(k, part);
    }
}

void key_end(struct key *k, char out[KEY_SIZE])
{
    char digest[DIGEST_SIZE];
    sha256_digest(&k->hash, digest);
    (void)snprintf(out, KEY_SIZE, "%s", strchr(digest, ':') + 1);
}

/* Left out on purpose: memory, tmpfs_volumes and the like say how it is run, and more_ports and
   log_text are read off its words by us alone. */
void key_add_service(struct key *k, const struct provider *provider, const char *image_id,
                     const struct service_plan *first)
{
    const struct strvec *const lists[] = {&first->entrypoint, &first->argv,  &first->env,
                                          &first->files,      &first->tmpfs, &first->exec_words};
    char numbers[64];
    _cleanup_strvec_ struct strvec random = STRVEC_INIT;
    if (first->password)
        strvec_push(&random, first->password);
    (void)snprintf(numbers, sizeof(numbers), "%u %u %d", provider->recipe->version, first->port,
                   first->rekey);
    key_add(k, provider->name);
    key_add(k, image_id);
    key_add(k, numbers);
    key_add(k, first->user ? first->user : "");
    key_add(k, first->probe_arg ? first->probe_arg : ""); /* user and database */
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        key_add_list(k, lists[i], &random);
}
