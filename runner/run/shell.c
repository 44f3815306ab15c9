/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shell.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#include <cleanroom/log.h>

#include "base/file.h"

#define CHUNK 4096

/* Whichever is there; in its place, so that its end is the container's. */
static const char *const any_shell[] = {"/bin/sh", "-c",
                                        "command -v bash >/dev/null && exec bash; exec sh", NULL};

void shell_init(struct shell *s, int number, const char *const *words)
{
    *s = (struct shell){.number = number,
                        .words = words && *words ? words : NULL,
                        .in = STDIN_FILENO,
                        .out = STDOUT_FILENO,
                        .err = STDERR_FILENO,
                        .term = getenv("TERM"),
                        .tty = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1,
                        .signals = -1};
}

void shell_deinit(struct shell *s)
{
    shell_end(s);
    strvec_deinit(&s->env);
}

static struct terminal_size our_size(void)
{
    struct winsize size = {0};
    (void)ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
    return (struct terminal_size){.rows = size.ws_row, .columns = size.ws_col};
}

void shell_specify(struct shell *s, struct container_spec *spec, const struct strvec *env)
{
    const char *kind = s->term;
    strvec_append(&s->env, env);
    if (s->tty)
        strvec_pushf(&s->env, "TERM=%s", kind && *kind ? kind : "xterm");
    spec->env = (const char *const *)s->env.items;
    spec->entrypoint = s->words ? NULL : any_shell;
    spec->argv = s->words;
    spec->input = true;
    if (!s->remote)
        s->size = our_size();
    spec->terminal = s->tty ? &s->size : NULL;
}

/* --- its size -------------------------------------------------------------------------------- */

static void tell_size(struct shell *s);
static void listen_to_us(struct shell *s);

/* What is typed is to find a terminal of the right size. */
static void on_resized(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct shell *s = data;
    s->resize = NULL;
    if (outcome == ENGINE_FAILED)
        log_debug("shell: its size: %s", err->message);
    if (s->container && !s->sized)
        listen_to_us(s);
    s->sized = true;
    if (s->resized && s->container)
        tell_size(s);
}

static void tell_size(struct shell *s)
{
    struct run_context *ctx = s->container->ctx;
    s->resized = s->resize != NULL;
    if (s->resize)
        return;
    if (!s->remote)
        s->size = our_size();
    s->resize = ctx->engine->ops->container_resize(ctx->engine, s->container->name, s->size,
                                                   context_teardown_deadline(ctx), on_resized, s);
}

void shell_resize(struct shell *s, struct terminal_size size)
{
    s->size = size;
    if (s->container)
        tell_size(s);
}

static void on_winch(void *data, int fd, short revents)
{
    struct shell *s = data;
    struct signalfd_siginfo info;
    (void)revents;
    if (read(fd, &info, sizeof(info)) == sizeof(info))
        tell_size(s);
}

static void follow_size(struct shell *s)
{
    sigset_t winch;
    sigemptyset(&winch);
    sigaddset(&winch, SIGWINCH);
    (void)sigprocmask(SIG_BLOCK, &winch, NULL);
    s->signals = signalfd(-1, &winch, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signals >= 0)
        loop_watch(s->container->ctx->loop, s->signals, POLLIN, on_winch, s);
    tell_size(s); /* it may have changed meanwhile */
}

/* --- input and output ------------------------------------------------------------------------ */

static void stop_listening(struct shell *s)
{
    if (s->listening)
        loop_unwatch(s->container->ctx->loop, s->in);
    s->listening = false;
}

/* Whom no key reaches any more nobody could end. */
static void on_given(struct shell *s, enum engine_outcome outcome, const struct error *err)
{
    s->input = NULL;
    if (outcome != ENGINE_FAILED || !s->container)
        return;
    log_warning("shell: its input: %s", err->message);
    container_remove(s->container, context_teardown_deadline(s->container->ctx));
}

static void on_taken(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct shell *s = data;
    on_given(s, outcome, err);
    if (outcome == ENGINE_OK && s->container)
        listen_to_us(s);
}

static void on_ended(void *data, enum engine_outcome outcome, const struct error *err)
{
    on_given(data, outcome, err);
}

/* As long as it was not taken no more is read. */
static void on_input(void *data, int fd, short revents)
{
    struct shell *s = data;
    struct run_context *ctx = s->container->ctx;
    char bytes[CHUNK];
    (void)revents;
    ssize_t n = read(fd, bytes, sizeof(bytes));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    stop_listening(s);
    s->input = ctx->engine->ops->container_input(ctx->engine, s->container->name, bytes,
                                                 n > 0 ? (size_t)n : 0, n > 0 ? on_taken : on_ended,
                                                 s);
}

static void listen_to_us(struct shell *s)
{
    s->listening = true;
    loop_watch(s->container->ctx->loop, s->in, POLLIN, on_input, s);
}

void shell_output(struct shell *s, enum output_stream stream, const void *bytes, size_t len)
{
    if (file_write_all(stream == OUTPUT_STDERR ? s->err : s->out, bytes, len) < 0)
        log_debug("shell: its output: %s", strerror(errno));
}

/* --- its life -------------------------------------------------------------------------------- */

void shell_begin(struct shell *s, struct container *c)
{
    s->container = c;
    if (s->remote && s->tty) {
        tell_size(s);
    } else if (s->tty) {
        if (terminal_make_raw(&s->terminal, STDIN_FILENO) < 0)
            log_warning("the terminal cannot be made raw: %s", strerror(errno));
        console_set_raw(c->ctx->console, s->terminal.raw);
        follow_size(s);
    } else {
        listen_to_us(s);
    }
}

void shell_end(struct shell *s)
{
    terminal_restore(&s->terminal);
    if (!s->container)
        return;
    struct run_context *ctx = s->container->ctx;
    console_set_raw(ctx->console, false);
    stop_listening(s);
    if (s->signals >= 0) {
        loop_unwatch(ctx->loop, s->signals);
        close(TAKE_FD(s->signals));
    }
    s->exit_code = s->container->exit_code;
    s->container = NULL;
    if (s->input)
        ctx->engine->ops->cancel(ctx->engine, s->input);
    if (s->resize)
        ctx->engine->ops->cancel(ctx->engine, s->resize);
}
