/* SPDX-License-Identifier: Apache-2.0 */
/* Whose subordinate ids they are, and which of them the kernel would take. */
#include "engine/embedded/userns.h"

#include <fcntl.h>

#include <cleanroom/strbuf.h>

#include "base/file.h"
#include "tap.h"

static char path[] = "/tmp/cleanroom-subid-XXXXXX";

/* "FIRST+COUNT" of each, as ann (1000), whose group is 100. */
static char *ranges_of(const char *text, const struct id_owner *owner)
{
    struct id_ranges ranges = {0};
    struct strbuf out = STRBUF_INIT;
    _cleanup_close_ int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    check_int(file_write_all(fd, text, strlen(text)), 0);
    userns_read_ranges(path, owner, &ranges);
    for (size_t i = 0; i < ranges.len; i++)
        strbuf_addf(&out, "%s%lu+%lu", i ? " " : "", ranges.items[i].first, ranges.items[i].count);
    vec_deinit(&ranges);
    return strbuf_detach(&out);
}

static void test_lines(void)
{
    static const struct {
        const char *text, *ranges;
    } cases[] = {
        {"", "100+1"},
        {"ann:100000:65536\n", "100+1 100000+65536"},
        {"ann:100000:65536", "100+1 100000+65536"},
        {"1000:100000:65536\n", "100+1 100000+65536"},
        {"bob:100000:65536\n1001:200000:65536\nanna:1:2\nan:3:4\n", "100+1"},
        {"bob:1000:10\nann:100000:10\nbob:2000:10\nann:300000:20\n", "100+1 100000+10 300000+20"},
        {"# ann:100000:65536\n\n\nann:100000:65536\n", "100+1 100000+65536"},
        /* What makes no sense. */
        {"ann\nann:\nann:1\nann:1000:\nann::65536\n:::\n", "100+1"},
        {"ann:100000:65536:x\nann:100000x:1\nann:1000:1x\nann:-1:5\nann: 7:5\nann:0x10:5\n",
         "100+1"},
        {"ann:100000:0\n", "100+1"},
        {"ann:99999999999999999999:5\nann:5000:99999999999999999999\n", "100+1"},
        {"ann:4294967290:5\n", "100+1 4294967290+5"},
        {"ann:4294967290:6\nann:4294967295:1\nann:4294967296:1\n", "100+1"},
        /* No id twice: said by name and by number, overlapping, our own. */
        {"ann:100000:65536\n1000:100000:65536\n", "100+1 100000+65536"},
        {"ann:100000:10\nann:100009:10\nann:100010:10\n", "100+1 100000+10 100010+10"},
        {"ann:100010:10\nann:100005:6\nann:100000:10\n", "100+1 100010+10 100000+10"},
        {"ann:100000:100\nann:100050:10\nann:99999:200\n", "100+1 100000+100"},
        {"ann:0:65536\nann:101:5\nann:90:10\n", "100+1 101+5 90+10"},
    };
    const struct id_owner ann = {"ann", 1000, 100};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *ranges = ranges_of(cases[i].text, &ann);
        if (!check_str(ranges, cases[i].ranges))
            printf("# case %zu\n", i);
    }
}

static void test_owner_without_a_name(void)
{
    const struct id_owner nobody = {NULL, 4711, 4711};
    _cleanup_free_ char *ranges = ranges_of("ann:1:2\n4711:100000:5\n04711:200000:5\n", &nobody);
    check_str(ranges, "4711+1 100000+5 200000+5");
}

/* More than the kernel takes at once. */
static void test_many(void)
{
    const struct id_owner ann = {"ann", 1000, 100};
    struct id_ranges ranges = {0};
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    for (unsigned i = 0; i < 500; i++)
        strbuf_addf(&text, "ann:%u:1\n", 100000 + 2 * i);
    _cleanup_free_ char *some = ranges_of(text.buf, &ann);
    check_contains(some, "100000+1");
    userns_read_ranges(path, &ann, &ranges);
    check_int(ranges.len, 340);
    vec_deinit(&ranges);
}

static void test_no_file(void)
{
    const struct id_owner ann = {"ann", 1000, 1000};
    struct id_ranges ranges = {0};
    userns_read_ranges("/nonexistent/subuid", &ann, &ranges);
    check_int(ranges.len, 1);
    check_int(ranges.items[0].first, 1000);
    vec_deinit(&ranges);
}

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    int code = tap_run((struct tap_test[]){
        TAP(test_lines), TAP(test_owner_without_a_name), TAP(test_many), TAP(test_no_file), {0}});
    (void)unlink(path);
    return code;
}
