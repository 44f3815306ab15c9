/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes bytes of unknown origin fit to be read: in an XML 1.0 document, and on a terminal.
 *
 * Terminal sequences (ECMA-48: CSI, OSC, DCS and the short ones) are taken out, invalid UTF-8
 * becomes U+FFFD, and control characters (but TAB, LF, CR) and non-characters are shown as pytest
 * shows them: "#x1B". The result is valid UTF-8 without NUL, and cleaning it again changes nothing.
 */
#ifndef REPORT_TEXT_H
#define REPORT_TEXT_H

#include <stdbool.h>

#include <cleanroom/strbuf.h>

/* Appends. keep_color: sequences that only choose a colour or weight (CSI ... m) stay. */
void text_clean(struct strbuf *out, const char *bytes, size_t len, bool keep_color);

/* Whether text_clean() would leave the bytes as they are because all are printable ASCII, TAB, LF
   or CR. */
bool text_is_plain(const char *bytes, size_t len);

/* A cleaned copy of at most max bytes of s: the first and the last half of it, and between them how
   much was left out. NULL in, NULL out. */
char *text_bounded(const char *s, size_t max);

/* The cleaned first line of s that is not blank, at most max bytes, without the blanks around it;
   NULL when there is none. */
char *text_first_line(const char *s, size_t max);

/*
 * Makes whole lines harmless, in place: a blank goes into what the CI system that reads our output
 * would take for a command. Their parsers look for
 *   "::name ...::" at a line's begin, behind blanks     GitHub: actions/runner, ActionCommand.cs
 *   "##[name ...]" anywhere in a line                   GitHub, the same
 *   "##vso[area.name ...]" anywhere, in any case        Azure: azure-pipelines-agent, Command.cs
 *   "##teamcity[name ...]" anywhere                     TeamCity: ServiceMessagesParser
 */
void text_disarm(struct strbuf *lines);

/* The length of the UTF-8 sequence at p (1 to 4), or 0 when there is no valid one. */
size_t text_utf8_length(const char *p, size_t len);

#endif
