/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the engine's JSON to structs, by tables of fields; and streams of one JSON object per line.
 */
#ifndef DOCKER_JSON_H
#define DOCKER_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include <cleanroom/error.h>
#include <cleanroom/strbuf.h>

enum json_kind {
    JSON_KIND_STRING,  /* char *, owned */
    JSON_KIND_INT,     /* int64_t */
    JSON_KIND_BOOL,    /* bool */
    JSON_KIND_STRINGS, /* struct strvec */
    JSON_KIND_KEYS,    /* struct strvec: the keys of an object */
};

struct json_field {
    const char *path; /* "Config/Labels/org.cleanroom.run" */
    enum json_kind kind;
    size_t offset;
    bool required;
};

#define _cleanup_json_ _cleanup_(json_cleanup)

static inline void json_cleanup(json_t **value)
{
    json_decref(*value);
}

/* Parses a whole text. NULL and ERROR_ENGINE when it is not JSON; the caller's to json_decref(). */
json_t *json_parse(const char *text, size_t len, struct error *err);

/* The document in a file from where it stands (jansson's own way reads byte by byte). NULL when it
   is none. */
json_t *json_read(int fd);

/* The value at a path, borrowed; NULL where there is none or it is null. */
json_t *json_at(const json_t *root, const char *path);

/* The string at a path, borrowed; fallback where there is none. */
const char *json_string_at(const json_t *root, const char *path, const char *fallback);

/* Fills the zeroed struct out by a table; what is absent or null stays as it is. On failure *out
   holds what was decoded so far: release it all the same. */
int json_decode(const json_t *root, const struct json_field *fields, size_t count, void *out,
                struct error *err);

/* What an error body says ({"message": ...}, or plain text), on one line of printable characters;
   release with free(). */
char *json_error_message(const char *body, size_t len);

/* A text on one line: control characters become blanks. In place; returns text. */
char *json_one_line(char *text);

/* Cuts a stream into lines and parses each. */
struct json_lines {
    struct strbuf pending; /* the line begun */
};
typedef void (*json_line_fn)(void *data, const json_t *line);

void json_lines_init(struct json_lines *lines);
void json_lines_deinit(struct json_lines *lines);
/* Returns -1 when a line is no JSON, or endless. */
int json_lines_feed(struct json_lines *lines, const void *data, size_t len, json_line_fn fn,
                    void *fn_data);

#endif
