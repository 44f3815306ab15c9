/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs are written from their end to their beginning: jumps in BPF only go forward, so what a
 * jump leads to is there already when the jump is written. An address is the distance from the end.
 */
#include "engine/embedded/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

#include <cleanroom/vec.h>

#define X32_BIT 0x40000000U

#define NUMBER_MAX  1024    /* no common call is numbered so high yet */
#define ARM_PRIVATE 0xf0000 /* from here on, ARM's own */

struct program {
    struct sock_filter *end; /* behind the last instruction */
    size_t len;
};

/* From `first` on, up to the next one, all have this verdict. */
struct segment {
    uint32_t first;
    enum seccomp_verdict verdict;
};
struct segments {
    struct segment *items;
    size_t len, cap;
};

/* Returns the new instruction's address. */
static size_t prepend(struct program *p, struct sock_filter instruction)
{
    p->len++;
    *(p->end - p->len) = instruction;
    return p->len;
}

static size_t prepend_return(struct program *p, uint32_t value)
{
    return prepend(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value));
}

static size_t prepend_load(struct program *p, size_t offset)
{
    return prepend(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* A conditional jump reaches 255 instructions: farther away, by way of a plain jump, or of another
   return of the same. */
static size_t bring_nearer(struct program *p, size_t target)
{
    struct sock_filter there = *(p->end - target);
    if (BPF_CLASS(there.code) == BPF_RET)
        return prepend(p, there);
    return prepend(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(p->len - target)));
}

static size_t prepend_jump(struct program *p, uint16_t test, uint32_t k, size_t yes, size_t no)
{
    if (p->len + 1 - yes > UINT8_MAX)
        yes = bring_nearer(p, yes);
    if (p->len - no > UINT8_MAX)
        no = bring_nearer(p, no);
    struct sock_filter jump = BPF_JUMP((uint16_t)(BPF_JMP | test | BPF_K), k,
                                       (uint8_t)(p->len - yes), (uint8_t)(p->len - no));
    return prepend(p, jump);
}

/* Half of what a jump reaches: what comes between a leaf and its comparison is less than the other
   half. */
#define LEAF_REACH 128

/* Compares the accumulator; yields the address of the comparison in the middle. Targets that are
   getting out of reach are brought nearer for all the leaves to come. */
static size_t prepend_tree(struct program *p, const struct segment *segments, size_t count,
                           size_t *targets)
{
    if (count == 1) {
        size_t *target = &targets[segments[0].verdict];
        if (p->len - *target > LEAF_REACH)
            *target = bring_nearer(p, *target);
        return *target;
    }
    size_t middle = count / 2;
    size_t high = prepend_tree(p, segments + middle, count - middle, targets);
    size_t low = prepend_tree(p, segments, middle, targets);
    return prepend_jump(p, BPF_JGE, segments[middle].first, high, low);
}

/* In rising order; a second one from the same `first` on replaces the one before. */
static void add_segment(struct segments *out, uint32_t first, enum seccomp_verdict verdict)
{
    if (out->len > 0 && out->items[out->len - 1].first == first)
        out->len--;
    if (out->len == 0 || out->items[out->len - 1].verdict != verdict)
        *vec_push(out) = (struct segment){first, verdict};
}

static size_t prepend_ranges(struct program *p, const struct seccomp_range *ranges, size_t count,
                             size_t *targets)
{
    struct segments segments = {0};
    add_segment(&segments, 0, SECCOMP_DENY);
    for (size_t i = 0; i < count; i++) {
        add_segment(&segments, ranges[i].first, SECCOMP_ALLOW);
        if (ranges[i].last < UINT32_MAX)
            add_segment(&segments, ranges[i].last + 1, SECCOMP_DENY);
    }
    prepend_tree(p, segments.items, segments.len, targets);
    vec_deinit(&segments);

    /* Both halves count, as they do for libseccomp. Both machines are little-endian. */
    size_t low = prepend_load(p, offsetof(struct seccomp_data, args[0]));
    prepend_jump(p, BPF_JEQ, 0, low, targets[SECCOMP_DENY]);
    return prepend_load(p, offsetof(struct seccomp_data, args[0]) + 4);
}

/* What the leaves of a tree lead to. */
static void prepend_verdicts(struct program *p, size_t *targets)
{
    targets[SECCOMP_NOSYS] = prepend_return(p, SECCOMP_RET_ERRNO | ENOSYS);
    targets[SECCOMP_DENY] = prepend_return(p, SECCOMP_RET_ERRNO | EPERM);
    targets[SECCOMP_ALLOW] = prepend_return(p, SECCOMP_RET_ALLOW);
    targets[SECCOMP_SOCKET] = prepend_ranges(p, seccomp_families, seccomp_family_count, targets);
    targets[SECCOMP_PERSONALITY] = prepend_ranges(p, seccomp_personalities,
                                                  seccomp_personality_count, targets);
    prepend_jump(p, BPF_JSET, SECCOMP_CLONE_FLAGS, targets[SECCOMP_DENY], targets[SECCOMP_ALLOW]);
    targets[SECCOMP_CLONE] = prepend_load(p, offsetof(struct seccomp_data, args[0]));
}

static uint32_t base_of(enum seccomp_abi abi)
{
    return abi == SECCOMP_X32 ? X32_BIT : 0;
}

/* ARM's own calls, which lie far behind all others. */
static void add_private(struct segments *out, enum seccomp_abi abi)
{
    for (uint32_t nr = ARM_PRIVATE; nr < ARM_PRIVATE + 16; nr++)
        for (size_t i = 0; i < seccomp_row_count; i++)
            if (seccomp_rows[i].numbers[abi] == (int32_t)nr) {
                add_segment(out, nr, seccomp_rows[i].verdict);
                add_segment(out, nr + 1, SECCOMP_NOSYS);
            }
}

/* The calls of the table by number, the unknown between them, and the future behind them. */
static void number_segments(enum seccomp_abi abi, struct segments *out)
{
    uint8_t verdicts[NUMBER_MAX];
    uint32_t end = 0;
    memset(verdicts, SECCOMP_DENY, sizeof(verdicts));
    for (size_t i = 0; i < seccomp_row_count; i++) {
        uint32_t nr = (uint32_t)seccomp_rows[i].numbers[abi];
        if (nr >= NUMBER_MAX)
            continue;
        verdicts[nr] = (uint8_t)seccomp_rows[i].verdict;
        end = nr >= end ? nr + 1 : end;
    }
    for (uint32_t nr = 0; nr < end; nr++)
        add_segment(out, base_of(abi) + nr, (enum seccomp_verdict)verdicts[nr]);
    add_segment(out, base_of(abi) + end, SECCOMP_NOSYS);
    if (abi == SECCOMP_ARM)
        add_private(out, abi);
}

/* Expects the number in the accumulator. */
static size_t prepend_abi(struct program *p, enum seccomp_abi abi)
{
    size_t targets[SECCOMP_VERDICTS];
    struct segments segments = {0};
    prepend_verdicts(p, targets);
    number_segments(abi, &segments);
    size_t root = prepend_tree(p, segments.items, segments.len, targets);
    vec_deinit(&segments);
    return root;
}

/* The interfaces of one AUDIT_ARCH. */
struct personality {
    uint32_t arch;
    enum seccomp_abi abi, beside; /* the same when there is but one */
};

static const struct personality machines[SECCOMP_MACHINES][2] = {
    [SECCOMP_MACHINE_X86] = {{AUDIT_ARCH_X86_64, SECCOMP_X86_64, SECCOMP_X32},
                             {AUDIT_ARCH_I386, SECCOMP_I386, SECCOMP_I386}},
    [SECCOMP_MACHINE_ARM] = {{AUDIT_ARCH_AARCH64, SECCOMP_AARCH64, SECCOMP_AARCH64},
                             {AUDIT_ARCH_ARM, SECCOMP_ARM, SECCOMP_ARM}},
};

static size_t prepend_personality(struct program *p, const struct personality *personality)
{
    if (personality->beside == personality->abi) {
        prepend_abi(p, personality->abi);
    } else {
        size_t beside = prepend_abi(p, personality->beside);
        size_t own = prepend_abi(p, personality->abi);
        prepend_jump(p, BPF_JGE, base_of(personality->beside), beside, own);
    }
    return prepend_load(p, offsetof(struct seccomp_data, nr));
}

size_t seccomp_compile(enum seccomp_machine machine, struct sock_filter *out)
{
    struct sock_filter buffer[SECCOMP_MAX];
    struct program p = {.end = buffer + SECCOMP_MAX};
    const struct personality *native = &machines[machine][0], *compat = &machines[machine][1];
    size_t second = prepend_personality(&p, compat);
    size_t first = prepend_personality(&p, native);
    size_t other = prepend_return(&p, SECCOMP_RET_KILL_PROCESS);
    size_t maybe = prepend_jump(&p, BPF_JEQ, compat->arch, second, other);
    prepend_jump(&p, BPF_JEQ, native->arch, first, maybe);
    prepend_load(&p, offsetof(struct seccomp_data, arch));
    memcpy(out, p.end - p.len, p.len * sizeof(*out));
    return p.len;
}
