/*
 * Which geometries are tried: every cluster size with every table size, and the L1 where the header
 * has it, where the header's other fields put it, where writers put it, or at a place that was
 * found. What cannot be for the file's length alone is left out.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/array.h"
#include "format/qed_rebuild_state.h"

/* A header of more clusters than this is no number to trust. */
#define HEADER_SIZE_PLAUSIBLE 65536

struct qed_header rebuild_bare_header(const struct rebuild_candidate *candidate)
{
    return (struct qed_header){
        .magic = QED_MAGIC,
        .cluster_size = candidate->cluster_size,
        .table_size = candidate->table_size,
        .header_size = candidate->header_size,
        .l1_table_offset = candidate->l1_table_offset,
    };
}

static void compare_field(struct rebuild_candidate *candidate, uint64_t a, uint64_t b)
{
    candidate->fields += a != b;
    candidate->bits += (unsigned int)__builtin_popcountll(a ^ b);
}

void rebuild_measure_distance(const struct rebuild *rebuild, struct rebuild_candidate *candidate)
{
    const struct qed_header *old = &rebuild->old;

    candidate->fields = candidate->bits = 0;
    compare_field(candidate, candidate->cluster_size, old->cluster_size);
    compare_field(candidate, candidate->table_size, old->table_size);
    compare_field(candidate, candidate->header_size, old->header_size);
    compare_field(candidate, candidate->l1_table_offset, old->l1_table_offset);
}

/* The header's own size where that can be, else one cluster until more is known. */
static uint32_t header_size_for(const struct rebuild *rebuild, uint32_t cluster_size, uint64_t l1)
{
    uint32_t own = rebuild->old.header_size;

    return own > 0 && (uint64_t)own * cluster_size <= l1 ? own : 1;
}

static int add(struct rebuild *rebuild, uint32_t cluster_size, uint32_t table_size, uint64_t l1,
               struct qed_error *error)
{
    struct rebuild_candidate candidate = {.cluster_size = cluster_size,
                                          .table_size = table_size,
                                          .header_size = header_size_for(rebuild, cluster_size, l1),
                                          .l1_table_offset = l1};
    struct qed_header header = rebuild_bare_header(&candidate);
    struct qed_geometry ignored;
    struct rebuild_candidate *grown;

    if (rebuild->keeps_geometry &&
        (cluster_size != rebuild->old.cluster_size || table_size != rebuild->old.table_size))
        return QED_OK;
    if (qed_header_validate(&header, rebuild->length, &ignored, NULL) < 0)
        return QED_OK;
    grown = array_with_room(rebuild->candidates, rebuild->count, &rebuild->room, sizeof(*grown));
    if (!grown)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    rebuild->candidates = grown;
    rebuild_measure_distance(rebuild, &candidate);
    rebuild->candidates[rebuild->count++] = candidate;
    return QED_OK;
}

/* The L1 where the header and its neighbours among the fields put it. */
static int add_geometry(struct rebuild *rebuild, uint32_t cluster_size, uint32_t table_size,
                        struct qed_error *error)
{
    const struct qed_header *old = &rebuild->old;
    bool is_own = cluster_size == old->cluster_size && table_size == old->table_size;
    int ret = add(rebuild, cluster_size, table_size, cluster_size, error);

    if (ret == QED_OK)
        ret = add(rebuild, cluster_size, table_size, old->l1_table_offset, error);
    if (ret == QED_OK && old->header_size <= HEADER_SIZE_PLAUSIBLE)
        ret = add(rebuild, cluster_size, table_size, (uint64_t)old->header_size * cluster_size,
                  error);
    for (unsigned int bit = 0; ret == QED_OK && is_own && bit < 64; bit++)
        ret = add(rebuild, cluster_size, table_size, old->l1_table_offset ^ UINT64_C(1) << bit,
                  error);
    return ret;
}

int rebuild_add_near(struct rebuild *rebuild, struct qed_error *error)
{
    int ret = QED_OK;

    for (uint32_t c = QED_CLUSTER_SIZE_MIN; c <= QED_CLUSTER_SIZE_MAX; c *= 2) {
        for (uint32_t t = QED_TABLE_SIZE_MIN; ret == QED_OK && t <= QED_TABLE_SIZE_MAX; t *= 2)
            ret = add_geometry(rebuild, c, t, error);
    }
    return ret;
}

int rebuild_add_places(struct rebuild *rebuild, struct qed_error *error)
{
    int ret = QED_OK;

    for (size_t i = 0; i < rebuild->place_count; i++) {
        for (uint32_t c = QED_CLUSTER_SIZE_MIN; c <= QED_CLUSTER_SIZE_MAX; c *= 2) {
            /* The first entries may be 0: then the place is not where the table starts. */
            uint64_t l1 = round_down(rebuild->places[i].file_off, c);

            for (uint32_t t = QED_TABLE_SIZE_MIN; ret == QED_OK && t <= QED_TABLE_SIZE_MAX; t *= 2)
                ret = add(rebuild, c, t, l1, error);
        }
    }
    return ret;
}

/* Large clusters and tables first: what is found of those spares trying the others. */
static int in_order(const void *a, const void *b)
{
    const struct rebuild_candidate *x = a, *y = b;

    if (x->cluster_size != y->cluster_size)
        return x->cluster_size > y->cluster_size ? -1 : 1;
    if (x->l1_table_offset != y->l1_table_offset)
        return x->l1_table_offset < y->l1_table_offset ? -1 : 1;
    if (x->table_size != y->table_size)
        return x->table_size > y->table_size ? -1 : 1;
    return (y->tried > x->tried) - (y->tried < x->tried);
}

static bool is_same(const struct rebuild_candidate *a, const struct rebuild_candidate *b)
{
    return a->l1_table_offset == b->l1_table_offset && a->cluster_size == b->cluster_size &&
           a->table_size == b->table_size;
}

void rebuild_sort(struct rebuild *rebuild)
{
    struct rebuild_candidate *all = rebuild->candidates;
    size_t kept = 0;

    if (rebuild->count > 0)
        qsort(all, rebuild->count, sizeof(*all), in_order);
    for (size_t i = 0; i < rebuild->count; i++) {
        if (kept == 0 || !is_same(&all[kept - 1], &all[i]))
            all[kept++] = all[i];
    }
    rebuild->count = kept;
}
