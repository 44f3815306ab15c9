/* SPDX-License-Identifier: Apache-2.0 */
#include "config/words.h"

#include <string.h>

void words_quote(struct strbuf *out, const char *word)
{
    if (*word && !strpbrk(word, " \t\r\n'\"\\$`*?[]#~&|;<>(){}!")) {
        strbuf_adds(out, word);
        return;
    }
    strbuf_addc(out, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            strbuf_adds(out, "'\\''");
        else
            strbuf_addc(out, *word);
    }
    strbuf_addc(out, '\'');
}

char *words_join(const struct strvec *words)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    for (size_t i = 0; i < words->len; i++) {
        if (i)
            strbuf_addc(&out, ' ');
        words_quote(&out, words->items[i]);
    }
    return strbuf_detach(&out);
}
