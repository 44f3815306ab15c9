/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's part in letting a run's pods out: rules of the firewall, by iptables-restore(8) or,
 * where only that is there, nft(8). They are in chains (a table) of the run's own, named after it,
 * so that whoever finds its world's file can remove them.
 *
 * Out of the pods' devices to the outside: masqueraded. Answers: let in. Everything else, from pod
 * to pod of this and other runs too: dropped.
 */
#ifndef EMBEDDED_OUTSIDE_NAT_H
#define EMBEDDED_OUTSIDE_NAT_H

#include <stdint.h>

#include <cleanroom/error.h>

/* May wait some milliseconds for the firewall's tool. ERROR_ENGINE with the remedy when it is
   missing or forwarding is off. */
int nat_install(const char *run, uint32_t block, struct error *err);
/* Idempotent. 0: no rule of that run is left. */
int nat_remove(const char *run);

/* Whether it could be done here: 0, or -1 and why. */
int nat_possible(struct error *err);

/* Of the near end of a pod's pair; release with free(). number < 4096. */
char *nat_device(const char *run, uint32_t number);
/* Seed for link_find_block(). */
uint32_t nat_seed(const char *run);

#endif
