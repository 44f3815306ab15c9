/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports of random results, with reruns and hostile texts: each is valid in its dialect, and comes
 * back from our own reader with all that the dialect holds.
 */
#include <cleanroom/junit.h>
#include <cleanroom/strbuf.h>

#include <libxml/parser.h>

#include "junit_file.h"
#include "tap.h"

#define ROUNDS 60

static const char *const dialect_names[] = {
    [DIALECT_JENKINS] = "jenkins", [DIALECT_SUREFIRE] = "surefire", [DIALECT_GITLAB] = "gitlab"};

/* --- random results, the same in every run --------------------------------------------------- */

struct dice {
    uint64_t state;
    bool hostile;
};

static unsigned roll(struct dice *d, unsigned sides)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (unsigned)(d->state >> 33) % sides;
}

/* NULL now and then. */
static char *some_text(struct dice *d, unsigned pieces)
{
    static const char *const tame[] = {"a",        "test_",  "Cart", "[1-x]",
                                       "\xc3\xa4", "<&>\"'", "::",   "7"};
    static const char *const wild[] = {"\x1b[31m", "\xff",         "]]>", "\x01", "&#27;",
                                       "\r\n",     "\t",           " ",   "\n",   "<![CDATA[",
                                       "\xed\xa0", "\xef\xbf\xbe", "",    "'\""};
    if (roll(d, 6) == 0)
        return NULL;
    struct strbuf text = STRBUF_INIT;
    for (unsigned n = 1 + roll(d, pieces); n > 0; n--)
        strbuf_adds(&text, d->hostile && roll(d, 3) == 0 ? wild[roll(d, ARRAY_SIZE(wild))]
                                                         : tame[roll(d, ARRAY_SIZE(tame))]);
    return strbuf_detach(&text);
}

static char *long_text(struct dice *d)
{
    if (roll(d, 12) > 0)
        return some_text(d, 20);
    size_t len = 60000 + roll(d, 20000);
    char *text = xmalloc(len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(i % 61 ? 'a' + (int)roll(d, 26) : '\n');
    text[len] = '\0';
    return text;
}

static void add_reruns(struct dice *d, struct result_case *c)
{
    for (unsigned n = c->status == CASE_SKIPPED ? 0 : roll(d, 4); n > 0; n--) {
        struct result_rerun *r = vec_push(&c->reruns);
        r->status = roll(d, 2) ? CASE_FAILED : CASE_ERROR;
        r->message = some_text(d, 6);
        r->type = some_text(d, 2);
        r->text = long_text(d);
        r->output = some_text(d, 10);
    }
}

static void add_test(struct dice *d, struct result_suite *s)
{
    _cleanup_free_ char *classname = some_text(d, 3), *name = some_text(d, 3);
    struct result_case *c = result_add_case(s, classname ? classname : "", name ? name : "",
                                            (enum case_status)roll(d, 4),
                                            roll(d, 5000) * NSEC_PER_MSEC);
    if (c->status != CASE_PASSED) {
        c->message = some_text(d, 8);
        c->type = some_text(d, 2);
        c->text = long_text(d);
    }
    c->output = long_text(d);
    c->file = some_text(d, 4);
    c->line = (long)roll(d, 100);
    add_reruns(d, c);
}

static void add_properties(struct dice *d, struct strvec *properties)
{
    for (unsigned n = roll(d, 4); n > 0; n--) {
        _cleanup_free_ char *value = some_text(d, 4);
        strvec_pushf(properties, "%s%u=%s", n == 2 ? "with: " : "key", n, value ? value : "");
    }
}

static void add_outputs(struct dice *d, struct result_suite *s)
{
    for (unsigned n = roll(d, 20) ? roll(d, 3) : 5000; n > 0; n--) {
        _cleanup_free_ char *out = some_text(d, 40), *err = some_text(d, 5);
        if (out)
            capture_add(&s->out, out, strlen(out));
        if (err)
            capture_add(&s->err, err, strlen(err));
    }
}

static void fill(struct result *r, struct dice *d)
{
    result_init(r, "0123456789ab", "shop <&>");
    r->finished = roll(d, 5) > 0;
    r->started_wall = INT64_C(1406974272) * NSEC_PER_SEC;
    r->duration = roll(d, 100000) * NSEC_PER_MSEC;
    add_properties(d, &r->properties);
    if (roll(d, 2))
        r->tally = (struct result_tally){.known = true,
                                         .was_planned = roll(d, 2),
                                         .complete = roll(d, 2),
                                         .ran = roll(d, 1000),
                                         .doubled = roll(d, 3)};
    if (r->tally.was_planned)
        r->tally.planned = roll(d, 1000);
    int shards = (int)roll(d, 4);
    for (int i = 0; i < shards; i++) {
        struct result_suite *s = result_add_suite(r, (i + 1) % 4, shards);
        s->started_wall = r->started_wall + roll(d, 10) * NSEC_PER_SEC;
        s->duration = roll(d, 100000) * NSEC_PER_MSEC;
        add_properties(d, &s->properties);
        result_add_case(s, "cleanroom.shard-1", "test", (enum case_status)roll(d, 4), 0);
        for (unsigned n = roll(d, 8); n > 0; n--)
            add_test(d, s);
        add_outputs(d, s);
    }
}

/* --- what holds of every report ----------------------------------------------------------------
 */

static void write_report(const struct result *r, enum junit_dialect dialect, const struct place *p)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    check_int(junit_write(r, dialect, p->dir, "junit.xml", &err), 0);
    check_str(err.message, NULL);
}

static void read_bytes(struct strbuf *xml, const struct place *p)
{
    _cleanup_free_ char *path = xasprintf("%s/junit.xml", p->path);
    check_int(strbuf_read_file(xml, path, (size_t)1 << 30), 0);
}

static size_t bad_reports; /* told once each */

static bool holds(bool ok, const char *what, enum junit_dialect dialect, unsigned round)
{
    bad_reports += !ok;
    return tap_check(ok, __FILE__, __LINE__, "%s, round %u: %s", dialect_names[dialect], round,
                     what);
}

static bool is_zero(xmlDoc *doc, const char *xpath)
{
    _cleanup_free_ char *value = doc_query(doc, xpath);
    return strcmp(value, "0") == 0;
}

/* GitLab has no schema; these are the rules of its parser. */
static bool gitlab_accepts(xmlDoc *doc)
{
    return is_zero(doc, "count(//*[@type])") &&
           is_zero(doc, "count(//failure[@message!='' and .=''])") &&
           is_zero(doc, "count(//error[@message!='' and .=''])") &&
           is_zero(doc, "count(//skipped[@message!='' and .=''])") &&
           is_zero(doc, "count(//testcase[not(@name) or not(@classname) or not(@time)])") &&
           is_zero(doc, "count(//testcase[not(failure or error)]/system-out)");
}

static bool is_valid(xmlDoc *doc, enum junit_dialect dialect)
{
    if (dialect == DIALECT_GITLAB)
        return gitlab_accepts(doc);
    if (dialect == DIALECT_SUREFIRE && schema_validate(doc, SUREFIRE_SCHEMA) != 0)
        return false;
    return schema_validate(doc, JUNIT_10_SCHEMA) == 0;
}

static bool counts_agree(xmlDoc *doc)
{
    return is_zero(doc, "number(/*/@tests) - count(//testcase)") &&
           is_zero(doc, "number(/*/@failures) - count(//testcase[failure])") &&
           is_zero(doc, "number(/*/@errors) - count(//testcase[error])") &&
           is_zero(doc, "count(//testcase) - count(//testcase[count(failure|error|skipped)<=1])") &&
           is_zero(doc, "count(//testcase[failure|error]/*[starts-with(name(),'flaky')])") &&
           is_zero(doc, "count(//testcase[not(failure|error)]/*[starts-with(name(),'rerun')])");
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_names(xmlNode *node, struct strvec *names)
{
    for (; node; node = node->next) {
        add_names(node->children, names);
        if (xmlStrcmp(node->name, BAD_CAST "testcase") != 0)
            continue;
        xmlChar *classname = xmlGetProp(node, BAD_CAST "classname");
        xmlChar *name = xmlGetProp(node, BAD_CAST "name");
        strvec_pushf(names, "%s\x1f%s", (char *)classname, (char *)name);
        xmlFree(classname);
        xmlFree(name);
    }
}

static bool names_are_unique(xmlDoc *doc)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    add_names(doc->children, &names);
    qsort(names.items, names.len, sizeof(*names.items), compare_strings);
    for (size_t i = 1; i < names.len; i++)
        if (strcmp(names.items[i - 1], names.items[i]) == 0)
            return false;
    return true;
}

/* What was read is written as what it was read from, byte by byte. */
static bool comes_back(const struct strbuf *first, enum junit_dialect dialect,
                       const struct place *p)
{
    struct result back;
    result_init(&back, "", "");
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_strbuf_ struct strbuf second = STRBUF_INIT;
    check(junit_read_suites(first->buf, first->len, &back, &err) > 0);
    check_str(err.message, NULL);
    back.finished = true; /* what is not has a case that says so, already */
    write_report(&back, dialect, p);
    read_bytes(&second, p);
    result_deinit(&back);
    return first->len == second.len && memcmp(first->buf, second.buf, first->len) == 0;
}

static void try_report(const struct result *r, enum junit_dialect dialect, unsigned round)
{
    struct place p;
    place_init(&p);
    write_report(r, dialect, &p);
    _cleanup_strbuf_ struct strbuf xml = STRBUF_INIT;
    read_bytes(&xml, &p);
    xmlDoc *doc = place_parse(&p);
    if (holds(doc != NULL, "is not XML", dialect, round)) {
        holds(is_valid(doc, dialect), "is not valid", dialect, round);
        holds(counts_agree(doc), "miscounts", dialect, round);
        holds(names_are_unique(doc), "has a name twice", dialect, round);
        holds(comes_back(&xml, dialect, &p), "does not come back", dialect, round);
    }
    xmlFreeDoc(doc);
    place_deinit(&p);
}

static void try_reports(bool hostile)
{
    struct dice d = {.state = hostile ? 0x9e3779b97f4a7c15 : 0x2545f4914f6cdd1d,
                     .hostile = hostile};
    bad_reports = 0;
    for (unsigned round = 0; round < ROUNDS && bad_reports < 5; round++) {
        struct result r;
        fill(&r, &d);
        for (int dialect = DIALECT_JENKINS; dialect <= DIALECT_GITLAB; dialect++)
            try_report(&r, (enum junit_dialect)dialect, round);
        result_deinit(&r);
    }
}

static void test_random_reports(void)
{
    try_reports(false);
}

static void test_hostile_reports(void)
{
    try_reports(true);
}

/* --- one report, word by word ------------------------------------------------------------------
 */

#define check_query(doc, xpath, want)                                                              \
    do {                                                                                           \
        _cleanup_free_ char *_value = doc_query(doc, xpath);                                       \
        check_str(_value, want);                                                                   \
    } while (0)

static void add_rerun(struct result_case *c, enum case_status status, const char *message,
                      const char *type)
{
    struct result_rerun *r = vec_push(&c->reruns);
    r->status = status;
    r->message = xstrdup(message);
    r->type = xstrdup(type);
    r->text = xstrdup("at cart.py:7");
    r->output = xstrdup("printed");
}

static void fill_known(struct result *r)
{
    result_init(r, "0123456789ab", "shop");
    r->finished = true;
    strvec_push(&r->properties, "seed=7");
    r->tally = (struct result_tally){
        .known = true, .was_planned = true, .complete = true, .planned = 4, .ran = 3, .never = 1};
    struct result_suite *s = result_add_suite(r, 1, 2);
    s->hostname = xstrdup("ci-1");
    strvec_push(&s->properties, "cleanroom.run=0123456789ab");
    struct result_case *c = result_add_case(s, "Cart", "flaky", CASE_PASSED, NSEC_PER_SEC);
    c->file = xstrdup("cart.py");
    c->line = 7;
    c->output = xstrdup("passing");
    add_rerun(c, CASE_ERROR, "gone", "OSError");
    add_rerun(c, CASE_FAILED, "1 != 2", NULL);
    s = result_add_suite(r, 2, 2);
    strvec_push(&s->properties, "service.db=postgres: 16");
    c = result_add_case(s, "Cart", "never", CASE_ERROR, NSEC_PER_SEC);
    c->message = xstrdup("boom");
    c->type = xstrdup("integer");
    c->output = xstrdup("failing");
    add_rerun(c, CASE_FAILED, "boom", "AssertionError");
    add_rerun(c, CASE_ERROR, "boom again", NULL);
    c = result_add_case(s, "Cart", "later", CASE_SKIPPED, 0);
    c->message = xstrdup("todo");
    c->type = xstrdup("pytest.skip");
    capture_add(&s->out, "all", 3);
}

/* Written, read back into *back, and the document. */
static xmlDoc *write_known(enum junit_dialect dialect, struct result *back)
{
    struct result r;
    fill_known(&r);
    struct place p;
    place_init(&p);
    write_report(&r, dialect, &p);
    _cleanup_strbuf_ struct strbuf xml = STRBUF_INIT;
    read_bytes(&xml, &p);
    xmlDoc *doc = place_parse(&p);
    check(is_valid(doc, dialect));
    result_init(back, "", "");
    check_int(junit_read_suites(xml.buf, xml.len, back, NULL), 3);
    place_deinit(&p);
    result_deinit(&r);
    return doc;
}

/* What every dialect holds. */
static void check_common(const struct result *back)
{
    check_str(back->run_id, "0123456789ab");
    check_str(back->name, "shop");
    check(back->finished);
    check(back->tally.known && back->tally.was_planned && back->tally.complete);
    check_int(back->tally.never, 1);
    check_int(back->properties.len, 1);
    check_str(back->properties.items[0], "seed=7");
    check_int(back->suites.len, 2);
    const struct result_suite *first = &back->suites.items[0], *last = &back->suites.items[1];
    check_str(first->name, "shard 1 of 2");
    check_int(first->shard, 1);
    check_int(last->shard, 2);
    check_int(first->properties.len, 1);
    check_str(last->properties.items[0], "service.db=postgres: 16");
    check_int(first->cases.len, 1);
    check_int(last->cases.len, 2);
    check(result_case_is_flaky(&first->cases.items[0]));
    check_int(first->cases.items[0].duration, NSEC_PER_SEC);
    check_int(first->cases.items[0].reruns.len, 2);
    check_int(last->cases.items[0].status, CASE_ERROR);
    check_str(last->cases.items[0].message, "boom");
    check_str(last->cases.items[0].output, "failing");
    check_int(last->cases.items[0].reruns.len, 2);
    check_str(last->cases.items[0].reruns.items[0].output, "printed");
    check_str(last->cases.items[1].message, "todo");
}

static void test_jenkins(void)
{
    struct result back;
    xmlDoc *doc = write_known(DIALECT_JENKINS, &back);
    check_common(&back);
    check_query(doc, "count(//flakyFailure)", "2");
    check_query(doc, "//flakyFailure[1]/@type", "OSError");
    check_query(doc, "//flakyFailure[2]/@message", "1 != 2");
    check_query(doc, "//flakyFailure[1]/stackTrace", "at cart.py:7");
    check_query(doc, "//testcase[error]/rerunFailure[2]/@type", "error");
    check_query(doc, "//property[@name='tests.never-ran']/@value", "1");
    check_query(doc, "//testsuite[1]//property[@name='run.seed']/@value", "7");
    check_query(doc, "count(//testsuite[2]//property)", "1");
    check_query(doc, "//testsuite[1]/@hostname", "ci-1");
    check_query(doc, "//skipped/@type", "pytest.skip");
    const struct result_case *never = &back.suites.items[1].cases.items[0];
    check_str(never->type, "integer");
    check_int(never->reruns.items[1].status, CASE_ERROR);
    check_str(never->reruns.items[1].type, NULL);
    check_str(back.suites.items[0].cases.items[0].output, "passing");
    check_str(back.suites.items[0].hostname, "ci-1");
    _cleanup_free_ char *out = capture_text(&back.suites.items[1].out, NULL);
    check_str(out, "all");
    xmlFreeDoc(doc);
    result_deinit(&back);
}

static void test_surefire(void)
{
    struct result back;
    xmlDoc *doc = write_known(DIALECT_SUREFIRE, &back);
    check_common(&back);
    check_query(doc, "name(/*)", "testsuite");
    check_query(doc, "/testsuite/@name", "shop");
    check_query(doc, "/testsuite/@skipped", "1");
    check_query(doc, "(//testcase)[1]/@group", "shard 1 of 2");
    check_query(doc, "//flakyFailure/@message", "1 != 2");
    check_query(doc, "//flakyError/@type", "OSError");
    check_query(doc, "//property[@name='shard 2 of 2: service.db']/@value", "postgres: 16");
    check_query(doc, "count(//skipped/@type)", "0");
    const struct result_case *flaky = &back.suites.items[0].cases.items[0];
    check_int(flaky->reruns.items[1].status, CASE_ERROR); /* failures come first */
    check_str(flaky->reruns.items[1].text, "at cart.py:7");
    xmlFreeDoc(doc);
    result_deinit(&back);
}

static void test_gitlab(void)
{
    struct result back;
    xmlDoc *doc = write_known(DIALECT_GITLAB, &back);
    check_common(&back);
    check_query(doc, "//testcase[@name='never']/error", "integer: boom");
    check_query(doc, "//skipped", "pytest.skip: todo");
    check_query(doc, "//flakyError/stackTrace", "OSError: gone\n\nat cart.py:7");
    check_query(doc, "(//testcase)[1]/@file", "cart.py");
    check_query(doc, "count((//testcase)[1]/system-out)", "0");
    check_query(doc, "//testcase[@name='never']/system-out", "failing");
    const struct result_case *flaky = &back.suites.items[0].cases.items[0];
    check_str(flaky->file, "cart.py");
    check_int(flaky->line, 7);
    xmlFreeDoc(doc);
    result_deinit(&back);
}

/* The schema is worth something only if it refuses. */
static void test_the_surefire_schema_refuses(void)
{
#define SUITE "<testsuite name='s' tests='1' failures='0' errors='0' skipped='0'>"
    static const char right[] = SUITE "<testcase name='a' time='0'/></testsuite>";
    static const char *const wrong[] = {
        "<testsuites>" SUITE "</testsuite></testsuites>",
        "<testsuite name='s' tests='1' failures='0' errors='0'/>",
        "<testsuite name='s' tests='1' failures='0' errors='0' skipped='0' hostname='h'/>",
        SUITE "<testcase name='a'/></testsuite>",
        SUITE "<testcase name='a' time='0.0001'/></testsuite>",
        SUITE "<testcase name='a' time='0'><failure message='m'/></testcase></testsuite>",
        SUITE "<testcase name='a' time='0'><skipped type='t'/></testcase></testsuite>",
        SUITE "<testcase name='a' time='0'><system-out/><failure type='t'/></testcase></testsuite>",
        SUITE "<testcase name='a' time='0'><flakyFailure type='t'/></testcase></testsuite>",
        SUITE "<testcase name='a' time='0'><flakyFailure type='t'>x<stackTrace/></flakyFailure>"
              "</testcase></testsuite>",
        SUITE "<system-out/></testsuite>",
    };
    xmlDoc *doc = xmlReadMemory(right, (int)strlen(right), NULL, NULL, 0);
    check_int(schema_validate(doc, SUREFIRE_SCHEMA), 0);
    xmlFreeDoc(doc);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        doc = xmlReadMemory(wrong[i], (int)strlen(wrong[i]), NULL, NULL, 0);
        check(schema_validate(doc, SUREFIRE_SCHEMA) > 0);
        xmlFreeDoc(doc);
    }
}

int main(void)
{
    libxml_quiet();
    return tap_run((struct tap_test[]){
        TAP(test_random_reports),
        TAP(test_hostile_reports),
        TAP(test_jenkins),
        TAP(test_surefire),
        TAP(test_gitlab),
        TAP(test_the_surefire_schema_refuses),
        {0},
    });
}
