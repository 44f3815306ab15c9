/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/json.h"

#include <errno.h>
#include <string.h>

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

enum { LINE_MAX_BYTES = 1024 * 1024, FILE_MAX_BYTES = 16 * 1024 * 1024 };

json_t *json_parse(const char *text, size_t len, struct error *err)
{
    json_error_t why;
    json_t *value = json_loadb(text, len, 0, &why);
    if (!value)
        error_set(err, ERROR_ENGINE, "the engine's answer is not JSON: %s", why.text);
    return value;
}

json_t *json_read(int fd)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    char chunk[16384];
    ssize_t n;
    text.max = FILE_MAX_BYTES;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && strbuf_add(&text, chunk, (size_t)n) < 0)
            return NULL;
    return n < 0 ? NULL : json_loadb(text.buf, text.len, 0, NULL);
}

json_t *json_at(const json_t *root, const char *path)
{
    const json_t *at = root;
    while (at && *path) {
        size_t len = strcspn(path, "/");
        _cleanup_free_ char *key = xstrndup(path, len);
        at = json_object_get(at, key);
        path += len + (path[len] == '/');
    }
    return json_is_null(at) ? NULL : (json_t *)at;
}

const char *json_string_at(const json_t *root, const char *path, const char *fallback)
{
    const char *s = json_string_value(json_at(root, path));
    return s ? s : fallback;
}

static bool decode_string(const json_t *value, void *slot)
{
    if (!json_is_string(value))
        return false;
    replace_str(slot, json_string_value(value));
    return true;
}

static bool decode_int(const json_t *value, void *slot)
{
    if (!json_is_integer(value))
        return false;
    *(int64_t *)slot = json_integer_value(value);
    return true;
}

static bool decode_bool(const json_t *value, void *slot)
{
    if (!json_is_boolean(value))
        return false;
    *(bool *)slot = json_is_true(value);
    return true;
}

static bool decode_strings(const json_t *value, void *slot)
{
    if (!json_is_array(value))
        return false;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_string(item))
            return false;
        strvec_push(slot, json_string_value(item));
    }
    return true;
}

static bool decode_keys(const json_t *value, void *slot)
{
    if (!json_is_object(value))
        return false;
    json_t *object = (json_t *)value;
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it))
        strvec_push(slot, json_object_iter_key(it));
    return true;
}

static bool (*const decoders[])(const json_t *, void *) = {
    [JSON_KIND_STRING] = decode_string, [JSON_KIND_INT] = decode_int,
    [JSON_KIND_BOOL] = decode_bool,     [JSON_KIND_STRINGS] = decode_strings,
    [JSON_KIND_KEYS] = decode_keys,
};

int json_decode(const json_t *root, const struct json_field *fields, size_t count, void *out,
                struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct json_field *field = &fields[i];
        const json_t *value = json_at(root, field->path);
        if (!value && field->required)
            return error_set(err, ERROR_ENGINE, "the engine's answer has no '%s'", field->path);
        if (value && !decoders[field->kind](value, (char *)out + field->offset))
            return error_set(err, ERROR_ENGINE, "the engine's answer has a strange '%s'",
                             field->path);
    }
    return 0;
}

char *json_one_line(char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == ' ')
        text[--len] = '\0';
    return text;
}

char *json_error_message(const char *body, size_t len)
{
    _cleanup_json_ json_t *root = json_loadb(body, len, 0, NULL);
    const char *message = json_string_at(root, "message", NULL);
    if (message && *message)
        return json_one_line(xstrdup(message));
    /* Not the engine but a proxy before it, perhaps: its words in short. */
    char *text = json_one_line(xstrndup(body, len < 200 ? len : 200));
    if (*text)
        return text;
    free(text);
    return xstrdup("it gave no reason");
}

void json_lines_init(struct json_lines *lines)
{
    strbuf_init(&lines->pending, LINE_MAX_BYTES);
}

void json_lines_deinit(struct json_lines *lines)
{
    strbuf_deinit(&lines->pending);
}

static int finish_line(struct json_lines *lines, json_line_fn fn, void *fn_data)
{
    struct strbuf *line = &lines->pending;
    if (strspn(line->buf, " \r\n\t") == line->len) {
        strbuf_reset(line);
        return 0;
    }
    _cleanup_json_ json_t *value = json_loadb(line->buf, line->len, 0, NULL);
    strbuf_reset(line);
    if (!value)
        return -1;
    fn(fn_data, value);
    return 0;
}

int json_lines_feed(struct json_lines *lines, const void *data, size_t len, json_line_fn fn,
                    void *fn_data)
{
    const char *p = data;
    while (len > 0) {
        const char *end = memchr(p, '\n', len);
        size_t n = end ? (size_t)(end - p) + 1 : len;
        if (strbuf_add(&lines->pending, p, n) < 0)
            return -1;
        if (end && finish_line(lines, fn, fn_data) < 0)
            return -1;
        p += n;
        len -= n;
    }
    return 0;
}
