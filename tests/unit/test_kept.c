/* SPDX-License-Identifier: Apache-2.0 */
/* Leases on what is kept in a daemon, and what of it is too much. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cachedir.h"
#include "report/directory.h"
#include "run/deploy.h"
#include "run/kept.h"
#include "run/lease.h"

#include "tap.h"

#define KEY  "00112233445566778899aabbccddeeff"
#define HOUR (INT64_C(3600) * NSEC_PER_SEC)

static void forget_leases(void)
{
    int dir = cachedir_open("");
    (void)directory_remove(dir, "leases");
    (void)directory_remove(dir, DEPLOYS_DIRECTORY);
    close(dir);
}

/* --- leases ---------------------------------------------------------------------------------- */

static void test_lease_is_shared_and_keeps_removers_off(void)
{
    int mine, other, remover;
    nsec_t used = 0;
    check(!lease_look(KEY, &used));
    check(lease_take(KEY, &mine));
    check(mine >= 0);
    check(lease_take(KEY, &other));
    check(lease_in_use(KEY));
    check(!lease_seize(KEY, &remover));
    check_int(remover, -1);
    close(mine);
    check(!lease_seize(KEY, &remover));
    close(other);
    check(!lease_in_use(KEY));
    check(lease_look(KEY, &used));
    check(clock_wall() - used < HOUR);

    check(lease_seize(KEY, &remover));
    check(!lease_take(KEY, &mine));
    check_int(mine, -1);
    lease_end(KEY, remover);
    check(!lease_look(KEY, &used));
}

/* Who has opened the file before its remover unlinked it must not hold what nobody else sees. */
static void test_a_lease_is_on_a_file_that_is_there(void)
{
    int old, fresh, remover;
    check(lease_seize(KEY, &old));
    int dir = cachedir_open("leases");
    check_int(unlinkat(dir, KEY, 0), 0);
    close(dir);
    check(lease_take(KEY, &fresh)); /* another file */
    check(!lease_seize(KEY, &remover));
    close(old);
    close(fresh);
    forget_leases();
}

static void test_without_a_place_nobody_is_kept_from_anything(void)
{
    int fd;
    char *cache = xstrdup(getenv("XDG_CACHE_HOME"));
    setenv("XDG_CACHE_HOME", "/dev/null", 1);
    check(lease_take(KEY, &fd));
    check_int(fd, -1);
    check(lease_seize(KEY, &fd));
    check_int(fd, -1);
    setenv("XDG_CACHE_HOME", cache, 1);
    free(cache);
}

/* --- what there is --------------------------------------------------------------------------- */

/* "KIND KEY" of each item that is to go, in their order. */
static char *going(const struct kept *k)
{
    static const char *const kinds[] = {"snapshot", "deploy", "satellite", "unnamed"};
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    for (size_t i = 0; i < k->len; i++)
        if (k->items[i].going)
            strvec_pushf(&words, "%s %.2s", kinds[k->items[i].kind], k->items[i].key);
    return words.len ? strvec_join(&words, ", ") : xstrdup("");
}

static void check_going(const struct kept *k, const char *want)
{
    _cleanup_free_ char *found = going(k);
    check_str(found, want);
}

/* repository: "snapshot"; suffix: "-postgres". Names that live as long as the program: few. */
static struct kept_image image(const char *repository, unsigned number, const char *suffix,
                               nsec_t created)
{
    static char names[256][96];
    static size_t count;
    char *name = names[count++ % ARRAY_SIZE(names)];
    (void)snprintf(name, sizeof(names[0]), "cleanroom-%s:%02x%.30s%s", repository, number, KEY,
                   suffix);
    return (struct kept_image){.id = name, .name = name, .created = created, .size = 1};
}

static char *key_of(unsigned number)
{
    return xasprintf("%02x%.30s", number, KEY);
}

/* As if it had been used then. */
static void note_use(unsigned number, nsec_t when)
{
    int fd;
    _cleanup_free_ char *key = key_of(number);
    const struct timespec times[] = {{when / NSEC_PER_SEC, 0}, {when / NSEC_PER_SEC, 0}};
    check(lease_take(key, &fd));
    check_int(futimens(fd, times), 0);
    close(fd);
}

static void test_images_of_a_key_go_together_and_others_are_not_ours(void)
{
    nsec_t now = clock_wall();
    const struct kept_image images[] = {
        image("snapshot", 1, "-postgres", now - 4 * HOUR),
        image("snapshot", 1, "-redis", now - 3 * HOUR),
        image("snapshot", 2, "", now - 2 * HOUR),
        image("snapshot", 3, "x", now),
        image("other", 4, "", now),
        {.id = "x", .name = "cleanroom-snapshot:../../etc", .created = now},
        image("satellite", 5, "", now - HOUR),
    };
    struct kept k;
    kept_init(&k, NULL, NSEC_INFINITY, NULL, NULL);
    kept_take(&k, images, ARRAY_SIZE(images));
    check_int(k.len, 3);
    check_int(k.items[0].kind, KEPT_SATELLITE);
    check_int(k.items[1].kind, KEPT_SNAPSHOT);
    check_int(k.items[2].kind, KEPT_DEPLOY);
    check_int(k.items[2].parts.len, 2);
    kept_mark_excess(&k, now);
    check_going(&k, "");
    kept_deinit(&k);
}

static void test_the_least_recently_used_go(void)
{
    nsec_t now = clock_wall();
    struct kept_image images[KEPT_MAX + 3];
    for (unsigned i = 0; i < ARRAY_SIZE(images); i++) /* 00 is the oldest */
        images[i] = image("snapshot", i, "", now - (nsec_t)(ARRAY_SIZE(images) - i) * HOUR);
    note_use(1, now);
    struct kept k;
    kept_init(&k, NULL, NSEC_INFINITY, NULL, NULL);
    kept_take(&k, images, ARRAY_SIZE(images));
    kept_mark_excess(&k, now);
    check_going(&k, "snapshot 03, snapshot 02, snapshot 00");
    kept_deinit(&k);
    forget_leases();
}

static void test_what_cannot_be_made_up_for_stays_unless_it_is_ours(void)
{
    nsec_t now = clock_wall();
    struct kept_image images[KEPT_MAX + 3 + KEPT_SATELLITES + 3];
    size_t count = 0;
    for (unsigned i = 0; i < KEPT_MAX; i++)
        images[count++] = image("snapshot", 0x80 + i, "", now);
    images[count++] = image("snapshot", 1, "-postgres", now - 2 * HOUR);  /* somebody's */
    images[count++] = image("snapshot", 2, "-postgres", now - 30 * HOUR); /* nobody's any more */
    images[count++] = image("snapshot", 3, "-postgres", now - 5 * HOUR);  /* ours, see below */
    for (unsigned i = 0; i < KEPT_SATELLITES + 3; i++)
        images[count++] = image("satellite", 0x10 + i, "", now - 40 * HOUR);
    for (unsigned i = 0; i < KEPT_SATELLITES + 1; i++)
        note_use(0x10 + i, now - (nsec_t)(i + 1) * HOUR);
    note_use(3, now - 4 * HOUR);
    int dir = cachedir_open(DEPLOYS_DIRECTORY "/03112233445566778899aabbccddeeff");
    close(dir);

    struct kept k;
    kept_init(&k, NULL, NSEC_INFINITY, NULL, NULL);
    kept_take(&k, images, count);
    kept_mark_excess(&k, now);
    check_going(&k, "deploy 03, satellite 14, deploy 02");
    kept_deinit(&k);
    forget_leases();
}

static void test_what_has_lost_its_name_or_its_files_is_rubbish(void)
{
    nsec_t now = clock_wall();
    const struct kept_image images[] = {
        image("snapshot", 1, "-postgres", now), /* its files are gone */
        {.id = "aa", .name = "", .created = now - 2 * HOUR},
        {.id = "bb", .name = "", .created = now},
    };
    note_use(1, now);
    struct kept k;
    kept_init(&k, NULL, NSEC_INFINITY, NULL, NULL);
    kept_take(&k, images, ARRAY_SIZE(images));
    kept_mark_excess(&k, now);
    _cleanup_free_ char *found = going(&k);
    check(strstr(found, "deploy 01") != NULL);
    check(strstr(found, "unnamed aa") != NULL);
    check(strstr(found, "unnamed bb") == NULL);
    kept_deinit(&k);
    forget_leases();
}

int main(void)
{
    char cache[] = "/tmp/cleanroom-test-XXXXXX";
    if (!mkdtemp(cache))
        return 1;
    setenv("XDG_CACHE_HOME", cache, 1);
    int rc = tap_run((struct tap_test[]){
        TAP(test_lease_is_shared_and_keeps_removers_off),
        TAP(test_a_lease_is_on_a_file_that_is_there),
        TAP(test_without_a_place_nobody_is_kept_from_anything),
        TAP(test_images_of_a_key_go_together_and_others_are_not_ours),
        TAP(test_the_least_recently_used_go),
        TAP(test_what_cannot_be_made_up_for_stays_unless_it_is_ours),
        TAP(test_what_has_lost_its_name_or_its_files_is_rubbish),
        {0},
    });
    (void)directory_remove(AT_FDCWD, cache);
    return rc;
}
