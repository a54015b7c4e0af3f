/*
 * A hash of table pieces, and a list of them in order of use.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "io/io_salvage.h"

#define ENTRY_BYTES sizeof(uint64_t)
#define PIECE_BYTES_MAX ((uint64_t)64 << 10)
#define SECTORS_MAX (PIECE_BYTES_MAX / IO_SECTOR_BYTES)
#define ENTRIES_IN_SECTOR (IO_SECTOR_BYTES / ENTRY_BYTES)
#define HASH_SLOTS 1024 /* a power of two */

struct piece {
    uint64_t table_off;
    uint64_t file_off; /* of the first entry; the key */
    struct piece *next_in_slot;
    struct piece *newer, *older;
    size_t dirty_first, dirty_end; /* entries; nothing dirty when equal */
    bool lost[SECTORS_MAX];        /* sectors that could not be read */
    struct qed_error *why_lost;    /* NULL: none is lost */
    uint64_t entries[];
};

struct qed_table_cache {
    struct io *io;
    size_t limit_bytes;
    size_t piece_bytes;
    size_t used_bytes, dirty_bytes;
    struct piece *newest, *oldest;
    struct io_salvage *salvage; /* NULL: a piece is read whole or not at all */
    struct piece *slots[HASH_SLOTS];
};

struct qed_table_cache *qed_table_cache_new(struct io *io, uint64_t table_bytes,
                                            size_t limit_bytes)
{
    struct qed_table_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return NULL;
    cache->io = io;
    cache->piece_bytes = (size_t)min_u64(table_bytes, PIECE_BYTES_MAX);
    cache->limit_bytes = limit_bytes;
    return cache;
}

static struct piece **slot_of(struct qed_table_cache *cache, uint64_t file_off)
{
    return &cache->slots[file_off / cache->piece_bytes & (HASH_SLOTS - 1)];
}

static bool is_dirty(const struct piece *piece)
{
    return piece->dirty_first != piece->dirty_end;
}

static void list_remove(struct qed_table_cache *cache, struct piece *piece)
{
    *(piece->newer ? &piece->newer->older : &cache->newest) = piece->older;
    *(piece->older ? &piece->older->newer : &cache->oldest) = piece->newer;
}

static void list_push(struct qed_table_cache *cache, struct piece *piece)
{
    piece->newer = NULL;
    piece->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = piece;
    cache->newest = piece;
}

static void piece_free(struct piece *piece)
{
    free(piece->why_lost);
    free(piece);
}

static void piece_drop(struct qed_table_cache *cache, struct piece *piece)
{
    struct piece **link = slot_of(cache, piece->file_off);

    while (*link != piece)
        link = &(*link)->next_in_slot;
    *link = piece->next_in_slot;
    list_remove(cache, piece);
    cache->used_bytes -= cache->piece_bytes;
    piece_free(piece);
}

/* Drop clean pieces, oldest first, until one more piece fits. */
static void make_room(struct qed_table_cache *cache)
{
    struct piece *piece = cache->oldest;

    while (piece && cache->used_bytes + cache->piece_bytes > cache->limit_bytes) {
        struct piece *newer = piece->newer;

        if (!is_dirty(piece))
            piece_drop(cache, piece);
        piece = newer;
    }
}

/* Sectors of a piece that cannot be read; an io_lost_fn. */
static bool note_lost(void *context, uint64_t file_off, size_t len, const struct qed_error *why)
{
    struct piece *piece = context;
    size_t first = (size_t)(file_off - piece->file_off) / IO_SECTOR_BYTES;

    memset(piece->lost + first, true, blocks_for(len, IO_SECTOR_SHIFT));
    if (!piece->why_lost)
        piece->why_lost = malloc(sizeof(*why));
    if (!piece->why_lost)
        return true;
    *piece->why_lost = *why;
    return false;
}

static int read_entries(struct qed_table_cache *cache, struct piece *piece,
                        struct qed_error *error)
{
    int ret = io_read_sectors(cache->io, piece->entries, cache->piece_bytes, piece->file_off,
                              error);

    if (!cache->salvage || !io_salvage_can_help(ret))
        return ret;
    ret = io_salvage_read(cache->salvage, piece->entries, cache->piece_bytes, piece->file_off,
                          note_lost, piece, error);
    return ret == QED_ERR_STOPPED ? qed_fail(error, QED_ERR_NO_MEMORY, "out of memory") : ret;
}

static int piece_read(struct qed_table_cache *cache, uint64_t table_off, uint64_t file_off,
                      struct piece **out, struct qed_error *error)
{
    struct piece *piece;
    struct piece **slot = slot_of(cache, file_off);
    int ret;

    make_room(cache);
    piece = calloc(1, sizeof(*piece) + cache->piece_bytes);
    if (!piece)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    piece->file_off = file_off;
    ret = read_entries(cache, piece, error);
    if (ret < 0) {
        piece_free(piece);
        return ret;
    }
    for (size_t i = 0; i < cache->piece_bytes / ENTRY_BYTES; i++)
        piece->entries[i] = le64_load(&piece->entries[i]);
    piece->table_off = table_off;
    piece->next_in_slot = *slot;
    *slot = piece;
    list_push(cache, piece);
    cache->used_bytes += cache->piece_bytes;
    *out = piece;
    return QED_OK;
}

/* The piece that entry index of the table at table_off is in; *at is its place in the piece. */
static int piece_find(struct qed_table_cache *cache, uint64_t table_off, uint64_t index,
                      struct piece **out, size_t *at, struct qed_error *error)
{
    uint64_t in_table = round_down(index * ENTRY_BYTES, cache->piece_bytes);
    uint64_t file_off = table_off + in_table;
    struct piece *piece = *slot_of(cache, file_off);

    *at = (size_t)(index - in_table / ENTRY_BYTES);
    while (piece && piece->file_off != file_off)
        piece = piece->next_in_slot;
    if (!piece)
        return piece_read(cache, table_off, file_off, out, error);
    list_remove(cache, piece);
    list_push(cache, piece);
    *out = piece;
    return QED_OK;
}

/* How many of count entries from at on are not in sectors that are lost. */
static int cut_to_readable(const struct piece *piece, size_t at, size_t *count,
                           struct qed_error *error)
{
    size_t first = at / ENTRIES_IN_SECTOR, sector = first;

    while (sector * ENTRIES_IN_SECTOR < at + *count && !piece->lost[sector])
        sector++;
    *count = (size_t)min_u64(at + *count, sector * ENTRIES_IN_SECTOR) - at;
    if (sector > first)
        return QED_OK;
    if (error)
        *error = *piece->why_lost;
    return piece->why_lost->code;
}

int qed_table_get(struct qed_table_cache *cache, uint64_t table_off, uint64_t index,
                  const uint64_t **entries, size_t *count, struct qed_error *error)
{
    struct piece *piece;
    size_t at;
    int ret = piece_find(cache, table_off, index, &piece, &at, error);

    if (ret < 0)
        return ret;
    *entries = piece->entries + at;
    *count = cache->piece_bytes / ENTRY_BYTES - at;
    return piece->why_lost ? cut_to_readable(piece, at, count, error) : QED_OK;
}

int qed_table_set(struct qed_table_cache *cache, uint64_t table_off, uint64_t index,
                  uint64_t value, struct qed_error *error)
{
    struct piece *piece;
    size_t at;
    int ret = piece_find(cache, table_off, index, &piece, &at, error);

    if (ret < 0)
        return ret;
    piece->entries[at] = value;
    if (!is_dirty(piece)) {
        piece->dirty_first = at;
        piece->dirty_end = at + 1;
        cache->dirty_bytes += cache->piece_bytes;
    } else {
        piece->dirty_first = at < piece->dirty_first ? at : piece->dirty_first;
        piece->dirty_end = at + 1 > piece->dirty_end ? at + 1 : piece->dirty_end;
    }
    return QED_OK;
}

size_t qed_table_dirty_bytes(const struct qed_table_cache *cache)
{
    return cache->dirty_bytes;
}

/* Write the dirty entries, widened to whole sectors: what a disk writes anyway. */
static int piece_write(struct qed_table_cache *cache, struct piece *piece,
                       struct qed_error *error)
{
    size_t per_sector = 512 / ENTRY_BYTES;
    size_t first = piece->dirty_first / per_sector * per_sector;
    size_t end = (piece->dirty_end + per_sector - 1) / per_sector * per_sector;
    size_t len = (end - first) * ENTRY_BYTES;
    uint8_t *bytes = malloc(len);
    int ret;

    if (!bytes)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = first; i < end; i++)
        le64_store(bytes + (i - first) * ENTRY_BYTES, piece->entries[i]);
    ret = io_write(cache->io, bytes, len, piece->file_off + first * ENTRY_BYTES, error);
    free(bytes);
    if (ret < 0)
        return ret;
    piece->dirty_first = piece->dirty_end = 0;
    cache->dirty_bytes -= cache->piece_bytes;
    return QED_OK;
}

int qed_table_write_back(struct qed_table_cache *cache,
                         bool (*select)(void *context, uint64_t table_off), void *context,
                         struct qed_error *error)
{
    for (struct piece *piece = cache->oldest; piece; piece = piece->newer) {
        int ret;

        if (!is_dirty(piece) || !select(context, piece->table_off))
            continue;
        ret = piece_write(cache, piece, error);
        if (ret < 0)
            return ret;
    }
    return QED_OK;
}

int qed_table_tolerate(struct qed_table_cache *cache, struct qed_error *error)
{
    return cache->salvage ? QED_OK : io_salvage_new(&cache->salvage, cache->io, error);
}

void qed_table_forget(struct qed_table_cache *cache)
{
    struct piece *piece = cache->oldest;

    while (piece) {
        struct piece *newer = piece->newer;

        if (!is_dirty(piece))
            piece_drop(cache, piece);
        piece = newer;
    }
}

void qed_table_cache_free(struct qed_table_cache *cache)
{
    struct piece *piece = cache ? cache->oldest : NULL;

    while (piece) {
        struct piece *newer = piece->newer;

        piece_free(piece);
        piece = newer;
    }
    if (cache)
        io_salvage_free(cache->salvage);
    free(cache);
}
