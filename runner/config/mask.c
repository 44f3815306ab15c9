/* SPDX-License-Identifier: Apache-2.0 */
#include "config/mask.h"

#include <string.h>

#include <cleanroom/strbuf.h>

/* The longest secret that begins at s; 0 when none does. */
static size_t secret_length(const struct strvec *secrets, const char *s)
{
    size_t longest = 0;

    for (size_t i = 0; i < secrets->len; i++) {
        size_t len = strlen(secrets->items[i]);
        if (len > longest && strncmp(s, secrets->items[i], len) == 0)
            longest = len;
    }
    return longest;
}

/* Copies "user:" of a URL's "user:password@" (after "://") and MASK in place of the password.
   Returns what follows, or s itself when there is no password here. */
static const char *mask_userinfo(struct strbuf *out, const char *s)
{
    size_t authority = strcspn(s, "/?# \t\r\n\"'|");
    const char *at = NULL;

    for (size_t i = 0; i < authority; i++)
        at = s[i] == '@' ? s + i : at;
    const char *colon = at ? memchr(s, ':', (size_t)(at - s)) : NULL;
    if (!colon)
        return s;
    strbuf_add(out, s, (size_t)(colon + 1 - s));
    strbuf_adds(out, MASK);
    return at;
}

char *mask_values(const struct strvec *secrets, const char *text)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    while (*text) {
        size_t len = secret_length(secrets, text);
        if (len)
            strbuf_adds(&out, MASK);
        else
            strbuf_addc(&out, *text);
        text += len ? len : 1;
    }
    return strbuf_detach(&out);
}

char *mask_text(const struct strvec *secrets, const char *text)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    _cleanup_free_ char *masked = mask_values(secrets, text);

    for (const char *s = masked; *s;) {
        if (strncmp(s, "://", 3) == 0) {
            strbuf_add(&out, s, 3);
            s = mask_userinfo(&out, s + 3);
        } else {
            strbuf_addc(&out, *s++);
        }
    }
    return strbuf_detach(&out);
}

bool mask_is_secret_name(const char *name)
{
    static const char *const hints[] = {"PASSWORD",   "PASSWD",    "SECRET",  "TOKEN",
                                        "API_KEY",    "APIKEY",    "PRIVATE", "ACCESS_KEY",
                                        "PASSPHRASE", "CREDENTIAL"};

    for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
        if (strcasestr(name, hints[i]))
            return true;
    }
    return false;
}
