/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/strbuf.h>

#include "config/excerpt.h"
#include "config/yaml.h"

#include "tap.h"

static struct yaml_tree *parse(const char *text, struct error *err)
{
    return yaml_tree_parse("f.yaml", text, strlen(text), err);
}

/* The text must be refused with exactly this message, and this line and caret when not NULL. */
static void refused_len(const char *text, size_t len, const char *message, const char *detail)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_yaml_ struct yaml_tree *tree = yaml_tree_parse("f.yaml", text, len, &err);
    check(tree == NULL);
    check_int(err.kind, ERROR_CONFIG);
    check_str(err.message, message);
    if (detail)
        check_str(err.detail, detail);
}

static void refused(const char *text, const char *message, const char *detail)
{
    refused_len(text, strlen(text), message, detail);
}

static void check_at(const struct yaml_node *node, size_t line, size_t column)
{
    check_int(node->line, line);
    check_int(node->column, column);
}

static void test_nodes_know_where_they_stand(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_yaml_ struct yaml_tree *tree = parse(
        "# first\nservices:\n  - postgres\n  - 'redis'\nümlaut: {a: 1}\n", &err);
    check(tree != NULL);
    if (!tree)
        return;
    const struct yaml_node *root = yaml_tree_root(tree);
    check_int(root->kind, YAML_MAPPING);
    check_int(yaml_node_count(root), 2);
    check_at(root, 2, 1);
    check_str(yaml_node_key(root, 0)->text, "services");

    const struct yaml_node *list = yaml_node_value(root, 0);
    check_int(list->kind, YAML_SEQUENCE);
    check_int(yaml_node_count(list), 2);
    check_at(list, 3, 3);
    check_at(yaml_node_value(list, 1), 4, 5);
    check(!yaml_node_value(list, 0)->quoted);
    check(yaml_node_value(list, 1)->quoted);

    /* Columns are characters, not bytes. */
    check_at(yaml_node_value(root, 1), 5, 9);
    check_at(yaml_node_value(yaml_node_value(root, 1), 0), 5, 13);
}

static void test_nothing_is_null(void)
{
    static const char *const texts[] = {"",  "\n\n", "# only\n",    "---\n",
                                        "~", "null", "\xef\xbb\xbf"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_yaml_ struct yaml_tree *tree = parse(texts[i], &err);
        check(tree && yaml_tree_root(tree)->kind == YAML_NULL);
    }

    _cleanup_yaml_ struct yaml_tree *tree = parse("a:\nb: ~\nc: 'null'\nd: ''\n", NULL);
    const struct yaml_node *root = yaml_tree_root(tree);
    check_int(yaml_node_value(root, 0)->kind, YAML_NULL);
    check_int(yaml_node_value(root, 1)->kind, YAML_NULL);
    check_int(yaml_node_value(root, 2)->kind, YAML_SCALAR);
    check_int(yaml_node_value(root, 3)->kind, YAML_SCALAR);
}

static void test_a_byte_order_mark_moves_nothing(void)
{
    _cleanup_yaml_ struct yaml_tree *tree = parse("\xef\xbb\xbf"
                                                  "a: b\n",
                                                  NULL);
    check(tree != NULL);
    check_at(yaml_node_value(yaml_tree_root(tree), 0), 1, 4);
}

static void test_aliases_stand_where_they_are_used(void)
{
    _cleanup_yaml_ struct yaml_tree *tree = parse("a: &x [1, 2]\nb: *x\n", NULL);
    check(tree != NULL);
    const struct yaml_node *b = yaml_node_value(yaml_tree_root(tree), 1);
    check_int(b->kind, YAML_SEQUENCE);
    check_int(yaml_node_count(b), 2);
    check_at(b, 2, 4);
    check_str(yaml_node_value(b, 1)->text, "2");
}

static void test_keys_are_unique_texts(void)
{
    refused("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: 'a' is given twice, first on line 1", "a: 3\n^");
    refused("x: {p: 1, 'p': 2}\n", "f.yaml:1:11: 'p' is given twice, first on line 1",
            "x: {p: 1, 'p': 2}\n          ^");
    refused("? [a]\n: 1\n", "f.yaml:1:3: a key must be plain text, not a list", NULL);
    refused("? {a: b}\n: 1\n", "f.yaml:1:3: a key must be plain text, not a map", NULL);
    refused("?\n: 1\n", "f.yaml:1:2: a key must be plain text, not nothing", "?\n ^");
    refused("a: &x {p: 1}\nb:\n  <<: *x\n",
            "f.yaml:3:3: merge keys ('<<') are not supported: write the values out",
            "  <<: *x\n  ^");
}

static void test_what_is_not_supported_is_said(void)
{
    refused("a: !ruby/object x\n", "f.yaml:1:4: the tag '!ruby/object' is not supported",
            "a: !ruby/object x\n   ^");
    refused("a: !!python/name:os.system x\n",
            "f.yaml:1:4: the tag 'tag:yaml.org,2002:python/name:os.system' is not supported", NULL);
    refused("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins here: only one is allowed",
            "---\n^");
    refused("a: \"x\\0y\"\n", "f.yaml:1:4: text must not contain a NUL character", NULL);
    refused("a: *nobody\n", "f.yaml:1:4: there is no anchor '&nobody' before this alias",
            "a: *nobody\n   ^");
    refused("a: &x [1, *x]\n", "f.yaml:1:11: the anchor '&x' would contain itself", NULL);

    _cleanup_yaml_ struct yaml_tree *tree = parse("a: !!str 5\n", NULL);
    check(tree && yaml_node_value(yaml_tree_root(tree), 0)->quoted);
}

static void test_bad_syntax_has_a_place(void)
{
    refused("services: [postgres\n",
            "f.yaml:1:11: not valid YAML: did not find expected ',' or ']' while parsing a flow "
            "sequence",
            "services: [postgres\n          ^");
    refused("a:\n\tb: 1\n", "f.yaml:2:1: not valid YAML: a tab cannot indent, use spaces",
            "\tb: 1\n^");
    refused("a: b: c\n",
            "f.yaml:1:5: not valid YAML: mapping values are not allowed in this context",
            "a: b: c\n    ^");
}

static void test_bad_bytes_have_a_place(void)
{
    refused("a: b\nc: \xff\xfe\n", "f.yaml:2:4: not valid YAML: invalid leading UTF-8 octet",
            "c: ??\n   ^");
    refused("a: \xc3(\n", "f.yaml:1:5: not valid YAML: invalid trailing UTF-8 octet", NULL);
    refused("a: \x1b[31m\n", "f.yaml:1:4: not valid YAML: control characters are not allowed",
            "a: ?[31m\n   ^");
    static const char utf16[] = "\xff\xfe"
                                "a\0:\0 \0b\0";
    refused_len(utf16, sizeof(utf16) - 1, "f.yaml:1:1: not valid YAML: invalid leading UTF-8 octet",
                NULL);
}

static char *repeat(const char *s, size_t times)
{
    struct strbuf sb = STRBUF_INIT;
    while (times--)
        strbuf_adds(&sb, s);
    return strbuf_detach(&sb);
}

static void test_depth_is_bounded(void)
{
    _cleanup_free_ char *deepest = repeat("[", YAML_MAX_DEPTH);
    _cleanup_free_ char *closing = repeat("]", YAML_MAX_DEPTH);
    _cleanup_free_ char *good = xasprintf("%s%s", deepest, closing);
    _cleanup_yaml_ struct yaml_tree *tree = parse(good, NULL);
    check(tree != NULL);

    _cleanup_free_ char *bad = xasprintf("[%s%s]", deepest, closing);
    refused(bad, "f.yaml:1:33: nested too deep: more than 32 levels", NULL);
    /* An alias brings its own depth along. */
    refused("a: &x [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\nb: &y [[[[[[[[*x]]]]]]]]\n"
            "c: [[[[[[[[[*y]]]]]]]]]\n",
            "f.yaml:3:13: nested too deep: more than 32 levels", NULL);
}

static void test_an_alias_bomb_does_not_go_off(void)
{
    struct strbuf bomb = STRBUF_INIT;
    strbuf_adds(&bomb, "a: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for (char c = 'b'; c < 'k'; c++)
        strbuf_addf(&bomb, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c - 1,
                    c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
    _cleanup_free_ char *text = strbuf_detach(&bomb);
    refused(text, "f.yaml:4:29: too many values: more than 10000 with aliases expanded", NULL);
}

static void test_size_is_bounded(void)
{
    _cleanup_free_ char *items = repeat("- x\n", YAML_MAX_NODES - 1);
    _cleanup_yaml_ struct yaml_tree *tree = parse(items, NULL);
    check(tree && yaml_node_count(yaml_tree_root(tree)) == YAML_MAX_NODES - 1);
    _cleanup_free_ char *more = repeat("- x\n", YAML_MAX_NODES);
    refused(more, "f.yaml:10000:3: too many values: more than 10000 with aliases expanded",
            "- x\n  ^");

    _cleanup_free_ char *long_text = repeat("#123456789abcde\n", YAML_MAX_BYTES / 16 + 1);
    refused(long_text, "'f.yaml' is longer than 1 MiB", NULL);
}

static void check_excerpt(const char *text, size_t line, size_t column, const char *want)
{
    _cleanup_free_ char *got = excerpt_text(text, strlen(text), line, column);
    check_str(got, want);
}

static void test_carets_line_up(void)
{
    check_excerpt("a\n\t\tb: c\n", 2, 6, "\t\tb: c\n\t\t   ^");
    check_excerpt("a\r\nbc\rd", 2, 2, "bc\n ^");
    check_excerpt("a\r\nbc\rd", 3, 1, "d\n^");
    check_excerpt("äö: x", 1, 5, "äö: x\n    ^");
    check_excerpt("abc", 1, 99, "...\n   ^");
    check_excerpt("abc", 1, 4, "abc\n   ^");
    check_excerpt("abc", 2, 1, NULL);
    check_excerpt("", 1, 1, NULL);
    check_excerpt("a\xe2\x80\xae"
                  "b\xed",
                  1, 3, "a?b?\n  ^");
}

static void test_long_lines_are_shown_in_part(void)
{
    _cleanup_free_ char *left = repeat("0123456789", 20);
    _cleanup_free_ char *text = xasprintf("%sX%s", left, left);
    _cleanup_free_ char *got = excerpt_text(text, strlen(text), 1, 201);
    const char *caret = strchr(got, '\n') + 1;
    check_int(strspn(caret, " "), strchr(got, 'X') - got);
    check(caret - got <= 80);
    check_contains(got, "...");
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_nodes_know_where_they_stand),
        TAP(test_nothing_is_null),
        TAP(test_a_byte_order_mark_moves_nothing),
        TAP(test_aliases_stand_where_they_are_used),
        TAP(test_keys_are_unique_texts),
        TAP(test_what_is_not_supported_is_said),
        TAP(test_bad_syntax_has_a_place),
        TAP(test_bad_bytes_have_a_place),
        TAP(test_depth_is_bounded),
        TAP(test_an_alias_bomb_does_not_go_off),
        TAP(test_size_is_bounded),
        TAP(test_carets_line_up),
        TAP(test_long_lines_are_shown_in_part),
        {0},
    });
}
