/*
 * Small files told as words, for tests of what a power cut leaves: a letter for each sector of 512
 * bytes that is filled with it, '.' for one of zeroes, '?' for one that is not the same throughout,
 * and "-" for a file of no bytes.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_WORDS_H
#define SUPPORT_WORDS_H

#include <stddef.h>

#include "io/io.h"

#define WORDS_SECTOR UINT64_C(512)
#define WORDS_MAX 15 /* sectors of a file */

struct word {
    char text[WORDS_MAX + 1];
};

/* A file in memory, and the word for any file. */
struct io *words_file(const char *word);
struct word words_of(struct io *io);

/* Operations that never fail, in sectors. words_put writes a word, not "-". */
void words_put(struct io *io, uint64_t sector, const char *word);
void words_zero(struct io *io, uint64_t sector, uint64_t count);
void words_set_length(struct io *io, uint64_t sectors);
void words_flush(struct io *io);

/* The file that an io_crash leaves (struct io_crash_state). */
struct word words_left(struct io *io, size_t cut, uint64_t limit, uint64_t selector);

/*
 * All files that a cut of an io_crash leaves, sorted, each once, with a space before and after each
 * word; the caller frees it.
 */
char *words_left_by(struct io *io, size_t cut, uint64_t limit);

/* Whether such a list has that word. */
bool words_have(const char *list, const struct word *word);

/* The same list of words given in any order, with single spaces between them. */
char *words_sorted(const char *list);

#endif
