/*
 * Files and block devices of the host as struct io.
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_IO_FILE_H
#define IO_IO_FILE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/io.h"

/* What tells two files apart, whatever their names. */
struct io_identity {
    uint64_t device;
    uint64_t inode;
};

struct io_file_info {
    struct io_identity identity;
    bool is_block_device;
    uint64_t allocated_bytes; /* what the file takes on its file system */
};

static inline bool io_identity_equal(const struct io_identity *a, const struct io_identity *b)
{
    return a->device == b->device && a->inode == b->inode;
}

/* The code for a system call on a file that failed, by its errno. */
static inline int io_error_code(int sys_errno)
{
    return sys_errno == ENOSPC || sys_errno == EDQUOT ? QED_ERR_NO_SPACE : QED_ERR_IO;
}

/*
 * Open path, a regular file or a block device; anything else is refused with QED_ERR_NOT_FILE and
 * is never waited for. *info (may be NULL) gets what fstat(2) knows. The caller owns *io.
 */
int io_file_open(struct io **io, const char *path, bool writable, struct io_file_info *info,
                 struct qed_error *error);

/*
 * What path is now, without opening it; *exists is false, and the rest untouched, when there is
 * no such file. Follows links.
 */
int io_file_query(const char *path, bool *exists, struct io_file_info *info,
                  struct qed_error *error);

/* Make an io of a descriptor, which it then owns; -1 in *io is never stored. For io_replace. */
int io_file_adopt(struct io **io, int fd, bool is_block_device, struct qed_error *error);

/* The descriptor under io; -1 when io is not a file of the host. Stays io's. */
int io_file_descriptor(struct io *io);

/*
 * Another io on the same file, for reading in another thread: threads that look for holes through
 * one descriptor wait for each other (lseek(2) locks the file position). NULL when io is no file of
 * the host or that cannot be had; the caller closes it.
 */
struct io *io_file_reopen(struct io *io);

/*
 * Another descriptor for the same file, for aligned reads, and writes if writable, past the page
 * cache (O_DIRECT, open(2)); -1 when that cannot be had, or io is not writable. The caller closes it.
 */
int io_file_open_direct(struct io *io, bool writable);

/*
 * Let reads, and writes if writes, of io go past the page cache where buffer, offset and length
 * allow it: all but what is not aligned to IO_DIRECT_ALIGN. For callers with one request at a time;
 * for many in flight there is io_queue.h. Given up silently where the file system has none.
 */
void io_file_use_direct(struct io *io, bool writes);

/* Let io_flush return at once from now on: what was written is as durable as the kernel makes it. */
void io_file_skip_flush(struct io *io);

/* Bytes that the file under io takes on its file system (fstat(2)); 0 when not known. */
uint64_t io_file_allocated_bytes(struct io *io);

/* What was written through an io of the host, by io_write, io_write_zeroes and io_queue. */
struct io_file_counts {
    uint64_t bytes_written;
    uint64_t flushes; /* asked for */
};

/* All zero when io is none of the host's. */
struct io_file_counts io_file_counts(struct io *io);

/* Count bytes that were written through the descriptor of io, or another one for the same file. */
void io_file_count_written(struct io *io, uint64_t bytes);

/* Whether io is a block device of the host: its length is fixed. */
bool io_file_is_block_device(struct io *io);

/* Bytes that the file system under io has left for us (fstatvfs(3)); UINT64_MAX when not known. */
uint64_t io_file_free_space(struct io *io);

/* The path of the folder that holds path, with its trailing slash, or "" ; the caller frees it. */
char *io_file_folder(const char *path);

#endif
