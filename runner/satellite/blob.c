/* SPDX-License-Identifier: Apache-2.0 */
/* The satellite's static binary inside cleanroom's own; SATELLITE_BIN comes from the Makefile. */
#include "satellite/satellite.h"

__asm__(".pushsection .rodata\n"
        ".global satellite_blob\n"
        ".global satellite_blob_end\n"
        "satellite_blob:\n"
        ".incbin \"" SATELLITE_BIN "\"\n"
        "satellite_blob_end:\n"
        ".byte 0\n"
        ".popsection\n");
