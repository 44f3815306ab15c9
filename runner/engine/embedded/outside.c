/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/outside.h"

#include "base/process.h"
#include "engine/embedded/outside_link.h"
#include "engine/embedded/outside_nat.h"
#include "engine/embedded/outside_pasta.h"
#include "engine/embedded/outside_resolv.h"

#define TUN "/dev/net/tun"

static int pasta_possible(const char *pasta, struct error *err)
{
    if (!pasta)
        return error_set(err, ERROR_ENGINE,
                         "pasta, which lets pods out, is not installed: install the package passt");
    if (access(TUN, F_OK) < 0)
        return error_set(err, ERROR_ENGINE,
                         "pasta needs '" TUN "', which is not there: run 'modprobe tun', or in a "
                         "container pass --device " TUN);
    if (access(TUN, R_OK | W_OK) < 0)
        return error_set(err, ERROR_ENGINE,
                         "pasta needs '" TUN "', which is not ours to open: run 'chmod 666 " TUN
                         "' as root");
    return 0;
}

/* pasta first: it leaves the host as it is. */
static enum network_mode choose(const char *pasta, bool user_namespace, struct error *err)
{
    if (pasta_possible(pasta, err) == 0)
        return NETWORK_PASTA;
    if (user_namespace)
        return NETWORK_NONE;
    error_clear(err);
    return nat_possible(err) == 0 ? NETWORK_HOST_NAT : NETWORK_NONE;
}

int outside_choose(struct outside *out, enum network_mode wanted, bool user_namespace,
                   struct error *err)
{
    struct error why _cleanup_error_ = ERROR_INIT;
    *out = (struct outside){.mode = wanted, .pasta = process_find_tool("pasta")};
    if (wanted == NETWORK_OUTSIDE)
        out->mode = choose(out->pasta, user_namespace, &why);
    else if (wanted == NETWORK_PASTA)
        (void)pasta_possible(out->pasta, &why);
    else if (wanted == NETWORK_HOST_NAT && user_namespace)
        error_set(&why, ERROR_ENGINE,
                  "the host's NAT is root's to set up: use --network pasta, or run as root");
    else if (wanted == NETWORK_HOST_NAT)
        (void)nat_possible(&why);
    out->forward_dns = out->mode == NETWORK_PASTA && resolv_needs_forwarding();
    if (!error_is_set(&why))
        return 0;
    out->mode = NETWORK_NONE;
    error_move(err, &why);
    return -1;
}

void outside_deinit(struct outside *outside)
{
    free(outside->pasta);
    *outside = (struct outside){0};
}

char *outside_resolv_conf(const struct outside *outside)
{
    if (outside->mode == NETWORK_NONE)
        return xstrdup("# loopback only\n");
    return resolv_text(outside->forward_dns ? OUTSIDE_PASTA_RESOLVER : NULL,
                       outside->mode == NETWORK_PASTA);
}

int outside_nat(struct outside *outside, const struct outside_pod *pod, struct error *err)
{
    if (!outside->block) {
        uint32_t block = link_find_block(nat_seed(pod->run), err);
        if (!block || nat_install(pod->run, block, err) < 0)
            return -1;
        outside->block = block;
    }
    /* The first address is the gateway's on all devices; none of a block's ends is given out. */
    _cleanup_free_ char *name = nat_device(pod->run, pod->number);
    struct link_pair pair = {.name = name,
                             .netns = pod->netns,
                             .home = pod->home,
                             .gateway = outside->block + 1,
                             .address = outside->block + 2 + pod->number % 4000};
    return link_connect(&pair, err);
}

int outside_pasta(const struct outside *outside, const char *netns, struct error *err)
{
    struct pasta pasta = {
        .program = outside->pasta, .netns = netns, .forward_dns = outside->forward_dns};
    return pasta_start(&pasta, err);
}

int outside_remove(const char *run)
{
    return nat_remove(run);
}
