/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bare [--shards N] [--verbose] RECIPES: runs the job once and prints what it took; bare.h
 * says what is made and what is not.
 *
 * RECIPES is a file of lines "key value"; `container NAME` begins one, then `lower`, `user UID
 * GID`, `directory`, `arg`, `env`, `volume`, `tmpfs`, `bind`, `probe KIND PORT`. The first one is
 * the holder, those with a probe are the services, the last one is the app.
 */
#include "bare.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cleanroom/clock.h>

#include "engine/embedded/seccomp.h"

enum { MAX_RECIPES = 8, MAX_SHARDS = 64, PAUSE_LIMIT_MS = 10, DEADLINE_S = 120 };

/* The first bytes of an answer tell whether the service serves. */
static const struct question {
    const char *name;
    const char *request;
    size_t request_len;
    const char *answer;
} questions[] = {
    {"postgres", "\0\0\0\x17\0\x03\0\0user\0postgres\0\0", 23, "R"},
    {"redis", "PING\r\n", 6, "+PONG"},
    {"memcached", "version\r\n", 9, "VERSION"},
};

struct container {
    const struct recipe *recipe;
    struct shard *shard;
    const struct question *question; /* NULL: nothing to wait for, or ready */
    int pidfd;                       /* -1: not started, or gone */
    int out;
    int probe; /* a connection, or -1 */
    nsec_t next;
    nsec_t pause;
    size_t heard; /* bytes of output */
};

struct shard {
    int number;
    int waiting; /* for so many services */
    struct container containers[MAX_RECIPES];
};

static struct bare {
    struct recipe recipes[MAX_RECIPES];
    size_t recipe_count;
    struct shard shards[MAX_SHARDS];
    int shard_count;
    int alive; /* containers */
    int epoll;
    char scratch[64];
    struct kit kit;
    struct shard *network; /* whose network namespace this process is in */
    bool verbose;
} bare;

static void die(const char *what)
{
    fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- recipes */

static bool split_two(const char *value, long out[2])
{
    char *end;

    out[0] = strtol(value, &end, 10);
    if (end == value || *end != ' ')
        return false;
    const char *second = end + 1;
    out[1] = strtol(second, &end, 10);
    return end != second && *end == '\0';
}

static bool set_key(struct recipe *r, const char *key, const char *value)
{
    const struct {
        const char *key;
        struct strvec *list;
    } lists[] = {{"arg", &r->argv},
                 {"env", &r->env},
                 {"volume", &r->volumes},
                 {"tmpfs", &r->tmpfs},
                 {"bind", &r->binds}};
    long numbers[2];

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        if (strcmp(key, lists[i].key) == 0) {
            strvec_push(lists[i].list, value);
            return true;
        }
    }
    if (strcmp(key, "lower") == 0) {
        replace_str(&r->lower, value);
    } else if (strcmp(key, "directory") == 0) {
        replace_str(&r->directory, value);
    } else if (strcmp(key, "user") == 0 && split_two(value, numbers)) {
        r->uid = (uid_t)numbers[0];
        r->gid = (gid_t)numbers[1];
    } else if (strcmp(key, "probe") == 0 && strchr(value, ' ')) {
        r->probe = xstrndup(value, strcspn(value, " "));
        r->port = (int)strtol(strchr(value, ' '), NULL, 10);
    } else {
        return false;
    }
    return true;
}

static void read_recipes(const char *path)
{
    _cleanup_fclose_ FILE *file = fopen(path, "re");
    _cleanup_free_ char *line = NULL;
    size_t size = 0;
    struct recipe *r = NULL;

    if (!file)
        die(path);
    for (ssize_t len; (len = getline(&line, &size, file)) > 0;) {
        line[len - 1] = '\0';
        char *value = strchr(line, ' ');
        if (value)
            *value++ = '\0';
        errno = EINVAL;
        if (value && strcmp(line, "container") == 0 && bare.recipe_count < MAX_RECIPES) {
            r = &bare.recipes[bare.recipe_count++];
            r->name = xstrdup(value);
            r->directory = xstrdup("/");
        } else if (!value || !r || !set_key(r, line, value)) {
            die(line);
        }
    }
}

/* --- a shard's network */

static void loopback_up(void)
{
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};

    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        die("loopback");
}

static void enter_network(struct shard *shard)
{
    if (bare.network == shard)
        return;
    if (setns(shard->containers[0].pidfd, CLONE_NEWNET) < 0)
        die("setns");
    bare.network = shard;
}

/* --- containers */

static void watch(int fd, struct container *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    if (epoll_ctl(bare.epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void start(struct container *c)
{
    _cleanup_free_ char *scratch = xasprintf("%s/%d.%s", bare.scratch, c->shard->number,
                                             c->recipe->name);

    if (bare_start(c->recipe, &bare.kit, scratch, &c->pidfd, &c->out) < 0)
        die(c->recipe->name);
    bare.alive++;
    watch(c->pidfd, c);
    watch(c->out, c);
    c->pause = NSEC_PER_MSEC;
    c->next = clock_now();
    for (size_t i = 0; c->recipe->probe && i < ARRAY_SIZE(questions); i++) {
        if (strcmp(c->recipe->probe, questions[i].name) == 0) {
            c->question = &questions[i];
            c->shard->waiting++;
        }
    }
}

static struct container *app_of(struct shard *shard)
{
    return &shard->containers[bare.recipe_count - 1];
}

/* A new network namespace; what is cloned from now on is in it. */
static void start_shard(struct shard *shard, int number)
{
    if (unshare(CLONE_NEWNET) < 0)
        die("network namespace");
    loopback_up();
    bare.network = shard;
    shard->number = number;
    for (size_t i = 0; i < bare.recipe_count; i++) {
        struct container *c = &shard->containers[i];
        *c = (struct container){
            .recipe = &bare.recipes[i], .shard = shard, .pidfd = -1, .out = -1, .probe = -1};
        if (c != app_of(shard))
            start(c);
    }
}

static void stop_shard(struct shard *shard)
{
    for (size_t i = 0; i < bare.recipe_count; i++) {
        struct container *c = &shard->containers[i];
        c->question = NULL;
        if (c->pidfd >= 0)
            syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
    }
}

/* What it said so far; shown only when it matters. */
static void hear(struct container *c, bool show)
{
    char buffer[4096];
    ssize_t len;

    while (c->out >= 0 && (len = read(c->out, buffer, sizeof(buffer))) != 0) {
        if (len < 0)
            return;
        c->heard += (size_t)len;
        if (show || bare.verbose)
            fprintf(stderr, "[%d %s] %.*s", c->shard->number, c->recipe->name, (int)len, buffer);
    }
    close(c->out);
    c->out = -1;
}

static void reap(struct container *c)
{
    bool app = c == app_of(c->shard);
    siginfo_t info = {0};

    if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG) < 0)
        die("waitid");
    if (info.si_pid == 0)
        return;
    close(c->pidfd);
    c->pidfd = -1;
    bare.alive--;
    bool failed = app ? info.si_status != 0 : info.si_status != SIGKILL;
    hear(c, failed);
    if (failed) {
        fprintf(stderr, "bare: %s of shard %d ended: %d\n", c->recipe->name, c->shard->number,
                info.si_status);
        exit(1);
    }
    if (app)
        stop_shard(c->shard);
}

/* --- probes */

static void again_later(struct container *c)
{
    if (c->probe >= 0)
        close(c->probe);
    c->probe = -1;
    c->next = clock_now() + c->pause;
    c->pause = c->pause * 13 / 10;
    if (c->pause > PAUSE_LIMIT_MS * NSEC_PER_MSEC)
        c->pause = PAUSE_LIMIT_MS * NSEC_PER_MSEC;
}

/* On loopback a connection is there at once, or refused at once. */
static void ask(struct container *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)c->recipe->port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};

    enter_network(c->shard);
    c->probe = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->probe < 0)
        die("socket");
    c->next = NSEC_INFINITY;
    if ((connect(c->probe, (struct sockaddr *)&address, sizeof(address)) < 0 &&
         errno != EINPROGRESS) ||
        send(c->probe, c->question->request, c->question->request_len, MSG_NOSIGNAL) < 0)
        again_later(c);
    else
        watch(c->probe, c);
}

static void listen_to_answer(struct container *c)
{
    const char *expected = c->question->answer;
    char buffer[256];
    ssize_t len = recv(c->probe, buffer, sizeof(buffer), 0);

    if (len < 0 && errno == EAGAIN)
        return;
    again_later(c);
    if (len < (ssize_t)strlen(expected) || memcmp(buffer, expected, strlen(expected)) != 0)
        return;
    close(c->probe);
    c->probe = -1;
    c->question = NULL;
    if (--c->shard->waiting == 0) {
        enter_network(c->shard);
        start(app_of(c->shard));
    }
}

/* Asks whoever is to be asked; returns the milliseconds until the next one. */
static int ask_all(void)
{
    nsec_t now = clock_now(), next = now + NSEC_PER_SEC;

    for (int i = 0; i < bare.shard_count; i++) {
        for (size_t k = 0; k < bare.recipe_count; k++) {
            struct container *c = &bare.shards[i].containers[k];
            if (!c->question)
                continue;
            if (c->next <= now)
                ask(c);
            if (c->next < next)
                next = c->next;
        }
    }
    now = clock_now();
    return next <= now ? 0 : (int)((next - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

static void handle(struct container *c)
{
    hear(c, false);
    if (c->probe >= 0 && c->question)
        listen_to_answer(c);
    if (c->pidfd >= 0)
        reap(c);
}

/* --- the job */

static void write_file(const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", bare.scratch, name);
    _cleanup_fclose_ FILE *file = fopen(path, "we");

    if (!file || fputs(text, file) < 0)
        die(path);
}

static void make_scratch(void)
{
    snprintf(bare.scratch, sizeof(bare.scratch), "/tmp/cleanroom-bare-XXXXXX");
    if (!mkdtemp(bare.scratch))
        die(bare.scratch);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", bare.scratch, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0)
        die("tmpfs");
    write_file("hosts", "127.0.0.1 localhost\n");
    write_file("hostname", "shard\n");
    write_file("resolv.conf", "");
}

/* The last mounts of a namespace may outlive its last process by a tick. */
static void remove_scratch(void)
{
    for (int tries = 0; umount2(bare.scratch, 0) < 0; tries++) {
        if (errno != EBUSY || tries > 1000)
            die("umount");
        epoll_wait(bare.epoll, &(struct epoll_event){0}, 1, 1);
    }
    if (rmdir(bare.scratch) < 0)
        die(bare.scratch);
}

static void make_kit(void)
{
#ifdef __aarch64__
    enum seccomp_machine machine = SECCOMP_MACHINE_ARM;
#else
    enum seccomp_machine machine = SECCOMP_MACHINE_X86;
#endif

    bare.kit.shared = bare.scratch;
    bare.kit.filter = xcalloc(SECCOMP_MAX, sizeof(*bare.kit.filter));
    bare.kit.filter_len = (unsigned short)seccomp_compile(machine, bare.kit.filter);
}

static void run_job(void)
{
    nsec_t deadline = clock_now() + DEADLINE_S * NSEC_PER_SEC;

    make_scratch();
    make_kit();
    for (int i = 0; i < bare.shard_count; i++)
        start_shard(&bare.shards[i], i + 1);
    while (bare.alive > 0) {
        struct epoll_event events[64];
        int count = epoll_wait(bare.epoll, events, ARRAY_SIZE(events), ask_all());

        for (int i = 0; i < count; i++)
            handle(events[i].data.ptr);
        errno = ETIME;
        if (clock_now() > deadline)
            die("the job");
    }
    remove_scratch();
}

static double cpu_of(int who)
{
    struct rusage usage;

    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"shards", required_argument, NULL, 's'}, {"verbose", no_argument, NULL, 'v'}, {0}};

    bare.shard_count = 4;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 's')
            bare.shard_count = (int)strtol(optarg, NULL, 10);
        else if (c == 'v')
            bare.verbose = true;
        else
            return 2;
    }
    if (argc != optind + 1 || bare.shard_count < 1 || bare.shard_count > MAX_SHARDS) {
        fprintf(stderr, "usage: bare [--shards N] [--verbose] RECIPES\n");
        return 2;
    }
    read_recipes(argv[optind]);
    bare.epoll = epoll_create1(EPOLL_CLOEXEC);

    nsec_t begun = clock_now();
    run_job();
    printf("%d shards: %.1f ms, CPU %.0f ms here and %.0f ms in the containers' first processes\n",
           bare.shard_count, (double)(clock_now() - begun) / 1e6, 1e3 * cpu_of(RUSAGE_SELF),
           1e3 * cpu_of(RUSAGE_CHILDREN));
    return 0;
}
