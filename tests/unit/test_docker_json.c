/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/json.h"

#include <stdint.h>

#include <cleanroom/vec.h>

#include "tap.h"

struct thing {
    char *name;
    int64_t size;
    bool on;
    struct strvec words;
    struct strvec keys;
};

static const struct json_field fields[] = {
    {"Name", JSON_KIND_STRING, offsetof(struct thing, name), true},
    {"Deep/Size", JSON_KIND_INT, offsetof(struct thing, size), false},
    {"Deep/On", JSON_KIND_BOOL, offsetof(struct thing, on), false},
    {"Words", JSON_KIND_STRINGS, offsetof(struct thing, words), false},
    {"Keys", JSON_KIND_KEYS, offsetof(struct thing, keys), false},
};

static int decode(const char *text, struct thing *out, struct error *err)
{
    _cleanup_json_ json_t *root = json_parse(text, strlen(text), err);
    return root ? json_decode(root, fields, ARRAY_SIZE(fields), out, err) : -1;
}

static void thing_deinit(struct thing *thing)
{
    free(thing->name);
    strvec_deinit(&thing->words);
    strvec_deinit(&thing->keys);
}
#define THING struct thing __attribute__((cleanup(thing_deinit)))

static void test_all_kinds(void)
{
    THING t = {0};
    struct error err _cleanup_error_ = ERROR_INIT;
    check_int(decode("{\"Name\":\"x\",\"Deep\":{\"Size\":9007199254740993,\"On\":true},"
                     "\"Words\":[\"a\",\"b\"],\"Keys\":{\"/data\":{}}}",
                     &t, &err),
              0);
    check_str(t.name, "x");
    check(t.size == INT64_C(9007199254740993));
    check(t.on);
    check_int(t.words.len, 2);
    check_str(t.words.items[1], "b");
    check_str(t.keys.items[0], "/data");
}

/* Go writes null for an empty list. */
static void test_absent_and_null(void)
{
    THING t = {0};
    check_int(decode("{\"Name\":\"x\",\"Words\":null,\"Deep\":null}", &t, NULL), 0);
    check_int(t.words.len, 0);
    check_int(t.size, 0);
}

static void test_errors(void)
{
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"{}", "no 'Name'"},
        {"[]", "no 'Name'"},
        {"{\"Name\":3}", "strange 'Name'"},
        {"{\"Name\":\"x\",\"Words\":[\"a\",1]}", "strange 'Words'"},
        {"{\"Name\":\"x\",\"Words\":\"a\"}", "strange 'Words'"},
        {"{\"Name\":\"x\",\"Deep\":{\"Size\":1.5}}", "strange 'Deep/Size'"},
        {"{\"Name\":\"x\",\"Keys\":[]}", "strange 'Keys'"},
        {"", "not JSON"},
        {"{\"Name\":\"x\"} x", "not JSON"},
        {"{\"Name\":\"\xff\"}", "not JSON"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        THING t = {0};
        struct error err _cleanup_error_ = ERROR_INIT;
        check_int(decode(cases[i].text, &t, &err), -1);
        check_int(err.kind, ERROR_ENGINE);
        check_contains(err.message, cases[i].words);
    }
}

static void test_deep_nesting(void)
{
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    for (int i = 0; i < 100000; i++)
        strbuf_addc(&text, '[');
    check(json_parse(text.buf, text.len, NULL) == NULL);
}

static void check_message(const char *body, const char *want)
{
    _cleanup_free_ char *got = json_error_message(body, strlen(body));
    check_str(got, want);
}

static void test_error_message(void)
{
    check_message("{\"message\":\"no\\nsuch thing\\n\"}", "no such thing");
    check_message("502 Bad Gateway\r\n", "502 Bad Gateway");
    check_message("{\"cause\":\"x\"}", "{\"cause\":\"x\"}");
    check_message("", "it gave no reason");
    check_message("{\"message\":\"\"}", "{\"message\":\"\"}");
}

static void on_line(void *data, const json_t *line)
{
    strbuf_addf(data, "%s;", json_string_at(line, "a", "-"));
}

static void test_lines_in_every_split(void)
{
    static const char text[] = "{\"a\":\"1\"}\r\n\n{\"a\":\"2\"}\n{\"b\":\"3\"}\n";
    for (size_t step = 1; step <= sizeof(text); step++) {
        struct strbuf seen _cleanup_strbuf_ = STRBUF_INIT;
        struct json_lines lines;
        json_lines_init(&lines);
        for (size_t at = 0; at < sizeof(text) - 1; at += step) {
            size_t n = sizeof(text) - 1 - at < step ? sizeof(text) - 1 - at : step;
            check_int(json_lines_feed(&lines, text + at, n, on_line, &seen), 0);
        }
        check_str(seen.buf, "1;2;-;");
        json_lines_deinit(&lines);
    }
}

static void test_bad_lines(void)
{
    struct strbuf seen _cleanup_strbuf_ = STRBUF_INIT;
    struct json_lines lines;
    json_lines_init(&lines);
    check_int(json_lines_feed(&lines, "hello\n", 6, on_line, &seen), -1);
    json_lines_deinit(&lines);

    _cleanup_free_ char *endless = xcalloc(1, 1 << 20);
    memset(endless, ' ', 1 << 20);
    check_int(json_lines_feed(&lines, endless, 1 << 20, on_line, &seen), 0);
    check_int(json_lines_feed(&lines, endless, 1 << 20, on_line, &seen), -1);
    json_lines_deinit(&lines);
    check_int(seen.len, 0);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_all_kinds),
                                       TAP(test_absent_and_null),
                                       TAP(test_errors),
                                       TAP(test_deep_nesting),
                                       TAP(test_error_message),
                                       TAP(test_lines_in_every_split),
                                       TAP(test_bad_lines),
                                       {0}});
}
