/*
 * Leads through a rebuild: candidates near the header, and if none of them explains the file, what
 * a pass over all of it turns up; the best one's fields; the evidence. SPDX-License-Identifier: MIT
 */
#include "format/qed_rebuild.h"

#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "format/qed_rebuild_state.h"

/* A candidate that explains so much, and is so sure, makes the pass over the file needless. */
#define EXPLAINS_ENOUGH 0.8
#define SURE_ENOUGH 0.95

bool rebuild_progress(void *context, uint64_t done, uint64_t total)
{
    const struct rebuild *rebuild = context;
    const struct qed_scan_options *scan = &rebuild->options->scan;

    (void)done, (void)total;
    return scan->progress &&
           scan->progress(scan->progress_context, min_u64(rebuild->bytes_done, rebuild->length),
                          rebuild->length);
}

static int read_header(struct rebuild *rebuild, struct qed_error *error)
{
    int ret = io_get_length(rebuild->io, &rebuild->length, error);

    if (ret < 0)
        return ret;
    if (rebuild->length < 2 * (uint64_t)QED_CLUSTER_SIZE_MIN)
        return qed_fail(error, QED_ERR_HEADER,
                        "the file is too short for a header and an L1 table");
    ret = io_read(rebuild->io, rebuild->found->stored, QED_HEADER_BYTES, 0, error);
    if (ret == QED_OK)
        qed_header_decode(&rebuild->old, rebuild->found->stored);
    return ret;
}

static int search(struct rebuild *rebuild, const struct rebuild_candidate **best,
                  const struct rebuild_candidate **second, struct qed_error *error)
{
    int ret = rebuild_add_near(rebuild, error);

    if (ret == QED_OK)
        ret = rebuild_try_all(rebuild, error);
    if (ret < 0)
        return ret;
    rebuild_doubt_header(rebuild);
    rebuild_rank(rebuild, best, second);
    if (*best && (*best)->file >= EXPLAINS_ENOUGH && (*best)->confidence >= SURE_ENOUGH)
        return QED_OK;
    ret = rebuild_scan_file(rebuild, error);
    if (ret == QED_OK)
        ret = rebuild_add_places(rebuild, error);
    if (ret == QED_OK)
        ret = rebuild_try_all(rebuild, error);
    rebuild_doubt_header(rebuild);
    rebuild_rank(rebuild, best, second);
    return ret;
}

/* The best one's confidence, given that there is a second. */
static unsigned int percent(const struct rebuild_candidate *best,
                            const struct rebuild_candidate *second)
{
    double odds = best->confidence / (1.001 - best->confidence);
    double others = second ? second->confidence / (1.001 - second->confidence) : 0;
    double value = odds > 0 ? best->confidence * odds / (odds + others) : 0;

    return value > 0.99 ? 99 : (unsigned int)(100 * value);
}

static void add_change(struct qed_rebuild *found, const char *field, uint64_t from, uint64_t to)
{
    if (from != to)
        found->changes[found->change_count++] =
            (struct qed_rebuild_change){.field = field, .from = from, .to = to};
}

static void list_changes(struct qed_rebuild *found, const struct qed_header *old)
{
    const struct qed_header *new = &found->header;

    add_change(found, "magic", old->magic, new->magic);
    add_change(found, "cluster_size", old->cluster_size, new->cluster_size);
    add_change(found, "table_size", old->table_size, new->table_size);
    add_change(found, "header_size", old->header_size, new->header_size);
    add_change(found, "features", old->features, new->features);
    add_change(found, "compat_features", old->compat_features, new->compat_features);
    add_change(found, "autoclear_features", old->autoclear_features, new->autoclear_features);
    add_change(found, "l1_table_offset", old->l1_table_offset, new->l1_table_offset);
    add_change(found, "image_size", old->image_size, new->image_size);
    add_change(found, "backing_filename_offset", old->backing_filename_offset,
               new->backing_filename_offset);
    add_change(found, "backing_filename_size", old->backing_filename_size,
               new->backing_filename_size);
}

static int finish(struct rebuild *rebuild, const struct rebuild_candidate *best,
                  const struct rebuild_candidate *second, struct qed_error *error)
{
    struct qed_rebuild *found = rebuild->found;
    struct qed_geometry ignored;
    int ret;

    if (!best)
        return qed_fail(error, QED_ERR_HEADER, "the file is too short for any geometry");
    rebuild_say_why(rebuild, best, second);
    found->confidence = percent(best, second);
    ret = rebuild_fields(rebuild, best, error);
    if (ret < 0)
        return ret;
    ret = qed_header_validate(&found->header, rebuild->length, &ignored, error);
    if (ret < 0)
        return ret;
    list_changes(found, &rebuild->old);
    if (found->confidence < QED_REBUILD_CONFIDENCE_MIN)
        return qed_fail(error, QED_ERR_HEADER,
                        "no geometry makes sense of the file (the best of them has a confidence of "
                        "%u %%)",
                        found->confidence);
    return QED_OK;
}

int qed_rebuild_header(struct io *io, const struct qed_rebuild_options *options,
                       struct qed_rebuild *found, struct qed_error *error)
{
    static const struct qed_rebuild_options defaults;
    struct rebuild rebuild = {.io = io,
                              .options = options ? options : &defaults,
                              .found = found,
                              .budget = REBUILD_BUDGET};
    const struct rebuild_candidate *best = NULL, *second = NULL;
    int ret;

    memset(found, 0, sizeof(*found));
    ret = read_header(&rebuild, error);
    if (ret == QED_OK)
        ret = search(&rebuild, &best, &second, error);
    if (ret == QED_OK)
        ret = finish(&rebuild, best, second, error);
    free(rebuild.candidates);
    return ret;
}

int qed_rebuild_plan_header(struct qed_plan *plan, const struct qed_rebuild *found,
                            struct qed_error *error)
{
    uint8_t bytes[QED_HEADER_BYTES];
    int ret = QED_OK;

    qed_header_encode(&found->header, bytes);
    for (size_t at = 0; ret == QED_OK && at < sizeof(bytes); at += sizeof(uint64_t)) {
        if (memcmp(bytes + at, found->stored + at, sizeof(uint64_t)) != 0)
            ret = qed_plan_set(plan, at, le64_load(bytes + at), QED_PLAN_SETTLE, error);
    }
    return ret;
}
