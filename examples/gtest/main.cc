/* SPDX-License-Identifier: Apache-2.0 */
/* turnstile NAME WHO: may they pass? Ten times a minute they may. */
#include <cstdio>
#include <exception>

#include "turnstile.h"

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::fputs("usage: turnstile NAME WHO\n", stderr);
        return 2;
    }
    try {
        Redis redis = Redis::from_environment();
        bool passed = Turnstile(redis, argv[1], 10, 60000).pass(argv[2]);
        std::puts(passed ? "pass" : "stop");
        return passed ? 0 : 1;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "turnstile: %s\n", error.what());
        return 3;
    }
}
