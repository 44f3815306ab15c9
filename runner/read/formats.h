/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file per format; each names where the format is described.
 */
#ifndef READ_FORMATS_H
#define READ_FORMATS_H

#include <cleanroom/reader.h>

extern const struct reader_format format_subunit;
extern const struct reader_format format_teamcity;
extern const struct reader_format format_gotest;
extern const struct reader_format format_tap;
extern const struct reader_format format_googletest;
extern const struct reader_format format_pytest;
extern const struct reader_format format_unittest;
extern const struct reader_format format_jest;
extern const struct reader_format format_mocha;

#endif
