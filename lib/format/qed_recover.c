/*
 * Tables to read are listed from the L1 table; what is wrong with them is listed by each thread;
 * then all of it is cleared. SPDX-License-Identifier: MIT
 */
#include "format/qed_recover.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/array.h"
#include "format/qed_intent.h"

struct bad_entry {
    uint64_t table_off, index;
};

struct bad_list {
    struct bad_entry *entries;
    size_t count, room;
};

struct recover {
    struct qed_image *image;
    const struct qed_intent *intent; /* NULL: all tables */
    struct qed_scan_list tables;
    struct bad_list l1;                       /* entries to clear */
    struct bad_list l2[QED_SCAN_THREADS_MAX]; /* what each thread has found */
};

static int add_bad(struct bad_list *list, uint64_t table_off, uint64_t index,
                   struct qed_error *error)
{
    struct bad_entry *entries =
        array_with_room(list->entries, list->count, &list->room, sizeof(*entries));

    if (!entries)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    list->entries = entries;
    entries[list->count++] = (struct bad_entry){.table_off = table_off, .index = index};
    return QED_OK;
}

static int no_crash(const char *table, uint64_t index, uint64_t entry, struct qed_error *error)
{
    return qed_fail(error, QED_ERR_CORRUPT,
                    "Image is corrupt: entry %" PRIu64 " of %s is invalid (0x%" PRIx64
                    "), which no crash explains; run 'qedtool check'",
                    index, table, entry);
}

/* Whether an entry names something that would be valid in a longer file: what a crash leaves. */
static bool is_past_end(const struct qed_geometry *g, uint64_t file_off, uint64_t len)
{
    uint64_t end;

    return qed_cluster_aligned(g, file_off) && file_off >= g->header_bytes &&
           checked_add(file_off, len, &end) && end > g->file_end;
}

static int look_at_l1(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct recover *recover = context;
    const struct qed_geometry *g = &recover->image->geometry;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t index = piece->first_index + i, entry = piece->entries[i];

        if (entry == QED_ENTRY_UNALLOCATED ||
            (recover->intent && !qed_intent_is_marked(recover->intent, index)))
            continue;
        if (qed_table_offset_valid(g, entry))
            ret = qed_scan_list_add(&recover->tables, index, entry, error);
        else if (is_past_end(g, entry, g->table_bytes))
            ret = add_bad(&recover->l1, g->l1_table_offset, index, error);
        else
            ret = no_crash("the L1 table", index, entry, error);
    }
    return ret;
}

static int look_at_l2(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct recover *recover = context;
    const struct qed_geometry *g = &recover->image->geometry;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i], index = piece->first_index + i;

        if (entry <= QED_ENTRY_ZERO || qed_data_offset_valid(g, entry))
            continue;
        if (is_past_end(g, entry, g->cluster_size))
            ret = add_bad(&recover->l2[piece->thread], piece->table->file_off, index, error);
        else
            ret = no_crash("an L2 table", index, entry, error);
    }
    return ret;
}

static int list_tables(struct recover *recover, struct qed_error *error)
{
    int ret = qed_scan_l1(recover->image, look_at_l1, recover, error);

    qed_scan_list_sort(&recover->tables);
    return ret;
}

/* The bitmap, and whether it says which tables to read. */
static int find_kind(struct qed_image *image, struct qed_intent *intent,
                     enum qed_recovery_kind *kind, struct qed_error *error)
{
    bool valid = false;
    int ret;

    *kind = QED_RECOVERY_NONE;
    if (!qed_needs_check(image))
        return QED_OK;
    ret = qed_intent_read(intent, &valid, image->io, &image->header, &image->geometry, error);
    *kind = valid ? QED_RECOVERY_MARKED : QED_RECOVERY_FULL;
    return ret;
}

int qed_recover_plan(struct qed_image *image, enum qed_recovery_kind *kind,
                     struct qed_scan_list *tables, struct qed_error *error)
{
    struct recover recover = {.image = image};
    struct qed_intent intent;
    int ret = find_kind(image, &intent, kind, error);

    if (ret < 0 || *kind == QED_RECOVERY_NONE)
        return ret;
    if (*kind == QED_RECOVERY_MARKED)
        recover.intent = &intent;
    ret = list_tables(&recover, error);
    free(recover.l1.entries);
    if (ret < 0)
        qed_scan_list_free(&recover.tables);
    else
        *tables = recover.tables;
    return ret;
}

/* A last cluster that was cut short is made whole: its other bytes may have been written. */
static int complete_file(struct qed_image *image, uint64_t *added, struct qed_error *error)
{
    uint64_t length, whole;
    int ret = io_get_length(image->io, &length, error);

    if (ret < 0 || !checked_round_up(length, image->geometry.cluster_size, &whole) ||
        whole == length)
        return ret;
    ret = io_set_length(image->io, whole, error);
    if (ret < 0)
        return ret;
    *added = whole - length;
    image->geometry.file_length = image->geometry.file_end = whole;
    return QED_OK;
}

static int clear_entries(struct qed_image *image, const struct bad_list *list,
                         struct qed_error *error)
{
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < list->count; i++)
        ret = qed_table_set(image->tables, list->entries[i].table_off, list->entries[i].index,
                            QED_ENTRY_UNALLOCATED, error);
    return ret;
}

static bool any_table(void *context, uint64_t table_off)
{
    (void)context;
    (void)table_off;
    return true;
}

static int clear_all(struct recover *recover, struct qed_recovery *recovery,
                     struct qed_error *error)
{
    int ret = clear_entries(recover->image, &recover->l1, error);

    recovery->l1_cleared = recover->l1.count;
    for (size_t i = 0; ret == QED_OK && i < QED_SCAN_THREADS_MAX; i++) {
        ret = clear_entries(recover->image, &recover->l2[i], error);
        recovery->l2_cleared += recover->l2[i].count;
    }
    if (ret == QED_OK)
        ret = qed_table_write_back(recover->image->tables, any_table, NULL, error);
    return ret < 0 ? ret : io_flush(recover->image->io, error);
}

/* Everything is mended and durable: nothing is in doubt any more. */
static int clear_marks(struct qed_image *image, struct qed_intent *intent, struct qed_error *error)
{
    int ret = QED_OK;

    qed_intent_clear(intent);
    if (image->header.autoclear_features & QED_AUTOCLEAR_INTENT &&
        qed_intent_has_room(&image->header))
        ret = qed_intent_write(intent, image->io, error);
    return ret < 0 ? ret : qed_set_need_check(image, false, error);
}

static int recover_tables(struct recover *recover, const struct qed_scan_options *scan,
                          struct qed_recovery *recovery, struct qed_error *error)
{
    struct qed_image *image = recover->image;
    struct qed_geometry before = image->geometry;
    int ret = complete_file(image, &recovery->bytes_added, error);

    qed_table_forget(image->tables);
    if (ret == QED_OK)
        ret = list_tables(recover, error);
    if (ret == QED_OK)
        ret =
            qed_scan_l2(image, &recover->tables, scan, look_at_l2, recover, &recovery->scan, error);
    recovery->tables = recover->tables.count;
    if (ret < 0 && recovery->bytes_added > 0) {
        io_set_length(image->io, image->geometry.file_end - recovery->bytes_added, NULL);
        image->geometry = before;
    }
    return ret < 0 ? ret : clear_all(recover, recovery, error);
}

int qed_recover(struct qed_image *image, const struct qed_scan_options *scan,
                struct qed_recovery *recovery, struct qed_error *error)
{
    struct recover recover = {.image = image};
    struct qed_intent intent;
    int ret;

    *recovery = (struct qed_recovery){0};
    qed_intent_init(&intent, &image->geometry);
    ret = find_kind(image, &intent, &recovery->kind, error);
    if (ret < 0 || recovery->kind == QED_RECOVERY_NONE)
        return ret;
    if (recovery->kind == QED_RECOVERY_MARKED)
        recover.intent = &intent;
    ret = recover_tables(&recover, scan, recovery, error);
    if (ret == QED_OK)
        ret = clear_marks(image, &intent, error);
    qed_scan_list_free(&recover.tables);
    free(recover.l1.entries);
    for (size_t i = 0; i < QED_SCAN_THREADS_MAX; i++)
        free(recover.l2[i].entries);
    return ret;
}
