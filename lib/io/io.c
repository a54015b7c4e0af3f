/*
 * The calls of io.h, handed on to the implementation.
 * SPDX-License-Identifier: MIT
 */
#include "io/io.h"

#include <string.h>

#include "base/checked.h"

int io_read(struct io *io, void *buffer, size_t len, uint64_t file_off, struct qed_error *error)
{
    return io->ops->read(io, buffer, len, file_off, error);
}

int io_read_padded(struct io *io, void *buffer, size_t len, uint64_t file_off,
                   struct qed_error *error)
{
    uint64_t length;
    size_t inside = 0;
    int ret = io_get_length(io, &length, error);

    if (ret < 0)
        return ret;
    if (file_off < length)
        inside = (size_t)min_u64(len, length - file_off);
    memset((char *)buffer + inside, 0, len - inside);
    return inside ? io_read(io, buffer, inside, file_off, error) : QED_OK;
}

int io_read_sectors(struct io *io, void *buffer, size_t len, uint64_t file_off,
                    struct qed_error *error)
{
    uint64_t length;
    int ret = io_read(io, buffer, len, file_off, error);

    if (ret != QED_ERR_SHORT_READ || io_get_length(io, &length, NULL) < 0 ||
        !range_inside(file_off, len, 0, blocks_for(length, 9) << 9))
        return ret;
    return io_read_padded(io, buffer, len, file_off, error);
}

bool io_read_cached(struct io *io, void *buffer, size_t len, uint64_t file_off, size_t *done)
{
    *done = 0;
    return io->ops->read_cached && io->ops->read_cached(io, buffer, len, file_off, done);
}

int io_write(struct io *io, const void *buffer, size_t len, uint64_t file_off,
             struct qed_error *error)
{
    return io->ops->write(io, buffer, len, file_off, error);
}

int io_zero(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    return io->ops->zero(io, file_off, len, error);
}

int io_flush(struct io *io, struct qed_error *error)
{
    return io->ops->flush(io, error);
}

int io_get_length(struct io *io, uint64_t *length, struct qed_error *error)
{
    return io->ops->get_length(io, length, error);
}

int io_set_length(struct io *io, uint64_t length, struct qed_error *error)
{
    return io->ops->set_length(io, length, error);
}

int io_next_run(struct io *io, uint64_t file_off, struct io_run *run, struct qed_error *error)
{
    return io->ops->next_run(io, file_off, run, error);
}

void io_close(struct io *io)
{
    if (io)
        io->ops->close(io);
}
