/*
 * The guest's size: the header's where it can be kept; else that with one bit changed, else as much
 * as is mapped or as the guest's own partition table or file system reaches.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>

#include "format/qed_rebuild_state.h"

struct size_choice {
    uint64_t stored;
    uint64_t most;  /* that the tables can address */
    uint64_t least; /* one byte more than where the last mapped cluster starts; 0: none is mapped */
    struct rebuild_guest_size guest;
};

static bool can_be(const struct size_choice *choice, uint64_t size)
{
    return size % QED_SECTOR == 0 && size <= choice->most && size >= choice->least;
}

/* People make guests of whole gibibytes or mebibytes: what the header has tells of which. */
static uint64_t unit_of(uint64_t size)
{
    if (size > 0 && size % (UINT64_C(1) << 30) == 0)
        return UINT64_C(1) << 30;
    return size % (UINT64_C(1) << 20) == 0 ? UINT64_C(1) << 20 : QED_SECTOR;
}

/*
 * The least size one bit from the stored one that can be and that the guest fits into, in the
 * stored one's unit if any is; *count of them.
 */
static uint64_t nearest(const struct size_choice *choice, unsigned int *count)
{
    uint64_t unit = unit_of(choice->stored), best = 0;

    *count = 0;
    for (unsigned int bit = 0; bit < 64; bit++) {
        uint64_t size = choice->stored ^ UINT64_C(1) << bit;
        bool in_unit = size % unit == 0, best_in_unit = best % unit == 0;

        if (!can_be(choice, size) || size < choice->guest.bytes)
            continue;
        if (*count == 0 || (in_unit && !best_in_unit) || (in_unit == best_in_unit && size < best))
            best = size;
        ++*count;
    }
    return best;
}

static int use_given(struct rebuild *rebuild, const struct size_choice *choice,
                     struct qed_error *error)
{
    uint64_t size = rebuild->options->image_size;

    if (size % QED_SECTOR != 0 || size > choice->most)
        return qed_fail(error, QED_ERR_INVALID,
                        "an image of this geometry cannot have %" PRIu64
                        " bytes: not a multiple of 512, or more than %" PRIu64,
                        size, choice->most);
    rebuild->found->header.image_size = size;
    rebuild_say(rebuild, "image size: %" PRIu64 " bytes, as given", size);
    return QED_OK;
}

static void use_least(struct rebuild *rebuild, const struct size_choice *choice, uint64_t mapped)
{
    struct qed_rebuild *found = rebuild->found;
    uint64_t size = min_u64(max_u64(mapped, choice->guest.bytes), choice->most);

    found->header.image_size = size;
    found->image_size_is_a_guess = true;
    if (choice->guest.bytes > 0 && choice->guest.bytes == size)
        rebuild_say(rebuild, "image size: the guest's %s reaches to %" PRIu64 " bytes: a guess",
                    choice->guest.source, size);
    else
        rebuild_say(rebuild,
                    "image size: %" PRIu64 " bytes is as far as clusters are mapped: a guess, the "
                    "guest may have had more",
                    size);
}

int rebuild_image_size(struct rebuild *rebuild, const struct rebuild_candidate *best,
                       bool header_is_lost, struct qed_error *error)
{
    struct qed_rebuild *found = rebuild->found;
    uint64_t mapped = saturating_mul(best->mapped, best->cluster_size);
    struct size_choice choice = {
        .stored = rebuild->old.image_size,
        .most = qed_image_size_max(best->cluster_size, best->table_size),
        .least = mapped > 0 ? mapped - best->cluster_size + 1 : 0,
    };
    unsigned int count;
    uint64_t size;
    int ret = rebuild_guest_size(rebuild, best, &choice.guest, error);

    if (ret < 0)
        return ret;
    if (rebuild->options->image_size)
        return use_given(rebuild, &choice, error);
    /* A guest that ends before its disk does may have been given more; the reverse is no sense. */
    if (choice.guest.bytes > choice.stored && can_be(&choice, choice.guest.bytes) &&
        is_power_of_two(choice.guest.bytes ^ choice.stored)) {
        found->header.image_size = choice.guest.bytes;
        rebuild_say(rebuild,
                    "image size: one bit is wrong, the guest's %s ends at %" PRIu64 " bytes",
                    choice.guest.source, choice.guest.bytes);
        return QED_OK;
    }
    if (can_be(&choice, choice.stored))
        return QED_OK;
    size = nearest(&choice, &count);
    if (count == 0 || header_is_lost) {
        use_least(rebuild, &choice, mapped);
        return QED_OK;
    }
    found->header.image_size = size;
    found->image_size_is_a_guess = count > 1;
    rebuild_say(rebuild,
                "image size: %" PRIu64 " bytes differ by one bit from what the header has%s", size,
                count > 1 ? "; others do, too, so this is a guess" : "");
    return QED_OK;
}
