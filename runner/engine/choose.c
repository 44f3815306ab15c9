/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/choose.h"

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? name : NULL;
}

void choose_daemon(struct choose_facts *facts, const struct engine_options *options)
{
    facts->option = options->host ? "--host" : options->context ? "--context" : NULL;
    facts->named = variable("DOCKER_HOST");
    if (!facts->named)
        facts->named = variable("DOCKER_CONTEXT");
}

/* How the network is called on the command line when only the embedded engine has it. */
static const char *own_network(enum network_mode mode)
{
    return mode == NETWORK_HOST_NAT ? "host-nat" : mode == NETWORK_PASTA ? "pasta" : NULL;
}

static int check(const struct choose_facts *f, const char *daemon, struct error *err)
{
    const char *network = own_network(f->network);
    if (f->asked == ENGINE_EMBEDDED && f->option)
        return error_set(err, ERROR_USAGE,
                         "%s names a daemon, which --engine embedded has not: leave one of them "
                         "out",
                         f->option);
    if (network && f->asked == ENGINE_DOCKER)
        return error_set(err, ERROR_USAGE,
                         "--network %s: only the embedded engine has it; --network outside is "
                         "Docker's own",
                         network);
    if (network && daemon && f->asked == ENGINE_AUTO)
        return error_set(err, ERROR_USAGE,
                         "--network %s: only the embedded engine has it, and %s names a daemon; "
                         "--network outside is Docker's own",
                         network, daemon);
    return 0;
}

static int no_other(const struct choose_facts *f, struct error *err)
{
    const char *network = own_network(f->network);
    if (network)
        return error_set(err, ERROR_ENGINE,
                         "--network %s: only the embedded engine has it, which %s; see "
                         "'cleanroom doctor'",
                         network, f->lacks);
    return error_set(err, ERROR_ENGINE, "the embedded engine %s; see 'cleanroom doctor'", f->lacks);
}

int choose(const struct choose_facts *f, enum engine_choice *engine, char **why, struct error *err)
{
    const char *daemon = f->option ? f->option : f->named;
    *why = NULL;
    if (check(f, daemon, err) < 0)
        return -1;

    *engine = f->asked;
    if (f->asked == ENGINE_AUTO && daemon) {
        *engine = ENGINE_DOCKER;
        *why = xasprintf("named by %s", daemon);
    } else if (f->asked == ENGINE_AUTO && f->lacks && !own_network(f->network)) {
        *engine = ENGINE_DOCKER;
        *why = xasprintf("embedded %s (cleanroom doctor)", f->lacks);
    } else if (f->asked != ENGINE_DOCKER) {
        *engine = ENGINE_EMBEDDED;
        return f->lacks ? no_other(f, err) : 0;
    }
    return 0;
}

enum choose_need choose_need(const struct choose_facts *f, enum engine_choice engine)
{
    if (f->asked != ENGINE_AUTO)
        return f->asked == engine ? CHOOSE_MUST : CHOOSE_NOT;
    if (engine == ENGINE_DOCKER)
        return f->option || f->named ? CHOOSE_MUST : CHOOSE_MAY;
    return f->option ? CHOOSE_NOT : CHOOSE_MAY;
}
