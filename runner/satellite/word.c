/* SPDX-License-Identifier: Apache-2.0 */
#include "satellite/word.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *word_cut(char **text)
{
    char *word = *text, *colon = strchr(word, ':');

    if (!colon)
        return NULL;
    *colon = '\0';
    *text = colon + 1;
    return word;
}

int word_port(const char *text, uint16_t *port)
{
    size_t len = strspn(text, "0123456789");
    unsigned long value = len > 0 && len <= 5 && !text[len] ? strtoul(text, NULL, 10) : 0;

    if (value == 0 || value > UINT16_MAX)
        return -1;
    *port = (uint16_t)value;
    return 0;
}

void word_errno(int errnum, char *out, size_t size)
{
    /* Not strerror(): in a static binary it brings the machinery of translations along. */
    const char *text = strerrordesc_np(errnum);

    (void)snprintf(out, size, "%s", text ? text : "unknown error");
    if (out[0] >= 'A' && out[0] <= 'Z')
        out[0] = (char)(out[0] | 0x20);
}
