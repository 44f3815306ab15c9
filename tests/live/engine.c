/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h against an engine that is really there: each promise of the header, kept by a daemon
 * (DOCKER_HOST as ever) or with CLEANROOM_ENGINE=embedded by the embedded engine. Needs the image
 * named by LIVE_IMAGE (debian:bookworm) in the engine.
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>

#include "live.h"

static void test_open(void)
{
    check(live.engine->kind && (strcmp(live.engine->kind, "docker") == 0 ||
                                strcmp(live.engine->kind, "podman") == 0 || is_embedded()));
    check_contains(live.engine->version, is_embedded() ? "/" : "(API 1.");
    check(live.engine->cpus > 0);
    printf("# %s %s at %s\n", live.engine->kind, live.engine->version, live.engine->where);
}

static void test_resolve(void)
{
    RESULT r = {0}, again = {0}, missing = {0}, bad = {0}, never = {0};
    const struct engine_ops *ops = live.engine->ops;
    ops->image_resolve(live.engine, live.image, PULL_MISSING, soon(), NULL, on_image, &r);
    if (!expect(&r, ENGINE_OK))
        return;
    check_int(strncmp(r.info.id, "sha256:", 7), 0);
    check_str(r.info.user, "");

    ops->image_resolve(live.engine, r.info.id, PULL_ALWAYS, soon(), NULL, on_image, &again);
    if (expect(&again, ENGINE_OK))
        check_str(again.info.id, r.info.id);

    ops->image_resolve(live.engine, "cleanroom-no-such:1", PULL_NEVER, soon(), NULL, on_image,
                       &never);
    expect(&never, ENGINE_FAILED);
    check_contains(never.err.message, "--pull never");
    ops->image_resolve(live.engine,
                       "sha256:0123456789012345678901234567890123456789012345678901234567890123",
                       PULL_MISSING, soon(), NULL, on_image, &missing);
    expect(&missing, ENGINE_FAILED);
    check_contains(missing.err.message, "is not there");
    ops->image_resolve(live.engine, "no such?", PULL_MISSING, soon(), NULL, on_image, &bad);
    expect(&bad, ENGINE_FAILED);
    check_contains(bad.err.message, "no image reference");
    (void)snprintf(live.image_id, sizeof(live.image_id), "%s", r.info.id);
}

static void test_output(void)
{
    struct output o __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("out");
    run_container(c, (const char *[]){"sh", "-c", "echo one; echo two >&2; exit 7", NULL}, &o);
    check_str(o.text[OUTPUT_STDOUT].buf, "one\n");
    check_str(o.text[OUTPUT_STDERR].buf, "two\n");
    RESULT state = {0};
    inspect_end(c, &state);
    check_int(state.state.exit_code, 7);
    check(!state.state.oom_killed);
    check_str(state.state_error, "");
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
    drop(OBJECT_CONTAINER, c, ENGINE_NOT_FOUND);
}

static void test_much_output(void)
{
    struct output o __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("much");
    run_container(c,
                  (const char *[]){"sh", "-c",
                                   "head -c 104857600 /dev/zero; printf Z; "
                                   "head -c 1048576 /dev/zero >&2; printf E >&2",
                                   NULL},
                  &o);
    check_int(o.bytes[OUTPUT_STDOUT], 104857601);
    check_int(o.bytes[OUTPUT_STDERR], 1048577);
    check_int(o.last[OUTPUT_STDOUT], 'Z');
    check_int(o.last[OUTPUT_STDERR], 'E');
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
}

/* Many that end at once: the last bytes before the exit are there each time. */
static void test_last_bytes(void)
{
    for (int i = 0; i < 5; i++) {
        struct output o __attribute__((cleanup(output_deinit)));
        _cleanup_free_ char *suffix = xasprintf("last%d", i);
        _cleanup_free_ char *c = name(suffix);
        run_container(c, (const char *[]){"printf", "abc", NULL}, &o);
        check_str(o.text[OUTPUT_STDOUT].buf, "abc");
        drop(OBJECT_CONTAINER, c, ENGINE_OK);
    }
}

static const char *const pause_argv[] = {"sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait", NULL};

static void test_conflicts(void)
{
    _cleanup_free_ char *net = name("net");
    _cleanup_free_ char *vol = name("vol");
    _cleanup_free_ char *c = name("holder");
    _cleanup_free_ char *joiner = name("joiner");
    struct labels of_run = labels(0, NULL);
    RESULT n = {0}, n2 = {0}, v = {0};
    live.engine->ops->network_create(live.engine, net, &of_run, soon(), on_done, &n);
    expect(&n, ENGINE_OK);
    live.engine->ops->network_create(live.engine, net, &of_run, soon(), on_done, &n2);
    expect(&n2, ENGINE_CONFLICT);
    live.engine->ops->volume_create(live.engine, vol, &of_run, soon(), on_done, &v);
    expect(&v, ENGINE_OK);

    struct mount mounts[] = {
        {.kind = MOUNT_VOLUME, .target = "/storage", .volume = vol},
        {.kind = MOUNT_TMPFS, .target = "/data", .options = "size=16m,mode=0700"},
    };
    struct container_spec spec = {
        .name = c,
        .image = live.image_id,
        .labels = labels(1, "holder"),
        .argv = pause_argv,
        .network = net,
        .hostname = "shard1",
        .mounts = mounts,
        .mount_count = 2,
        .memory = 64 << 20,
        .shm_size = 32 << 20,
    };
    create(&spec, ENGINE_OK);
    create(&spec, ENGINE_CONFLICT);
    start(c, ENGINE_OK);
    start(c, ENGINE_CONFLICT);
    start("cleanroom-no-such", ENGINE_NOT_FOUND);

    struct output o __attribute__((cleanup(output_deinit)));
    output_init(&o);
    struct container_spec join = {
        .name = joiner,
        .image = live.image_id,
        .labels = labels(1, "test"),
        .pod = c,
        .argv = (const char *[]){"sh", "-c", "hostname; id -u; echo $K; grep -c : /proc/net/dev",
                                 NULL},
        .env = (const char *[]){"K=v w", NULL},
        .user = "1000:1000",
    };
    create(&join, ENGINE_OK);
    live.engine->ops->container_attach(live.engine, joiner, on_ready, on_output, on_output_done,
                                       &o);
    await(&o.ready);
    start(joiner, ENGINE_OK);
    await(&o.r.done);
    /* Hermetic: nothing but the loopback. On Podman the pod's name is its holder's alone. */
    const char *said = is_embedded() ? "shard1\n1000\nv w\n1\n" : "shard1\n1000\nv w\n2\n";
    check_contains(o.text[OUTPUT_STDOUT].buf, said + (is_podman() ? strlen("shard1") : 0));

    drop(OBJECT_NETWORK, net, ENGINE_CONFLICT);
    drop(OBJECT_VOLUME, vol, ENGINE_CONFLICT);
    drop(OBJECT_CONTAINER, joiner, ENGINE_OK);
    nsec_t before = clock_now();
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
    check(clock_now() - before < 3 * NSEC_PER_SEC);
    drop(OBJECT_NETWORK, net, ENGINE_OK);
    drop(OBJECT_NETWORK, net, ENGINE_NOT_FOUND);
    drop(OBJECT_VOLUME, vol, ENGINE_OK);
    drop(OBJECT_VOLUME, vol, ENGINE_NOT_FOUND);
}

/* Nobody waits for a container that does not want to go. */
static void test_stubborn(void)
{
    _cleanup_free_ char *c = name("stubborn");
    struct container_spec spec = {
        .name = c,
        .image = live.image_id,
        .labels = labels(1, "x"),
        .argv = (const char *[]){"sh", "-c", "trap '' TERM; sleep 1000", NULL},
    };
    create(&spec, ENGINE_OK);
    start(c, ENGINE_OK);
    nsec_t before = clock_now();
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
    check(clock_now() - before < 3 * NSEC_PER_SEC);
}

static void test_bad_creates(void)
{
    _cleanup_free_ char *c = name("bad");
    RESULT r = {0}, s = {0}, u = {0};
    struct container_spec spec = {.name = c, .labels = labels(1, "x")};
    spec.image = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    live.engine->ops->container_create(live.engine, &spec, soon(), on_done, &r);
    expect(&r, ENGINE_NOT_FOUND);

    spec.image = live.image_id;
    spec.argv = (const char *[]){"\xff\xfe", NULL};
    live.engine->ops->container_create(live.engine, &spec, soon(), on_done, &u);
    expect(&u, ENGINE_FAILED);
    check_contains(u.err.message, "UTF-8");

    spec.argv = (const char *[]){"/no/such/program", NULL};
    create(&spec, ENGINE_OK);
    live.engine->ops->container_start(live.engine, c, soon(), on_done, &s);
    expect(&s, ENGINE_FAILED);
    check_contains(s.err.message, "o such file");
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
}

struct events {
    struct result r;
    bool ready, died;
    int started, exit_code;
    char expected[128];
};

static void on_events_ready(void *data)
{
    ((struct events *)data)->ready = true;
}

static void on_event(void *data, const struct engine_event *event)
{
    struct events *e = data;
    check_str(event->name, e->expected);
    if (event->kind == EVENT_STARTED)
        e->started++;
    if (event->kind == EVENT_DIED) {
        e->exit_code = event->exit_code;
        e->died = true;
    }
}

static void on_events_done(void *data, enum engine_outcome outcome, const struct error *err)
{
    keep_result(&((struct events *)data)->r, outcome, err);
}

static void test_events(void)
{
    struct events e = {0};
    _cleanup_free_ char *run = xasprintf("%s-ev", live.run);
    _cleanup_free_ char *c = xasprintf("%s-c", run);
    (void)snprintf(e.expected, sizeof(e.expected), "%s", c);
    struct engine_op *op = live.engine->ops->events(live.engine, run, on_events_ready, on_event,
                                                    on_events_done, &e);
    await(&e.ready);
    struct container_spec spec = {.name = c,
                                  .image = live.image_id,
                                  .labels = labels(1, "test"),
                                  .argv = (const char *[]){"sh", "-c", "exit 9", NULL}};
    spec.labels.run = run;
    create(&spec, ENGINE_OK);
    start(c, ENGINE_OK);
    await(&e.died);
    check_int(e.started, 1);
    check_int(e.exit_code, 9);
    live.engine->ops->cancel(live.engine, op);
    check(!e.r.done);
    await(&e.r.done);
    check_int(e.r.outcome, ENGINE_CANCELLED);
    check_int(e.r.err.kind, ERROR_CANCELLED);
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
    if (is_embedded())
        drop(OBJECT_WORLD, run, ENGINE_OK);
    result_deinit(&e.r);
}

/* Two pods on one network: each reaches itself, not the other. */
static void test_isolation(void)
{
    static const char listen[] =
        "hostname -i | cut -d' ' -f1; exec perl -MIO::Socket::INET -e '"
        "my $s = IO::Socket::INET->new(Listen => 5, LocalPort => 8000) or die $!;"
        "$| = 1; print \"listening\\n\"; while (my $c = $s->accept) { close $c }'";
    _cleanup_free_ char *net = name("iso");
    _cleanup_free_ char *pod = name("iso-pod");
    struct labels of_run = labels(0, NULL);
    RESULT n = {0};
    live.engine->ops->network_create(live.engine, net, &of_run, soon(), on_done, &n);
    expect(&n, ENGINE_OK);
    struct container_spec spec = {
        .name = pod,
        .image = live.image_id,
        .labels = labels(1, "holder"),
        .network = net,
        .hostname = "pod1",
        .argv = (const char *[]){"sh", "-c", listen, NULL},
    };
    struct output o __attribute__((cleanup(output_deinit)));
    output_init(&o);
    create(&spec, ENGINE_OK);
    live.engine->ops->container_attach(live.engine, pod, on_ready, on_output, on_output_done, &o);
    await(&o.ready);
    start(pod, ENGINE_OK);
    for (nsec_t end = soon(); !strstr(o.text[1].buf, "listening") && clock_now() < end;) {
        RESULT r = {0}; /* an answer's time */
        live.engine->ops->container_inspect(live.engine, pod, soon(), on_state, &r);
        await(&r.done);
    }
    check_contains(o.text[1].buf, "listening");

    _cleanup_free_ char *ip = xstrndup(o.text[1].buf, strcspn(o.text[1].buf, "\n"));
    _cleanup_free_ char *script = xasprintf(
        "timeout 2 bash -c '</dev/tcp/%s/8000' 2>/dev/null && echo reached || echo apart", ip);
    _cleanup_free_ char *other = name("iso-other");
    _cleanup_free_ char *same = name("iso-same");
    struct container_spec specs[] = {
        {.name = other, .network = net, .hostname = "pod2"},
        {.name = same, .pod = pod},
    };
    static const char *const expected[] = {"apart\n", "reached\n"};
    for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
        specs[i].image = live.image_id;
        specs[i].labels = labels(2, "test");
        specs[i].argv = (const char *[]){"bash", "-c", script, NULL};
        struct output peer __attribute__((cleanup(output_deinit)));
        output_init(&peer);
        create(&specs[i], ENGINE_OK);
        live.engine->ops->container_attach(live.engine, specs[i].name, on_ready, on_output,
                                           on_output_done, &peer);
        await(&peer.ready);
        start(specs[i].name, ENGINE_OK);
        await(&peer.r.done);
        check_str(peer.text[1].buf, expected[i]);
        drop(OBJECT_CONTAINER, specs[i].name, ENGINE_OK);
    }
    drop(OBJECT_CONTAINER, pod, ENGINE_OK);
    await(&o.r.done);
    drop(OBJECT_NETWORK, net, ENGINE_OK);
}

static void test_import_and_list(void)
{
    struct strbuf tar _cleanup_strbuf_ = STRBUF_INIT;
    _cleanup_free_ char *run = xasprintf("%s-list", live.run);
    _cleanup_free_ char *img = xasprintf("%s:v1", run);
    _cleanup_free_ char *net = xasprintf("%s-net", run);
    _cleanup_free_ char *vol = xasprintf("%s-vol", run);
    _cleanup_free_ char *c = xasprintf("%s-c", run);
    const struct engine_ops *ops = live.engine->ops;
    struct labels of_run = {.run = run, .owner = "boot:1:1", .role = "satellite"};
    RESULT i = {0}, n = {0}, v = {0};
    make_tar(&tar, "hello", "hello\n");
    ops->image_import(live.engine, img, &of_run, (const char *[]){"/hello", "a b", NULL}, tar.buf,
                      tar.len, soon(), on_image, &i);
    if (!expect(&i, ENGINE_OK))
        return;
    check_str(i.info.entrypoint.items[1], "a b");
    RESULT again = {0};
    ops->image_resolve(live.engine, img, PULL_NEVER, soon(), NULL, on_image, &again);
    if (expect(&again, ENGINE_OK))
        check_str(again.info.id, i.info.id);

    ops->network_create(live.engine, net, &of_run, soon(), on_done, &n);
    ops->volume_create(live.engine, vol, &of_run, soon(), on_done, &v);
    expect(&n, ENGINE_OK);
    await(&v.done);
    struct container_spec spec = {
        .name = c, .image = i.info.id, .labels = {run, "boot:1:1", 3, "test"}};
    create(&spec, ENGINE_OK);
    drop(OBJECT_IMAGE, img, ENGINE_CONFLICT);

    struct listing l = {0};
    ops->list(live.engine, run, soon(), on_list, &l);
    expect(&l.r, ENGINE_OK);
    _cleanup_free_ char *rows = strvec_join(&l.rows, "\n");
    _cleanup_free_ char *wanted = xasprintf(
        "container %s 3 test -\nvolume %s 0 satellite -\nnetwork %s 0 satellite -\n"
        "image %s 0 satellite -%s%s%s",
        c, vol, net, img, is_embedded() ? "\nworld " : "", is_embedded() ? run : "",
        is_embedded() ? " 0  running" : "");
    check_str(rows, wanted);

    drop(OBJECT_CONTAINER, c, ENGINE_OK);
    drop(OBJECT_IMAGE, img, ENGINE_OK);
    drop(OBJECT_IMAGE, img, ENGINE_NOT_FOUND);
    drop(OBJECT_VOLUME, vol, ENGINE_OK);
    drop(OBJECT_NETWORK, net, ENGINE_OK);
    if (is_embedded()) {
        drop(OBJECT_WORLD, run, ENGINE_OK);
        drop(OBJECT_WORLD, run, ENGINE_NOT_FOUND);
    }
    struct listing empty = {0};
    ops->list(live.engine, run, soon(), on_list, &empty);
    expect(&empty.r, ENGINE_OK);
    check_int(empty.rows.len, 0);
    struct listing all = {0};
    ops->list(live.engine, NULL, soon(), on_list, &all);
    await(&all.r.done);
    check_int(all.r.outcome, ENGINE_OK);
    strvec_deinit(&l.rows);
    strvec_deinit(&all.rows);
}

static void test_archive(void)
{
    static const char script[] = "mkdir /out; echo found > '/out/a b.xml'";
    _cleanup_free_ char *c = name("archive");
    struct output o __attribute__((cleanup(output_deinit)));
    struct download d = {.tar = STRBUF_INIT}, missing = {.tar = STRBUF_INIT};
    const struct engine_ops *ops = live.engine->ops;
    run_container(c, (const char *[]){"sh", "-c", script, NULL}, &o);
    ops->container_archive(live.engine, c, "/out", soon(), on_bytes, on_download_done, &d);
    expect(&d.r, ENGINE_OK);

    struct archive *a = archive_read_new();
    struct archive_entry *entry;
    char text[16] = "";
    archive_read_support_format_tar(a);
    check_int(archive_read_open_memory(a, d.tar.buf, d.tar.len), ARCHIVE_OK);
    while (archive_read_next_header(a, &entry) == ARCHIVE_OK)
        if (strstr(archive_entry_pathname(entry), "a b.xml"))
            (void)archive_read_data(a, text, sizeof(text) - 1);
    archive_read_free(a);
    check_str(text, "found\n");

    ops->container_archive(live.engine, c, "/no where?", soon(), on_bytes, on_download_done,
                           &missing);
    expect(&missing.r, ENGINE_NOT_FOUND);
    check_int(missing.tar.len, 0);
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
    strbuf_deinit(&d.tar);
    strbuf_deinit(&missing.tar);
}

/* --- what a snapshot is made with --------------------------------------------------------------
 */

static void test_entrypoint(void)
{
    struct output o __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("entry");
    const char *const entrypoint[] = {"printf", "%s,%s;", NULL};
    struct container_spec spec = {
        .name = c, .entrypoint = entrypoint, .argv = (const char *[]){"a", "b c", NULL}};
    run_spec(&spec, &o);
    check_str(o.text[OUTPUT_STDOUT].buf, "a,b c;");
    drop(OBJECT_CONTAINER, c, ENGINE_OK);

    /* The image's own command (bash) is not an argument of another entry point. */
    struct output alone __attribute__((cleanup(output_deinit)));
    spec.entrypoint = (const char *[]){"echo", "none:", NULL};
    spec.argv = NULL;
    run_spec(&spec, &alone);
    check_str(alone.text[OUTPUT_STDOUT].buf, "none:\n");
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
}

/* As many processes as it may have, and no more. */
static void test_pids_limit(void)
{
    if (is_embedded() && geteuid() != 0)
        return; /* a control group has to be delegated for that */
    struct output o __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("pids");
    struct container_spec spec = {.name = c,
                                  .pids = 16,
                                  .cpu = 500,
                                  .argv = (const char *[]){"bash", "-c",
                                                           "for i in {1..40}; do sleep 60 & done; "
                                                           "echo all",
                                                           NULL}};
    run_spec(&spec, &o);
    check(strstr(o.text[OUTPUT_STDOUT].buf, "all") == NULL);
    check_contains(o.text[OUTPUT_STDERR].buf, "fork");
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
}

static bool send_signal(const char *container, int number, enum engine_outcome outcome)
{
    RESULT r = {0};
    live.engine->ops->container_signal(live.engine, container, number, soon(), on_done, &r);
    return expect(&r, outcome);
}

static void test_signal(void)
{
    static const char script[] =
        "trap 'echo int; exit 3' INT; echo up; while :; do sleep 0.05; done";
    struct output o __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("signal");
    RESULT state = {0};
    begin_spec(
        &(struct container_spec){.name = c, .argv = (const char *[]){"bash", "-c", script, NULL}},
        &o);
    for (nsec_t until = soon(); o.text[OUTPUT_STDOUT].len < 3 && clock_now() < until;)
        run_for(10 * NSEC_PER_MSEC);
    send_signal(c, SIGINT, ENGINE_OK);
    await(&o.r.done);
    check_str(o.text[OUTPUT_STDOUT].buf, "up\nint\n");
    inspect_end(c, &state);
    check_int(state.state.exit_code, 3);
    send_signal(c, SIGINT, ENGINE_CONFLICT);
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
    send_signal(c, SIGINT, ENGINE_NOT_FOUND);
}

static bool commit(const char *container, const struct commit_spec *spec, struct result *r)
{
    live.engine->ops->container_commit(live.engine, container, spec, soon(), on_image, r);
    return expect(r, ENGINE_OK);
}

static bool is_listed(const char *image)
{
    struct listing all = {0};
    live.engine->ops->list(live.engine, NULL, soon(), on_list, &all);
    await(&all.r.done);
    check_int(all.r.outcome, ENGINE_OK);
    _cleanup_free_ char *rows = strvec_join(&all.rows, "\n");
    strvec_deinit(&all.rows);
    return strstr(rows, image) != NULL;
}

/* What it wrote is in the image, who wrote it and how it was run is not. */
static void test_commit(void)
{
    static const char write[] = "mkdir -m 750 /kept; echo \"$SECRET\" > /kept/file; "
                                "chown 999:998 /kept/file; rm /etc/hostname /etc/debian_version";
    static const char read[] = "cat /kept/file; stat -c '%u:%g %a' /kept/file /kept; "
                               "echo \"<${SECRET-}>\"; test -e /etc/debian_version || echo gone; "
                               "id -u";
    struct output o __attribute__((cleanup(output_deinit)));
    struct output p __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("commit"), *d = name("from-commit");
    _cleanup_free_ char *key = xasprintf("test-%d", (int)getpid());
    _cleanup_free_ char *image = xasprintf("cleanroom-snapshot:%s", key);
    RESULT first = {0}, second = {0}, found = {0}, none = {0}, parent = {0};
    struct container_spec spec = {.name = c,
                                  .entrypoint = (const char *[]){"sh", "-c", write, NULL},
                                  .env = (const char *[]){"SECRET=hidden", NULL},
                                  .user = "0:0"};
    const struct commit_spec kept = {.name = image, .snapshot = key};
    output_init(&p);
    run_spec(&spec, &o);
    if (commit(c, &kept, &first) && commit(c, &kept, &second))
        check(strcmp(first.info.id, live.image_id) != 0);
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
    live.engine->ops->image_resolve(live.engine, image, PULL_NEVER, soon(), NULL, on_image, &found);
    if (!expect(&found, ENGINE_OK))
        return;
    live.engine->ops->image_resolve(live.engine, live.image_id, PULL_NEVER, soon(), NULL, on_image,
                                    &parent);
    expect(&parent, ENGINE_OK);
    check_str(found.info.id, second.info.id);
    check(!*found.info.user || strcmp(found.info.user, "0") == 0);
    check_int(found.info.entrypoint.len, 0);
    check_int(found.info.cmd.len, parent.info.cmd.len);
    for (size_t i = 0; i < found.info.env.len; i++)
        check(!strstr(found.info.env.items[i], "hidden"));
    check(!is_listed(image));

    struct container_spec clone = {
        .name = d, .image = found.info.id, .argv = (const char *[]){"sh", "-c", read, NULL}};
    run_spec(&clone, &p);
    check_str(p.text[OUTPUT_STDOUT].buf, "hidden\n999:998 644\n0:0 750\n<>\ngone\n0\n");
    drop(OBJECT_CONTAINER, d, ENGINE_OK);
    drop(OBJECT_IMAGE, image, ENGINE_OK);
    RESULT other = {0}; /* the first lost its name to the second */
    live.engine->ops->remove(live.engine, OBJECT_IMAGE, first.info.id, soon(), on_done, &other);
    await(&other.done);
    live.engine->ops->container_commit(live.engine, c, &kept, soon(), on_image, &none);
    expect(&none, ENGINE_NOT_FOUND);
}

/* Owners and modes are the archive's, in a volume of a container that was never started. */
static void test_extract(void)
{
    static const char script[] = "mkdir /d; cd /d; echo text > f; ln -s f link; chown 999:998 . f; "
                                 "chmod 751 .; chmod 640 f";
    static const char show[] = "cd /storage; stat -c '%n %u:%g %a' d d/f; cat d/link";
    struct output o __attribute__((cleanup(output_deinit)));
    struct output p __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("pack"), *d = name("unpack"), *vol = name("extract");
    struct download tar = {.tar = STRBUF_INIT};
    struct labels of_run = labels(0, NULL);
    output_init(&p);
    RESULT v = {0}, done = {0}, missing = {0};
    struct mount mount = {.kind = MOUNT_VOLUME, .target = "/storage", .volume = vol};
    const struct engine_ops *ops = live.engine->ops;
    run_container(c, (const char *[]){"sh", "-c", script, NULL}, &o);
    ops->container_archive(live.engine, c, "/d", soon(), on_bytes, on_download_done, &tar);
    expect(&tar.r, ENGINE_OK);
    drop(OBJECT_CONTAINER, c, ENGINE_OK);

    ops->volume_create(live.engine, vol, &of_run, soon(), on_done, &v);
    expect(&v, ENGINE_OK);
    struct container_spec spec = {.name = d,
                                  .image = live.image_id,
                                  .labels = labels(1, "test"),
                                  .mounts = &mount,
                                  .mount_count = 1,
                                  .argv = (const char *[]){"sh", "-c", show, NULL}};
    create(&spec, ENGINE_OK);
    ops->container_extract(live.engine, d, "/storage", tar.tar.buf, tar.tar.len, soon(), on_done,
                           &done);
    expect(&done, ENGINE_OK);
    ops->container_extract(live.engine, d, "/no where", tar.tar.buf, tar.tar.len, soon(), on_done,
                           &missing);
    if (strcmp(live.engine->kind, "podman") != 0) /* which makes the directory */
        expect(&missing, ENGINE_NOT_FOUND);
    await(&missing.done);
    drop(OBJECT_CONTAINER, d, ENGINE_OK);
    run_spec(&spec, &p);
    /* Podman 4 makes everything root's that is copied in or out. */
    bool podman = strcmp(live.engine->kind, "podman") == 0;
    check_str(p.text[OUTPUT_STDOUT].buf,
              podman ? "d 0:0 751\nd/f 0:0 640\ntext\n" : "d 999:998 751\nd/f 999:998 640\ntext\n");
    drop(OBJECT_CONTAINER, d, ENGINE_OK);
    drop(OBJECT_VOLUME, vol, ENGINE_OK);
    strbuf_deinit(&tar.tar);
}

/* A volume in which nothing is yet takes the content, owner and mode of the image's directory; one
   that has something stays as it is, and where the image has nothing it is root's. */
static void test_fresh_volume(void)
{
    static const char script[] = "mkdir -p /d/s /e; echo text > /d/s/f; chown -R 999:998 /d /e; "
                                 "chmod 1751 /d /e; chmod 640 /d/s/f; ln -s s/f /d/link";
    static const char show[] = "cd $D; stat -c '%n %u:%g %a' . $(find . | sort | tail -n +2)";
    struct output o __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("filled"), *d = name("fresh");
    _cleanup_free_ char *key = xasprintf("fill-%d", (int)getpid());
    _cleanup_free_ char *image = xasprintf("cleanroom-snapshot:%s", key);
    const struct commit_spec kept = {.name = image, .snapshot = key};
    const struct labels of_run = labels(0, NULL);
    const struct engine_ops *ops = live.engine->ops;
    RESULT made = {0};
    run_container(c, (const char *[]){"sh", "-c", script, NULL}, &o);
    if (!commit(c, &kept, &made))
        return;
    drop(OBJECT_CONTAINER, c, ENGINE_OK);

    static const struct {
        const char *volume, *target, *variable, *want;
    } cases[] = {
        {"vol-d", "/d", "D=/d",
         ". 999:998 1751\n./link 0:0 777\n./s 999:998 755\n./s/f 999:998 640\n"},
        {"vol-e", "/e", "D=/e", ". 999:998 1751\n"},
        {"vol-n", "/new/deep", "D=/new/deep", ". 0:0 755\n"},
        {"vol-d", "/e", "D=/e",
         ". 999:998 1751\n./link 0:0 777\n./s 999:998 755\n./s/f 999:998 640\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct output p __attribute__((cleanup(output_deinit)));
        _cleanup_free_ char *vol = name(cases[i].volume);
        struct mount mount = {.kind = MOUNT_VOLUME, .target = cases[i].target, .volume = vol};
        struct container_spec spec = {.name = d,
                                      .image = made.info.id,
                                      .labels = labels(1, "test"),
                                      .mounts = &mount,
                                      .mount_count = 1,
                                      .env = (const char *[]){cases[i].variable, NULL},
                                      .argv = (const char *[]){"sh", "-c", show, NULL}};
        RESULT v = {0};
        ops->volume_create(live.engine, vol, &of_run, soon(), on_done, &v);
        await(&v.done); /* the last is there already */
        output_init(&p);
        run_spec(&spec, &p);
        check_str(p.text[OUTPUT_STDOUT].buf, cases[i].want);
        drop(OBJECT_CONTAINER, d, ENGINE_OK);
    }
    for (size_t i = 0; i + 1 < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *vol = name(cases[i].volume);
        drop(OBJECT_VOLUME, vol, ENGINE_OK);
    }
    drop(OBJECT_IMAGE, image, ENGINE_OK);
}

/* A program that is our own, however little the engine puts around it: arguments, environment,
   name, volumes, exit code, and why it did not start. */
static void test_ours(void)
{
    struct output o __attribute__((cleanup(output_deinit)));
    struct output p __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("ours"), *d = name("theirs"), *vol = name("ours-vol");
    struct labels of_run = labels(0, NULL);
    struct mount mount = {.kind = MOUNT_VOLUME, .target = "/new/storage", .volume = vol};
    RESULT v = {0}, state = {0}, failed = {0};
    output_init(&o);
    output_init(&p);
    live.engine->ops->volume_create(live.engine, vol, &of_run, soon(), on_done, &v);
    expect(&v, ENGINE_OK);
    struct container_spec spec = {
        .name = c,
        .image = live.image_id,
        .labels = labels(1, "holder"),
        .ours = true,
        .hostname = "shard1",
        .entrypoint = (const char *[]){"/bin/sh", "-c", NULL},
        .argv = (const char *[]){"echo $$ $K $0; hostname; pwd; echo text > new/storage/f; "
                                 "echo err >&2; exit 7",
                                 "last", NULL},
        .env = (const char *[]){"K=v w", NULL},
        .mounts = &mount,
        .mount_count = 1};
    run_spec(&spec, &o);
    check_str(o.text[OUTPUT_STDOUT].buf, "1 v w last\nshard1\n/\n");
    check_str(o.text[OUTPUT_STDERR].buf, "err\n");
    inspect_end(c, &state);
    check_int(state.state.exit_code, 7);
    drop(OBJECT_CONTAINER, c, ENGINE_OK);

    spec.entrypoint = (const char *[]){"/no/such", NULL};
    create(&spec, ENGINE_OK);
    live.engine->ops->container_start(live.engine, c, soon(), on_done, &failed);
    await(&failed.done);
    check(failed.outcome != ENGINE_OK);
    drop(OBJECT_CONTAINER, c, ENGINE_OK);

    struct container_spec after = {.name = d,
                                   .argv = (const char *[]){"cat", "/new/storage/f", NULL},
                                   .mounts = &mount,
                                   .mount_count = 1};
    run_spec(&after, &p);
    check_str(p.text[OUTPUT_STDOUT].buf, "text\n");
    drop(OBJECT_CONTAINER, d, ENGINE_OK);
    drop(OBJECT_VOLUME, vol, ENGINE_OK);
}

struct exit {
    struct result r;
    int code;
    char output[EXEC_OUTPUT_MAX + 1];
};

static void on_exit_code(void *data, enum engine_outcome outcome, int code, const char *output,
                         const struct error *err)
{
    struct exit *e = data;
    e->code = code;
    (void)snprintf(e->output, sizeof(e->output), "%s", output);
    keep_result(&e->r, outcome, err);
}

static int exec_for(const char *container, const char *script, enum engine_outcome outcome,
                    const char *output)
{
    struct exit e = {0};
    const char *const argv[] = {"sh", "-c", script, NULL};
    live.engine->ops->container_exec(live.engine, container, argv, soon(), on_exit_code, &e);
    expect(&e.r, outcome);
    check_str(e.output, output);
    result_deinit(&e.r);
    return e.code;
}

static int exec(const char *container, const char *script, enum engine_outcome outcome)
{
    return exec_for(container, script, outcome, "");
}

/* The last bytes of what words write. */
static void check_exec_output(const char *c)
{
    _cleanup_strbuf_ struct strbuf end = STRBUF_INIT;

    while (end.len < EXEC_OUTPUT_MAX - 4)
        strbuf_adds(&end, "0123456789");
    strbuf_truncate(&end, EXEC_OUTPUT_MAX - 4);
    strbuf_adds(&end, "out\n");
    _cleanup_free_ char *script = xasprintf("head -c 100000 /dev/zero | tr '\\0' x; "
                                            "printf %%s %.*s; echo out; exit 7",
                                            EXEC_OUTPUT_MAX - 4, end.buf);
    check_int(exec_for(c, script, ENGINE_OK, end.buf), 7);
    check_int(exec_for(c, "echo err >&2", ENGINE_OK, "err\n"), 0);
}

/* Words run beside the first process: as it, and told by their exit code and output alone. */
static void test_exec(void)
{
    struct output o __attribute__((cleanup(output_deinit)));
    _cleanup_free_ char *c = name("exec");
    static const char *const hang[] = {"tail", "-f", "/dev/null", NULL};
    const struct engine_ops *ops = live.engine->ops;
    struct exit late = {0}, cancelled = {0};
    struct container_spec spec = {.name = c,
                                  .image = live.image_id,
                                  .labels = labels(1, "test"),
                                  .user = "65534",
                                  .env = (const char *[]){"WORD=a b", NULL},
                                  .argv = hang};
    exec(c, "exit 0", ENGINE_NOT_FOUND);
    create(&spec, ENGINE_OK);
    exec(c, "exit 0", ENGINE_CONFLICT);
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
    begin_spec(&spec, &o);
    check_exec_output(c);
    check_int(exec(c, "test \"$WORD\" = 'a b' -a \"$(id -u)\" = 65534", ENGINE_OK), 0);
    check_int(exec(c,
                   "test \"$(grep -e Seccomp: -e Cap /proc/self/status)\" = "
                   "\"$(grep -e Seccomp: -e Cap /proc/1/status)\"",
                   ENGINE_OK),
              0);
    check_int(exec(c, "kill -9 $$", ENGINE_OK), 137);

    ops->container_exec(live.engine, c, hang, clock_now() + 300 * NSEC_PER_MSEC, on_exit_code,
                        &late);
    expect(&late.r, ENGINE_FAILED);
    check_int(late.r.err.kind, ERROR_TIMEOUT);
    struct engine_op *op = ops->container_exec(live.engine, c, hang, soon(), on_exit_code,
                                               &cancelled);
    run_for(100 * NSEC_PER_MSEC);
    ops->cancel(live.engine, op);
    expect(&cancelled.r, ENGINE_CANCELLED);
    drop(OBJECT_CONTAINER, c, ENGINE_OK); /* with what still runs in it */
    await(&o.r.done);
    check_int(o.bytes[OUTPUT_STDOUT] + o.bytes[OUTPUT_STDERR], 0);
    result_deinit(&late.r);
    result_deinit(&cancelled.r);
}

/* Every operation, cancelled at once, and after the engine had a little time for it. */
static struct engine_op *begin(int which, struct container_spec *spec, struct result *r)
{
    struct engine *e = live.engine;
    switch (which) {
    case 0:
        return e->ops->container_create(e, spec, soon(), on_done, r);
    case 1:
        return e->ops->container_start(e, spec->name, soon(), on_done, r);
    case 2:
        return e->ops->container_inspect(e, spec->name, soon(), on_state, r);
    case 3:
        return e->ops->image_resolve(e, live.image, PULL_MISSING, soon(), NULL, on_image, r);
    case 4:
        return e->ops->image_resolve(e, "127.0.0.1:1/none:x", PULL_ALWAYS, soon(), NULL, on_image,
                                     r);
    case 5:
        return e->ops->remove(e, OBJECT_CONTAINER, spec->name, soon(), on_done, r);
    default:
        return NULL;
    }
}

static void test_cancel(void)
{
    _cleanup_free_ char *c = name("cancel");
    struct container_spec spec = {
        .name = c, .image = live.image_id, .labels = labels(1, "x"), .argv = pause_argv};
    static const nsec_t moments[] = {0, NSEC_PER_MSEC / 2, 3 * NSEC_PER_MSEC, 20 * NSEC_PER_MSEC};
    for (size_t m = 0; m < ARRAY_SIZE(moments); m++) {
        for (int which = 0; which < 6; which++) {
            RESULT r = {0};
            struct engine_op *op = begin(which, &spec, &r);
            if (moments[m])
                run_for(moments[m]);
            if (r.done)
                continue;
            live.engine->ops->cancel(live.engine, op);
            live.engine->ops->cancel(live.engine, op);
            expect(&r, ENGINE_CANCELLED);
            check_int(r.err.kind, ERROR_CANCELLED);
        }
    }
    RESULT last = {0};
    live.engine->ops->remove(live.engine, OBJECT_CONTAINER, c, soon(), on_done, &last);
    await(&last.done);
}

static void test_deadline(void)
{
    _cleanup_free_ char *c = name("deadline");
    struct container_spec spec = {
        .name = c, .image = live.image_id, .labels = labels(1, "x"), .argv = pause_argv};
    RESULT past = {0}, r = {0};
    live.engine->ops->container_inspect(live.engine, c, clock_now() - 1, on_state, &past);
    expect(&past, ENGINE_FAILED);
    check_int(past.err.kind, ERROR_TIMEOUT);
    create(&spec, ENGINE_OK);
    live.engine->ops->container_start(live.engine, c, clock_now() + NSEC_PER_MSEC / 2, on_done, &r);
    expect(&r, ENGINE_FAILED);
    check_int(r.err.kind, ERROR_TIMEOUT);
    check_contains(r.err.message, "did not answer in time");
    drop(OBJECT_CONTAINER, c, ENGINE_OK);
}

/* What a run leaves: nothing. */
static void test_world(void)
{
    if (!is_embedded())
        return;
    drop(OBJECT_WORLD, live.run, ENGINE_OK);
    struct listing l = {0};
    live.engine->ops->list(live.engine, live.run, soon(), on_list, &l);
    expect(&l.r, ENGINE_OK);
    check_int(l.rows.len, 0);
    drop(OBJECT_WORLD, live.run, ENGINE_NOT_FOUND);
}

/* What runs when the engine is freed is dropped: nobody hears of it, then or later. */
static void test_free(void)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    struct result r[3] = {0};
    struct engine *e = engine_open(live.loop, &live.options, &err);
    if (!check(e != NULL))
        return;
    e->ops->image_resolve(e, live.image, PULL_MISSING, NSEC_INFINITY, NULL, on_image, &r[0]);
    run_for(NSEC_PER_MSEC / 4);
    e->ops->container_inspect(e, "x", NSEC_INFINITY, on_state, &r[1]);
    e->ops->events(e, "none", NULL, NULL, on_done, &r[2]);
    check_int(e->requests, 3);
    int before[ARRAY_SIZE(r)];
    for (size_t i = 0; i < ARRAY_SIZE(r); i++)
        before[i] = r[i].calls;
    check_int(before[1] + before[2], 0);
    engine_free(e);
    run_for(20 * NSEC_PER_MSEC);
    for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
        check_int(r[i].calls, before[i]);
        error_clear(&r[i].err);
        image_info_deinit(&r[i].info);
    }
}

static void on_progress(void *data, const char *ref, uint64_t done, uint64_t total)
{
    (void)data;
    if (done == total)
        printf("# pulled %s: %llu bytes\n", ref, (unsigned long long)total);
}

/* "pull REF": pulls it and says what it got. */
static int pull(const char *ref)
{
    RESULT r = {0};
    live.engine->ops->image_resolve(live.engine, ref, PULL_ALWAYS, soon(), on_progress, on_image,
                                    &r);
    await(&r.done);
    if (r.outcome == ENGINE_OK)
        printf("pulled %s\n", r.info.digest ? r.info.digest : r.info.id);
    else
        printf("failed: %s\n", r.err.message);
    return r.outcome == ENGINE_OK ? 0 : 1;
}

static int run_tests(void)
{
    return tap_run((struct tap_test[]){TAP(test_open),
                                       TAP(test_resolve),
                                       TAP(test_output),
                                       TAP(test_much_output),
                                       TAP(test_last_bytes),
                                       TAP(test_conflicts),
                                       TAP(test_stubborn),
                                       TAP(test_bad_creates),
                                       TAP(test_events),
                                       TAP(test_isolation),
                                       TAP(test_import_and_list),
                                       TAP(test_archive),
                                       TAP(test_entrypoint),
                                       TAP(test_pids_limit),
                                       TAP(test_signal),
                                       TAP(test_commit),
                                       TAP(test_extract),
                                       TAP(test_exec),
                                       TAP(test_fresh_volume),
                                       TAP(test_ours),
                                       TAP(test_cancel),
                                       TAP(test_deadline),
                                       TAP(test_free),
                                       TAP(test_world),
                                       {0}});
}

/* Without arguments: the tests. "hello": which engine is there. "pull REF". */
int main(int argc, char **argv)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    int rc = 1;
    if (live_open(&err) < 0)
        printf("failed: %s\n", err.message);
    else if (argc == 3 && strcmp(argv[1], "pull") == 0)
        rc = pull(argv[2]);
    else if (argc == 2 && strcmp(argv[1], "hello") == 0)
        rc = printf("%s %s at %s\n", live.engine->kind, live.engine->version, live.engine->where) <
             0;
    else
        rc = run_tests();
    live_close();
    return rc;
}
