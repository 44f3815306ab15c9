/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The satellite's command line: whatever a word says, it is refused, or understood as something
 * with a name and a port.
 *
 * The first byte chooses the option. Relays listen, so they do it in a network of their own.
 */
#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "satellite/prober.h"
#include "satellite/relay.h"
#include "satellite/sink.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_)
{
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        abort();
    return 0;
}

static void check_name(const char *name)
{
    assert(*name && !strpbrk(name, " \n:"));
}

static const char *some_password(const char *name)
{
    check_name(name);
    return *name == 'p' ? "it's\\" : NULL;
}

static void check_probe(char *text)
{
    struct prober p;

    if (prober_init(&p, text, some_password, 0) == 0) {
        check_name(p.name);
        assert(p.probe && p.port > 0);
    }
    prober_deinit(&p);
}

static void check_sink(char *text)
{
    struct sink_server s;

    if (sink_server_init(&s, text) == 0) {
        check_name(s.name);
        assert(s.kind != SINK_NONE && s.port > 0 && s.dir[0] == '/');
    }
    sink_server_deinit(&s);
}

/* Of those that listen at a port: the others would take descriptors and paths of ours. */
static void check_relay(char *text)
{
    struct relay r;

    *text = '@';
    if (relay_init(&r, text) == 0)
        assert(r.fd >= 0);
    relay_deinit(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const checks[])(char *text) = {check_probe, check_sink, check_relay};

    if (size < 2)
        return 0;
    _cleanup_free_ char *text = xstrndup((const char *)data + 1, size - 1);
    if (*text)
        checks[*data % ARRAY_SIZE(checks)](text);
    return 0;
}
