/* SPDX-License-Identifier: Apache-2.0 */
/* Recipes: by which plans copies are made; keys: what makes another copy, and what does not. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include <cleanroom/strbuf.h>

#include "run/deploy_files.h"
#include "run/key.h"

#include "tap.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER  "fedcba9876543210fedcba9876543210"

/* A plan for a start from nothing, and an image; changed by the tests before they look. */
struct world {
    const struct provider *provider;
    struct service_plan zero, first, copy;
    struct strvec entrypoint, env, volumes;
    struct recipe_image image;
    const char *id;
    struct error why;
};

static void world_plan(struct world *w, const struct override_value *overrides, size_t count,
                       const char *secret)
{
    struct provider_input in = {.overrides = overrides,
                                .override_count = count,
                                .application_id = "shop",
                                .shard = 1,
                                .secret = secret};
    service_plan_deinit(&w->zero);
    check_int(w->provider->plan(w->provider, &in, &w->zero, &w->why), 0);
}

static void world_init(struct world *w, const char *provider)
{
    *w = (struct world){.provider = provider_find(provider), .id = "sha256:1"};
    strvec_push(&w->entrypoint, "docker-entrypoint.sh");
    strvec_push(&w->env, "PG_MAJOR=16");
    strvec_push(&w->env, "PGDATA=/var/lib/postgresql/data");
    strvec_push(&w->volumes, "/var/lib/postgresql/data");
    w->image = (struct recipe_image){
        .user = "", .entrypoint = &w->entrypoint, .env = &w->env, .volumes = &w->volumes};
    world_plan(w, NULL, 0, SECRET);
}

static void world_deinit(struct world *w)
{
    service_plan_deinit(&w->zero);
    service_plan_deinit(&w->first);
    service_plan_deinit(&w->copy);
    strvec_deinit(&w->entrypoint);
    strvec_deinit(&w->env);
    strvec_deinit(&w->volumes);
    error_clear(&w->why);
}
#define _cleanup_world_ _cleanup_(world_deinit)

/* Applies the recipe anew; what went wrong, or NULL. */
static const char *cook(struct world *w)
{
    const struct recipe *recipe = w->provider->recipe;
    service_plan_deinit(&w->first);
    service_plan_deinit(&w->copy);
    error_clear(&w->why);
    if (recipe->first(&w->zero, &w->image, &w->first, &w->why) == 0)
        (void)recipe->copy(&w->zero, &w->image, &w->copy, &w->why);
    return w->why.message;
}

static void check_words(const struct strvec *words, const char *want)
{
    _cleanup_free_ char *text = strvec_join(words, " ");
    check_str(text, want);
}

#define SERVER                                                                                     \
    "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_wal_size=256MB "        \
    "-c unix_socket_directories=/var/run/postgresql,@cleanroom"

static void test_postgres(void)
{
    _cleanup_world_ struct world w;
    world_init(&w, "postgres");
    check_str(cook(&w), NULL);
    check_words(&w.first.entrypoint, "");
    check_words(&w.first.argv, "postgres " SERVER);
    check_str(strvec_getenv(&w.first.env, "PGDATA"), "/var/lib/cleanroom/postgres");
    check_str(strvec_getenv(&w.first.env, "POSTGRES_PASSWORD"), SECRET);
    check_contains(strvec_getenv(&w.first.env, "POSTGRES_INITDB_ARGS"),
                   "--auth-host=scram-sha-256 --wal-segsize=1");
    check(w.first.rekey);

    check_words(&w.copy.entrypoint, "postgres");
    check_words(&w.copy.argv, SERVER);
    check_str(w.copy.user, "postgres");
    check_str(strvec_getenv(&w.copy.env, "PGDATA"), "/var/lib/cleanroom/postgres");
    check(w.copy.rekey);
    check_int(w.provider->recipe->stop, SIGINT);
    check(w.provider->recipe->slow);
    check_str(provider_find("postgis")->recipe == w.provider->recipe ? "same" : "other", "same");
}

/* With a start-up script of its own that is what runs. */
static void test_postgres_behind_another_entry_point(void)
{
    _cleanup_world_ struct world w;
    world_init(&w, "postgres");
    replace_str(&w.entrypoint.items[0], "/opt/start");
    check_str(cook(&w), NULL);
    check_words(&w.copy.entrypoint, "");
    check_words(&w.copy.argv, "postgres " SERVER);
    check_str(w.copy.user, NULL);
}

/* A password that the user chose is the same in every copy: nothing is to be set. */
static void test_postgres_with_a_chosen_password(void)
{
    _cleanup_world_ struct world w;
    world_init(&w, "postgres");
    const struct override_value mine = {"password", "hunter2"};
    world_plan(&w, &mine, 1, SECRET);
    strvec_setenv(&w.env, "PG_MAJOR", "10"); /* old, and without --wal-segsize */
    check_str(cook(&w), NULL);
    check(!w.first.rekey && !w.copy.rekey);
    check_str(strvec_getenv(&w.first.env, "POSTGRES_PASSWORD"), "hunter2");
    check_str(strvec_getenv(&w.first.env, "POSTGRES_INITDB_ARGS"),
              "--no-sync --auth-host=scram-sha-256");
}

static void test_postgres_that_cannot_be_copied(void)
{
    _cleanup_world_ struct world w;
    world_init(&w, "postgres");
    strvec_setenv(&w.env, "PG_MAJOR", "13");
    check_contains(cook(&w), "PostgreSQL 14");
    strvec_setenv(&w.env, "PG_MAJOR", "");
    check_contains(cook(&w), "PG_MAJOR");
    strvec_setenv(&w.env, "PG_MAJOR", "18");
    strvec_setenv(&w.env, "PGDATA", "/var/lib/postgresql/18/docker");
    check_contains(cook(&w), "a volume at '/var/lib/postgresql/data'");
    replace_str(&w.volumes.items[0], "/var/lib/postgresql/");
    check_str(cook(&w), NULL);
    strvec_push(&w.volumes, "/extra");
    check_contains(cook(&w), "a volume at '/extra'");
    strvec_deinit(&w.volumes);
    check_contains(cook(&w), "holds its data directory itself");
    strvec_push(&w.volumes, "/var/lib/postgresql");
    check_str(cook(&w), NULL);

    const struct override_value moved = {"environment", "PGDATA=/mine"};
    world_plan(&w, &moved, 1, SECRET);
    check_contains(cook(&w), "sets PGDATA");
    const struct override_value script = {"command", "my-start --fast"};
    world_plan(&w, &script, 1, SECRET);
    check_contains(cook(&w), "'command' is not 'postgres ...'");
    const struct override_value sockets = {"command", "postgres -c unix_socket_directories=/x"};
    world_plan(&w, &sockets, 1, SECRET);
    check_contains(cook(&w), "unix_socket_directories");
}

static void test_redis(void)
{
    _cleanup_world_ struct world w;
    world_init(&w, "redis");
    check_str(cook(&w), NULL);
    check_words(&w.first.argv, "redis-server --save  --appendonly no --dir /tmp --dbfilename "
                               "cleanroom.rdb --save 86400 1");
    check_words(&w.copy.argv, "redis-server --save  --appendonly no --dir /tmp --dbfilename "
                              "cleanroom.rdb --save ");
    check(!w.provider->recipe->slow && !w.provider->recipe->stateless);
    check(provider_find("memcache")->recipe->stateless);
}

/* --- keys ------------------------------------------------------------------------------------ */

static char *key_of(struct world *w)
{
    struct key k;
    char *key = xcalloc(1, KEY_SIZE);
    check_str(cook(w), NULL);
    key_begin(&k, "service");
    key_add_service(&k, w->provider, w->id, &w->first);
    key_end(&k, key);
    check_int(strlen(key), KEY_SIZE - 1);
    check_int(strspn(key, "0123456789abcdef"), KEY_SIZE - 1);
    return key;
}

static void check_key(struct world *w, const char *other, bool same)
{
    _cleanup_free_ char *key = key_of(w);
    check_int(strcmp(key, other) == 0, same);
}

static void test_a_key_changes_exactly_when_it_should(void)
{
    _cleanup_world_ struct world w;
    world_init(&w, "postgres");
    _cleanup_free_ char *key = key_of(&w);
    check_key(&w, key, true);
    world_plan(&w, NULL, 0, OTHER); /* the next run */
    check_key(&w, key, true);

    static const struct override_value changes[] = {
        {"user", "alice"},
        {"name", "books"},
        {"password", "hunter2"},
        {"port", "5433"},
        {"environment", "POSTGRES_INITDB_ARGS=--locale=C"},
        {"environment", "TZ=Europe/Berlin"},
        {"command", "postgres -c wal_level=logical"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        world_plan(&w, &changes[i], 1, SECRET);
        check_key(&w, key, false);
    }
    /* What only says how it is run, or where the image comes from: its id counts. */
    static const struct override_value same[] = {
        {"memory", "512m"}, {"tmpfs", "no"}, {"image", "mirror/postgres:16"}};
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        world_plan(&w, &same[i], 1, SECRET);
        check_key(&w, key, true);
    }
    w.id = "sha256:2";
    check_key(&w, key, false);
    w.id = "sha256:1";
    w.provider = provider_find("postgis");
    world_plan(&w, NULL, 0, SECRET);
    check_key(&w, key, false);
}

/* A list of the first plan, with something more in it. */
static void check_list_counts(struct world *w, struct strvec *list, const char *key)
{
    char other[KEY_SIZE];
    struct key k;
    strvec_push(list, "/more");
    key_begin(&k, "service");
    key_add_service(&k, w->provider, w->id, &w->first);
    key_end(&k, other);
    check(strcmp(key, other) != 0);
}

static void test_every_list_of_a_plan_counts(void)
{
    _cleanup_world_ struct world w;
    world_init(&w, "postgres");
    _cleanup_free_ char *key = key_of(&w);
    struct strvec *const lists[] = {&w.first.entrypoint, &w.first.argv,  &w.first.env,
                                    &w.first.files,      &w.first.tmpfs, &w.first.exec_words};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        check_str(cook(&w), NULL);
        check_list_counts(&w, lists[i], key);
    }
}

/* What is of this run only does not count, wherever it stands; what anybody chose does. */
static void test_passwords_in_a_key(void)
{
    static const struct {
        const char *one, *other;
        bool same;
    } cases[] = {
        {"postgres://a:" SECRET "@h/a", "postgres://a:" OTHER "@h/a", true},
        {"key " SECRET, "key " OTHER, true},
        {"postgres://a:chosen@h/a", "postgres://a:changed@h/a", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *const texts[] = {cases[i].one, cases[i].other};
        const char *const secrets[] = {SECRET, OTHER};
        char keys[2][KEY_SIZE];
        for (size_t j = 0; j < 2; j++) {
            struct strvec list _cleanup_strvec_ = STRVEC_INIT;
            struct strvec random _cleanup_strvec_ = STRVEC_INIT;
            struct key k;
            strvec_push(&list, texts[j]);
            strvec_push(&random, secrets[j]);
            key_begin(&k, "list");
            key_add_list(&k, &list, &random);
            key_end(&k, keys[j]);
        }
        check_int(strcmp(keys[0], keys[1]) == 0, cases[i].same);
    }
}

static void key_of_list(const char *const *items, char out[KEY_SIZE])
{
    struct key k;
    struct strvec list _cleanup_strvec_ = STRVEC_INIT, none = STRVEC_INIT;
    for (; *items; items++)
        strvec_push(&list, *items);
    key_begin(&k, "list");
    key_add_list(&k, &list, &none);
    key_end(&k, out);
}

static void test_parts_of_a_key_do_not_run_together(void)
{
    static const char *const lists[][4] = {
        {NULL},           {"", NULL},           {"ab", NULL},     {"a", "b", NULL},
        {"b", "a", NULL}, {"a", "b", "", NULL}, {"1:a1:b", NULL},
    };
    char keys[ARRAY_SIZE(lists)][KEY_SIZE];
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        key_of_list(lists[i], keys[i]);
        for (size_t j = 0; j < i; j++)
            check(strcmp(keys[i], keys[j]) != 0);
    }
}

/* --- the volumes' content -------------------------------------------------------------------- */

static void add_entry(struct archive *a, const char *path, mode_t mode, int uid, const char *text,
                      const char *hardlink)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, path);
    archive_entry_set_mode(entry, mode);
    archive_entry_set_uid(entry, uid);
    archive_entry_set_gid(entry, uid);
    archive_entry_set_size(entry, text ? (la_int64_t)strlen(text) : 0);
    if (hardlink)
        archive_entry_set_hardlink(entry, hardlink);
    check_int(archive_write_header(a, entry), ARCHIVE_OK);
    if (text)
        archive_write_data(a, text, strlen(text));
    archive_entry_free(entry);
}

/* "PATH MODE UID [-> LINK][=TEXT];" for each entry of what became of it. */
static char *strip(int from, bool *plain)
{
    struct strbuf out = STRBUF_INIT;
    struct archive_entry *entry;
    struct error err _cleanup_error_ = ERROR_INIT;
    _cleanup_close_ int to = memfd_create("to", MFD_CLOEXEC);
    check_int(deploy_files_strip(from, to, plain, &err), 0);
    struct archive *a = archive_read_new();
    lseek(to, 0, SEEK_SET);
    archive_read_support_format_tar(a);
    archive_read_open_fd(a, to, 4096);
    while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
        char text[64] = "";
        const char *link = archive_entry_hardlink(entry);
        strbuf_addf(&out, "%s %o %d", archive_entry_pathname(entry),
                    archive_entry_mode(entry) & 07777, (int)archive_entry_uid(entry));
        if (link)
            strbuf_addf(&out, " -> %s", link);
        else if (archive_read_data(a, text, sizeof(text) - 1) > 0)
            strbuf_addf(&out, "=%s", text);
        strbuf_adds(&out, ";");
    }
    archive_read_free(a);
    return strbuf_detach(&out);
}

static void test_a_volume_is_told_from_its_place(void)
{
    bool plain = true;
    _cleanup_close_ int from = memfd_create("from", MFD_CLOEXEC);
    struct archive *a = archive_write_new();
    archive_write_set_format_pax_restricted(a);
    archive_write_open_fd(a, from);
    add_entry(a, "storage/", S_IFDIR | 0750, 999, NULL, NULL);
    add_entry(a, "storage/a/", S_IFDIR | 0755, 0, NULL, NULL);
    add_entry(a, "storage/a/f", S_IFREG | 0640, 1000, "text", NULL);
    add_entry(a, "storage/hard", S_IFREG | 0640, 1000, NULL, "storage/a/f");
    archive_write_close(a);
    archive_write_free(a);
    _cleanup_free_ char *got = strip(from, &plain);
    check_str(got, "./ 750 999;a/ 755 0;a/f 640 1000=text;hard 640 1000 -> a/f;");
    check(!plain);
}

static void test_a_volume_as_it_was_made_is_plain(void)
{
    bool plain = false;
    _cleanup_close_ int from = memfd_create("from", MFD_CLOEXEC);
    struct archive *a = archive_write_new();
    archive_write_set_format_ustar(a);
    archive_write_open_fd(a, from);
    add_entry(a, "static/", S_IFDIR | 01777, 0, NULL, NULL);
    archive_write_close(a);
    archive_write_free(a);
    _cleanup_free_ char *got = strip(from, &plain);
    check(plain);
}

static void test_nonsense_is_no_volume(void)
{
    bool plain;
    struct error err _cleanup_error_ = ERROR_INIT;
    _cleanup_close_ int from = memfd_create("from", MFD_CLOEXEC);
    _cleanup_close_ int to = memfd_create("to", MFD_CLOEXEC);
    check_int(write(from, "this is no archive at all", 25), 25);
    check_int(deploy_files_strip(from, to, &plain, &err), -1);
    check_contains(err.message, "could not be kept");
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_postgres),
        TAP(test_postgres_behind_another_entry_point),
        TAP(test_postgres_with_a_chosen_password),
        TAP(test_postgres_that_cannot_be_copied),
        TAP(test_redis),
        TAP(test_a_key_changes_exactly_when_it_should),
        TAP(test_every_list_of_a_plan_counts),
        TAP(test_passwords_in_a_key),
        TAP(test_parts_of_a_key_do_not_run_together),
        TAP(test_a_volume_is_told_from_its_place),
        TAP(test_a_volume_as_it_was_made_is_plain),
        TAP(test_nonsense_is_no_volume),
        {0},
    });
}
