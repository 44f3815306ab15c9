/* SPDX-License-Identifier: Apache-2.0 */
/* FIPS 180-4 and NIST's examples, by both ways of computing. */
#include "engine/store/sha256.h"

#include "tap.h"

static const struct {
    const char *text;
    const char *digest;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnop"
     "qrsmnopqrstnopqrstu",
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
};

static void test_vectors(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        char out[DIGEST_SIZE];
        struct sha256 h;
        sha256_init(&h);
        sha256_add(&h, vectors[i].text, strlen(vectors[i].text));
        sha256_digest(&h, out);
        check_str(out + 7, vectors[i].digest);
        check(strncmp(out, "sha256:", 7) == 0);

        sha256_init_portable(&h);
        sha256_add(&h, vectors[i].text, strlen(vectors[i].text));
        sha256_digest(&h, out);
        check_str(out + 7, vectors[i].digest);
    }
}

static void test_million(void)
{
    static const char want[] =
        "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    char a[1000], out[DIGEST_SIZE];
    memset(a, 'a', sizeof(a));
    struct sha256 fast, portable;
    sha256_init(&fast);
    sha256_init_portable(&portable);
    for (size_t i = 0; i < 1000; i++) {
        sha256_add(&fast, a, sizeof(a));
        sha256_add(&portable, a, sizeof(a));
    }
    sha256_digest(&fast, out);
    check_str(out, want);
    sha256_digest(&portable, out);
    check_str(out, want);
}

/* Every length around the blocks' edges, in every cut, by both ways. */
static void test_cuts(void)
{
    uint8_t data[200];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + 3);
    for (size_t len = 0; len <= sizeof(data); len++) {
        char whole[DIGEST_SIZE], cut[DIGEST_SIZE];
        struct sha256 h;
        sha256_init_portable(&h);
        sha256_add(&h, data, len);
        sha256_digest(&h, whole);
        for (size_t step = 1; step <= len; step += 13) {
            sha256_init(&h);
            for (size_t at = 0; at < len; at += step)
                sha256_add(&h, data + at, step < len - at ? step : len - at);
            sha256_digest(&h, cut);
            if (!check(strcmp(whole, cut) == 0))
                return;
        }
    }
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_vectors), TAP(test_million), TAP(test_cuts), {0}});
}
