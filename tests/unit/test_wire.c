/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/message.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tap.h"

struct pair {
    int end[2];
};

static void pair_init(struct pair *p)
{
    check_int(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p->end), 0);
}

static void pair_deinit(struct pair *p)
{
    close(p->end[0]);
    close(p->end[1]);
}

/* Out at one end, in at the other. */
static bool carry(struct pair *p, struct request *out, int fd, struct request *in, struct wire *w)
{
    _cleanup_wire_ struct wire sent;
    wire_init(&sent);
    if (fd >= 0)
        wire_add_fd(&sent, fd);
    request_wire(&sent, out);
    wire_init(w);
    if (!check_int(wire_send(p->end[0], &sent), 1) || !check_int(wire_receive(p->end[1], w), 1))
        return false;
    request_wire(w, in);
    return check(!w->bad);
}

static void fill(struct request *r)
{
    *r = (struct request){.number = 7, .kind = REQUEST_MAKE, .object = 3};
    r->recipe.name = xstrdup("box");
    r->recipe.hostname = xstrdup("");
    r->recipe.has_argv = true;
    strvec_push(&r->recipe.argv, "sh");
    strvec_push(&r->recipe.argv, "\xff\xfe\n");
    strvec_push(&r->recipe.env, "");
    r->recipe.memory = UINT64_MAX;
    r->recipe.pod = UINT32_MAX;
    struct recipe_mount *m = vec_push(&r->recipe.mounts);
    *m = (struct recipe_mount){.kind = MOUNT_VOLUME, .target = xstrdup("/v"), .volume = 9};
    r->recipe.image.id = xstrdup("sha256:0");
    strvec_push(&r->recipe.layers, "layers/a");
}

static void check_filled(const struct request *r)
{
    check_int(r->number, 7);
    check_int(r->object, 3);
    check_str(r->recipe.name, "box");
    check_str(r->recipe.hostname, "");
    check_str(r->recipe.user, NULL);
    check(r->recipe.has_argv && !r->recipe.has_entrypoint && !r->recipe.outside);
    check_int(r->recipe.argv.len, 2);
    check_str(r->recipe.argv.items[1], "\xff\xfe\n");
    check_int(r->recipe.env.len, 1);
    check_str(r->recipe.env.items[0], "");
    check(r->recipe.memory == UINT64_MAX);
    check(r->recipe.pod == UINT32_MAX);
    check_int(r->recipe.mounts.len, 1);
    check_str(r->recipe.mounts.items[0].target, "/v");
    check_str(r->recipe.mounts.items[0].options, NULL);
    check_int(r->recipe.mounts.items[0].volume, 9);
    check_str(r->recipe.image.id, "sha256:0");
    check_str(r->recipe.layers.items[0], "layers/a");
}

static void test_request(void)
{
    struct pair p;
    struct request out, in = {0};
    _cleanup_wire_ struct wire w;
    pair_init(&p);
    fill(&out);
    if (carry(&p, &out, -1, &in, &w))
        check_filled(&in);
    request_deinit(&out);
    request_deinit(&in);
    pair_deinit(&p);
}

/* What does not fit a packet goes another way, and its descriptors with it. */
static void test_big(void)
{
    struct pair p;
    struct request out, in = {0};
    _cleanup_wire_ struct wire w;
    pair_init(&p);
    fill(&out);
    char *big = xmalloc(1000001);
    memset(big, 'x', 1000000);
    big[1000000] = '\0';
    strvec_take(&out.recipe.env, big);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (carry(&p, &out, null, &in, &w)) {
        struct stat a, b;
        int got = wire_take_fd(&w);
        check(fstat(got, &a) == 0 && stat("/dev/null", &b) == 0);
        check(a.st_rdev == b.st_rdev);
        check(fcntl(got, F_GETFD) & FD_CLOEXEC);
        close(got);
        check_int(strlen(in.recipe.env.items[1]), 1000000);
        check_str(in.recipe.layers.items[0], "layers/a");
    }
    request_deinit(&out);
    request_deinit(&in);
    pair_deinit(&p);
}

static void test_too_big(void)
{
    struct pair p;
    _cleanup_wire_ struct wire w;
    pair_init(&p);
    wire_init(&w);
    char *big = xcalloc(1, WIRE_MAX + 1), *text = big;
    memset(big, 'x', WIRE_MAX);
    wire_str(&w, &text);
    check(w.bad);
    check_int(wire_send(p.end[0], &w), -1);
    check_int(errno, EMSGSIZE);
    free(big);
    pair_deinit(&p);
}

/* Cut off anywhere, or with any byte another: said to be bad or read as something, never beyond. */
static void test_damaged(void)
{
    struct request out;
    _cleanup_wire_ struct wire whole;
    wire_init(&whole);
    fill(&out);
    request_wire(&whole, &out);
    for (size_t len = 0; len < whole.text.len; len++) {
        _cleanup_wire_ struct wire w;
        struct request in = {0};
        wire_init(&w);
        (void)strbuf_add(&w.text, whole.text.buf, len);
        w.reading = true;
        request_wire(&w, &in);
        check(w.bad);
        request_deinit(&in);
    }
    for (size_t at = 0; at < whole.text.len; at++) {
        _cleanup_wire_ struct wire w;
        struct request in = {0};
        wire_init(&w);
        (void)strbuf_add(&w.text, whole.text.buf, whole.text.len);
        w.text.buf[at] = (char)(w.text.buf[at] ^ 0xff);
        w.reading = true;
        request_wire(&w, &in);
        request_deinit(&in);
    }
    request_deinit(&out);
}

static void test_answer(void)
{
    struct answer out = {.kind = ANSWER_DIED, .object = 5, .code = 137, .oom = true}, in = {0};
    _cleanup_wire_ struct wire w;
    wire_init(&w);
    out.text = xstrdup("why");
    answer_wire(&w, &out);
    w.reading = true;
    answer_wire(&w, &in);
    check(!w.bad);
    check_int(in.kind, ANSWER_DIED);
    check_int(in.object, 5);
    check_int(in.code, 137);
    check(in.oom);
    check_str(in.text, "why");
    answer_deinit(&in);
    answer_deinit(&out);
}

static void test_ends(void)
{
    struct pair p;
    _cleanup_wire_ struct wire w;
    pair_init(&p);
    wire_init(&w);
    check_int(wire_receive(p.end[1], &w), 0);
    (void)shutdown(p.end[0], SHUT_RDWR);
    check_int(wire_receive(p.end[1], &w), -1);
    check_int(errno, ECONNRESET);
    check_int(wire_take_fd(&w), -1);
    pair_deinit(&p);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_request),
                                       TAP(test_big),
                                       TAP(test_too_big),
                                       TAP(test_damaged),
                                       TAP(test_answer),
                                       TAP(test_ends),
                                       {0}});
}
