/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks one member up in a JSON object (RFC 8259) without building it: the satellite has no library
 * for that. Only what stands at the top is looked at; whatever is nested is skipped. It takes more
 * than JSON for JSON (numbers and names are not checked), but never a text that is not closed.
 */
#ifndef PROVIDERS_JSON_PROBE_H
#define PROVIDERS_JSON_PROBE_H

#include <stddef.h>

enum json_probe {
    JSON_PROBE_MORE,   /* the object is not closed yet */
    JSON_PROBE_FOUND,  /* *out is the member, a string, as it stands: escapes are not resolved */
    JSON_PROBE_ABSENT, /* an object, but it has no such member, or that is not a string */
    JSON_PROBE_WRONG,  /* not an object, or nested too deep */
};

struct json_probe_text {
    const char *text; /* borrows the data */
    size_t len;
};

enum json_probe json_probe_member(const char *data, size_t len, const char *name,
                                  struct json_probe_text *out);

#endif
