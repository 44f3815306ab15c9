/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of an initialised MySQL or MariaDB.
 *
 * The data directory is moved out of the image's VOLUME, so that it is kept with the container. A
 * copy is told its own password by --init-file, which the server reads before it accepts
 * connections; it starts as the server itself, without the official image's start-up script, which
 * would have nothing to do.
 */
#include <signal.h>
#include <string.h>

#include "common.h"
#include "mysql.h"
#include "url.h"

#define DATA_DIRECTORY "/var/lib/cleanroom/mysql"
#define USUAL_DATA     "/var/lib/mysql"
#define INIT_FILE      "/tmp/cleanroom.sql"

static int check_volumes(const struct recipe_image *image, struct error *why)
{
    const struct strvec *volumes = image->volumes;

    if (volumes->len == 0)
        return error_set(why, ERROR_CONFIG, "the image holds its data directory itself");
    for (size_t i = 0; i < volumes->len; i++) {
        if (!common_is_below(USUAL_DATA, volumes->items[i]))
            return error_set(why, ERROR_CONFIG,
                             "the image has its data in '" USUAL_DATA "' and a volume at '%s', "
                             "which no copy would have",
                             volumes->items[i]);
    }
    return 0;
}

/* The user that the container's environment creates; NULL when it is not to be known. */
static const char *find_user(const struct service_plan *zero)
{
    static const char *const keys[] = {"MARIADB_USER", "MYSQL_USER"};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *user = strvec_getenv(&zero->env, keys[i]);
        if (user)
            return user;
    }
    return "root";
}

static int check_plan(const struct service_plan *zero, const struct recipe_image *image,
                      struct error *why)
{
    const char *server = zero->argv.len ? zero->argv.items[0] : "";

    if (strcmp(server, "mysqld") != 0 && strcmp(server, "mariadbd") != 0)
        return error_set(why, ERROR_CONFIG,
                         "its 'command' is neither 'mysqld ...' nor "
                         "'mariadbd ...'");
    for (size_t i = 1; i < zero->argv.len; i++) {
        const char *arg = zero->argv.items[i];
        if (strstr(arg, "datadir") || strstr(arg, "init-file") || strstr(arg, "init_file"))
            return error_set(why, ERROR_CONFIG, "its 'command' has '%s'", arg);
    }
    if (!common_is_official(image))
        return error_set(why, ERROR_CONFIG,
                         "its image's entry point is not the official images' "
                         "docker-entrypoint.sh, run as root");
    return check_volumes(image, why);
}

static int first(const struct service_plan *zero, const struct recipe_image *image,
                 struct service_plan *out, struct error *why)
{
    service_plan_copy(out, zero);
    if (check_plan(zero, image, why) < 0)
        return -1;
    strvec_push(&out->argv, "--datadir=" DATA_DIRECTORY);
    return 0;
}

/* As a string in SQL. */
static void add_quoted(struct strbuf *out, const char *text)
{
    strbuf_addc(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            strbuf_addc(out, '\\');
        strbuf_addc(out, *text);
    }
    strbuf_addc(out, '\'');
}

/* In one line, as init files have it. Root is two: over the socket, and from everywhere. */
static char *set_password(const char *user, const char *password)
{
    static const char *const hosts[] = {"%", "localhost"};
    _cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
    size_t count = strcmp(user, "root") == 0 ? ARRAY_SIZE(hosts) : 1;

    strbuf_adds(&sql, "ALTER USER IF EXISTS");
    for (size_t i = 0; i < count; i++) {
        strbuf_adds(&sql, i ? ", " : " ");
        add_quoted(&sql, user);
        strbuf_addf(&sql, "@'%s' IDENTIFIED BY ", hosts[i]);
        add_quoted(&sql, password);
    }
    strbuf_adds(&sql, ";\n");
    return strbuf_detach(&sql);
}

static int copy(const struct service_plan *zero, const struct recipe_image *image,
                struct service_plan *out, struct error *why)
{
    if (first(zero, image, out, why) < 0)
        return -1;
    out->user = xstrdup("mysql");
    strvec_push(&out->entrypoint, out->argv.items[0]);
    struct strvec argv = STRVEC_INIT;
    for (size_t i = 1; i < out->argv.len; i++)
        strvec_push(&argv, out->argv.items[i]);
    strvec_deinit(&out->argv);
    out->argv = argv;
    if (!zero->password)
        return 0;
    strvec_push(&out->argv, "--init-file=" INIT_FILE);
    strvec_push(&out->files, INIT_FILE);
    strvec_take(&out->files, set_password(find_user(zero), zero->password));
    return 0;
}

const struct recipe mysql_recipe = {
    .version = 1,
    .stop = SIGTERM,
    .slow = true,
    .first = first,
    .copy = copy,
};
