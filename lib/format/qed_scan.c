/*
 * One buffer, one table after the other.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_scan.h"

#include <stdlib.h>

#include "base/le.h"

#define BUFFER_BYTES ((size_t)1 << 20)

/* Hand on the entries in [in_table, in_table + len) bytes of the table, at most one buffer. */
static int scan_bytes(struct qed_image *image, const struct qed_scan_table *table,
                      uint64_t in_table, size_t len, uint64_t *buffer, qed_scan_fn *fn,
                      void *context, struct qed_error *error)
{
    struct qed_scan_piece piece = {.table = table,
                                   .first_index = in_table / sizeof(uint64_t),
                                   .entries = buffer,
                                   .count = len / sizeof(uint64_t)};
    int ret = io_read(image->io, buffer, len, table->file_off + in_table, error);

    if (ret < 0)
        return ret;
    for (size_t i = 0; i < piece.count; i++)
        buffer[i] = le64_load(&buffer[i]);
    return fn(context, &piece, error);
}

static int scan_table(struct qed_image *image, const struct qed_scan_table *table,
                      uint64_t *buffer, qed_scan_fn *fn, void *context, struct qed_error *error)
{
    uint64_t table_bytes = image->geometry.table_bytes;
    uint64_t at = 0;

    while (at < table_bytes) {
        struct io_run run;
        uint64_t end;
        int ret = io_next_run(image->io, table->file_off + at, &run, error);

        if (ret < 0)
            return ret;
        if (run.length == 0)
            break; /* the file was cut while we read */
        /* Whole entries, wherever the file system's blocks end. */
        if (!checked_round_up(at + run.length, QED_SECTOR, &end))
            end = table_bytes;
        end = min_u64(end, table_bytes);
        while (run.is_data && at < end) {
            size_t step = (size_t)min_u64(end - at, BUFFER_BYTES);

            ret = scan_bytes(image, table, at, step, buffer, fn, context, error);
            if (ret < 0)
                return ret;
            at += step;
        }
        at = run.is_data ? at : round_down(at + run.length, QED_SECTOR);
    }
    return QED_OK;
}

static int scan_tables(struct qed_image *image, const struct qed_scan_table *tables, size_t count,
                       qed_scan_fn *fn, void *context, struct qed_error *error)
{
    uint64_t *buffer = malloc(BUFFER_BYTES);
    int ret = QED_OK;

    if (!buffer)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; ret == QED_OK && i < count; i++)
        ret = scan_table(image, &tables[i], buffer, fn, context, error);
    free(buffer);
    return ret;
}

int qed_scan_l1(struct qed_image *image, qed_scan_fn *fn, void *context, struct qed_error *error)
{
    struct qed_scan_table l1 = {.file_off = image->geometry.l1_table_offset};

    return scan_tables(image, &l1, 1, fn, context, error);
}

int qed_scan_l2(struct qed_image *image, const struct qed_scan_list *list, qed_scan_fn *fn,
                void *context, struct qed_error *error)
{
    return scan_tables(image, list->tables, list->count, fn, context, error);
}

int qed_scan_list_add(struct qed_scan_list *list, uint64_t l1_index, uint64_t file_off,
                      struct qed_error *error)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 64;
        struct qed_scan_table *tables = realloc(list->tables, room * sizeof(*tables));

        if (!tables)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        list->tables = tables;
        list->room = room;
    }
    list->tables[list->count++] =
        (struct qed_scan_table){.l1_index = l1_index, .file_off = file_off};
    return QED_OK;
}

void qed_scan_list_free(struct qed_scan_list *list)
{
    free(list->tables);
    *list = (struct qed_scan_list){0};
}
