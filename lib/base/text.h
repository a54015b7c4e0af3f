/*
 * Names that come from images or from the command line, made fit to print.
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Copy src to dst of size bytes with control bytes (below 0x20, and 0x7f) written as \xNN; cut to
 * fit. Returns dst, terminated.
 */
const char *text_escape(char *dst, size_t size, const char *src);

/* Whether text has a control byte. */
bool text_has_control_byte(const char *text);

#endif
