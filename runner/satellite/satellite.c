/* SPDX-License-Identifier: Apache-2.0 */
#include "satellite/satellite.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cleanroom/vec.h>

#include "satellite/prober.h"
#include "satellite/relay.h"
#include "satellite/sink.h"
#include "satellite/word.h"

#define FLUSH_ROUNDS 10000

struct satellite {
    struct strvec dirs;
    struct strvec spools; /* those of dirs that are made anew */
    int emptied;          /* so many times */
    VEC(struct prober) probers;
    VEC(struct sink_server) sinks;
    VEC(struct relay) relays;
    VEC(struct pollfd) polled; /* [0] the signals, each prober's socket, the sinks', the relays' */
    nsec_t up;
};

static void satellite_deinit(struct satellite *s)
{
    for (size_t i = 0; i < s->probers.len; i++)
        prober_deinit(&s->probers.items[i]);
    for (size_t i = 0; i < s->sinks.len; i++)
        sink_server_deinit(&s->sinks.items[i]);
    for (size_t i = 0; i < s->relays.len; i++)
        relay_deinit(&s->relays.items[i]);
    vec_deinit(&s->probers);
    vec_deinit(&s->sinks);
    vec_deinit(&s->relays);
    vec_deinit(&s->polled);
    strvec_deinit(&s->dirs);
    strvec_deinit(&s->spools);
}

/* Writes the line with one write(2), so that it reaches the engine's log in one piece. When nobody
   listens any more we go on: the namespace is still wanted. */
static void say(const struct strbuf *line)
{
    size_t done = 0;

    while (done < line->len) {
        ssize_t n = write(STDOUT_FILENO, line->buf + done, line->len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
        else if (n < 0 && errno != EINTR)
            return;
    }
}

static void say_word(const char *word)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    strbuf_addf(&line, "%s\n", word);
    say(&line);
}

static void say_prober(const struct satellite *s, const struct prober *p, nsec_t now)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    if (p->state == PROBER_READY)
        strbuf_addf(&line, SATELLITE_READY " %s %lld\n", p->name,
                    (long long)((now - s->up) / NSEC_PER_USEC));
    else
        strbuf_addf(&line, "%s %s %s\n",
                    p->state == PROBER_REFUSED ? SATELLITE_REFUSED : SATELLITE_WAITING, p->name,
                    p->reason);
    say(&line);
}

static const char *find_password(const char *name)
{
    _cleanup_free_ char *variable = xasprintf(SATELLITE_PASSWORD "%s", name);

    return getenv(variable);
}

static int take_option(struct satellite *s, const char *name, char *value)
{
    if (strcmp(name, "--sink") == 0)
        return sink_server_init(vec_push(&s->sinks), value);
    if (strcmp(name, "--relay") == 0)
        return relay_init(vec_push(&s->relays), value);
    if (strcmp(name, "--probe") == 0)
        return prober_init(vec_push(&s->probers), value, find_password, 0);
    bool spool = strcmp(name, "--spool") == 0;
    if ((!spool && strcmp(name, "--dir") != 0) || *value != '/')
        return -1;
    strvec_push(&s->dirs, value);
    if (spool)
        strvec_push(&s->spools, value);
    return 0;
}

static int parse_options(struct satellite *s, char **argv)
{
    if (!argv[0] || !argv[1] || strcmp(argv[1], "hold") != 0)
        return -1;
    for (char **arg = argv + 2; *arg; arg += 2) {
        if (!arg[1])
            return -1;
        if (take_option(s, *arg, arg[1]) < 0) {
            fprintf(stderr, "satellite: cannot understand %s '%s'\n", *arg, arg[1]);
            return -1;
        }
    }
    return 0;
}

/* Makes a directory writable by anybody: the app's user is not known to us. */
static int make_directory(const char *path)
{
    _cleanup_free_ char *parent = xstrdup(path);

    for (char *slash = strchr(parent + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(parent, 0755) < 0 && errno != EEXIST)
            return -1;
        *slash = '/';
    }
    if (mkdir(path, 0777) < 0 && errno != EEXIST)
        return -1;
    if (chmod(path, 01777) < 0 && errno != EPERM) /* EPERM: somebody else's, he has seen to it */
        return -1;
    return 0;
}

static int make_directories(const struct strvec *dirs)
{
    umask(0);
    for (size_t i = 0; i < dirs->len; i++) {
        if (make_directory(dirs->items[i]) < 0) {
            fprintf(stderr, "satellite: cannot make '%s': %s\n", dirs->items[i],
                    strerrordesc_np(errno));
            return -1;
        }
    }
    return 0;
}

/* As pid 1 we have no default actions: only signals that are blocked and read here arrive. */
static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SATELLITE_FLUSH);
    sigaddset(&set, SATELLITE_EMPTY);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

struct orders {
    bool flush, empty;
};

/* Returns true when we are told to end. */
static bool take_signals(int fd, struct orders *orders)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SATELLITE_FLUSH)
            orders->flush = true;
        else if (info.ssi_signo == SATELLITE_EMPTY)
            orders->empty = true;
        else if (info.ssi_signo != SIGCHLD)
            return true;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
    return false;
}

static void prepare_poll(struct satellite *s, int signals)
{
    s->polled.len = 0;
    *vec_push(&s->polled) = (struct pollfd){.fd = signals, .events = POLLIN};
    for (size_t i = 0; i < s->probers.len; i++) {
        const struct prober *p = &s->probers.items[i];
        short events = prober_events(p);
        *vec_push(&s->polled) = (struct pollfd){.fd = events ? p->fd : -1, .events = events};
    }
    for (size_t i = 0; i < s->sinks.len; i++) {
        size_t first = s->polled.len;
        for (size_t n = sink_server_count(&s->sinks.items[i]); n > 0; n--)
            (void)vec_push(&s->polled);
        sink_server_prepare(&s->sinks.items[i], &s->polled.items[first]);
    }
    for (size_t i = 0; i < s->relays.len; i++) {
        size_t first = s->polled.len;
        for (size_t n = relay_count(&s->relays.items[i]); n > 0; n--)
            (void)vec_push(&s->polled);
        relay_prepare(&s->relays.items[i], &s->polled.items[first]);
    }
}

static nsec_t next_wake(const struct satellite *s)
{
    nsec_t wake = NSEC_INFINITY;

    for (size_t i = 0; i < s->probers.len; i++) {
        if (s->probers.items[i].wake < wake)
            wake = s->probers.items[i].wake;
    }
    for (size_t i = 0; i < s->sinks.len; i++) {
        nsec_t sink = sink_server_wake(&s->sinks.items[i]);
        wake = sink < wake ? sink : wake;
    }
    return wake;
}

/* Waits for whatever comes first: a signal, a socket, the time of a prober or a sink. */
static int wait_for_work(struct satellite *s)
{
    nsec_t wake = next_wake(s), now = clock_now();
    nsec_t left = wake > now ? wake - now : 0;
    struct timespec limit = {.tv_sec = (time_t)(left / NSEC_PER_SEC),
                             .tv_nsec = (long)(left % NSEC_PER_SEC)};
    int n = ppoll(s->polled.items, s->polled.len, wake == NSEC_INFINITY ? NULL : &limit, NULL);
    return n < 0 && errno != EINTR ? -1 : 0;
}

static void step_probers(struct satellite *s)
{
    nsec_t now = clock_now();

    for (size_t i = 0; i < s->probers.len; i++) {
        struct prober *p = &s->probers.items[i];
        if (p->state == PROBER_READY || p->state == PROBER_REFUSED)
            continue;
        prober_step(p, s->polled.items[i + 1].revents, now);
        if (p->changed)
            say_prober(s, p, clock_now());
        p->changed = false;
    }
}

/* --- sinks ----------------------------------------------------------------------------------- */

/* A sink is ready when it listens. */
static void open_sinks(struct satellite *s)
{
    for (size_t i = 0; i < s->sinks.len; i++) {
        struct sink_server *sink = &s->sinks.items[i];
        _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
        char why[128];
        int errnum = sink_server_open(sink);

        word_errno(errnum, why, sizeof(why));
        if (errnum)
            strbuf_addf(&line, SATELLITE_REFUSED " %s port %u: %s\n", sink->name, sink->port, why);
        else
            strbuf_addf(&line, SATELLITE_READY " %s %lld\n", sink->name,
                        (long long)((clock_now() - s->up) / NSEC_PER_USEC));
        say(&line);
    }
}

/* Returns whether anything has arrived, at sinks or on the way to them. */
static bool step_sinks(struct satellite *s)
{
    size_t at = 1 + s->probers.len;
    nsec_t now = clock_now();
    bool arrived = false;

    for (size_t i = 0; i < s->sinks.len; i++) {
        struct sink_server *sink = &s->sinks.items[i];
        size_t count = sink_server_count(sink); /* as it was prepared */
        arrived |= sink_server_step(sink, &s->polled.items[at], now);
        at += count;
    }
    for (size_t i = 0; i < s->relays.len; i++) {
        struct relay *relay = &s->relays.items[i];
        size_t count = relay_count(relay);
        arrived |= relay_step(relay, &s->polled.items[at]);
        at += count;
    }
    return arrived;
}

/* Whatever was sent before the signal is there now: read until nothing is. Whoever goes on sending
   is not waited for. */
static void flush_sinks(struct satellite *s, int signals)
{
    for (int round = 0; round < FLUSH_ROUNDS; round++) {
        prepare_poll(s, signals);
        if (poll(s->polled.items, s->polled.len, 0) <= 0 || !step_sinks(s))
            break;
    }
    say_word(SATELLITE_FLUSHED);
}

/* What is in them is the app's, and may be anybody's: it is not removed, but moved away as a whole.
   Files of its first level go, where we may, so that repeated tests do not fill the volume. */
static void forget(const char *path)
{
    DIR *dir = opendir(path);

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_type == DT_REG)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
    (void)rmdir(path);
}

/* "/cleanroom/collect/xml" goes to "/cleanroom/collect-xml-1". */
static void empty_spools(struct satellite *s)
{
    s->emptied++;
    for (size_t i = 0; i < s->spools.len; i++) {
        const char *path = s->spools.items[i], *last = strrchr(path, '/');
        _cleanup_free_ char *aside = xasprintf("%.*s-%s-%d", (int)(last - path), path, last + 1,
                                               s->emptied);
        if (rename(path, aside) < 0 && errno != ENOENT)
            fprintf(stderr, "satellite: cannot move '%s': %s\n", path, strerrordesc_np(errno));
        forget(aside);
    }
    (void)make_directories(&s->spools); /* says so itself */
    say_word(SATELLITE_EMPTIED);
}

static int hold(struct satellite *s)
{
    _cleanup_close_ int signals = open_signals();

    if (signals < 0 || make_directories(&s->dirs) < 0)
        return EXIT_FAILURE;
    s->up = clock_now();
    say_word(SATELLITE_UP);
    open_sinks(s);
    for (;;) {
        struct orders orders = {false, false};
        prepare_poll(s, signals);
        int n = wait_for_work(s);
        if (n < 0)
            return EXIT_FAILURE;
        if (take_signals(signals, &orders))
            return EXIT_SUCCESS;
        step_probers(s);
        (void)step_sinks(s);
        if (orders.flush)
            flush_sinks(s, signals);
        if (orders.empty)
            empty_spools(s);
    }
}

int main(int argc, char **argv)
{
    _cleanup_(satellite_deinit) struct satellite s = {0};

    (void)argc;
    if (parse_options(&s, argv) < 0) {
        fprintf(stderr, "usage: satellite hold [--dir PATH]... [--spool PATH]... "
                        "[--probe NAME:PROVIDER:PORT:ARG]... [--sink NAME:KIND:PORT:DIR]... "
                        "[--relay FROM:TO:tcp|udp]...\n");
        return 2;
    }
    return hold(&s);
}
