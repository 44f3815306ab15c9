/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4), with the processor's own instructions where it has them.
 */
#ifndef STORE_SHA256_H
#define STORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
/* "sha256:" and 64 hexadecimal digits, and the end. */
#define DIGEST_SIZE 72

struct sha256 {
    uint32_t state[8];
    uint64_t len; /* bytes so far */
    uint8_t pending[64];
    int hardware; /* the processor does the work */
};

void sha256_init(struct sha256 *h);
/* Without the processor's help, as on machines that have none. */
void sha256_init_portable(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t len);
void sha256_end(struct sha256 *h, uint8_t out[SHA256_SIZE]);
/* Ends it as images name content: "sha256:0123...". */
void sha256_digest(struct sha256 *h, char out[DIGEST_SIZE]);
/* Of something whole. */
void sha256_of(const void *data, size_t len, char out[DIGEST_SIZE]);

#endif
