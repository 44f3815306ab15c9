/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kind of service is: one file in providers/ and one line in its registry.
 *
 * A provider is data and two pure functions. It decides from overrides and secrets which container
 * to start and what the app is told (`plan`), and how the service itself says that it is ready
 * (`probe`). It starts nothing and opens nothing, so it can be tested without an engine, and its
 * probe runs inside the shard, in the satellite, wherever the engine is.
 *
 * The environment given to the app is Forklift's (github.com/infoxchange/docker-forklift, README
 * and forklift/services); container environments are those documented by the official images
 * (github.com/docker-library/docs). Each provider names the source of its wire protocol.
 */
#ifndef CLEANROOM_PROVIDER_H
#define CLEANROOM_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cleanroom/error.h>
#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

enum override_type {
    OVERRIDE_STRING,
    OVERRIDE_PORT,      /* 1..65535 */
    OVERRIDE_NUMBER,    /* >= 0 */
    OVERRIDE_LIST,      /* a YAML list, or one string with '|' between its items */
    OVERRIDE_ENV,       /* a map of K: V given to the service's container */
    OVERRIDE_WORDS,     /* words as a shell splits them, or a YAML list of them */
    OVERRIDE_COUNT,     /* 1..SERVICE_COUNT_MAX; of providers that are `countable` */
    OVERRIDE_ISOLATION, /* "shard"; "namespace" of providers that have `namespaces` */
};

enum { SERVICE_COUNT_MAX = 32 };

#define ISOLATION_SHARD     "shard"
#define ISOLATION_NAMESPACE "namespace"

/* One key accepted below the service's name in forklift.yaml, and as --<service>.<key>. */
struct override_def {
    const char *key;
    enum override_type type;
    const char *doc; /* one line */
    bool secret;     /* masked by `cleanroom plan` */
};

/* Overrides every provider accepts, besides its own: image, environment, command, memory, tmpfs
   ("no": keep what the image has below its VOLUMEs), snapshot ("no": initialise it each time),
   count (how many of it) and isolation (the plan's, no provider looks at these two). */
extern const struct override_def provider_common_overrides[];
extern const size_t provider_common_override_count;

struct override_value {
    const char *key;
    const char *value; /* lists: items joined by '|'; OVERRIDE_ENV: one value per K=V line */
};

struct provider_input {
    const struct override_value *overrides; /* already checked against the tables */
    size_t override_count;
    const char *application_id;
    const char *instance; /* NULL; or the name of one more of a kind: 'reports' */
    uint16_t shift;       /* added to every port that the user did not choose: the usual ones are
                             taken in this pod */
    const char *address;  /* where the app finds this shard's services: NULL is 127.0.0.1; another
                             loopback address when it runs on this machine itself */
    bool outside;         /* shards have a network */
    bool shared;          /* it is one for all shards, and a shard is told of a namespace in it */
    int shard;            /* 1-based; 0: none of them, as when it is about a shared server itself */
    int shards;           /* of how many */
    const char *secret;   /* 32 random hex digits, this shard's and this service's own */
};

/* What the satellite serves itself, without a container. */
enum sink_kind {
    SINK_NONE,
    SINK_SMTP,       /* accepts every message: mail/001.eml */
    SINK_SYSLOG_UDP, /* syslog.log, one line per message */
    SINK_SYSLOG_TCP,
    SINK_PROXY, /* an HTTP proxy from which nothing gets out: proxy.log */
};

/* By kind; for the satellite. */
extern const char *const sink_words[];

/* Where that service's sink keeps what it is sent, below the shard's results: "mail/", of another
   one "mail-NAME/", and of all that is lines "NAME.log"; release with free(). */
char *sink_file(enum sink_kind kind, const char *name);

enum { SERVICE_PORTS = 8 };

/* What is to be started; all owned, released by service_plan_deinit(). */
struct service_plan {
    bool external;            /* somebody else's server: nothing is started, nothing probed */
    bool idle;                /* external, and not even that: there is nothing for it to do */
    enum sink_kind sink;      /* not NONE: no container, so only port and app_env count */
    char *image;              /* reference */
    struct strvec entrypoint; /* empty: the image's */
    struct strvec argv;       /* empty: the image's CMD */
    char *user;               /* NULL: the image's */
    struct strvec env;        /* K=V for the service's container */
    bool tmpfs_volumes;  /* put a tmpfs over every VOLUME the image declares (fresh, fast, and no
                            anonymous volume to remove); data kept elsewhere in the image stays */
    struct strvec tmpfs; /* further ones: "PATH:options" */
    uint16_t port;       /* on which it listens inside the pod */
    uint16_t more_ports[SERVICE_PORTS]; /* further ones, of management or clustering; 0 ends */
    uint64_t memory;                    /* bytes, 0 = no limit */
    uint64_t shm_size;                  /* bytes, 0 = default */
    char *probe_arg;                    /* for the probe's request; never a secret */
    char *password;      /* random, so new in each run; NULL: the user chose it, or there is none */
    bool rekey;          /* the server knows another password: its probe has to set this one */
    bool snapshot;       /* the user lets it start from a snapshot */
    struct strvec files; /* "/path", text, "/path", text ...: in its container before it starts */
    char *log_text;      /* not NULL: it is ready when its output has this text, and not asked */
    struct strvec exec_words; /* not empty: it is ready when they end with 0 in its container */
    /* Shared, and of a shard: run in the server's container they make this shard's namespace;
       empty: there is nothing to make. They write what went wrong, and never a secret. */
    struct strvec namespace_words;
    struct strvec app_env; /* K=V for the app */
    struct strvec secrets; /* values to mask wherever the plan is shown */
};
void service_plan_deinit(struct service_plan *plan);
/* Deep. */
void service_plan_copy(struct service_plan *to, const struct service_plan *from);

enum probe_verdict {
    PROBE_MORE,    /* the answer is not complete yet */
    PROBE_READY,   /* the service serves */
    PROBE_NOT_YET, /* it answers, but is still starting: ask again */
    PROBE_WRONG,   /* this is not the protocol: ask again, and say so when the deadline passes */
};

struct probe {
    /* Numeric IPv4 loopback address to connect to. Not always 127.0.0.1: see postgres.c. */
    const char *address;
    /* Writes what to send once connected. arg is the plan's probe_arg. Returns -1 on a bad arg. */
    int (*request)(const char *arg, struct strbuf *out);
    /* Judges all that was received so far. why (never NULL, `size` bytes) takes a short reason for
       NOT_YET and WRONG: what the server said, printable ASCII. Pure; must survive any bytes. */
    enum probe_verdict (*answer)(const unsigned char *data, size_t len, char *why, size_t size);
    /* Instead of answer(), where the verdict depends on arg. */
    enum probe_verdict (*answer_to)(const char *arg, const unsigned char *data, size_t len,
                                    char *why, size_t size);
    /* Not 0: a connection that after so many milliseconds is open and silent says READY. */
    unsigned quiet_ms;

    /*
     * A second exchange after READY, with a server that was started from a snapshot, to give it
     * the password of this shard. Over an abstract unix socket, which only members of the pod can
     * reach: its name is this with the port in place of %u. NULL: there is no such exchange.
     */
    const char *socket;
    /* As request(), with everything to be sent at once. */
    int (*rekey)(const char *arg, const char *password, struct strbuf *out);
    /* As answer(); but WRONG is final: this server will never do it. */
    enum probe_verdict (*rekeyed)(const unsigned char *data, size_t len, char *why, size_t size);
};

/* What a recipe looks at in an image. */
struct recipe_image {
    const char *user;
    const struct strvec *entrypoint, *env, *volumes;
};

/*
 * How a copy of a service is made that has been initialised (or deployed to): start it by one plan,
 * stop it cleanly, keep what its container wrote outside of volumes, start the copies by another
 * plan. Pure functions from the plan for a start from nothing; *out is owned by the caller also on
 * failure. They fail (with a reason that follows "is initialised in each shard: ") for images of
 * which they do not know that this works.
 */
struct recipe {
    unsigned version; /* part of every key: another recipe makes other snapshots */
    int stop;         /* the signal that ends the service cleanly */
    bool slow;      /* to start from nothing takes so long that snapshots are kept for later runs */
    bool stateless; /* there is nothing to keep: copies are started from nothing */
    int (*first)(const struct service_plan *zero, const struct recipe_image *image,
                 struct service_plan *out, struct error *why);
    int (*copy)(const struct service_plan *zero, const struct recipe_image *image,
                struct service_plan *out, struct error *why);
};

struct provider {
    const char *name;  /* key in forklift.yaml */
    const char *alias; /* or NULL */
    const char *doc;   /* one line */
    const char *image; /* default image */
    uint16_t port;     /* default port */
    const struct override_def *overrides;
    size_t override_count;
    int (*plan)(const struct provider *, const struct provider_input *, struct service_plan *out,
                struct error *err);
    const struct probe *probe;
    const char *probe_name;      /* by which probe_find() has it; NULL: the provider's name */
    const struct recipe *recipe; /* NULL: no copies of it can be made */
    const char *namespaces;      /* what each shard has of a shared one: "a database each"; NULL: it
                                    cannot be shared */
    bool countable;       /* its variables are lists with '|' between their items, so there can be
                             several of it */
    bool names_instances; /* names its variables by the instance itself: DB_<INSTANCE>_URL; all
                             others' are prefixed by the plan: <INSTANCE>_REDIS_HOSTS */
    bool by_the_book;     /* container and probe were written and tested after the documents that
                             its file names, and not run against a real server here */
};

/* The registry, in the order in which `cleanroom services` lists it. */
extern const struct provider *const providers[];
extern const size_t provider_count;

/* By name or alias; NULL when unknown. */
const struct provider *provider_find(const char *name);

/* A provider's probe by the provider's name, or one that belongs to none: "tcp", "http". */
const struct probe *probe_find(const char *name);

/* The override definition of a key, the provider's own or a common one; NULL when unknown. */
const struct override_def *provider_override(const struct provider *provider, const char *key);

/* Splits words as a shell does (blanks, '...', "...", backslash), without any expansion. */
int provider_split_words(struct strvec *out, const char *text, struct error *err);

/* The value of an override, or fallback. */
const char *provider_input_get(const struct provider_input *in, const char *key,
                               const char *fallback);

#endif
