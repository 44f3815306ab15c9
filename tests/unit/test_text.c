/* SPDX-License-Identifier: Apache-2.0 */
#include "report/text.h"

#include "tap.h"

static void check_clean_bytes(const char *bytes, size_t len, bool keep_color, const char *want)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    text_clean(&out, bytes, len, keep_color);
    check_str(out.buf, want);
    _cleanup_strbuf_ struct strbuf again = STRBUF_INIT;
    text_clean(&again, out.buf, out.len, keep_color);
    check_str(again.buf, want);
}

static void check_clean(const char *text, const char *want)
{
    check_clean_bytes(text, strlen(text), false, want);
}

static void test_plain_text_stays(void)
{
    check_clean("", "");
    check_clean("a\tb\r\nc <&> ]]>", "a\tb\r\nc <&> ]]>");
    check_clean("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x9a\x80",
                "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x9a\x80");
}

static void test_terminal_sequences_vanish(void)
{
    check_clean("\x1b[31;1mred\x1b[0m", "red");
    check_clean("\x1b[2K\x1b[1A\x1b[?25lx", "x");
    check_clean("\x1b]0;a title\x07x", "x");
    check_clean("\x1b]8;;http://a/\x1b\\link\x1b]8;;\x1b\\", "link");
    check_clean("\x1bPq#0;1\x1b\\x", "x");
    check_clean("\x1b(Bx\x1b"
                "7y\x1b=z",
                "xyz");
    check_clean("\xc2\x9b"
                "31mred",
                "red");
}

static void test_broken_sequences_are_shown(void)
{
    check_clean("x\x1b", "x#x1B");
    check_clean("\x1b[31", "#x1B[31");
    check_clean("\x1b[3\x01m", "#x1B[3#x01m");
    check_clean("\x1b]0;no end\nnext line", "#x1B]0;no end\nnext line");
    check_clean("\x1b]0;\x1b[1mx", "#x1B]0;x");
    check_clean("\x1b\x1b[1mx", "#x1Bx");
}

static void test_control_characters_are_shown(void)
{
    check_clean_bytes("a\0b", 3, false, "a#x00b");
    check_clean("\x07\x08\x7f", "#x07#x08#x7F");
    check_clean("\xc2\x85", "#x85");
    check_clean("\xef\xbf\xbe\xef\xbf\xbf", "#xFFFE#xFFFF");
}

static void test_invalid_utf8_is_repaired(void)
{
    check_clean("caf\xe9", "caf\xef\xbf\xbd");
    check_clean("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");                 /* overlong */
    check_clean("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* surrogate */
    check_clean("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    check_clean("\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd");
    check_clean("\xe2\x82z", "\xef\xbf\xbd\xef\xbf\xbdz");
}

static void test_colors_can_stay(void)
{
    check_clean_bytes("\x1b[1;31mred\x1b[m\x1b[2K", 17, true, "\x1b[1;31mred\x1b[m");
    check_clean_bytes("\x1b[>4mx", 6, true, "x");
}

static void test_bounded(void)
{
    check(text_bounded(NULL, 10) == NULL);
    _cleanup_free_ char *all = text_bounded("0123456789", 10);
    check_str(all, "0123456789");
    _cleanup_free_ char *some = text_bounded("0123456789ABCDEF", 10);
    check_str(some, "01234\n... 6 bytes left out ...\nBCDEF");
}

static void test_first_line(void)
{
    check(text_first_line(NULL, 80) == NULL);
    check(text_first_line(" \n\t\n", 80) == NULL);
    _cleanup_free_ char *line = text_first_line("\n  \x1b[1mwhat\x1b[0m went wrong \r\nmore", 80);
    check_str(line, "what went wrong");
    _cleanup_free_ char *cut = text_first_line("ab\xe2\x82\xac", 4);
    check_str(cut, "ab");
}

static void check_disarmed(const char *lines, const char *want)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, lines);
    text_disarm(&text);
    check_str(text.buf, want);
}

static void test_commands_are_disarmed(void)
{
    check_disarmed("", "");
    check_disarmed("a::b::c\n# # [x] #[x] ##x ##", "a::b::c\n# # [x] #[x] ##x ##");
    check_disarmed("::x::", ": :x::");
    check_disarmed("a\n \t::x::\n::y::", "a\n \t: :x::\n: :y::");
    check_disarmed("a\r::x::", "a\r: :x::");
    check_disarmed("a\n\xe3\x80\x80::x::", "a\n\xe3\x80\x80: :x::");
    check_disarmed("a ##[x] ##[y]", "a # #[x] # #[y]");
    check_disarmed("####[x]", "### #[x]");
    check_disarmed("a ##VSO[x.y]##teamcity[x]", "a # #VSO[x.y]# #teamcity[x]");
    check_disarmed("##teamcity", "##teamcity");
    check_disarmed("a ##[x]\n::x::", "a # #[x]\n: :x::");
    check_disarmed("::x::\n##[x]", ": :x::\n# #[x]");
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_plain_text_stays),
        TAP(test_terminal_sequences_vanish),
        TAP(test_broken_sequences_are_shown),
        TAP(test_control_characters_are_shown),
        TAP(test_invalid_utf8_is_repaired),
        TAP(test_colors_can_stay),
        TAP(test_bounded),
        TAP(test_first_line),
        TAP(test_commands_are_disarmed),
        {0},
    });
}
