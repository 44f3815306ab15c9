/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <string.h>

#include "cli/cmds.h"
#include "cli/help.h"
#include "report/text.h"

/* Text of files, engines and command lines: it must not steer the terminal, nor a CI. */
static void print_safe(const char *text, FILE *out)
{
    _cleanup_strbuf_ struct strbuf safe = STRBUF_INIT;
    strbuf_adds(&safe, text);
    for (char *p = safe.buf; *p; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
            *p = '?';
    text_disarm(&safe);
    fputs(safe.buf, out);
}

/* "cleanroom: MESSAGE", and the detail below it, indented. */
static void print_error(const struct error *err, FILE *out)
{
    fputs("cleanroom: ", out);
    print_safe(err->message, out);
    fputc('\n', out);

    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    strvec_split(&lines, err->detail ? err->detail : "", "\n");
    for (size_t i = 0; i < lines.len; i++) {
        fputs("    ", out);
        print_safe(lines.items[i], out);
        fputc('\n', out);
    }
}

static int dispatch(const struct invocation *inv, struct error *err)
{
    if (invocation_get(inv, "help")) {
        help_print(inv->command, stdout);
        return 0;
    }
    if (invocation_get(inv, "version"))
        return cmd_version(inv, stdout, err);
    return inv->command->run(inv, stdout, err);
}

/* What was asked for is only there once it is written. A reader who left wants no more of it. */
static int flush(int code, struct error *err)
{
    if (fflush(stdout) == 0 || errno == EPIPE || code || error_is_set(err))
        return code;
    error_set_errno(err, ERROR_INTERNAL, errno, "cannot write to standard output");
    return error_exit_code(err->kind);
}

int cli_main(int argc, char **argv)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(invocation_deinit) struct invocation inv;
    int code = invocation_parse(&inv, argc, argv, &err) < 0 ? error_exit_code(err.kind)
                                                            : dispatch(&inv, &err);
    code = flush(code, &err);
    if (error_is_set(&err))
        print_error(&err, stderr);
    return code;
}
