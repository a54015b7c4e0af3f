/*
 * Lists of tables, and the plain scan of one table after the other.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_scan.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/le.h"
#include "format/qed_scan_plan.h"

int qed_scan_list_add(struct qed_scan_list *list, uint64_t l1_index, uint64_t file_off,
                      struct qed_error *error)
{
    struct qed_scan_table *tables;

    tables = array_with_room(list->tables, list->count, &list->room, sizeof(*tables));
    if (!tables)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    list->tables = tables;
    list->tables[list->count++] =
        (struct qed_scan_table){.l1_index = l1_index, .file_off = file_off};
    return QED_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct qed_scan_table *x = a, *y = b;

    if (x->file_off != y->file_off)
        return x->file_off < y->file_off ? -1 : 1;
    return (x->l1_index > y->l1_index) - (x->l1_index < y->l1_index);
}

void qed_scan_list_sort(struct qed_scan_list *list)
{
    if (list->count)
        qsort(list->tables, list->count, sizeof(*list->tables), by_place);
}

const struct qed_scan_table *qed_scan_list_find(const struct qed_scan_list *list, uint64_t file_off)
{
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (list->tables[middle].file_off < file_off)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->count && list->tables[low].file_off == file_off ? &list->tables[low] : NULL;
}

void qed_scan_list_free(struct qed_scan_list *list)
{
    free(list->tables);
    *list = (struct qed_scan_list){0};
}

/* Hand on the entries in [in_table, in_table + len) bytes of the table, at most one buffer. */
static int scan_bytes(struct qed_image *image, struct qed_scan_piece *piece, uint64_t in_table,
                      size_t len, uint64_t *buffer, qed_scan_fn *fn, void *context,
                      struct qed_error *error)
{
    int ret = io_read_sectors(image->io, buffer, len, piece->table->file_off + in_table, error);

    if (ret < 0)
        return ret;
    piece->first_index = in_table / sizeof(uint64_t);
    piece->entries = buffer;
    piece->count = len / sizeof(uint64_t);
    le64_to_host(buffer, piece->count);
    return fn(context, piece, error);
}

static int scan_table(struct qed_image *image, const struct qed_scan_table *table, size_t number,
                      uint64_t *buffer, qed_scan_fn *fn, void *context, struct qed_error *error)
{
    uint64_t carry = 0;
    struct qed_scan_piece piece = {.table = table, .table_number = number, .carry = &carry};
    uint64_t at = 0;
    size_t len = 1;
    int ret = QED_OK;

    while (ret == QED_OK && len > 0) {
        ret = qed_scan_next_step(image, table, &at, QED_SCAN_STEP_BYTES, &len, error);
        if (ret == QED_OK && len > 0)
            ret = scan_bytes(image, &piece, at, len, buffer, fn, context, error);
        at += len;
    }
    return ret;
}

int qed_scan_in_turn(struct qed_image *image, const struct qed_scan_table *tables, size_t count,
                     qed_scan_fn *fn, void *context, struct qed_error *error)
{
    uint64_t *buffer = malloc(QED_SCAN_STEP_BYTES);
    int ret = QED_OK;

    if (!buffer)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; ret == QED_OK && i < count; i++)
        ret = scan_table(image, &tables[i], i, buffer, fn, context, error);
    free(buffer);
    return ret;
}

int qed_scan_table(struct qed_image *image, const struct qed_scan_table *table, qed_scan_fn *fn,
                   void *context, struct qed_error *error)
{
    return qed_scan_in_turn(image, table, 1, fn, context, error);
}

int qed_scan_l1(struct qed_image *image, qed_scan_fn *fn, void *context, struct qed_error *error)
{
    struct qed_scan_table l1 = {.file_off = image->geometry.l1_table_offset};

    return qed_scan_table(image, &l1, fn, context, error);
}
