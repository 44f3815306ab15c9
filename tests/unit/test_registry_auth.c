/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/registry_auth.h"

#include "engine/docker/base64.h"
#include "engine/docker/json.h"
#include "tap.h"

static const char config_text[] =
    "{\"auths\": {\"https://index.docker.io/v1/\": {\"auth\": \"aHViOnBhc3M6d29yZA==\"},"
    "  \"https://old.example/v1/\": {\"auth\": \"b2xkOnBhc3M\"},"
    "  \"token.example:5000\": {\"auth\": \"dTpw\", \"identitytoken\": \"tok\"},"
    "  \"empty.example\": {}, \"bad.example\": {\"auth\": \"***\"},"
    "  \"nocolon.example\": {\"auth\": \"YWJj\"}},"
    " \"credHelpers\": {\"gcr.io\": \"gcloud\"}}";

static void check_header(char *header, const char *json)
{
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    _cleanup_free_ char *owned = header;
    if (!json) {
        check(owned == NULL);
        return;
    }
    if (check(owned != NULL) && check_int(base64_decode(owned, &text), 0))
        check_str(text.buf, json);
}

static void test_config(void)
{
    static const struct {
        const char *domain;
        const char *json;
    } cases[] = {
        {"docker.io", "{\"username\":\"hub\",\"password\":\"pass:word\","
                      "\"serveraddress\":\"https://index.docker.io/v1/\"}"},
        {"old.example",
         "{\"username\":\"old\",\"password\":\"pass\",\"serveraddress\":\"old.example\"}"},
        {"token.example:5000",
         "{\"identitytoken\":\"tok\",\"serveraddress\":\"token.example:5000\"}"},
        {"token.example", NULL},
        {"empty.example", NULL},
        {"bad.example", NULL},
        {"nocolon.example", NULL},
        {"none.example", NULL},
    };
    _cleanup_json_ json_t *config = json_loads(config_text, 0, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        check_header(registry_auth_from_config(config, cases[i].domain), cases[i].json);
    check_header(registry_auth_from_config(NULL, "docker.io"), NULL);
}

static void test_which_helper(void)
{
    _cleanup_json_ json_t *config = json_loads(config_text, 0, NULL);
    check_str(registry_auth_helper(config, "gcr.io"), "gcloud");
    check_str(registry_auth_helper(config, "docker.io"), NULL);
    json_object_set_new(config, "credsStore", json_string("store"));
    check_str(registry_auth_helper(config, "docker.io"), "store");
    check_str(registry_auth_helper(config, "gcr.io"), "gcloud");
    check_str(registry_auth_helper(NULL, "gcr.io"), NULL);
}

static void test_answer(void)
{
    char *header = NULL;
    static const char good[] = "{\"ServerURL\":\"s\",\"Username\":\"u\",\"Secret\":\"p\"}\n";
    static const char token[] = "{\"Username\":\"<token>\",\"Secret\":\"t\"}";
    check_int(registry_auth_from_answer(good, sizeof(good) - 1, "s", &header), 0);
    check_header(header, "{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"s\"}");
    check_int(registry_auth_from_answer(token, sizeof(token) - 1, "s", &header), 0);
    check_header(header, "{\"identitytoken\":\"t\",\"serveraddress\":\"s\"}");
    check_int(registry_auth_from_answer("{}", 2, "s", &header), -1);
    check_int(registry_auth_from_answer("no", 2, "s", &header), -1);
}

static void test_base64(void)
{
    static const char *const pairs[][2] = {
        {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xfb\xff", "-_8="}};
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        struct strbuf plain _cleanup_strbuf_ = STRBUF_INIT;
        _cleanup_free_ char *text = base64url_encode(pairs[i][0], strlen(pairs[i][0]));
        check_str(text, pairs[i][1]);
        check_int(base64_decode(text, &plain), 0);
        check_str(plain.buf, pairs[i][0]);
    }
    static const char *const bad[] = {"A", "A=B", "Zm9v YmFy", "Zg==x", "Zm9vY"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct strbuf plain _cleanup_strbuf_ = STRBUF_INIT;
        check_int(base64_decode(bad[i], &plain), -1);
    }
    struct strbuf plain _cleanup_strbuf_ = STRBUF_INIT;
    check_int(base64_decode("+/8", &plain), 0);
    check_int((unsigned char)plain.buf[0], 0xfb);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_config), TAP(test_which_helper), TAP(test_answer), TAP(test_base64), {0}});
}
