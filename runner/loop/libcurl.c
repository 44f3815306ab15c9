/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, loaded when the first of its functions is called.
 *
 * It comes with thirty libraries of which each start of the program would pay 5 ms, a good deal of
 * a run on the embedded engine, which has nobody to speak HTTP with. So we do not link with it but
 * define those of its functions that we use, each handing over to the real one; callers include
 * <curl/curl.h> and know nothing of it. Without the library no handle is ever made.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo

#define LIBRARY "libcurl.so.4"

static void *find(const char *name)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_NODELETE);
    void *function = library ? dlsym(library, name) : NULL;
    if (library)
        (void)dlclose(library); /* which leaves it where it is */
    return function;
}

/* Calls the real one; `otherwise` is the result where there is none. */
#define FORWARD(name, otherwise, ...)                                                              \
    do {                                                                                           \
        __typeof__(&name) function = (__typeof__(&name))find(#name);                               \
        return function ? function(__VA_ARGS__) : (otherwise);                                     \
    } while (0)

CURL *curl_easy_init(void)
{
    FORWARD(curl_easy_init, NULL);
}

void curl_easy_cleanup(CURL *easy)
{
    __typeof__(&curl_easy_cleanup) function = (__typeof__(function))find("curl_easy_cleanup");
    if (function)
        function(easy);
}

/* LLVM's checker does not see va_start() in a function of this shape. */
/* NOLINTBEGIN(clang-analyzer-valist.Uninitialized,bugprone-branch-clone) */

/* The one argument that follows is of the type that the option's number tells. */
CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    __typeof__(&curl_easy_setopt) function = (__typeof__(function))find("curl_easy_setopt");
    if (!function)
        return CURLE_FAILED_INIT;
    CURLcode code;
    va_list ap;
    va_start(ap, option);
    if ((int)option >= CURLOPTTYPE_OFF_T && (int)option < CURLOPTTYPE_BLOB)
        code = function(easy, option, va_arg(ap, curl_off_t));
    else if ((int)option >= CURLOPTTYPE_OBJECTPOINT)
        code = function(easy, option, va_arg(ap, void *));
    else
        code = function(easy, option, va_arg(ap, long));
    va_end(ap);
    return code;
}

CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    __typeof__(&curl_easy_getinfo) function = (__typeof__(function))find("curl_easy_getinfo");
    if (!function)
        return CURLE_FAILED_INIT;
    va_list ap;
    va_start(ap, info);
    CURLcode code = function(easy, info, va_arg(ap, void *));
    va_end(ap);
    return code;
}

/* NOLINTEND(clang-analyzer-valist.Uninitialized,bugprone-branch-clone) */

CURLcode curl_easy_perform(CURL *easy)
{
    FORWARD(curl_easy_perform, CURLE_FAILED_INIT, easy);
}

CURLcode curl_easy_send(CURL *easy, const void *bytes, size_t len, size_t *sent)
{
    FORWARD(curl_easy_send, CURLE_FAILED_INIT, easy, bytes, len, sent);
}

CURLcode curl_easy_recv(CURL *easy, void *bytes, size_t len, size_t *got)
{
    FORWARD(curl_easy_recv, CURLE_FAILED_INIT, easy, bytes, len, got);
}

CURLcode curl_easy_pause(CURL *easy, int mask)
{
    FORWARD(curl_easy_pause, CURLE_FAILED_INIT, easy, mask);
}

const char *curl_easy_strerror(CURLcode code)
{
    FORWARD(curl_easy_strerror, "there is no " LIBRARY, code);
}

CURLM *curl_multi_init(void)
{
    FORWARD(curl_multi_init, NULL);
}

CURLMcode curl_multi_cleanup(CURLM *multi)
{
    FORWARD(curl_multi_cleanup, CURLM_BAD_HANDLE, multi);
}

CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    FORWARD(curl_multi_add_handle, CURLM_BAD_HANDLE, multi, easy);
}

CURLMcode curl_multi_remove_handle(CURLM *multi, CURL *easy)
{
    FORWARD(curl_multi_remove_handle, CURLM_BAD_HANDLE, multi, easy);
}

CURLMcode curl_multi_perform(CURLM *multi, int *running)
{
    FORWARD(curl_multi_perform, CURLM_BAD_HANDLE, multi, running);
}

CURLMcode curl_multi_poll(CURLM *multi, struct curl_waitfd *fds, unsigned count, int timeout_ms,
                          int *ready)
{
    FORWARD(curl_multi_poll, CURLM_BAD_HANDLE, multi, fds, count, timeout_ms, ready);
}

CURLMsg *curl_multi_info_read(CURLM *multi, int *left)
{
    FORWARD(curl_multi_info_read, NULL, multi, left);
}

const char *curl_multi_strerror(CURLMcode code)
{
    FORWARD(curl_multi_strerror, "there is no " LIBRARY, code);
}

time_t curl_getdate(const char *text, const time_t *unused)
{
    FORWARD(curl_getdate, -1, text, unused);
}

struct curl_slist *curl_slist_append(struct curl_slist *list, const char *text)
{
    FORWARD(curl_slist_append, NULL, list, text);
}

void curl_slist_free_all(struct curl_slist *list)
{
    __typeof__(&curl_slist_free_all) function = (__typeof__(function))find("curl_slist_free_all");
    if (function)
        function(list);
}
