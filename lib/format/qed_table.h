/*
 * Table entries through a cache with a byte limit. A table of any size is read in pieces of at
 * most 64 KiB, so a geometry whose tables are 1 GiB long costs what is looked at. L1 and L2 tables
 * share the cache; the L1's pieces are touched at every step and so stay resident.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_TABLE_H
#define FORMAT_QED_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

/* What one image's cache takes at most while it is only read, bytes. */
#define QED_TABLE_CACHE_BYTES ((size_t)16 << 20)

struct qed_table_cache;

/*
 * A cache over io for tables of table_bytes each; io stays the caller's. Clean pieces beyond
 * limit_bytes are dropped, least recently used first. NULL when out of memory.
 */
struct qed_table_cache *qed_table_cache_new(struct io *io, uint64_t table_bytes,
                                            size_t limit_bytes);

/* Drops what is dirty; NULL-safe. */
void qed_table_cache_free(struct qed_table_cache *cache);

/*
 * The entries of the table at table_off from index on: *entries in host byte order, *count of
 * them, at least one. Valid until the next call on this cache. index must lie inside the table.
 */
int qed_table_get(struct qed_table_cache *cache, uint64_t table_off, uint64_t index,
                  const uint64_t **entries, size_t *count, struct qed_error *error);

/*
 * Set one entry in memory. Dirty pieces are kept until qed_table_write_back, over the limit if it
 * must be: the caller, who knows the order in which tables may reach the disk, watches
 * qed_table_dirty_bytes.
 */
int qed_table_set(struct qed_table_cache *cache, uint64_t table_off, uint64_t index,
                  uint64_t value, struct qed_error *error);

/* Bytes of table pieces that were changed and not written back. */
size_t qed_table_dirty_bytes(const struct qed_table_cache *cache);

/*
 * Write the dirty entries of the tables for which select says yes (called with context and the
 * table's offset); not flushed. What could not be written stays dirty.
 */
int qed_table_write_back(struct qed_table_cache *cache,
                         bool (*select)(void *context, uint64_t table_off), void *context,
                         struct qed_error *error);

/*
 * From now on a piece that cannot be read whole is read as far as that goes, and only entries in
 * sectors that cannot be read fail.
 */
int qed_table_tolerate(struct qed_table_cache *cache, struct qed_error *error);

/* Forget all clean pieces: somebody else changed the file. */
void qed_table_forget(struct qed_table_cache *cache);

#endif
