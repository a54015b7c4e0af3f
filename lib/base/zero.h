/*
 * Finds zero bytes at memory speed.
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_ZERO_H
#define BASE_ZERO_H

#include <stdbool.h>
#include <stddef.h>

/* Whether all len bytes at buffer are zero; true for len 0. */
bool zero_all(const void *buffer, size_t len);

/*
 * Length in bytes of the run at the start of buffer in which every block of block bytes (the last
 * one may be shorter) is all zero, or every one is not; *is_zero says which. len > 0, block > 0.
 */
size_t zero_run(const void *buffer, size_t len, size_t block, bool *is_zero);

#endif
