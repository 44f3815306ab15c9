/* SPDX-License-Identifier: Apache-2.0 */
/* The small parts of runner/run: ledger, gate, owner. */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cleanroom/strbuf.h>

#include "run/dwelling.h"
#include "run/files.h"
#include "run/gate.h"
#include "run/ledger.h"
#include "run/owner.h"
#include "tap.h"

static void test_ledger_tells_the_janitor(void)
{
    int ends[2];
    struct ledger l;
    check_int(pipe2(ends, O_CLOEXEC), 0);
    ledger_init(&l, ends[1]);
    ledger_enter(&l, OBJECT_CONTAINER, "a");
    ledger_enter(&l, OBJECT_VOLUME, "a");
    ledger_answered(&l, ENGINE_OK, NULL);
    ledger_tell_engine(&l, "docker", "unix:///x");
    check_int(l.entries.len, 2);
    check(!l.doubt);
    struct error refused = {.kind = ERROR_ENGINE}, late = {.kind = ERROR_TIMEOUT};
    ledger_answered(&l, ENGINE_FAILED, &refused);
    check(!l.doubt);
    ledger_answered(&l, ENGINE_FAILED, &late);
    check(l.doubt);
    ledger_strike(&l, OBJECT_VOLUME, "a");
    check_int(l.entries.len, 1);
    check_int(l.entries.items[0].kind, OBJECT_CONTAINER);
    ledger_dismiss(&l);

    char text[256] = "";
    check(read(ends[0], text, sizeof(text) - 1) > 0);
    check_str(text, "+ container a\n+ volume a\n@ docker unix:///x\n- volume a\ndone\n");
    ledger_deinit(&l);
    close(ends[0]);
}

static void test_ledger_can_be_read_back(void)
{
    struct ledger l;
    ledger_init(&l, -1);
    ledger_apply(&l, "+ network n");
    ledger_apply(&l, "+ container c");
    ledger_apply(&l, "- network n");
    ledger_apply(&l, "? what is this");
    ledger_apply(&l, "");
    check_int(l.entries.len, 1);
    check_str(l.entries.items[0].name, "c");
    check(!l.done);
    ledger_apply(&l, "@ nonsense");
    check_str(l.where, NULL);
    ledger_apply(&l, "@ podman unix:///x y");
    check_str(l.engine, "podman");
    check_str(l.where, "unix:///x y");
    ledger_apply(&l, "done");
    check(l.done);
    ledger_deinit(&l);
}

static void test_ledger_survives_a_dead_janitor(void)
{
    int ends[2];
    struct ledger l;
    (void)signal(SIGPIPE, SIG_IGN);
    check_int(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    ledger_init(&l, ends[1]);
    ledger_enter(&l, OBJECT_IMAGE, "i");
    check_int(l.socket, -1);
    check_int(l.entries.len, 1);
    ledger_deinit(&l);
}

/* One that is stopped, or slow: what it gets is whole lines, perhaps but for the last, and "done"
   only when it got all. */
static void test_ledger_does_not_wait_for_the_janitor(void)
{
    int ends[2];
    struct ledger l;
    struct strbuf got _cleanup_strbuf_ = STRBUF_INIT;
    char chunk[4096];
    size_t entered = 0, lines = 0;
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    check_int(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    ledger_init(&l, ends[0]);
    while (!l.torn && entered++ < 1000000)
        ledger_enter(&l, OBJECT_CONTAINER, "a-container");
    check(l.torn);
    for (ssize_t n; (n = recv(ends[1], chunk, sizeof(chunk), MSG_DONTWAIT)) > 0;)
        (void)strbuf_add(&got, chunk, (size_t)n);
    ledger_enter(&l, OBJECT_CONTAINER, "late"); /* there is room again, but not for half lines */
    ledger_dismiss(&l);
    check_int(l.socket, -1);
    check_int(read(ends[1], chunk, sizeof(chunk)), 0);

    for (char *line = got.buf, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        lines += strcmp(line, "+ container a-container") == 0;
    }
    check_int(lines, entered - 1);
    check_int(l.entries.len, entered + 1);
    close(ends[1]);
    ledger_deinit(&l);
}

struct visitor {
    struct gate_ticket ticket;
    struct strvec *order;
    const char *name;
    bool *stop;
};

static void enter(void *data)
{
    struct visitor *v = data;
    strvec_push(v->order, v->name);
    if (v->stop)
        *v->stop = true;
}

static void run_until(struct loop *loop, bool *stop)
{
    *stop = false;
    check_int(loop_run(loop, stop, NULL), 0);
}

static void test_gate_admits_the_lowest_shard_first(void)
{
    struct loop *loop = loop_new(NULL);
    struct gate gate;
    bool stop;
    _cleanup_strvec_ struct strvec order = STRVEC_INIT;
    struct visitor a = {.order = &order, .name = "a", .stop = &stop}, b = a, c = a;
    b.name = "b";
    c.name = "c";
    gate_init(&gate, loop, 1);
    gate_queue(&gate, &a.ticket, 2, enter, &a);
    run_until(loop, &stop);
    gate_queue(&gate, &b.ticket, 3, enter, &b);
    gate_queue(&gate, &c.ticket, 1, enter, &c);
    check_int(order.len, 1);
    gate_leave(&gate, &a.ticket);
    run_until(loop, &stop);
    gate_leave(&gate, &c.ticket);
    run_until(loop, &stop);
    _cleanup_free_ char *text = strvec_join(&order, "");
    check_str(text, "acb");
    gate_leave(&gate, &b.ticket);
    gate_leave(&gate, &b.ticket);
    check_int(gate.inside, 0);
    gate_deinit(&gate);
    loop_free(loop);
}

static void test_gate_forgets_who_left_the_queue(void)
{
    struct loop *loop = loop_new(NULL);
    struct gate gate;
    bool stop;
    _cleanup_strvec_ struct strvec order = STRVEC_INIT;
    struct visitor a = {.order = &order, .name = "a", .stop = &stop}, b = a;
    b.name = "b";
    gate_init(&gate, loop, 0);
    gate_queue(&gate, &a.ticket, 1, enter, &a);
    gate_queue(&gate, &b.ticket, 1, enter, &b);
    gate_leave(&gate, &a.ticket);
    run_until(loop, &stop);
    check_int(order.len, 1);
    check_str(order.items[0], "b");
    gate_deinit(&gate);
    loop_free(loop);
}

static void test_owner_knows_the_living_from_the_dead(void)
{
    _cleanup_free_ char *me = owner_of(getpid(), NULL);
    check_int(owner_status(me), OWNER_ALIVE);

    pid_t child = fork();
    if (child == 0)
        _exit(pause());
    _cleanup_free_ char *other = owner_of(child, NULL);
    check_int(owner_status(other), OWNER_ALIVE);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    check_int(owner_status(other), OWNER_GONE);

    check_int(owner_status("elsewhere/boot/1/1/1"), OWNER_UNKNOWN);
    check_int(owner_status(""), OWNER_UNKNOWN);
}

static void test_owner_of_an_earlier_boot_is_gone(void)
{
    _cleanup_free_ char *me = owner_of(getpid(), NULL);
    char *boot = strchr(me, '/') + 1;
    /* Without an id there may be two machines of that name. */
    enum owner_status wanted = boot[-2] == ':' ? OWNER_UNKNOWN : OWNER_GONE;
    boot[0] = boot[0] == '0' ? '1' : '0';
    check_int(owner_status(me), wanted);
}

static void test_owner_in_a_container(void)
{
    _cleanup_free_ char *bare = owner_of(getpid(), NULL), *me = owner_of(getpid(), "0123abcd");
    check(!owner_container(bare));
    check(!owner_container(""));
    check_str(owner_container(me), "0123abcd");
    check_int(owner_status(me), OWNER_ALIVE);
}

static void check_home(const char *line, const char *id)
{
    _cleanup_free_ char *found = dwelling_in(line);
    check_str(found, id);
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* As /proc/self/mountinfo has it. */
static void test_container_that_we_are_in(void)
{
    check_home("", NULL);
    check_home("25 1 8:1 / / rw - ext4 /dev/sda1 rw\n", NULL);
    check_home("25 1 8:1 / / rw - overlay overlay rw,lowerdir=/x/" ID "/y\n", NULL);
    check_home(
        "600 590 254:1 /docker/containers/" ID "/hostname /etc/hostname rw - ext4 /dev/x rw\n", ID);
    check_home("1 0 0:1 / / rw - ext4 /dev/x rw\n"
               "681 670 0:25 /containers/storage/overlay-containers/" ID
               "/userdata/resolv.conf /etc/resolv.conf rw - tmpfs tmpfs rw\n",
               ID);
    check_home("600 590 254:1 /containers/" ID "0/hostname /etc/hostname rw - ext4 /dev/x rw\n",
               NULL);
    check_home("600 590 254:1 /containers/" ID "/hostname /etc/other rw - ext4 /dev/x rw\n", NULL);
    check_home("600 590", NULL);
}

/* Who reads an archive stops at its end, and whoever still writes then has a broken pipe. */
static void test_archive_of_files_ends_where_it_ends(void)
{
    enum { BLOCK = 512 };
    _cleanup_strvec_ struct strvec files = STRVEC_INIT;
    _cleanup_strbuf_ struct strbuf tar = STRBUF_INIT;
    strvec_push(&files, "/etc/a.conf");
    strvec_push(&files, "text");
    check_int(files_tar(&files, &tar), 0);
    check_int(tar.len, 6 * BLOCK); /* its heads (three), its text, and two of nothing */
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_archive_of_files_ends_where_it_ends),
        TAP(test_ledger_tells_the_janitor),
        TAP(test_ledger_can_be_read_back),
        TAP(test_ledger_survives_a_dead_janitor),
        TAP(test_ledger_does_not_wait_for_the_janitor),
        TAP(test_gate_admits_the_lowest_shard_first),
        TAP(test_gate_forgets_who_left_the_queue),
        TAP(test_owner_knows_the_living_from_the_dead),
        TAP(test_owner_of_an_earlier_boot_is_gone),
        TAP(test_owner_in_a_container),
        TAP(test_container_that_we_are_in),
        {0},
    });
}
