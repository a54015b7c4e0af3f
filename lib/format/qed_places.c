/*
 * Two series of entries, streamed out a buffer at a time.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_places.h"

#include <stdlib.h>

#include "base/checked.h"
#include "base/le.h"

#define ENTRY_BYTES sizeof(uint64_t)
#define BUFFER_ENTRIES ((size_t)1 << 17)

bool qed_places_plan(struct qed_places *places, const struct qed_create_options *options)
{
    uint64_t cluster = options->cluster_size, table = cluster * options->table_size;
    unsigned int cluster_shift = (unsigned int)__builtin_ctzll(cluster);
    unsigned int entries_shift = (unsigned int)__builtin_ctzll(table / ENTRY_BYTES);
    uint64_t tables_bytes, data_bytes;

    *places = (struct qed_places){.cluster_size = cluster,
                                  .table_bytes = table,
                                  .clusters = blocks_for(options->image_size, cluster_shift),
                                  .l1_off = cluster,
                                  .l2_off = cluster + table};
    places->tables = blocks_for(places->clusters, entries_shift);
    return checked_mul(places->tables, table, &tables_bytes) &&
           checked_add(places->l2_off, tables_bytes, &places->data_off) &&
           checked_mul(places->clusters, cluster, &data_bytes) &&
           checked_add(places->data_off, data_bytes, &places->file_end) &&
           places->file_end <= INT64_MAX;
}

/* Write count entries from file_off on: entry, entry + step, … */
static int write_series(struct io *io, uint64_t file_off, uint64_t count, uint64_t entry,
                        uint64_t step, uint8_t *buffer, struct qed_error *error)
{
    for (uint64_t i = 0; i < count; i++)
        le64_store(buffer + i * ENTRY_BYTES, entry + i * step);
    return io_write(io, buffer, (size_t)count * ENTRY_BYTES, file_off, error);
}

/* All of a series, however long. */
static int write_entries(struct io *io, uint64_t file_off, uint64_t count, uint64_t entry,
                         uint64_t step, qed_places_stop_fn *stop, void *stop_context,
                         struct qed_error *error)
{
    uint8_t *buffer = malloc(BUFFER_ENTRIES * ENTRY_BYTES);
    int ret = QED_OK;

    if (!buffer)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    while (ret == QED_OK && count > 0) {
        uint64_t here = min_u64(count, BUFFER_ENTRIES);

        if (stop && stop(stop_context))
            ret = qed_fail(error, QED_ERR_STOPPED, "interrupted");
        else
            ret = write_series(io, file_off, here, entry, step, buffer, error);
        file_off += here * ENTRY_BYTES;
        entry += here * step;
        count -= here;
    }
    free(buffer);
    return ret;
}

int qed_places_write(const struct qed_places *places, struct io *io, qed_places_stop_fn *stop,
                     void *stop_context, struct qed_error *error)
{
    int ret = write_entries(io, places->l2_off, places->clusters, places->data_off,
                            places->cluster_size, stop, stop_context, error);

    return ret < 0 ? ret
                   : write_entries(io, places->l1_off, places->tables, places->l2_off,
                                   places->table_bytes, stop, stop_context, error);
}
