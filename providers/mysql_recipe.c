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

/* What the container's environment says, under either name; or NULL. */
static const char *setting(const struct service_plan *zero, const char *key)
{
    static const char *const prefixes[] = {"MARIADB", "MYSQL"};

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        _cleanup_free_ char *name = xasprintf("%s_%s", prefixes[i], key);
        const char *value = strvec_getenv(&zero->env, name);
        if (value)
            return value;
    }
    return NULL;
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

void mysql_add_quoted(struct strbuf *out, const char *text)
{
    strbuf_addc(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            strbuf_addc(out, '\\');
        strbuf_addc(out, *text);
    }
    strbuf_addc(out, '\'');
}

static void add_password(struct strbuf *sql, const char *user, const char *host,
                         const char *password)
{
    strbuf_adds(sql, sql->len ? ", " : "ALTER USER IF EXISTS ");
    mysql_add_quoted(sql, user);
    strbuf_addf(sql, "@'%s' IDENTIFIED BY ", host);
    mysql_add_quoted(sql, password);
}

/* Of whom the container's environment creates. In one line, as init files have it. Root is two:
   over the socket, and from everywhere. */
static char *set_passwords(const struct service_plan *zero)
{
    _cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
    const char *user = setting(zero, "USER"), *root = setting(zero, "ROOT_PASSWORD");

    if (!user || (root && strcmp(root, zero->password) == 0)) {
        add_password(&sql, "root", "%", zero->password);
        add_password(&sql, "root", "localhost", zero->password);
    }
    if (user)
        add_password(&sql, user, "%", zero->password);
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
    strvec_take(&out->files, set_passwords(zero));
    return 0;
}

const struct recipe mysql_recipe = {
    .version = 1,
    .stop = SIGTERM,
    .slow = true,
    .first = first,
    .copy = copy,
};
