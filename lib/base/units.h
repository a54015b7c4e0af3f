/*
 * Sizes as people write and read them.
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Parse digits, an optional decimal fraction and an optional suffix k, K, M, G, T, P or E (1024
 * based; b or B for bytes), or a 0x number without suffix, into bytes. A fraction is rounded to the nearest byte.
 * False on anything else, on a negative number, and on a result over INT64_MAX: files end there.
 */
bool units_parse_size(const char *text, uint64_t *bytes);

/* Room for any text that units_format_size writes. */
#define UNITS_TEXT_MAX 32

/* "0 B", "1.5 KiB", "64 MiB": three significant places, as qemu-img prints sizes. Returns text. */
const char *units_format_size(uint64_t bytes, char text[UNITS_TEXT_MAX]);

#endif
