/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists that Mocha and RSpec print as JSON. Both tell a test's full title, which is what their
 * reports call it.
 */
#include <string.h>

#include <jansson.h>

#include "split/list_parts.h"

static void cleanup_json(json_t **j)
{
    json_decref(*j);
}

static const char *text_of(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    return text ? text : "";
}

/* The document begins at the first line that begins with a brace; what an entry point or the tests
   themselves print stands before and after it. */
static json_t *document(const char *text, size_t len, struct error *err)
{
    const char *p = text, *end = text + len;
    while (p < end && *p != '{') {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        p = newline ? newline + 1 : end;
    }
    json_error_t problem = {0};
    json_t *root = p < end ? json_loadb(p, (size_t)(end - p), JSON_DISABLE_EOF_CHECK, &problem)
                           : NULL;
    if (!root)
        (void)error_set(err, ERROR_CONFIG, "the list of tests is not JSON: %s",
                        p < end ? problem.text : "no line begins with '{'");
    return root;
}

int list_read_mocha(struct test_list *list, const char *text, size_t len, struct error *err)
{
    _cleanup_(cleanup_json) json_t *root = document(text, len, err);
    if (!root)
        return -1;
    size_t i;
    json_t *test;
    json_array_foreach(json_object_get(root, "tests"), i, test)
    {
        const char *title = text_of(test, "fullTitle");
        char *id = xasprintf("%s::%s", text_of(test, "file"), title);
        if (list_add(list, NAMING_MOCHA, id, xstrdup(title), err) < 0)
            return -1;
    }
    return 0;
}

int list_read_rspec(struct test_list *list, const char *text, size_t len, struct error *err)
{
    _cleanup_(cleanup_json) json_t *root = document(text, len, err);
    if (!root)
        return -1;
    size_t i;
    json_t *test;
    json_array_foreach(json_object_get(root, "examples"), i, test)
    {
        const char *id = text_of(test, "id");
        if (*id && list_add(list, NAMING_RSPEC, xstrdup(id),
                            xstrdup(text_of(test, "full_description")), err) < 0)
            return -1;
    }
    return 0;
}
