/* SPDX-License-Identifier: Apache-2.0 */
/* The filter read by an interpreter of our own, and by the kernel. */
#include "engine/embedded/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#include "engine/embedded/bundle.h"
#include "engine/embedded/bundle_seccomp.h"
#include "tap.h"

#define DENIED (SECCOMP_RET_ERRNO | EPERM)
#define NOSYS  (SECCOMP_RET_ERRNO | ENOSYS)

struct filter {
    struct sock_filter code[SECCOMP_MAX];
    size_t len;
    size_t longest; /* instructions that the longest call so far took */
};

static void filter_init(struct filter *f, enum seccomp_machine machine)
{
    f->len = seccomp_compile(machine, f->code);
    f->longest = 0;
}

/* seccomp(2): jumps are relative to the next instruction; loads are words of seccomp_data. */
static uint32_t judge(struct filter *f, const struct seccomp_data *data)
{
    uint32_t a = 0;
    size_t steps = 0;
    for (size_t pc = 0; pc < f->len;) {
        const struct sock_filter *i = &f->code[pc++];
        steps++;
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            check(i->k % 4 == 0 && i->k < sizeof(*data));
            memcpy(&a, (const char *)data + i->k, sizeof(a));
            break;
        case BPF_JMP | BPF_JA:
            pc += i->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += a >= i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            pc += a & i->k ? i->jt : i->jf;
            break;
        case BPF_RET | BPF_K:
            f->longest = steps > f->longest ? steps : f->longest;
            return i->k;
        default:
            check(!"an instruction that seccomp does not know");
            return 0;
        }
    }
    check(!"runs out of the program");
    return 0;
}

static const struct {
    const char *name;
    enum seccomp_machine machine;
    uint32_t arch, base;
} abis[SECCOMP_ABIS] = {
    [SECCOMP_X86_64] = {"x86_64", SECCOMP_MACHINE_X86, AUDIT_ARCH_X86_64, 0},
    [SECCOMP_X32] = {"x32", SECCOMP_MACHINE_X86, AUDIT_ARCH_X86_64, 0x40000000},
    [SECCOMP_I386] = {"i386", SECCOMP_MACHINE_X86, AUDIT_ARCH_I386, 0},
    [SECCOMP_AARCH64] = {"aarch64", SECCOMP_MACHINE_ARM, AUDIT_ARCH_AARCH64, 0},
    [SECCOMP_ARM] = {"arm", SECCOMP_MACHINE_ARM, AUDIT_ARCH_ARM, 0},
};

static uint32_t ask(struct filter *f, enum seccomp_abi abi, uint32_t nr, uint64_t arg)
{
    struct seccomp_data data = {
        .nr = (int)(nr + abis[abi].base), .arch = abis[abi].arch, .args = {arg, arg}};
    return judge(f, &data);
}

static const struct seccomp_row *row_of(enum seccomp_abi abi, uint32_t nr)
{
    for (size_t i = 0; i < seccomp_row_count; i++)
        if (seccomp_rows[i].numbers[abi] == (int32_t)nr)
            return &seccomp_rows[i];
    return NULL;
}

/* What the table says of a call whose first argument is 0. */
static uint32_t wanted(enum seccomp_abi abi, uint32_t nr)
{
    const struct seccomp_row *row = row_of(abi, nr);
    if (row)
        return row->verdict == SECCOMP_NOSYS ? NOSYS : SECCOMP_RET_ALLOW;
    return nr > (abi == SECCOMP_X32 ? 547 : 466) ? NOSYS : DENIED;
}

static void test_every_call(void)
{
    for (enum seccomp_abi abi = 0; abi < SECCOMP_ABIS; abi++) {
        struct filter f;
        filter_init(&f, abis[abi].machine);
        for (uint32_t nr = 0; nr < 1000; nr++)
            tap_check(ask(&f, abi, nr, 0) == wanted(abi, nr), __FILE__, __LINE__, "%s %u: %x",
                      abis[abi].name, nr, ask(&f, abi, nr, 0));
        static const uint32_t odd[] = {0xefff,  0xf0000, 0xf0001, 0xf0002,
                                       0xf0003, 0xf0005, 0xf0006, 0x3fffffff};
        for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
            check_int(ask(&f, abi, odd[i], 0), wanted(abi, odd[i]));
    }
}

/* By name and number, apart from the table. */
static void test_known_calls(void)
{
    static const struct {
        enum seccomp_abi abi;
        uint32_t nr;
        uint32_t want;
        const char *what;
    } cases[] = {
        {SECCOMP_X86_64, 0, SECCOMP_RET_ALLOW, "read"},
        {SECCOMP_X86_64, 59, SECCOMP_RET_ALLOW, "execve"},
        {SECCOMP_X86_64, 101, SECCOMP_RET_ALLOW, "ptrace"},
        {SECCOMP_X86_64, 155, DENIED, "pivot_root"},
        {SECCOMP_X86_64, 161, SECCOMP_RET_ALLOW, "chroot"},
        {SECCOMP_X86_64, 165, DENIED, "mount"},
        {SECCOMP_X86_64, 175, DENIED, "init_module"},
        {SECCOMP_X86_64, 250, DENIED, "keyctl"},
        {SECCOMP_X86_64, 272, DENIED, "unshare"},
        {SECCOMP_X86_64, 304, DENIED, "open_by_handle_at"},
        {SECCOMP_X86_64, 321, DENIED, "bpf"},
        {SECCOMP_X86_64, 323, DENIED, "userfaultfd"},
        {SECCOMP_X86_64, 425, DENIED, "io_uring_setup"},
        {SECCOMP_X86_64, 435, NOSYS, "clone3"},
        {SECCOMP_X86_64, 462, SECCOMP_RET_ALLOW, "mseal"},
        {SECCOMP_X86_64, 467, NOSYS, "open_tree_attr"},
        {SECCOMP_X32, 520, SECCOMP_RET_ALLOW, "execve"},
        {SECCOMP_X32, 59, DENIED, "execve of x86_64"},
        {SECCOMP_I386, 11, SECCOMP_RET_ALLOW, "execve"},
        {SECCOMP_I386, 21, DENIED, "mount"},
        {SECCOMP_I386, 102, SECCOMP_RET_ALLOW, "socketcall"},
        {SECCOMP_I386, 166, DENIED, "vm86"},
        {SECCOMP_AARCH64, 221, SECCOMP_RET_ALLOW, "execve"},
        {SECCOMP_AARCH64, 97, DENIED, "unshare"},
        {SECCOMP_AARCH64, 435, NOSYS, "clone3"},
        {SECCOMP_ARM, 0xf0005, SECCOMP_RET_ALLOW, "set_tls"},
        {SECCOMP_ARM, 337, DENIED, "unshare"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct filter f;
        filter_init(&f, abis[cases[i].abi].machine);
        uint32_t got = ask(&f, cases[i].abi, cases[i].nr, 0);
        tap_check(got == cases[i].want, __FILE__, __LINE__, "%s: got %x, want %x", cases[i].what,
                  got, cases[i].want);
    }
}

static uint32_t number(enum seccomp_abi abi, const char *name)
{
    for (size_t i = 0; i < seccomp_row_count; i++)
        if (strcmp(seccomp_rows[i].name, name) == 0)
            return (uint32_t)seccomp_rows[i].numbers[abi];
    check(!"no such call");
    return 0;
}

static void test_arguments(void)
{
    static const char families[] = /* 0 to 45, by hand */
        "yyyyyyyyyyyynyyyyyynnyynynyyyyyyyynyynnynyyyyy";
    static const uint64_t personalities[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
    for (enum seccomp_abi abi = 0; abi < SECCOMP_ABIS; abi++) {
        struct filter f;
        filter_init(&f, abis[abi].machine);
        uint32_t sock = number(abi, "socket"), persona = number(abi, "personality"),
                 clone_nr = number(abi, "clone");
        for (uint64_t family = 0; family < 300; family++) {
            bool yes = family < sizeof(families) - 1 && families[family] == 'y';
            check_int(ask(&f, abi, sock, family), yes ? SECCOMP_RET_ALLOW : DENIED);
        }
        check_int(ask(&f, abi, sock, 1ULL << 32 | AF_UNIX), DENIED);
        for (size_t i = 0; i < ARRAY_SIZE(personalities); i++) {
            check_int(ask(&f, abi, persona, personalities[i]), SECCOMP_RET_ALLOW);
            check_int(ask(&f, abi, persona, personalities[i] | 0x40000),
                      personalities[i] == 0xffffffff ? SECCOMP_RET_ALLOW : DENIED);
            check_int(ask(&f, abi, persona, personalities[i] | 1ULL << 40), DENIED);
        }
        check_int(ask(&f, abi, persona, 0xfffffffe), DENIED);
        check_int(ask(&f, abi, clone_nr, CLONE_VM | CLONE_FS | CLONE_VFORK), SECCOMP_RET_ALLOW);
        static const uint64_t flags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                         CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
            check_int(ask(&f, abi, clone_nr, flags[i] | CLONE_VM), DENIED);
    }
}

static void test_foreign(void)
{
    struct filter f;
    filter_init(&f, SECCOMP_MACHINE_X86);
    struct seccomp_data data = {.nr = 0, .arch = AUDIT_ARCH_AARCH64};
    check_int(judge(&f, &data), SECCOMP_RET_KILL_PROCESS);
    data.arch = AUDIT_ARCH_X86_64;
    data.nr = -1;
    check_int(judge(&f, &data), NOSYS);
}

/* What a call costs, and what its installation does: the kernel runs it once for every number. */
static void test_small(void)
{
    for (enum seccomp_machine machine = 0; machine < SECCOMP_MACHINES; machine++) {
        struct filter f;
        filter_init(&f, machine);
        for (enum seccomp_abi abi = 0; abi < SECCOMP_ABIS; abi++)
            for (uint32_t nr = 0; abis[abi].machine == machine && nr < 600; nr++)
                for (uint64_t arg = 0; arg < 64; arg++)
                    ask(&f, abi, nr, arg);
        check(f.longest <= 20);
        check(f.len <= 450);
        check(f.len < SECCOMP_MAX);
    }
}

/* Headers of the system, where there are some: "#define __NR_read 0". */
static size_t compare_header(const char *path, enum seccomp_abi abi)
{
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    size_t known = 0;
    if (strbuf_read_file(&text, path, 1 << 20) < 0)
        return SIZE_MAX;
    char *save = NULL;
    for (char *line = strtok_r(text.buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char name[64];
        int nr;
        if (sscanf(line, "#define __NR_%63s (__X32_SYSCALL_BIT + %d)", name, &nr) != 2 &&
            sscanf(line, "#define __NR_%63s %d", name, &nr) != 2)
            continue;
        for (size_t i = 0; i < seccomp_row_count; i++) {
            if (strcmp(seccomp_rows[i].name, name) != 0)
                continue;
            known++;
            tap_check(seccomp_rows[i].numbers[abi] == nr, __FILE__, __LINE__,
                      "%s: %s is %d, not %d", path, name, nr, seccomp_rows[i].numbers[abi]);
        }
    }
    return known;
}

static void test_headers(void)
{
    static const char dir[] = "/usr/include/x86_64-linux-gnu/asm";
    static const struct {
        const char *file;
        enum seccomp_abi abi;
    } headers[] = {{"unistd_64.h", SECCOMP_X86_64},
                   {"unistd_x32.h", SECCOMP_X32},
                   {"unistd_32.h", SECCOMP_I386}};
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, headers[i].file);
        check(compare_header(path, headers[i].abi) > 250);
    }
}

/* In a child that has put the filter on itself: a bit for each thing that is not as it should be.
 */
static int under_filter(void)
{
    size_t size;
    struct sock_fprog program = {.filter = bundle_seccomp(&size)};
    program.len = (unsigned short)(size / sizeof(struct sock_filter));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return 1;
    free(program.filter);
    int wrong = 0;
    wrong |= syscall(SYS_getppid) <= 0 ? 2 : 0;
    wrong |= unshare(0) == 0 || errno != EPERM ? 4 : 0;
    wrong |= syscall(SYS_clone3, NULL, 0) == 0 || errno != ENOSYS ? 8 : 0;
    wrong |= socket(AF_VSOCK, SOCK_STREAM, 0) >= 0 || errno != EPERM ? 16 : 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    wrong |= fd < 0 ? 32 : 0;
    wrong |= personality(0xffffffff) < 0 || personality(ADDR_NO_RANDOMIZE) >= 0 ? 64 : 0;
    wrong |= syscall(500) == 0 || errno != ENOSYS ? 128 : 0;
    close(fd);
    return wrong;
}

static void test_kernel(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(under_filter());
    int status;
    check(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    check_int(WEXITSTATUS(status), 0);
}

static void test_json(void)
{
    json_t *json = bundle_seccomp_json(SECCOMP_MACHINE_X86);
    const json_t *calls = json_object_get(json, "syscalls");
    size_t allowed = 0, comparisons = 0;
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *rule = json_array_get(calls, i);
        if (json_object_get(rule, "args"))
            comparisons++;
        else if (strcmp(json_string_value(json_object_get(rule, "action")), "SCMP_ACT_ALLOW") == 0)
            allowed += json_array_size(json_object_get(rule, "names"));
    }
    check_int(allowed, seccomp_row_count - 4); /* clone, clone3, personality, socket */
    check_int(comparisons, 1 + 5 + 26);
    check_int(json_integer_value(json_object_get(json, "defaultErrnoRet")), EPERM);
    json_decref(json);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_every_call),
        TAP(test_known_calls),
        TAP(test_arguments),
        TAP(test_foreign),
        TAP(test_small),
        TAP(test_headers),
        TAP(test_kernel),
        TAP(test_json),
        {0},
    });
}
