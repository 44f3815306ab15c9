/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/sha256.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#define BLOCK 64

static const uint32_t K[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotr(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void expand(uint32_t w[64], const uint8_t *block)
{
    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (size_t i = 16; i < 64; i++) {
        uint32_t s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
}

static void blocks_portable(uint32_t state[8], const uint8_t *data, size_t count)
{
    for (; count > 0; count--, data += BLOCK) {
        uint32_t w[64], s[8];
        expand(w, data);
        memcpy(s, state, sizeof(s));
        for (size_t i = 0; i < 64; i++) {
            uint32_t e = rotr(s[4], 6) ^ rotr(s[4], 11) ^ rotr(s[4], 25);
            uint32_t ch = (s[4] & s[5]) ^ (~s[4] & s[6]);
            uint32_t t1 = s[7] + e + ch + K[i] + w[i];
            uint32_t a = rotr(s[0], 2) ^ rotr(s[0], 13) ^ rotr(s[0], 22);
            uint32_t maj = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
            memmove(s + 1, s, 7 * sizeof(*s));
            s[4] += t1;
            s[0] = t1 + a + maj;
        }
        for (size_t i = 0; i < 8; i++)
            state[i] += s[i];
    }
}

#if defined(__x86_64__)
static int has_instructions(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 29))
        return 0;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) && (c & bit_SSE4_1);
}

/* The instructions want the state as ABEF and CDGH. */
__attribute__((target("sha,sse4.1,ssse3"))) static void blocks_hardware(uint32_t state[8],
                                                                        const uint8_t *data,
                                                                        size_t count)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8);
    __m128i cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);

    for (; count > 0; count--, data += BLOCK) {
        __m128i w[16], abef_before = abef, cdgh_before = cdgh;
        for (size_t i = 0; i < 16; i++) {
            if (i < 4) {
                w[i] = _mm_loadu_si128((const __m128i *)(data + 16 * i));
                w[i] = _mm_shuffle_epi8(w[i], swap);
            } else {
                __m128i t = _mm_sha256msg1_epu32(w[i - 4], w[i - 3]);
                t = _mm_add_epi32(t, _mm_alignr_epi8(w[i - 1], w[i - 2], 4));
                w[i] = _mm_sha256msg2_epu32(t, w[i - 1]);
            }
            __m128i m = _mm_add_epi32(w[i], _mm_load_si128((const __m128i *)(K + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, m);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(m, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }

    __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#endif

static void add_blocks(struct sha256 *h, const uint8_t *data, size_t count)
{
#if defined(__x86_64__)
    if (h->hardware) {
        blocks_hardware(h->state, data, count);
        return;
    }
#endif
    blocks_portable(h->state, data, count);
}

void sha256_init_portable(struct sha256 *h)
{
    *h = (struct sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                   0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sha256_init(struct sha256 *h)
{
    sha256_init_portable(h);
#if defined(__x86_64__)
    h->hardware = has_instructions();
#endif
}

void sha256_add(struct sha256 *h, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t have = h->len % BLOCK;
    h->len += len;
    if (have) {
        size_t n = len < BLOCK - have ? len : BLOCK - have;
        memcpy(h->pending + have, p, n);
        if (have + n < BLOCK)
            return;
        add_blocks(h, h->pending, 1);
        p += n;
        len -= n;
    }
    add_blocks(h, p, len / BLOCK);
    if (len % BLOCK)
        memcpy(h->pending, p + len / BLOCK * BLOCK, len % BLOCK);
}

void sha256_end(struct sha256 *h, uint8_t out[SHA256_SIZE])
{
    uint8_t tail[2 * BLOCK] = {0x80};
    uint64_t bits = h->len * 8;
    size_t have = h->len % BLOCK;
    size_t padding = (have < BLOCK - 8 ? BLOCK : 2 * BLOCK) - have;
    for (size_t i = 0; i < 8; i++)
        tail[padding - 1 - i] = (uint8_t)(bits >> 8 * i);
    sha256_add(h, tail, padding);
    for (size_t i = 0; i < SHA256_SIZE; i++)
        out[i] = (uint8_t)(h->state[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256_digest(struct sha256 *h, char out[DIGEST_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t raw[SHA256_SIZE];
    sha256_end(h, raw);
    char *p = out + sizeof("sha256:") - 1;
    memcpy(out, "sha256:", sizeof("sha256:") - 1);
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        *p++ = hex[raw[i] >> 4];
        *p++ = hex[raw[i] & 15];
    }
    *p = '\0';
}

void sha256_of(const void *data, size_t len, char out[DIGEST_SIZE])
{
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, data, len);
    sha256_digest(&h, out);
}
