/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the tests of this app are listed, and how a shard is handed its part: the settings, and what
 * the preset of the runner knows, put together. Pure.
 */
#ifndef SPLIT_METHOD_H
#define SPLIT_METHOD_H

#include "config/settings.h"
#include "split/presets.h"

struct method {
    enum split_mode split;       /* as asked for; with a runner that cannot divide by itself and
                                    nobody saying how: SPLIT_LIST */
    const struct preset *preset; /* or NULL: nobody has named the runner */
    bool listed;                 /* the tests are to be listed before they run */
    bool by_files;               /* listed by the names of files: see preset.files */
    enum list_format format;
    enum naming naming;
    enum granularity granularity;
    struct part_form form;
    const char **words; /* form.words, when the settings have them; owned */
};

#define _cleanup_method_ _cleanup_(method_deinit)

/* Borrows from settings. ERROR_CONFIG when they do not fit together. */
int method_make(struct method *r, const struct settings *settings, struct error *err);
void method_deinit(struct method *r);

/* Appends the words that print the list; `test`: those by which tests are run. With by_files they
   are a shell's own, in place of the image's entry point. */
void method_list_words(const struct method *r, const struct settings *settings,
                       const struct strvec *test, struct strvec *words);
/* From what they printed to a list. text is changed (by_files). */
int method_read_list(const struct method *r, struct test_list *list, char *text, size_t len,
                     struct error *err);

#endif
