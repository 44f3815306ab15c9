/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does MySQL serve?
 *
 * Wire protocol: dev.mysql.com/doc/dev/mysql-server, "Protocol::HandshakeV10" and "ERR_Packet"; the
 * server speaks first. The official images' temporary server, which runs the init scripts, listens
 * on no port (--skip-networking), so whoever greets is the final one; it greets when it accepts
 * connections, which is the last thing that it begins with.
 */
#include <string.h>

#include "common.h"
#include "mysql.h"

#define HEADER        4  /* length (3 bytes, little endian), number */
#define PROTOCOL      10 /* since 3.21 */
#define ERROR_PACKET  0xff
#define LONGEST       4096 /* greetings take about 100 bytes, errors at most 512 and their state */
#define STATE_LENGTH  6    /* '#' and an SQLSTATE */
#define ERROR_MINIMUM 3

static int request(const char *arg, struct strbuf *out _unused_)
{
    return *arg ? -1 : 0;
}

/* "Too many connections", "Host '...' is blocked", "Host '...' is not allowed to connect". */
static enum probe_verdict judge_error(const unsigned char *body, size_t len, char *why, size_t size)
{
    size_t skip = ERROR_MINIMUM;

    if (len >= ERROR_MINIMUM + STATE_LENGTH && body[ERROR_MINIMUM] == '#')
        skip += STATE_LENGTH;
    common_reason(why, size, body + skip, len - skip);
    return PROBE_NOT_YET;
}

/* Is this a greeting: the protocol's number, the version's text, and at least a connection's id? */
static bool is_greeting(const unsigned char *body, size_t len)
{
    const unsigned char *end = memchr(body, '\0', len);

    return *body == PROTOCOL && end && end > body + 1 && (size_t)(body + len - end) > 4;
}

static enum probe_verdict answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    static const char wrong[] = "not the MySQL protocol";

    common_reason(why, size, "", 0);
    if (len < HEADER)
        return PROBE_MORE;
    size_t total = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
    bool plausible = total >= ERROR_MINIMUM && total <= LONGEST && data[3] == 0;
    if (plausible && len < HEADER + total)
        return PROBE_MORE;
    if (plausible && data[HEADER] == ERROR_PACKET)
        return judge_error(data + HEADER, total, why, size);
    if (plausible && is_greeting(data + HEADER, total))
        return PROBE_READY;
    common_reason(why, size, wrong, strlen(wrong));
    return PROBE_WRONG;
}

const struct probe mysql_probe = {.address = POD_ADDRESS, .request = request, .answer = answer};
