/* SPDX-License-Identifier: Apache-2.0 */
#include "config/yaml.h"

#include <string.h>

#include <yaml.h>

#include <cleanroom/vec.h>

#include "config/excerpt.h"

struct yaml_tree {
    char *name;
    char *text; /* without a byte order mark; kept to show lines of it */
    size_t len;
    struct yaml_node *root;
    struct yaml_node *all;
};

struct anchor {
    char *name;
    struct yaml_node *node;
};

struct builder {
    struct yaml_tree *tree;
    struct yaml_node *open[YAML_MAX_DEPTH]; /* collections begun and not ended, outermost first */
    size_t depth;
    size_t total; /* nodes so far, aliases expanded */
    VEC(struct anchor) anchors;
    struct error *err;
};

static void node_free(struct yaml_node *node)
{
    if (!node->alias) {
        free(node->text);
        free(node->children);
    }
    free(node);
}

void yaml_tree_free(struct yaml_tree *tree)
{
    if (!tree)
        return;
    while (tree->all) {
        struct yaml_node *node = tree->all;
        tree->all = node->next;
        node_free(node);
    }
    free(tree->name);
    free(tree->text);
    free(tree);
}

const struct yaml_node *yaml_tree_root(const struct yaml_tree *tree)
{
    return tree->root;
}

const char *yaml_tree_name(const struct yaml_tree *tree)
{
    return tree->name;
}

size_t yaml_node_count(const struct yaml_node *node)
{
    return node->kind == YAML_MAPPING ? node->child_count / 2 : node->child_count;
}

const struct yaml_node *yaml_node_key(const struct yaml_node *mapping, size_t i)
{
    return mapping->children[2 * i];
}

const struct yaml_node *yaml_node_value(const struct yaml_node *node, size_t i)
{
    return node->children[node->kind == YAML_MAPPING ? 2 * i + 1 : i];
}

const struct yaml_node *yaml_node_get(const struct yaml_node *mapping, const char *key)
{
    for (size_t i = 0; mapping->kind == YAML_MAPPING && i < yaml_node_count(mapping); i++)
        if (strcmp(yaml_node_key(mapping, i)->text, key) == 0)
            return yaml_node_value(mapping, i);
    return NULL;
}

const char *yaml_kind_name(enum yaml_kind kind)
{
    static const char *const names[] = {
        [YAML_NULL] = "nothing",
        [YAML_SCALAR] = "text",
        [YAML_SEQUENCE] = "a list",
        [YAML_MAPPING] = "a map",
    };
    return names[kind];
}

static int fail_at(const struct yaml_tree *tree, size_t line, size_t column, struct error *err,
                   const char *message)
{
    error_set(err, ERROR_CONFIG, "%s:%zu:%zu: %s", tree->name, line, column, message);
    _cleanup_free_ char *excerpt = excerpt_text(tree->text, tree->len, line, column);
    if (excerpt)
        error_detail(err, "%s", excerpt);
    return -1;
}

int yaml_node_error(const struct yaml_node *node, struct error *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, ap);
    va_end(ap);
    return fail_at(node->tree, node->line, node->column, err, message);
}

static struct yaml_node *node_new(struct yaml_tree *tree, enum yaml_kind kind,
                                  const yaml_mark_t *mark)
{
    struct yaml_node *node = xcalloc(1, sizeof(*node));
    node->kind = kind;
    node->line = mark->line + 1;
    node->column = mark->column + 1;
    node->tree = tree;
    node->weight = 1;
    node->next = tree->all;
    tree->all = node;
    return node;
}

static int check_key(const struct yaml_node *mapping, const struct yaml_node *key,
                     struct error *err)
{
    if (key->kind != YAML_SCALAR && (key->kind != YAML_NULL || !*key->text))
        return yaml_node_error(key, err, "a key must be plain text, not %s",
                               yaml_kind_name(key->kind));
    if (!key->quoted && strcmp(key->text, "<<") == 0)
        return yaml_node_error(key, err,
                               "merge keys ('<<') are not supported: "
                               "write the values out");
    for (size_t i = 0; i < mapping->child_count; i += 2)
        if (strcmp(mapping->children[i]->text, key->text) == 0)
            return yaml_node_error(key, err, "'%s' is given twice, first on line %zu", key->text,
                                   mapping->children[i]->line);
    return 0;
}

static void raise_height(struct yaml_node *parent, const struct yaml_node *child)
{
    if (parent->height < child->height + 1)
        parent->height = child->height + 1;
}

/* Puts a node where the document has it: into the innermost open collection, or at the root. */
static int attach(struct builder *b, struct yaml_node *node)
{
    b->total += node->weight;
    if (b->total > YAML_MAX_NODES)
        return yaml_node_error(node, b->err, "too many values: more than %d with aliases expanded",
                               YAML_MAX_NODES);
    if (b->depth + node->height >= YAML_MAX_DEPTH)
        return yaml_node_error(node, b->err, "nested too deep: more than %d levels",
                               YAML_MAX_DEPTH);
    if (b->depth == 0) {
        b->tree->root = node;
        return 0;
    }

    struct yaml_node *parent = b->open[b->depth - 1];
    if (parent->kind == YAML_MAPPING && parent->child_count % 2 == 0 &&
        check_key(parent, node, b->err) < 0)
        return -1;
    parent->children = vec_grow(parent->children, parent->child_count, &parent->child_cap,
                                sizeof(struct yaml_node *));
    parent->children[parent->child_count++] = node;
    raise_height(parent, node);
    return 0;
}

static void set_anchor(struct builder *b, const yaml_char_t *name, struct yaml_node *node)
{
    if (name)
        *vec_push(&b->anchors) = (struct anchor){xstrdup((const char *)name), node};
}

/* The newest of that name, as YAML wants it; never one that is still open. */
static struct yaml_node *find_anchor(const struct builder *b, const char *name)
{
    for (size_t i = b->anchors.len; i-- > 0;)
        if (strcmp(b->anchors.items[i].name, name) == 0)
            return b->anchors.items[i].node;
    return NULL;
}

static bool is_open(const struct builder *b, const struct yaml_node *node)
{
    for (size_t i = 0; i < b->depth; i++)
        if (b->open[i] == node)
            return true;
    return false;
}

/* Only tags that say what is there anyway, or that a scalar is text ("!" too says that). */
static int check_tag(const struct yaml_node *node, const yaml_char_t *tag, struct error *err)
{
    static const char *const allowed[] = {
        [YAML_NULL] = YAML_STR_TAG,
        [YAML_SCALAR] = YAML_STR_TAG,
        [YAML_SEQUENCE] = YAML_SEQ_TAG,
        [YAML_MAPPING] = YAML_MAP_TAG,
    };
    const char *name = (const char *)tag;
    if (!name || strcmp(name, "!") == 0 || strcmp(name, allowed[node->kind]) == 0)
        return 0;
    return yaml_node_error(node, err, "the tag '%s' is not supported", name);
}

static bool is_null(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < ARRAY_SIZE(nulls); i++)
        if (strcmp(text, nulls[i]) == 0)
            return true;
    return false;
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    struct yaml_node *node = node_new(b->tree, YAML_SCALAR, &event->start_mark);
    node->text = xstrndup(text, len);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || event->data.scalar.tag;
    if (strlen(node->text) != len)
        return yaml_node_error(node, b->err, "text must not contain a NUL character");
    if (check_tag(node, event->data.scalar.tag, b->err) < 0)
        return -1;

    if (!node->quoted && is_null(node->text))
        node->kind = YAML_NULL;
    set_anchor(b, event->data.scalar.anchor, node);
    return attach(b, node);
}

static int on_collection(struct builder *b, const yaml_event_t *event, enum yaml_kind kind,
                         const yaml_char_t *anchor, const yaml_char_t *tag)
{
    struct yaml_node *node = node_new(b->tree, kind, &event->start_mark);
    if (check_tag(node, tag, b->err) < 0 || attach(b, node) < 0)
        return -1;
    set_anchor(b, anchor, node);
    /* What comes until its end is its weight; attach() has counted the node itself. */
    node->weight = b->total - 1;
    b->open[b->depth++] = node;
    return 0;
}

static int on_sequence(struct builder *b, const yaml_event_t *event)
{
    return on_collection(b, event, YAML_SEQUENCE, event->data.sequence_start.anchor,
                         event->data.sequence_start.tag);
}

static int on_mapping(struct builder *b, const yaml_event_t *event)
{
    return on_collection(b, event, YAML_MAPPING, event->data.mapping_start.anchor,
                         event->data.mapping_start.tag);
}

static int on_end(struct builder *b, const yaml_event_t *event _unused_)
{
    struct yaml_node *node = b->open[--b->depth];
    node->weight = b->total - node->weight;
    if (b->depth)
        raise_height(b->open[b->depth - 1], node);
    return 0;
}

static int on_alias(struct builder *b, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    struct yaml_node *copy = node_new(b->tree, YAML_NULL, &event->start_mark);
    const struct yaml_node *target = find_anchor(b, name);
    if (!target)
        return yaml_node_error(copy, b->err, "there is no anchor '&%s' before this alias", name);
    if (is_open(b, target))
        return yaml_node_error(copy, b->err, "the anchor '&%s' would contain itself", name);

    copy->alias = true;
    copy->kind = target->kind;
    copy->quoted = target->quoted;
    copy->text = target->text;
    copy->children = target->children;
    copy->child_count = target->child_count;
    copy->height = target->height;
    copy->weight = target->weight;
    return attach(b, copy);
}

static int on_document(struct builder *b, const yaml_event_t *event)
{
    if (!b->tree->root)
        return 0;
    return fail_at(b->tree, event->start_mark.line + 1, event->start_mark.column + 1, b->err,
                   "a second document begins here: only one is allowed");
}

static int on_nothing(struct builder *b _unused_, const yaml_event_t *event _unused_)
{
    return 0;
}

static int (*const handlers[])(struct builder *, const yaml_event_t *) = {
    [YAML_NO_EVENT] = on_nothing,           [YAML_STREAM_START_EVENT] = on_nothing,
    [YAML_STREAM_END_EVENT] = on_nothing,   [YAML_DOCUMENT_START_EVENT] = on_document,
    [YAML_DOCUMENT_END_EVENT] = on_nothing, [YAML_ALIAS_EVENT] = on_alias,
    [YAML_SCALAR_EVENT] = on_scalar,        [YAML_SEQUENCE_START_EVENT] = on_sequence,
    [YAML_SEQUENCE_END_EVENT] = on_end,     [YAML_MAPPING_START_EVENT] = on_mapping,
    [YAML_MAPPING_END_EVENT] = on_end,
};

static bool tab_at(const struct yaml_tree *tree, size_t line, size_t column)
{
    _cleanup_free_ char *excerpt = excerpt_text(tree->text, tree->len, line, column);
    const char *shown = excerpt;
    while (shown && --column && *shown != '\n')
        shown++;
    return shown && *shown == '\t';
}

/* Where libyaml saw the problem; where what it was reading began, if the text simply ended. */
static void problem_position(const struct yaml_tree *tree, const yaml_parser_t *parser,
                             size_t *line, size_t *column)
{
    if (parser->error == YAML_READER_ERROR) {
        excerpt_position(tree->text, tree->len, parser->problem_offset, line, column);
        return;
    }
    const yaml_mark_t *mark = &parser->problem_mark;
    _cleanup_free_ char *excerpt = excerpt_text(tree->text, tree->len, mark->line + 1,
                                                mark->column + 1);
    if (!excerpt && parser->context)
        mark = &parser->context_mark;
    *line = mark->line + 1;
    *column = mark->column + 1;
}

static int parser_error(const struct yaml_tree *tree, const yaml_parser_t *parser,
                        struct error *err)
{
    size_t line, column;
    problem_position(tree, parser, &line, &column);
    if (parser->error == YAML_SCANNER_ERROR && tab_at(tree, line, column))
        return fail_at(tree, line, column, err, "not valid YAML: a tab cannot indent, use spaces");

    _cleanup_free_ char *message = xasprintf(
        "not valid YAML: %s%s%s", parser->problem ? parser->problem : "out of memory",
        parser->context ? " " : "", parser->context ? parser->context : "");
    return fail_at(tree, line, column, err, message);
}

static int build(struct builder *b, yaml_parser_t *parser)
{
    for (bool ended = false; !ended;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return parser_error(b->tree, parser, b->err);
        ended = event.type == YAML_STREAM_END_EVENT;
        int r = handlers[event.type](b, &event);
        yaml_event_delete(&event);
        if (r < 0)
            return -1;
    }
    if (!b->tree->root) {
        b->tree->root = node_new(b->tree, YAML_NULL, &(yaml_mark_t){0});
        b->tree->root->text = xstrdup("");
    }
    return 0;
}

static void builder_deinit(struct builder *b)
{
    for (size_t i = 0; i < b->anchors.len; i++)
        free(b->anchors.items[i].name);
    vec_deinit(&b->anchors);
}

static struct yaml_tree *tree_new(const char *name, const char *text, size_t len)
{
    static const char bom[] = "\xef\xbb\xbf";
    if (len >= 3 && memcmp(text, bom, 3) == 0) {
        text += 3;
        len -= 3;
    }
    struct yaml_tree *tree = xcalloc(1, sizeof(*tree));
    tree->name = xstrdup(name);
    tree->text = xmemdup(text, len);
    tree->len = len;
    return tree;
}

struct yaml_tree *yaml_tree_parse(const char *name, const char *text, size_t len, struct error *err)
{
    if (len > YAML_MAX_BYTES) {
        error_set(err, ERROR_CONFIG, "'%s' is longer than 1 MiB", name);
        return NULL;
    }

    _cleanup_yaml_ struct yaml_tree *tree = tree_new(name, text, len);
    _cleanup_(builder_deinit) struct builder b = {.tree = tree, .err = err};
    _cleanup_(yaml_parser_delete) yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    /* Said and not guessed: a UTF-16 file is refused, since the excerpts could not show it. */
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)tree->text, tree->len);
    if (build(&b, &parser) < 0)
        return NULL;
    return TAKE_PTR(tree);
}
