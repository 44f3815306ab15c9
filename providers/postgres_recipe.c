/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of an initialised PostgreSQL.
 *
 * The data directory is moved out of the image's VOLUME, so that it is kept with the container, and
 * its log has segments of 1 MiB (initdb, "--wal-segsize"): the copy is small and its start quick. A
 * copy is told its own password over an abstract unix socket (since 14: "unix_socket_directories")
 * where initdb's pg_hba.conf trusts; it starts as the server itself, without the official image's
 * start-up script, which would have nothing to do.
 */
#include <signal.h>
#include <string.h>

#include "common.h"
#include "postgres.h"

#define DATA_DIRECTORY "/var/lib/cleanroom/postgres"
#define SOCKETS        "unix_socket_directories=/var/run/postgresql," POSTGRES_ABSTRACT_DIRECTORY

static unsigned long major_version(const struct recipe_image *image)
{
    const char *major = strvec_getenv(image->env, "PG_MAJOR");

    return major ? strtoul(major, NULL, 10) : 0;
}

/* Everything that initialising writes has to be below the one directory that we move. */
static int check_volumes(const struct recipe_image *image, struct error *why)
{
    const char *data = strvec_getenv(image->env, "PGDATA");
    const struct strvec *volumes = image->volumes;

    if (!data)
        data = "/var/lib/postgresql/data";
    if (volumes->len == 0)
        return error_set(why, ERROR_CONFIG, "the image holds its data directory itself");
    for (size_t i = 0; i < volumes->len; i++) {
        if (!common_is_below(data, volumes->items[i]))
            return error_set(why, ERROR_CONFIG,
                             "the image has its data in '%s' and a volume at '%s', which no copy "
                             "would have",
                             data, volumes->items[i]);
    }
    return 0;
}

static int check_plan(const struct service_plan *zero, const struct recipe_image *image,
                      struct error *why)
{
    static const char *const moved[] = {"PGDATA", "POSTGRES_INITDB_WALDIR"};

    for (size_t i = 0; i < ARRAY_SIZE(moved); i++) {
        if (strvec_getenv(&zero->env, moved[i]))
            return error_set(why, ERROR_CONFIG, "its 'environment' sets %s", moved[i]);
    }
    if (zero->argv.len == 0 || strcmp(zero->argv.items[0], "postgres") != 0)
        return error_set(why, ERROR_CONFIG, "its 'command' is not 'postgres ...'");
    for (size_t i = 0; zero->password && i < zero->argv.len; i++) {
        if (strstr(zero->argv.items[i], "unix_socket_directories"))
            return error_set(why, ERROR_CONFIG, "its 'command' sets unix_socket_directories");
    }
    if (zero->password && major_version(image) < 14)
        return error_set(why, ERROR_CONFIG,
                         "to give each copy its own password it would have to be PostgreSQL 14 or "
                         "newer (and its image to say so by PG_MAJOR)");
    return check_volumes(image, why);
}

/* What the first start and the copies' have in common. */
static int prepare(const struct service_plan *zero, const struct recipe_image *image,
                   struct service_plan *out, struct error *why)
{
    service_plan_copy(out, zero);
    if (check_plan(zero, image, why) < 0)
        return -1;
    strvec_setenv(&out->env, "PGDATA", DATA_DIRECTORY);
    out->rekey = zero->password != NULL;
    if (out->rekey) {
        strvec_push(&out->argv, "-c");
        strvec_push(&out->argv, SOCKETS);
    }
    return 0;
}

static int first(const struct service_plan *zero, const struct recipe_image *image,
                 struct service_plan *out, struct error *why)
{
    if (prepare(zero, image, out, why) < 0)
        return -1;
    const char *args = strvec_getenv(&out->env, "POSTGRES_INITDB_ARGS");
    if (args && strcmp(args, POSTGRES_INITDB_ARGS) == 0 && major_version(image) >= 11)
        strvec_setenv(&out->env, "POSTGRES_INITDB_ARGS", POSTGRES_INITDB_ARGS " --wal-segsize=1");
    return 0;
}

static int copy(const struct service_plan *zero, const struct recipe_image *image,
                struct service_plan *out, struct error *why)
{
    if (prepare(zero, image, out, why) < 0)
        return -1;
    if (!common_is_official(image))
        return 0;
    strvec_push(&out->entrypoint, out->argv.items[0]);
    out->user = xstrdup("postgres");
    struct strvec argv = STRVEC_INIT;
    for (size_t i = 1; i < out->argv.len; i++)
        strvec_push(&argv, out->argv.items[i]);
    strvec_deinit(&out->argv);
    out->argv = argv;
    return 0;
}

const struct recipe postgres_recipe = {
    .version = 1,
    .stop = SIGINT, /* "fast": clients are thrown out, and the shutdown is clean */
    .slow = true,
    .first = first,
    .copy = copy,
};
