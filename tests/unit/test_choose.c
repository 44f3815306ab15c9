/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/choose.h"

#include "tap.h"

#define LACKS "cannot run here: no OCI runtime"

static const struct {
    const char *name;
    struct choose_facts facts;
    int engine; /* -1: none */
    const char *why;
    int kind;
    const char *message;
} cases[] = {
    {"embedded comes first", {.asked = ENGINE_AUTO}, .engine = ENGINE_EMBEDDED},
    {"what it lacks leads to a daemon",
     {.asked = ENGINE_AUTO, .lacks = LACKS},
     .engine = ENGINE_DOCKER,
     .why = "embedded " LACKS " (cleanroom doctor)"},
    {"an option names a daemon",
     {.asked = ENGINE_AUTO, .option = "--host", .named = "DOCKER_HOST"},
     .engine = ENGINE_DOCKER,
     .why = "named by --host"},
    {"a variable names a daemon",
     {.asked = ENGINE_AUTO, .named = "DOCKER_CONTEXT"},
     .engine = ENGINE_DOCKER,
     .why = "named by DOCKER_CONTEXT"},
    {"a daemon was asked for", {.asked = ENGINE_DOCKER}, .engine = ENGINE_DOCKER},
    {"and where it is", {.asked = ENGINE_DOCKER, .option = "--host"}, .engine = ENGINE_DOCKER},
    {"embedded was asked for", {.asked = ENGINE_EMBEDDED}, .engine = ENGINE_EMBEDDED},
    {"a variable does not change that",
     {.asked = ENGINE_EMBEDDED, .named = "DOCKER_HOST"},
     .engine = ENGINE_EMBEDDED},
    {"what was asked for is not replaced",
     {.asked = ENGINE_EMBEDDED, .lacks = LACKS},
     .engine = -1,
     .kind = ERROR_ENGINE,
     .message = "the embedded engine " LACKS "; see 'cleanroom doctor'"},
    {"an option contradicts another one",
     {.asked = ENGINE_EMBEDDED, .option = "--context"},
     .engine = -1,
     .kind = ERROR_USAGE,
     .message = "--context names a daemon, which --engine embedded has not: leave one of them out"},
    {"a network of the embedded engine's own",
     {.asked = ENGINE_AUTO, .network = NETWORK_PASTA},
     .engine = ENGINE_EMBEDDED},
    {"no daemon has it",
     {.asked = ENGINE_AUTO, .network = NETWORK_PASTA, .lacks = LACKS},
     .engine = -1,
     .kind = ERROR_ENGINE,
     .message = "--network pasta: only the embedded engine has it, which " LACKS
                "; see 'cleanroom doctor'"},
    {"not when it is asked for",
     {.asked = ENGINE_DOCKER, .network = NETWORK_HOST_NAT},
     .engine = -1,
     .kind = ERROR_USAGE,
     .message =
         "--network host-nat: only the embedded engine has it; --network outside is Docker's "
         "own"},
    {"nor when one is named",
     {.asked = ENGINE_AUTO, .network = NETWORK_HOST_NAT, .named = "DOCKER_HOST"},
     .engine = -1,
     .kind = ERROR_USAGE,
     .message = "--network host-nat: only the embedded engine has it, and DOCKER_HOST names a "
                "daemon; --network outside is Docker's own"},
    {"the outside is everybody's",
     {.asked = ENGINE_DOCKER, .network = NETWORK_OUTSIDE},
     .engine = ENGINE_DOCKER},
};

static void test_choices(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_free_ char *why = NULL;
        enum engine_choice engine = ENGINE_AUTO;
        int r = choose(&cases[i].facts, &engine, &why, &err);
        tap_check((r < 0 ? -1 : (int)engine) == cases[i].engine, __FILE__, __LINE__, "%s: got %d",
                  cases[i].name, r < 0 ? -1 : (int)engine);
        check_str(why, cases[i].why);
        check_int(err.kind, cases[i].kind);
        check_str(err.message, cases[i].message);
    }
}

static void test_who_names_a_daemon(void)
{
    struct choose_facts facts = {0};
    unsetenv("DOCKER_HOST");
    unsetenv("DOCKER_CONTEXT");
    choose_daemon(&facts, &(struct engine_options){0});
    check_str(facts.option, NULL);
    check_str(facts.named, NULL);

    setenv("DOCKER_HOST", "", 1);
    setenv("DOCKER_CONTEXT", "far", 1);
    choose_daemon(&facts, &(struct engine_options){.host = "tcp://far", .context = "far"});
    check_str(facts.option, "--host");
    check_str(facts.named, "DOCKER_CONTEXT");

    setenv("DOCKER_HOST", "tcp://far", 1);
    choose_daemon(&facts, &(struct engine_options){.context = "far"});
    check_str(facts.option, "--context");
    check_str(facts.named, "DOCKER_HOST");
}

static void test_what_looks_everywhere(void)
{
    static const struct {
        struct choose_facts facts;
        enum choose_need embedded, daemon;
    } needs[] = {
        {{.asked = ENGINE_AUTO}, CHOOSE_MAY, CHOOSE_MAY},
        {{.asked = ENGINE_AUTO, .named = "DOCKER_HOST"}, CHOOSE_MAY, CHOOSE_MUST},
        {{.asked = ENGINE_AUTO, .option = "--host"}, CHOOSE_NOT, CHOOSE_MUST},
        {{.asked = ENGINE_EMBEDDED, .named = "DOCKER_HOST"}, CHOOSE_MUST, CHOOSE_NOT},
        {{.asked = ENGINE_DOCKER}, CHOOSE_NOT, CHOOSE_MUST},
    };
    for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
        check_int(choose_need(&needs[i].facts, ENGINE_EMBEDDED), needs[i].embedded);
        check_int(choose_need(&needs[i].facts, ENGINE_DOCKER), needs[i].daemon);
    }
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_choices), TAP(test_who_names_a_daemon), TAP(test_what_looks_everywhere), {0}});
}
