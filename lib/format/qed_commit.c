/*
 * The state: which marks are durable, how far the file is, what was written since the last flush.
 * Everything goes through write_back, which writes entries in the policy's order, and flush, which
 * other things may ride on. SPDX-License-Identifier: MIT
 */
#include "format/qed_commit.h"

#include <stdlib.h>

#include "format/qed_commit_state.h"

#define DIRTY_LIMIT ((size_t)8 << 20)

/* Flushes with nothing to write after which a writer counts as quiet; doubled when it was not. */
#define PATIENCE_FIRST 3
#define PATIENCE_MAX 96

/* Bits that are kept set although no table of theirs was written since the last flush. */
#define INTENT_KEPT 128

static bool uses_mark(const struct qed_commit *commit)
{
    return commit->options.durability == QED_DURABILITY_NEED_CHECK ||
           commit->options.durability == QED_DURABILITY_INTENT;
}

static bool uses_intent(const struct qed_commit *commit)
{
    return commit->options.durability == QED_DURABILITY_INTENT;
}

static bool without(const struct qed_commit *commit, unsigned int safeguard)
{
    return (commit->options.without & safeguard) != 0;
}

static int flush_file(struct qed_commit *commit, struct qed_error *error)
{
    int ret = io_flush(commit->image->io, error);

    if (ret < 0)
        commit->failed = ret;
    else
        commit->durable_length = commit->space.length;
    return ret;
}

int commit_check_alive(const struct qed_commit *commit, struct qed_error *error)
{
    if (commit->failed == QED_OK)
        return QED_OK;
    return qed_fail(error, commit->failed, "an earlier flush has failed: nothing more is written");
}

/* Write the header with NEED_CHECK or without; not flushed. */
static int write_mark(struct qed_commit *commit, bool mark, struct qed_error *error)
{
    struct qed_header changed = commit->image->header;
    int ret;

    changed.features &= ~QED_FEATURE_NEED_CHECK;
    if (mark)
        changed.features |= QED_FEATURE_NEED_CHECK;
    ret = qed_header_write(commit->image->io, &changed, error);
    if (ret == QED_OK)
        commit->image->header = changed;
    return ret;
}

/* The bits of what is about to be written, with those that are still needed or likely to be. */
static int write_intent(struct qed_commit *commit, struct qed_error *error)
{
    if (qed_intent_count(&commit->intent) > INTENT_KEPT)
        qed_intent_clear(&commit->intent);
    qed_intent_join(&commit->intent, &commit->recent);
    qed_intent_join(&commit->intent, &commit->gathered);
    return qed_intent_write(&commit->intent, commit->image->io, error);
}

/* Write the page where the gathered entries need bits that are not set; *wrote is whether. */
static int extend_intent(struct qed_commit *commit, bool *wrote, struct qed_error *error)
{
    if (!uses_intent(commit) || !qed_intent_exceeds(&commit->gathered, &commit->intent))
        return QED_OK;
    *wrote = true;
    return write_intent(commit, error);
}

/* Whether data, or the length of the file, has to be durable before entries. */
static bool entries_need_flush(const struct qed_commit *commit)
{
    if (commit->options.durability == QED_DURABILITY_ORDERED)
        return true;
    if (commit->options.over_backing && !without(commit, QED_WITHOUT_DATA_FLUSH))
        return true;
    return commit_preallocates(commit) && commit->space.length > commit->durable_length &&
           !without(commit, QED_WITHOUT_CHUNK_FLUSH);
}

/* What has to be durable before the gathered entries are written. */
static int prepare_entries(struct qed_commit *commit, struct qed_error *error)
{
    bool flush = entries_need_flush(commit);
    int ret = QED_OK;

    if (!without(commit, QED_WITHOUT_INTENT_FIRST))
        ret = extend_intent(commit, &flush, error);
    if (ret == QED_OK && uses_mark(commit) && !commit->marked &&
        !without(commit, QED_WITHOUT_MARK)) {
        flush = true;
        ret = write_mark(commit, true, error);
    }
    if (ret == QED_OK && flush)
        ret = flush_file(commit, error);
    if (ret < 0)
        commit->failed = ret; /* which marks are there is not known any more */
    commit->marked = ret == QED_OK && uses_mark(commit);
    return ret;
}

static bool is_l1_table(void *context, uint64_t table_off)
{
    const struct qed_commit *commit = context;

    return table_off == commit->image->geometry.l1_table_offset;
}

static bool is_l2_table(void *context, uint64_t table_off)
{
    return !is_l1_table(context, table_off);
}

/*
 * Write the gathered entries, L2 before L1. The first of an image go the other way: an L1 table
 * with no entries beside a lost L2 table would have to be taken for damage, once the mark is gone.
 * The new tables are empty by then.
 */
static int write_entries(struct qed_commit *commit, struct qed_error *error)
{
    struct qed_table_cache *tables = commit->image->tables;
    bool l1_first = !commit->has_tables;
    int ret = qed_table_write_back(tables, l1_first ? is_l1_table : is_l2_table, commit, error);

    if (ret == QED_OK && qed_table_dirty_bytes(tables) > 0 &&
        (l1_first || commit->options.durability == QED_DURABILITY_ORDERED))
        ret = flush_file(commit, error);
    if (ret == QED_OK)
        ret = qed_table_write_back(tables, l1_first ? is_l2_table : is_l1_table, commit, error);
    commit->has_tables = commit->has_tables || ret == QED_OK;
    return ret;
}

static int write_back(struct qed_commit *commit, struct qed_error *error)
{
    bool wrote = false;
    int ret;

    if (qed_table_dirty_bytes(commit->image->tables) == 0)
        return QED_OK;
    ret = prepare_entries(commit, error);
    commit->unflushed = true;
    if (ret == QED_OK)
        ret = write_entries(commit, error);
    if (ret == QED_OK && without(commit, QED_WITHOUT_INTENT_FIRST))
        ret = extend_intent(commit, &wrote, error);
    if (ret == QED_OK) {
        qed_intent_join(&commit->recent, &commit->gathered);
        qed_intent_clear(&commit->gathered);
    }
    return ret;
}

/* Whether the mark can go: nothing was written lately, and all that ever was is durable. */
static bool has_gone_quiet(struct qed_commit *commit, bool wrote)
{
    bool is_busy = commit->pending_from != UINT64_MAX;

    commit->quiet = wrote || is_busy ? 0 : commit->quiet + 1;
    return commit->marked && !commit->unflushed && commit->quiet >= commit->patience;
}

/* Write what says that the image needs no check; not flushed. */
static int write_unmarked(struct qed_commit *commit, struct qed_error *error)
{
    int ret = QED_OK;

    qed_intent_clear(&commit->intent);
    if (uses_intent(commit))
        ret = qed_intent_write(&commit->intent, commit->image->io, error);
    /* From here on it may be gone: what follows sets it again. */
    commit->marked = false;
    return ret < 0 ? ret : write_mark(commit, false, error);
}

static void settle(struct qed_commit *commit)
{
    commit->unflushed = false;
    qed_intent_clear(&commit->recent);
    commit->settled_end = min_u64(commit->space.next, commit->pending_from);
}

int qed_commit_flush(struct qed_commit *commit, struct qed_error *error)
{
    bool wrote = qed_table_dirty_bytes(commit->image->tables) > 0;
    int ret = commit_check_alive(commit, error);

    if (ret == QED_OK)
        ret = write_back(commit, error);
    if (ret == QED_OK && has_gone_quiet(commit, wrote)) {
        ret = write_unmarked(commit, error);
        commit->patience = (unsigned int)min_u64(2 * commit->patience, PATIENCE_MAX);
    }
    if (ret < 0)
        return ret;
    commit_extend_ahead(commit);
    ret = flush_file(commit, error);
    if (ret == QED_OK)
        settle(commit);
    return ret;
}

/* The L2 table of an L1 entry, made when there is none. */
static int need_table(struct qed_commit *commit, uint64_t l1_index, uint64_t *table_off,
                      struct qed_error *error)
{
    struct qed_table_cache *tables = commit->image->tables;
    uint64_t l1_off = commit->image->geometry.l1_table_offset;
    const uint64_t *entries;
    size_t count;
    int ret = qed_table_get(tables, l1_off, l1_index, &entries, &count, error);

    if (ret < 0)
        return ret;
    *table_off = entries[0];
    if (*table_off != QED_ENTRY_UNALLOCATED)
        return QED_OK; /* valid: the caller has just looked up through it */
    ret = commit_take_table(commit, table_off, error);
    return ret < 0 ? ret : qed_table_set(tables, l1_off, l1_index, *table_off, error);
}

int qed_commit_set(struct qed_commit *commit, uint64_t virt_off, uint64_t count, uint64_t entry,
                   uint64_t step, struct qed_error *error)
{
    struct qed_image *image = commit->image;
    uint64_t l1_index = qed_l1_index(&image->geometry, virt_off);
    uint64_t index = qed_l2_index(&image->geometry, virt_off);
    uint64_t table_off;
    int ret = commit_check_alive(commit, error);

    if (ret == QED_OK)
        ret = need_table(commit, l1_index, &table_off, error);
    if (ret < 0)
        return ret;
    qed_intent_mark(&commit->gathered, l1_index);
    for (uint64_t i = 0; ret == QED_OK && i < count; i++)
        ret = qed_table_set(image->tables, table_off, index + i, entry + i * step, error);
    if (ret == QED_OK && qed_table_dirty_bytes(image->tables) >= DIRTY_LIMIT)
        ret = write_back(commit, error);
    return ret;
}

void qed_commit_set_pending(struct qed_commit *commit, uint64_t file_off)
{
    commit->pending_from = file_off;
}

enum qed_durability qed_commit_durability(const struct qed_commit *commit)
{
    return commit->options.durability;
}

int qed_commit_finish(struct qed_commit *commit, struct qed_error *error)
{
    int ret = commit_check_alive(commit, error);

    if (ret == QED_OK)
        ret = commit_use_up_tables(commit, error);
    if (ret == QED_OK)
        ret = write_back(commit, error);
    if (ret == QED_OK)
        ret = flush_file(commit, error);
    if (ret < 0)
        return ret;
    settle(commit);
    if (!commit->marked && commit->space.length <= commit->space.next)
        return QED_OK;
    ret = qed_space_trim(&commit->space, error);
    if (ret == QED_OK && commit->marked)
        ret = write_unmarked(commit, error);
    return ret < 0 ? ret : flush_file(commit, error);
}

/* The autoclear bits that the policy keeps. */
static uint64_t kept_autoclear(const struct qed_commit *commit)
{
    return commit->options.durability == QED_DURABILITY_NEED_CHECK ? 0 : QED_AUTOCLEAR_KNOWN;
}

/* Have a valid page with no bit set, and then the bit that says so. */
static int turn_intent_on(struct qed_commit *commit, struct qed_error *error)
{
    struct qed_image *image = commit->image;
    bool valid;
    int ret;

    if (!qed_intent_has_room(&image->header))
        return qed_fail(error, QED_ERR_UNSUPPORTED,
                        "the header has no room for a write-intent bitmap");
    ret = qed_intent_read(&commit->intent, &valid, image->io, &image->header, &image->geometry,
                          error);
    if (ret < 0 || (valid && qed_intent_count(&commit->intent) == 0))
        return ret;
    qed_intent_clear(&commit->intent);
    ret = qed_intent_write(&commit->intent, image->io, error);
    if (ret == QED_OK)
        ret = flush_file(commit, error);
    return ret < 0 ? ret
                   : qed_set_autoclear(
                         image, image->header.autoclear_features | QED_AUTOCLEAR_INTENT, error);
}

static int begin(struct qed_commit *commit, struct qed_error *error)
{
    struct qed_image *image = commit->image;
    bool has_intent = (image->header.autoclear_features & QED_AUTOCLEAR_INTENT) &&
                      qed_intent_has_room(&image->header);
    int ret;

    if (commit->options.durability == QED_DURABILITY_AUTO)
        commit->options.durability = has_intent ? QED_DURABILITY_INTENT : QED_DURABILITY_NEED_CHECK;
    commit->patience = PATIENCE_FIRST;
    qed_intent_init(&commit->intent, &image->geometry);
    commit->gathered = commit->recent = commit->intent;
    ret = qed_space_init(&commit->space, image, error);
    if (ret < 0)
        return ret;
    if (commit->options.step > 0)
        commit->space.step = commit->options.step;
    commit->settled_end = commit->space.next;
    commit->pending_from = UINT64_MAX;
    ret = commit_look_for_tables(commit, error);
    if (ret < 0)
        return ret;
    ret =
        qed_set_autoclear(image, image->header.autoclear_features & kept_autoclear(commit), error);
    if (ret == QED_OK && uses_intent(commit))
        ret = turn_intent_on(commit, error);
    return ret;
}

int qed_commit_new(struct qed_commit **out, struct qed_image *image,
                   const struct qed_commit_options *options, struct qed_error *error)
{
    struct qed_commit *commit = calloc(1, sizeof(*commit));
    int ret;

    if (!commit)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    commit->image = image;
    commit->options = *options;
    ret = begin(commit, error);
    if (ret < 0) {
        qed_commit_free(commit);
        return ret;
    }
    *out = commit;
    return QED_OK;
}

void qed_commit_free(struct qed_commit *commit)
{
    free(commit);
}
