/* SPDX-License-Identifier: Apache-2.0 */
/* What skopeo says, in one line. */
#include "engine/store/registry.h"

#include "tap.h"

static void test_reasons(void)
{
    static const struct {
        const char *said, *meant;
    } cases[] = {
        {"time=\"2026-01-01T00:00:00Z\" level=fatal msg=\"Error parsing image name "
         "\\\"docker://docker.io/library/x:1\\\": reading manifest 1 in docker.io/library/x: "
         "manifest unknown\"\n",
         "reading manifest 1 in docker.io/library/x: manifest unknown"},
        {"time=\"x\" level=warning msg=\"first\"\ntime=\"x\" level=fatal msg=\"last: "
         "\\\"one\\\"\"\n",
         "last: \"one\""},
        {"FATA[0000] initializing source docker://a:1: no such host", "FATA[0000] initializing "
                                                                      "source docker://a:1: no "
                                                                      "such host"},
        {"time=\"x\" level=fatal msg=\"initializing source docker://127.0.0.1:5000/a:1: pinging: "
         "refused\"",
         "pinging: refused"},
        {"plain words\x1b[31m", "plain words"},
        {"\x1b[31mFATA\x1b[0m[0000] a \x1b[1;31mred\x1b[0m word\n", "FATA [0000] a red word"},
        {"time=\"x\" level=fatal msg=\"<html>\\n\\t<b>no\\x1b[0m\\u200b \\\\ way</b>\\r\\n\"\n"
         "time=\"x\" level=info msg=\"bye\"\n",
         "<html> <b>no [0m \\ way</b>"},
        {"time=\"x\" level=fatal msg=\"first\"\nand what followed\n", "first"},
        {"\x1b", "skopeo gave no reason"},
        {"ends in \x1b[1", "ends in"},
        {"", "skopeo gave no reason"},
        {"\n\n", "skopeo gave no reason"},
        {"level=fatal msg=\"unended \\", "unended \\"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *reason = registry_reason(cases[i].said);
        check_str(reason, cases[i].meant);
    }
}

static void test_loopback(void)
{
    static const struct {
        const char *domain;
        bool is;
    } cases[] = {
        {"127.0.0.1", true},
        {"127.0.0.1:5000", true},
        {"127.8.9.10", true},
        {"localhost", true},
        {"localhost:5000", true},
        {"[::1]", true},
        {"[::1]:5000", true},
        {"[0:0:0:0:0:0:0:1]", true},
        {"127.evil.example", false},
        {"127.0.0.1.x:80", false},
        {"127.1", false},
        {"128.0.0.1", false},
        {"localhost.x", false},
        {"localhosts", false},
        {"localhost5000", false},
        {"[::1].evil:80", false},
        {"[::1", false},
        {"[::2]", false},
        {"[127.0.0.1]", false},
        {"::1", false},
        {"", false},
        {"docker.io", false},
        {"0x7f.0.0.1", false},
        {"127.0.0.1x", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (!check(registry_is_loopback(cases[i].domain) == cases[i].is))
            printf("# %s\n", cases[i].domain);
}

static void test_no_skopeo(void)
{
    struct strbuf why _cleanup_strbuf_ = STRBUF_INIT;
    _cleanup_free_ char *path = xstrdup(getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    check(!registry_possible("postgres:15", &why));
    check_contains(why.buf, "'postgres:15'");
    check_contains(why.buf, "apt-get install skopeo");

    struct error err _cleanup_error_ = ERROR_INIT;
    struct import import = {.ref = "127.0.0.1:1/x"};
    check_int(import_registry(&import, &err), -1);
    check_int(err.kind, ERROR_ENGINE);
    check_contains(err.message, "apt-get install skopeo");
    setenv("PATH", path, 1);
}

int main(void)
{
    return tap_run(
        (struct tap_test[]){TAP(test_reasons), TAP(test_loopback), TAP(test_no_skopeo), {0}});
}
