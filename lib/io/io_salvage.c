/*
 * Halves what fails. A bad sector in a buffer of 1 MiB costs two reads a halving, 22 in all.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_salvage.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "io/io_file.h"

#define PAGE_BYTES 4096

struct io_salvage {
    struct io *io;
    int direct_fd; /* -1: there is no way past the page cache */
    uint8_t *page; /* PAGE_BYTES, aligned for direct reads */
};

/* One call of io_salvage_read. */
struct reading {
    struct io_salvage *salvage;
    io_lost_fn *lost;
    void *context;
    struct qed_error *error;
};

int io_salvage_new(struct io_salvage **out, struct io *io, struct qed_error *error)
{
    struct io_salvage *salvage = calloc(1, sizeof(*salvage));
    void *page;

    if (!salvage || posix_memalign(&page, PAGE_BYTES, PAGE_BYTES) != 0) {
        free(salvage);
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    *salvage =
        (struct io_salvage){.io = io, .direct_fd = io_file_open_direct(io, false), .page = page};
    *out = salvage;
    return QED_OK;
}

void io_salvage_free(struct io_salvage *salvage)
{
    if (!salvage)
        return;
    if (salvage->direct_fd >= 0)
        close(salvage->direct_fd);
    free(salvage->page);
    free(salvage);
}

bool io_salvage_can_help(int code)
{
    return code == QED_ERR_IO || code == QED_ERR_SHORT_READ;
}

/* Whether a stretch inside a page could be read past the page cache. */
static bool read_direct(struct io_salvage *salvage, void *buffer, size_t len, uint64_t file_off)
{
    if (salvage->direct_fd < 0 || len > PAGE_BYTES || len % IO_SECTOR_BYTES != 0 ||
        file_off % IO_SECTOR_BYTES != 0 || file_off > INT64_MAX - PAGE_BYTES)
        return false;
    if (pread(salvage->direct_fd, salvage->page, len, (off_t)file_off) != (ssize_t)len)
        return false;
    memcpy(buffer, salvage->page, len);
    return true;
}

/* Where to cut a stretch: in its middle, at a whole page if there is one inside, else a sector. */
static size_t first_half(size_t len, uint64_t file_off)
{
    static const uint64_t units[] = {PAGE_BYTES, IO_SECTOR_BYTES};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        uint64_t middle = round_down(file_off + len / 2, units[i]);

        if (middle <= file_off)
            middle = round_down(file_off, units[i]) + units[i];
        if (middle > file_off && middle - file_off < len)
            return (size_t)(middle - file_off);
    }
    return 0;
}

/* Whether there is nothing of a stretch in the file: then there is no need to look for what there
 * is. */
static bool is_past_end(struct io *io, uint64_t file_off)
{
    uint64_t length;

    return io_get_length(io, &length, NULL) == QED_OK && file_off >= length;
}

/* Depth of the recursion: once for every halving of a buffer. */
static int read_stretch(const struct reading *reading, uint8_t *buffer, size_t len,
                        uint64_t file_off)
{
    struct qed_error why = QED_ERROR_INIT;
    size_t half = first_half(len, file_off);
    int ret = io_read_sectors(reading->salvage->io, buffer, len, file_off, &why);

    if (ret == QED_OK || read_direct(reading->salvage, buffer, len, file_off))
        return QED_OK;
    if (!io_salvage_can_help(ret)) {
        if (reading->error)
            *reading->error = why;
        return ret;
    }
    if (half == 0 || (ret == QED_ERR_SHORT_READ && is_past_end(reading->salvage->io, file_off))) {
        memset(buffer, 0, len);
        return reading->lost(reading->context, file_off, len, &why)
                   ? qed_fail(reading->error, QED_ERR_STOPPED, "interrupted")
                   : QED_OK;
    }
    ret = read_stretch(reading, buffer, half, file_off);
    return ret < 0 ? ret : read_stretch(reading, buffer + half, len - half, file_off + half);
}

int io_salvage_read(struct io_salvage *salvage, void *buffer, size_t len, uint64_t file_off,
                    io_lost_fn *lost, void *context, struct qed_error *error)
{
    struct reading reading = {.salvage = salvage, .lost = lost, .context = context, .error = error};

    return len > 0 ? read_stretch(&reading, buffer, len, file_off) : QED_OK;
}
