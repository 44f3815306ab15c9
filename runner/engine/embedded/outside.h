/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways out of a pod's network namespace, which has nothing but a loopback by itself.
 *
 *     pasta     one process of passt.top's pasta(1) per pod carries its connections over into
 *               sockets of the host; for everybody. Nobody outside can connect in; the host's own
 *               loopback cannot be reached.
 *     host-nat  a pair of devices per pod (outside_link.h) and rules in the host's firewall
 *               (outside_nat.h); for root.
 *
 * Pods cannot reach each other either way.
 */
#ifndef EMBEDDED_OUTSIDE_H
#define EMBEDDED_OUTSIDE_H

#include <stdbool.h>
#include <stdint.h>

#include <cleanroom/engine.h>

struct outside {
    enum network_mode mode; /* NETWORK_NONE, _HOST_NAT or _PASTA: decided */
    char *pasta;            /* its path */
    bool forward_dns;       /* pasta: the host's resolver is on its loopback */
    uint32_t block;         /* host-nat: this run's addresses, once the first pod was let out */
};

/* What `wanted` comes to on this machine; ERROR_ENGINE with the remedy when it cannot be had. */
int outside_choose(struct outside *out, enum network_mode wanted, bool user_namespace,
                   struct error *err);
void outside_deinit(struct outside *outside);

/* The text of /etc/resolv.conf for pods that go this way; release with free(). */
char *outside_resolv_conf(const struct outside *outside);

struct outside_pod {
    const char *run;
    const char *netns; /* a file that is its network namespace */
    int home;          /* descriptor of the caller's own */
    uint32_t number;   /* another one for each pod of the run, below 4000 */
};

/* Host-nat: connects a pod, at once; the run's first one takes some 20 ms for the firewall. */
int outside_nat(struct outside *outside, const struct outside_pod *pod, struct error *err);

/* Pasta: connects a network namespace; returns when its default route is there. Waits, up to 10 s,
   and stays in that namespace: for a child process that is about to end. pasta runs on in its
   process group, which has to be killed when the pod goes. */
int outside_pasta(const struct outside *outside, const char *netns, struct error *err);

/* Takes back what a run's host-nat left on the host; whether or not there is anything. 0: gone. */
int outside_remove(const char *run);

#endif
