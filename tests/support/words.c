/*
 * Files to words, words to files, and lists of them.
 * SPDX-License-Identifier: MIT
 */
#include "support/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/io_crash.h"
#include "support/io_mem.h"
#include "support/unit.h"

struct io *words_file(const char *word)
{
    struct io *io = io_mem_new(0);

    if (strcmp(word, "-") != 0)
        words_put(io, 0, word);
    return io;
}

struct word words_of(struct io *io)
{
    uint8_t bytes[WORDS_MAX * WORDS_SECTOR];
    struct word word = {"-"};
    uint64_t length;

    if (io_get_length(io, &length, NULL) < 0 || length > sizeof(bytes) ||
        io_read(io, bytes, (size_t)length, 0, NULL) < 0)
        ck_abort_msg("a file that is no word");
    for (size_t i = 0; i < length; i++) {
        char letter = bytes[i] ? (char)bytes[i] : '.';
        char *at = &word.text[i / WORDS_SECTOR];

        if (i % WORDS_SECTOR == 0)
            *at = letter;
        else if (*at != letter)
            *at = '?';
    }
    return word;
}

void words_put(struct io *io, uint64_t sector, const char *word)
{
    uint8_t bytes[WORDS_MAX * WORDS_SECTOR];
    size_t len = strlen(word);

    ck_assert_uint_le(len, WORDS_MAX);
    for (size_t i = 0; i < len; i++)
        memset(bytes + i * WORDS_SECTOR, word[i] == '.' ? 0 : word[i], WORDS_SECTOR);
    ck_assert_int_eq(io_write(io, bytes, len * WORDS_SECTOR, sector * WORDS_SECTOR, NULL), QED_OK);
}

void words_zero(struct io *io, uint64_t sector, uint64_t count)
{
    ck_assert_int_eq(io_zero(io, sector * WORDS_SECTOR, count * WORDS_SECTOR, NULL), QED_OK);
}

void words_set_length(struct io *io, uint64_t sectors)
{
    ck_assert_int_eq(io_set_length(io, sectors * WORDS_SECTOR, NULL), QED_OK);
}

void words_flush(struct io *io)
{
    ck_assert_int_eq(io_flush(io, NULL), QED_OK);
}

struct word words_left(struct io *io, size_t cut, uint64_t limit, uint64_t selector)
{
    struct io_crash_state state = {.cut = cut, .limit = limit, .selector = selector};
    struct io *left = io_crash_leave(io, &state);
    struct word word = words_of(left);

    io_close(left);
    return word;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct word *)a)->text, ((const struct word *)b)->text);
}

static struct word *new_words(size_t count)
{
    struct word *words = calloc(count + 1, sizeof(*words));

    ck_assert_ptr_nonnull(words);
    return words;
}

/* Sort and join words, each once; frees them. */
static char *join(struct word *words, size_t count)
{
    char *text = malloc(count * sizeof(*words) + 2), *end = text;

    ck_assert_ptr_nonnull(text);
    end = stpcpy(end, " ");
    qsort(words, count, sizeof(*words), compare);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare(&words[i], &words[i - 1]) != 0)
            end = stpcpy(stpcpy(end, words[i].text), " ");
    }
    free(words);
    return text;
}

char *words_left_by(struct io *io, size_t cut, uint64_t limit)
{
    uint64_t count = io_crash_selectors(io, cut, limit);
    struct word *words;

    ck_assert(count > 0 && count <= limit);
    words = new_words((size_t)count);
    for (uint64_t i = 0; i < count; i++)
        words[i] = words_left(io, cut, limit, i);
    return join(words, (size_t)count);
}

bool words_have(const char *list, const struct word *word)
{
    char text[sizeof(word->text) + 2];

    snprintf(text, sizeof(text), " %s ", word->text);
    return strstr(list, text) != NULL;
}

char *words_sorted(const char *list)
{
    struct word *words = new_words(strlen(list));
    size_t count = 0;

    for (const char *at = list; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");

        ck_assert_uint_le(len, WORDS_MAX);
        memcpy(words[count++].text, at, len);
        at += len;
    }
    return join(words, count);
}
