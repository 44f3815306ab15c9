/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that a container may make: the default profile of Docker (docs.docker.com,
 * "Seccomp security profiles for Docker"; its source is github.com/moby/profiles, seccomp), with
 * Docker's default capabilities, as a table of facts and as a program of classic BPF made of it.
 *
 * What is not in the table is refused with EPERM; what is numbered higher than all of it is newer
 * than the profile and answered with ENOSYS, as runc does, so that programs fall back.
 *
 * The program is a balanced tree of comparisons for each of the machine's interfaces (ABIs):
 * some ten instructions for any call, whatever the kernel can remember about it (seccomp(2)).
 */
#ifndef EMBEDDED_SECCOMP_H
#define EMBEDDED_SECCOMP_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

enum seccomp_abi {
    SECCOMP_X86_64,
    SECCOMP_X32, /* numbered without the bit that marks it */
    SECCOMP_I386,
    SECCOMP_AARCH64,
    SECCOMP_ARM,
    SECCOMP_ABIS,
};

enum seccomp_verdict {
    SECCOMP_ALLOW,
    SECCOMP_DENY,  /* EPERM */
    SECCOMP_NOSYS, /* ENOSYS: for what programs do without, and what we cannot look into */
    /* It depends on the first argument: */
    SECCOMP_SOCKET,      /* the address family */
    SECCOMP_PERSONALITY, /* the execution domain */
    SECCOMP_CLONE,       /* no new namespaces */
    SECCOMP_VERDICTS,
};

struct seccomp_row {
    const char *name;
    int32_t numbers[SECCOMP_ABIS]; /* -1: not there */
    enum seccomp_verdict verdict;
};
extern const struct seccomp_row seccomp_rows[];
extern const size_t seccomp_row_count;

/* Values of an argument that are allowed, in rising order; both ends are part of it. */
struct seccomp_range {
    uint32_t first, last;
};
extern const struct seccomp_range seccomp_families[], seccomp_personalities[];
extern const size_t seccomp_family_count, seccomp_personality_count;

/* Namespaces that need CAP_SYS_ADMIN: CLONE_NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET. */
#define SECCOMP_CLONE_FLAGS 0x7E020000U

enum seccomp_machine {
    SECCOMP_MACHINE_X86,
    SECCOMP_MACHINE_ARM,
    SECCOMP_MACHINES,
};

/* Instructions that no filter of ours exceeds. */
#define SECCOMP_MAX 1024

/* Writes the filter of a machine, at most SECCOMP_MAX instructions; returns their number. */
size_t seccomp_compile(enum seccomp_machine machine, struct sock_filter *out);

#endif
