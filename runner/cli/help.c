/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#define DOC_COLUMN 30
#define WIDTH      80

static const char *const headings[] = {
    [SETTING_GROUP_RUN] = "Options",          [SETTING_GROUP_TESTS] = "Tests",
    [SETTING_GROUP_SERVICES] = "Services",    [SETTING_GROUP_CONFIG] = "Files",
    [SETTING_GROUP_TIMEOUTS] = "Time limits", [SETTING_GROUP_ENGINE] = "Engine",
    [SETTING_GROUP_OUTPUT] = "Output",
};

static void add_doc(struct strbuf *line, const struct option_def *option)
{
    const char *fallback = option->fallback;
    strbuf_adds(line, option->doc);
    for (size_t i = 0; option->names && option->names[i]; i++)
        strbuf_addf(line, "%s%s%s", i ? ", " : ": ", option->names[i],
                    strcmp(option->names[i], fallback) == 0 ? " (default)" : "");
    if (option->kind == OPTION_TEXT && !option->names && fallback && strcmp(fallback, "0") != 0)
        strbuf_addf(line, " (default %s)", fallback);
}

static void print_wrapped(const char *line, FILE *out)
{
    size_t width = WIDTH;
    while (strlen(line) > width) {
        const char *blank = memrchr(line, ' ', width + 1);
        fprintf(out, "%.*s\n%*s", (int)(blank - line), line, DOC_COLUMN, "");
        line = blank + 1;
        width = WIDTH - DOC_COLUMN;
    }
    fprintf(out, "%s\n", line);
}

/* "  -n, --shards N             what it does (default 1)" */
static void print_option(const struct option_def *option, FILE *out)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    if (option->short_flag)
        strbuf_addf(&line, "  -%c, ", option->short_flag);
    else
        strbuf_adds(&line, "      ");
    strbuf_addf(&line, "--%s%s", option->kind == OPTION_BOOL ? "[no-]" : "", option->flag);
    if (option->argument)
        strbuf_addf(&line, " %s", option->argument);
    strbuf_addf(&line, "%*s", line.len < DOC_COLUMN ? (int)(DOC_COLUMN - line.len) : 1, "");
    add_doc(&line, option);
    print_wrapped(line.buf, out);
}

static void print_options(const struct command *command, FILE *out)
{
    _cleanup_(option_table_deinit) struct option_table table = {0};
    command_options(command, &table);
    for (unsigned group = 0; group < SETTING_GROUPS; group++) {
        bool begun = false;
        for (size_t i = 0; i < table.len; i++) {
            if (table.items[i].group != group)
                continue;
            if (!begun)
                fprintf(out, "\n%s:\n", headings[group]);
            begun = true;
            print_option(&table.items[i], out);
        }
    }
}

static void print_program(FILE *out)
{
    fputs("\nCommands:\n", out);
    _cleanup_(option_table_deinit) struct option_table options = {0};
    command_options(&commands[0], &options);
    for (size_t i = 0; i < command_count; i++) {
        const struct option_def *same = option_by_flag(&options, commands[i].name);
        if (same && same->kind == OPTION_SWITCH)
            continue; /* --help and --version stand above */
        fprintf(out, "  %-8s %s%s\n", commands[i].name, commands[i].doc,
                i == 0 ? " (default)" : "");
    }
    fputs("\nExample: cleanroom -n 4 --deploy myapp:latest -- --failfast\n"
          "Exit code: 0 passed, 1 tests failed, 2 usage, 3 engine or service, 4 leftovers,\n"
          "124 time limit, 128+N signal N. Options are also CLEANROOM_SHARDS=4, or below\n"
          "'cleanroom:' in forklift.yaml.\n",
          out);
}

void help_print(const struct command *command, FILE *out)
{
    bool program = command == &commands[0];
    fprintf(out, "Usage: cleanroom %s%s%s\n", program ? "[run]" : command->name,
            *command->synopsis ? " " : "", command->synopsis);
    fprintf(out, "%s.\n", command->doc);
    print_options(command, out);
    if (program)
        print_program(out);
}
