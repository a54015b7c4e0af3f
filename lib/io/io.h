/*
 * A file as the library sees it: positioned reads and writes behind a small table of operations,
 * so that tests can put memory, faults and recordings under the same code.
 *
 * All offsets and lengths are bytes of the file. Functions return 0 or a negative enum qed_code
 * and fill in error (may be NULL).
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_IO_H
#define IO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A stretch of a file that is stored, or that is a hole and reads as zeroes. */
struct io_run {
    uint64_t file_off;
    uint64_t length; /* up to the end of the file at most */
    bool is_data;
};

struct io;

struct io_ops {
    int (*read)(struct io *io, void *buffer, size_t len, uint64_t file_off,
                struct qed_error *error);
    bool (*read_cached)(struct io *io, void *buffer, size_t len, uint64_t file_off, size_t *done);
    int (*write)(struct io *io, const void *buffer, size_t len, uint64_t file_off,
                 struct qed_error *error);
    int (*zero)(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error);
    int (*flush)(struct io *io, struct qed_error *error);
    int (*get_length)(struct io *io, uint64_t *length, struct qed_error *error);
    int (*set_length)(struct io *io, uint64_t length, struct qed_error *error);
    int (*next_run)(struct io *io, uint64_t file_off, struct io_run *run, struct qed_error *error);
    void (*close)(struct io *io);
};

/* Implementations embed this; read_cached may be NULL: nothing can be told of a cache. */
struct io {
    const struct io_ops *ops;
};

/* Read exactly len bytes; QED_ERR_SHORT_READ when the file ends before that. */
int io_read(struct io *io, void *buffer, size_t len, uint64_t file_off, struct qed_error *error);

/* Read len bytes, those past the end of the file as zeroes. */
int io_read_padded(struct io *io, void *buffer, size_t len, uint64_t file_off,
                   struct qed_error *error);

/*
 * Read len bytes of a file that counts in sectors of 512: where its last sector is not whole, the
 * bytes that are not there read as zeroes. QED_ERR_SHORT_READ past that sector.
 */
int io_read_sectors(struct io *io, void *buffer, size_t len, uint64_t file_off,
                    struct qed_error *error);

/*
 * Read what is in memory already of a range, up to the first byte that is not: *done bytes. False,
 * and nothing read, where that cannot be told. preadv2(2), RWF_NOWAIT.
 */
bool io_read_cached(struct io *io, void *buffer, size_t len, uint64_t file_off, size_t *done);

/* Write all len bytes, growing the file where needed. */
int io_write(struct io *io, const void *buffer, size_t len, uint64_t file_off,
             struct qed_error *error);

/*
 * Make [file_off, file_off + len) read as zeroes, as a hole where the file system can; the range
 * must lie inside the file.
 */
int io_zero(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error);

/* Return once all that was written is on stable storage (fdatasync(2)). */
int io_flush(struct io *io, struct qed_error *error);

int io_get_length(struct io *io, uint64_t *length, struct qed_error *error);

/* Cut the file, or make it longer with a hole. */
int io_set_length(struct io *io, uint64_t length, struct qed_error *error);

/*
 * The run that file_off lies in, from file_off on (lseek(2), SEEK_DATA and SEEK_HOLE). At or past
 * the end of the file the run's length is 0. Where holes cannot be told, all is data.
 */
int io_next_run(struct io *io, uint64_t file_off, struct io_run *run, struct qed_error *error);

/* Release io and what is behind it; NULL-safe. Does not flush. */
void io_close(struct io *io);

#endif
