/* SPDX-License-Identifier: Apache-2.0 */
#include "split/presets.h"

#include <string.h>

#define GTEST_VARIABLES  "GTEST_SHARD_INDEX and GTEST_TOTAL_SHARDS"
#define CATCH2_VARIABLES "TEST_SHARD_INDEX and TEST_TOTAL_SHARDS, with BAZEL_TEST=1"

#define BY_ARGUMENTS                                                                               \
    {                                                                                              \
        .words = { "{test}" }                                                                      \
    }

static const struct preset presets[] = {
    {
        .name = "pytest",
        .list = {"--collect-only", "-q"},
        .format = LIST_PYTEST,
        .naming = NAMING_PYTEST,
        .part = {BY_ARGUMENTS, BY_ARGUMENTS, BY_ARGUMENTS},
        .report = {"--junitxml={report}"},
        .empty_status = 5,
        .source = "https://docs.pytest.org/en/stable/how-to/usage.html",
    },
    {
        /* manage.py test has no list: its modules are. */
        .name = "django",
        .files = "test*.py",
        .files_dotted = true,
        .format = LIST_PLAIN,
        .naming = NAMING_DOTTED,
        .part = {BY_ARGUMENTS, BY_ARGUMENTS, BY_ARGUMENTS},
        .report_plugin = "unittest-xml-reporting",
        .source = "https://docs.djangoproject.com/en/stable/topics/testing/overview/",
    },
    {
        .name = "unittest",
        .files = "test*.py",
        .files_dotted = true,
        .format = LIST_PLAIN,
        .naming = NAMING_DOTTED,
        .part = {BY_ARGUMENTS, BY_ARGUMENTS, BY_ARGUMENTS},
        .report_plugin = "unittest-xml-reporting",
        .source = "https://docs.python.org/3/library/unittest.html#command-line-interface",
    },
    {
        .name = "nose2",
        .list = {"--plugin=nose2.plugins.collect", "--collect-only", "-v"},
        .list_on_stderr = true,
        .format = LIST_UNITTEST,
        .naming = NAMING_DOTTED,
        .part = {BY_ARGUMENTS, BY_ARGUMENTS, BY_ARGUMENTS},
        .report = {"--plugin=nose2.plugins.junitxml", "--junit-xml", "--junit-xml-path={report}"},
        .source = "https://docs.nose2.io/en/latest/usage.html",
    },
    {
        .name = "jest",
        .list = {"--listTests"},
        .format = LIST_PLAIN,
        .naming = NAMING_FILE,
        .granularity = GRANULARITY_FILE,
        .part = {[GRANULARITY_FILE] = {.words = {"--runTestsByPath", "{test}"}}},
        .shard = {"--shard={number}/{total}"},
        .report = {"--reporters=default", "--reporters=jest-junit"},
        .report_variable = "JEST_JUNIT_OUTPUT_FILE={report}",
        .report_plugin = "jest-junit",
        .source = "https://jestjs.io/docs/cli",
    },
    {
        .name = "vitest",
        .list = {"list", "--filesOnly"},
        .format = LIST_PLAIN,
        .naming = NAMING_FILE_PATH,
        .granularity = GRANULARITY_FILE,
        .part = {[GRANULARITY_FILE] = {.words = {"run", "{test}"}}},
        .shard = {"run", "--shard={number}/{total}"},
        .report = {"--reporter=default", "--reporter=junit", "--outputFile.junit={report}"},
        .source = "https://vitest.dev/guide/cli.html",
    },
    {
        .name = "mocha",
        .list = {"--dry-run", "--reporter=json"},
        .format = LIST_MOCHA,
        .naming = NAMING_MOCHA,
        .part = {[GRANULARITY_FILE] = {.words = {"{test}"}}},
        .granularity = GRANULARITY_FILE,
        .report = {"--reporter=xunit", "--reporter-option=output={report}"},
        .source = "https://mochajs.org/#command-line-usage",
    },
    {
        .name = "playwright",
        .list = {"--list"},
        .format = LIST_PLAYWRIGHT,
        .naming = NAMING_PLAYWRIGHT,
        /* Expressions for the whole path: the slash is where the last part of it must begin. */
        .part = {[GRANULARITY_TEST] = {.words = {"/{test}"}},
                 [GRANULARITY_FILE] = {.words = {"/{test}"}}},
        .quote = QUOTE_REGEX,
        .shard = {"--shard={number}/{total}"},
        .report = {"--reporter=list,junit"},
        .report_variable = "PLAYWRIGHT_JUNIT_OUTPUT_FILE={report}",
        .source = "https://playwright.dev/docs/test-cli",
    },
    {
        .name = "node",
        .files = "*.test.js *.test.mjs *.test.cjs",
        .format = LIST_PLAIN,
        .naming = NAMING_FILE,
        .granularity = GRANULARITY_FILE,
        .part = {[GRANULARITY_FILE] = BY_ARGUMENTS},
        .shard = {"--test-shard={number}/{total}"},
        .report = {"--test-reporter=spec", "--test-reporter-destination=stdout",
                   "--test-reporter=junit", "--test-reporter-destination={report}"},
        .source = "https://nodejs.org/api/test.html",
    },
    {
        .name = "go",
        .list = {"-list=.", "./..."},
        .format = LIST_GO,
        .naming = NAMING_GO,
        .part = {[GRANULARITY_TEST] = {.words = {"-run=^({tests})$", "./..."}},
                 [GRANULARITY_CLASS] = BY_ARGUMENTS},
        .joiner = "|",
        .report_plugin = "gotestsum",
        .source = "https://pkg.go.dev/cmd/go#hdr-Testing_flags",
    },
    {
        .name = "gtest",
        .list = {"--gtest_list_tests"},
        .format = LIST_GTEST,
        .naming = NAMING_DOTTED,
        .part = {[GRANULARITY_TEST] = {.words = {"--gtest_filter={tests}"}},
                 [GRANULARITY_CLASS] = {.words = {"--gtest_filter={tests}"}, .each = "%s.*"}},
        .joiner = ":",
        .shard_variables = GTEST_VARIABLES,
        .report = {"--gtest_output=xml:{report}"},
        .report_variable = "GTEST_OUTPUT=xml:{report}",
        .source = "https://google.github.io/googletest/advanced.html",
    },
    {
        .name = "catch2",
        .list = {"--list-tests", "--verbosity=quiet"},
        .format = LIST_PLAIN,
        .naming = NAMING_NAME,
        .part = {[GRANULARITY_TEST] = {.words = {"--input-file={file}"}}},
        .quote = QUOTE_CATCH2,
        .shard = {"--shard-index={index}", "--shard-count={total}"},
        .shard_variables = CATCH2_VARIABLES,
        .report = {"--reporter=console", "--reporter=junit::out={report}"},
        .source = "https://github.com/catchorg/Catch2/blob/devel/docs/command-line.md",
    },
    {
        .name = "catch2-v2",
        .list = {"--list-test-names-only"},
        .list_status_counts = true,
        .format = LIST_PLAIN,
        .naming = NAMING_NAME,
        .part = {[GRANULARITY_TEST] = {.words = {"--input-file={file}"}}},
        .quote = QUOTE_CATCH2,
        .report = {"--reporter=junit", "--out={report}"},
        .source = "https://github.com/catchorg/Catch2/blob/v2.x/docs/command-line.md",
    },
    {
        .name = "rspec",
        .list = {"--dry-run", "--format=json"},
        .format = LIST_RSPEC,
        .naming = NAMING_RSPEC,
        .part = {[GRANULARITY_TEST] = BY_ARGUMENTS, [GRANULARITY_FILE] = BY_ARGUMENTS},
        .report = {"--format=RspecJunitFormatter", "--out={report}"},
        .report_plugin = "rspec_junit_formatter",
        .source = "https://rspec.info/features/3-13/rspec-core/command-line/",
    },
    {
        .name = "minitest",
        .files = "test_*.rb *_test.rb",
        .format = LIST_PLAIN,
        .naming = NAMING_FILE,
        .granularity = GRANULARITY_FILE,
        .part = {[GRANULARITY_FILE] = BY_ARGUMENTS},
        .report_plugin = "minitest-reporters",
        .source = "https://docs.seattlerb.org/minitest/",
    },
    {
        .name = "phpunit",
        .list = {"--list-tests"},
        .format = LIST_PHPUNIT,
        .naming = NAMING_PHPUNIT,
        .part = {[GRANULARITY_TEST] = {.words = {"--filter=/^({tests})( with data set .*)?$/"}},
                 [GRANULARITY_CLASS] = {.words = {"--filter=/^({tests})::/"}}},
        .joiner = "|",
        .quote = QUOTE_REGEX,
        .report = {"--log-junit={report}"},
        .source = "https://docs.phpunit.de/en/9.6/textui.html",
    },
    {
        .name = "nextest",
        .list = {"list", "--message-format=human"},
        .format = LIST_NEXTEST,
        .naming = NAMING_NEXTEST,
        .granularity = GRANULARITY_CLASS,
        .part = {[GRANULARITY_CLASS] = {.words = {"run", "-E", "{tests}"},
                                        .each = "binary_id(=%s)"}},
        .joiner = " | ",
        .shard = {"run", "--partition=slice:{number}/{total}"},
        .source = "https://nexte.st/docs/filtersets/",
    },
    {
        .name = "ctest",
        .list = {"-N"},
        .format = LIST_CTEST,
        .naming = NAMING_NAME,
        .part = {[GRANULARITY_TEST] = {.words = {"-R", "^({tests})$"}}},
        .joiner = "|",
        .quote = QUOTE_POSIX,
        .report = {"--output-junit", "{report}"},
        .source = "https://cmake.org/cmake/help/latest/manual/ctest.1.html",
    },
    {
        .name = "bats",
        .files = "*.bats",
        .format = LIST_PLAIN,
        .naming = NAMING_FILE_CLASS,
        .granularity = GRANULARITY_FILE,
        .part = {[GRANULARITY_FILE] = BY_ARGUMENTS},
        .report = {"--report-formatter", "junit", "--output", "{report}"},
        .report_is_directory = true,
        .source = "https://bats-core.readthedocs.io/en/stable/usage.html",
    },
    {
        .name = "prove",
        .list = {"--dry", "--recurse"},
        .format = LIST_PLAIN,
        .naming = NAMING_FILE,
        .granularity = GRANULARITY_FILE,
        .part = {[GRANULARITY_FILE] = BY_ARGUMENTS},
        .report_plugin = "TAP::Formatter::JUnit",
        .source = "https://perldoc.perl.org/prove",
    },
};

const struct preset *preset_at(size_t i)
{
    return i < ARRAY_SIZE(presets) ? &presets[i] : NULL;
}

const struct preset *preset_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(presets); i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

bool preset_form(const struct preset *p, enum granularity granularity, struct part_form *form)
{
    *form = (struct part_form){.words = p->part[granularity].words,
                               .joiner = p->joiner,
                               .quote = p->quote,
                               .each = p->part[granularity].each};
    return form->words[0] != NULL;
}
