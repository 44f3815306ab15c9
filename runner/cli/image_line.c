/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_line.h"

#include <string.h>

#include <cleanroom/mem.h>

const char *image_short_id(const char *id)
{
    return strncmp(id, "sha256:", 7) == 0 ? id + 7 : id;
}

void image_size(char *out, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 999.5 && unit + 1 < ARRAY_SIZE(units); unit++)
        value /= 1000;
    (void)snprintf(out, size, value < 9.95 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void print_age(char *out, size_t size, const struct image_line *line)
{
    static const struct {
        int64_t seconds;
        const char *unit;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}};
    int64_t age = (clock_wall() - line->used) / NSEC_PER_SEC;
    (void)snprintf(out, size, "just now");
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        int64_t count = age / units[i].seconds;
        if (count <= 0)
            continue;
        (void)snprintf(out, size, "%lld %s%s ago", (long long)count, units[i].unit,
                       count == 1 ? "" : "s");
        break;
    }
    if (line->in_use)
        (void)snprintf(out, size, "in use");
}

void image_line_print(const struct image_line *line, int width, FILE *out)
{
    char size[16], age[32];
    if (!line) {
        fprintf(out, "%-*s  %-*s  %7s  %s\n", width, "REFERENCE", IMAGE_SHORT_ID, "ID", "SIZE",
                "LAST USED");
        return;
    }
    image_size(size, sizeof(size), line->size);
    print_age(age, sizeof(age), line);
    fprintf(out, "%-*s  %.*s  %7s  %s%s\n", width, line->name, IMAGE_SHORT_ID,
            image_short_id(line->id), size, age, line->remark);
}
