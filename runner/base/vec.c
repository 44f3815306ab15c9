/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/vec.h>

#include <cleanroom/strbuf.h>

void *vec_grow(void *items, size_t len, size_t *cap, size_t size)
{
    if (len < *cap)
        return items;
    *cap = *cap ? *cap * 2 : 8;
    return xreallocarray(items, *cap, size);
}

void strvec_take(struct strvec *v, char *s)
{
    /* One more than needed: items stays NULL-terminated. */
    v->items = vec_grow(v->items, v->len + 1, &v->cap, sizeof(*v->items));
    v->items[v->len++] = s;
    v->items[v->len] = NULL;
}

void strvec_push(struct strvec *v, const char *s)
{
    strvec_take(v, xstrdup(s));
}

void strvec_pushf(struct strvec *v, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    strvec_take(v, xvasprintf(fmt, ap));
    va_end(ap);
}

void strvec_append(struct strvec *v, const struct strvec *other)
{
    for (size_t i = 0; i < other->len; i++)
        strvec_push(v, other->items[i]);
}

static char **env_slot(const struct strvec *v, const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i < v->len; i++)
        if (strncmp(v->items[i], key, len) == 0 && v->items[i][len] == '=')
            return &v->items[i];
    return NULL;
}

void strvec_setenv(struct strvec *v, const char *key, const char *value)
{
    char **slot = env_slot(v, key);
    if (!slot) {
        strvec_pushf(v, "%s=%s", key, value);
        return;
    }
    char *entry = xasprintf("%s=%s", key, value);
    free(*slot);
    *slot = entry;
}

const char *strvec_getenv(const struct strvec *v, const char *key)
{
    char **slot = env_slot(v, key);
    return slot ? *slot + strlen(key) + 1 : NULL;
}

bool strvec_contains(const struct strvec *v, const char *s)
{
    for (size_t i = 0; i < v->len; i++)
        if (strcmp(v->items[i], s) == 0)
            return true;
    return false;
}

char *strvec_join(const struct strvec *v, const char *sep)
{
    struct strbuf sb = STRBUF_INIT;
    for (size_t i = 0; i < v->len; i++) {
        if (i)
            strbuf_adds(&sb, sep);
        strbuf_adds(&sb, v->items[i]);
    }
    return strbuf_detach(&sb);
}

void strvec_split(struct strvec *v, const char *s, const char *seps)
{
    for (;;) {
        s += strspn(s, seps);
        size_t len = strcspn(s, seps);
        if (len == 0)
            return;
        strvec_take(v, xstrndup(s, len));
        s += len;
    }
}

void strvec_deinit(struct strvec *v)
{
    for (size_t i = 0; i < v->len; i++)
        free(v->items[i]);
    free(v->items);
    *v = STRVEC_INIT;
}
