/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/message.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
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

/* NULL and "" are two things, alone and in lists; what is there to read into is overwritten. */
static void test_strings(void)
{
    char *texts[] = {NULL, xstrdup(""), xstrdup("x"), xstrdup("two\nlines")}, *back[4] = {0};
    struct strvec list = STRVEC_INIT, got = STRVEC_INIT, none = STRVEC_INIT;
    _cleanup_wire_ struct wire w;
    bool yes = true, no = false, flags[2] = {false, true};
    int below = -1, number = 0;
    wire_init(&w);
    strvec_push(&list, "");
    strvec_push(&list, "a");
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        wire_str(&w, &texts[i]);
    wire_strvec(&w, &list);
    wire_strvec(&w, &none);
    wire_bool(&w, &yes);
    wire_bool(&w, &no);
    wire_int(&w, &below);
    w.reading = true;
    for (size_t i = 0; i < ARRAY_SIZE(back); i++) {
        wire_str(&w, &back[i]);
        check_str(back[i], texts[i]);
        free(back[i]);
        free(texts[i]);
    }
    wire_strvec(&w, &got);
    check_int(got.len, 2);
    check_str(got.items[0], "");
    check_str(got.items[1], "a");
    strvec_deinit(&got);
    wire_strvec(&w, &got);
    check_int(got.len, 0);
    wire_bool(&w, &flags[0]);
    wire_bool(&w, &flags[1]);
    wire_int(&w, &number);
    check(flags[0] && !flags[1] && number == -1);
    check(!w.bad && w.at == w.text.len);
    wire_int(&w, &number); /* behind the end */
    check(w.bad && number == 0);
    strvec_deinit(&list);
}

/* A count of more than there are bytes is a lie, and nothing is allocated for it. */
static void test_counts(void)
{
    uint32_t lie = 3, bytes = 0x00414141;
    size_t count = 9;
    _cleanup_wire_ struct wire w;
    wire_init(&w);
    wire_u32(&w, &lie);
    (void)strbuf_add(&w.text, &bytes, 2);
    w.reading = true;
    wire_count(&w, &count);
    check(w.bad);
    check_int(count, 0);
}

/* Just what fits a packet, and one byte more; each goes its way. */
static void test_around_a_packet(void)
{
    static const size_t sizes[] = {0, 1, 65530, 65531, 65532, 65533, 65536, 70000};
    struct pair p;
    pair_init(&p);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        _cleanup_wire_ struct wire out, in;
        _cleanup_free_ char *text = xmalloc(sizes[i] + 1), *got = NULL;
        memset(text, 'y', sizes[i]);
        text[sizes[i]] = '\0';
        wire_init(&out);
        wire_init(&in);
        wire_str(&out, &text);
        check_int(wire_send(p.end[0], &out), 1);
        check_int(wire_receive(p.end[1], &in), 1);
        wire_str(&in, &got);
        check(!in.bad && in.fd_count == 0);
        if (!check(got && strcmp(got, text) == 0))
            printf("# %zu\n", sizes[i]);
    }
    pair_deinit(&p);
}

/* --- descriptors ----------------------------------------------------------------------------- */

static int null_file(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* They are taken in their order, and those that nobody takes are closed. */
static void test_descriptors(void)
{
    struct pair p;
    pair_init(&p);
    int ends[2];
    check_int(pipe2(ends, O_CLOEXEC), 0);
    {
        _cleanup_wire_ struct wire out, in;
        wire_init(&out);
        wire_init(&in);
        wire_add_fd(&out, null_file());
        wire_add_fd(&out, ends[1]);
        check_int(wire_send(p.end[0], &out), 1);
        check_int(wire_receive(p.end[1], &in), 1);
        check(!in.truncated);
        check_int(in.fd_count, 2);
        struct stat st;
        _cleanup_close_ int first = wire_take_fd(&in);
        check(fstat(first, &st) == 0 && S_ISCHR(st.st_mode));
    }
    /* The pipe's last writer is gone with the two messages. */
    char byte;
    check_int(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    pair_deinit(&p);
}

/* Receives when no more than `left` descriptors may be had. */
static int receive_with(int left, int socket, struct wire *w)
{
    struct rlimit old, few;
    int free_fd[8];
    for (int i = 0; i < left + 1; i++)
        free_fd[i] = null_file();
    (void)getrlimit(RLIMIT_NOFILE, &old);
    few = (struct rlimit){(rlim_t)free_fd[left], old.rlim_max};
    for (int i = 0; i < left + 1; i++)
        close(free_fd[i]);
    (void)setrlimit(RLIMIT_NOFILE, &few);
    int r = wire_receive(socket, w);
    (void)setrlimit(RLIMIT_NOFILE, &old);
    return r;
}

static void send_with_two(int socket, size_t len)
{
    _cleanup_wire_ struct wire out;
    _cleanup_free_ char *text = xmalloc(len + 1);
    memset(text, 'z', len);
    text[len] = '\0';
    wire_init(&out);
    wire_add_fd(&out, null_file());
    wire_add_fd(&out, null_file());
    wire_str(&out, &text);
    check_int(wire_send(socket, &out), 1);
}

/* Not all descriptors could be had: what was said is known, and that some are missing. */
static void test_missing_descriptors(void)
{
    struct pair p;
    pair_init(&p);
    for (int left = 0; left < 3; left++) {
        _cleanup_wire_ struct wire in;
        _cleanup_free_ char *text = NULL;
        wire_init(&in);
        send_with_two(p.end[0], 5);
        check_int(receive_with(left, p.end[1], &in), 1);
        check_int(in.fd_count, left);
        check(in.truncated == (left < 2));
        wire_str(&in, &text);
        check(!in.bad);
        check_str(text, "zzzzz");
    }
    pair_deinit(&p);
}

/* When the message's own is missing, no other is read in its stead. */
static void test_missing_message(void)
{
    struct pair p;
    pair_init(&p);
    for (int left = 0; left < 4; left++) {
        _cleanup_wire_ struct wire in;
        wire_init(&in);
        send_with_two(p.end[0], 100000);
        check_int(receive_with(left, p.end[1], &in), 1);
        check(in.truncated == (left < 3));
        check(in.bad == (left < 3));
        check_int(in.fd_count, left < 3 ? left : 2);
    }
    pair_deinit(&p);
}

/* A file that is none: empty, or not there at all. */
static void test_no_message_in_the_file(void)
{
    struct pair p;
    unsigned char in_file = 1;
    pair_init(&p);
    for (int with = 0; with < 2; with++) {
        _cleanup_wire_ struct wire w;
        wire_init(&w);
        union {
            struct cmsghdr header;
            char space[CMSG_SPACE(sizeof(int))];
        } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                                .cmsg_level = SOL_SOCKET,
                                .cmsg_type = SCM_RIGHTS}};
        _cleanup_close_ int fd = null_file();
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        struct msghdr msg = {.msg_iov = &(struct iovec){&in_file, 1},
                             .msg_iovlen = 1,
                             .msg_control = with ? &control : NULL,
                             .msg_controllen = with ? sizeof(control) : 0};
        check_int(sendmsg(p.end[0], &msg, MSG_NOSIGNAL), 1);
        check_int(wire_receive(p.end[1], &w), 1);
        check(w.bad);
    }
    pair_deinit(&p);
}

/* A socket whose reader is slow says so, and takes it later. */
static void test_full(void)
{
    struct pair p;
    int sent = 0, got = 0, more;
    uint32_t number = 5;
    pair_init(&p);
    _cleanup_wire_ struct wire out;
    wire_init(&out);
    wire_u32(&out, &number);
    while ((more = wire_send(p.end[0], &out)) == 1 && sent < 100000)
        sent++;
    check_int(more, 0);
    for (;;) {
        _cleanup_wire_ struct wire in;
        wire_init(&in);
        if (wire_receive(p.end[1], &in) != 1)
            break;
        got++;
    }
    check_int(got, sent);
    check_int(wire_send(p.end[0], &out), 1);
    close(p.end[1]);
    check_int(wire_send(p.end[0], &out), -1);
    check(errno == EPIPE || errno == ECONNRESET);
    close(p.end[0]);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_request),
                                       TAP(test_big),
                                       TAP(test_too_big),
                                       TAP(test_damaged),
                                       TAP(test_answer),
                                       TAP(test_ends),
                                       TAP(test_strings),
                                       TAP(test_counts),
                                       TAP(test_around_a_packet),
                                       TAP(test_descriptors),
                                       TAP(test_missing_descriptors),
                                       TAP(test_missing_message),
                                       TAP(test_no_message_in_the_file),
                                       TAP(test_full),
                                       {0}});
}
