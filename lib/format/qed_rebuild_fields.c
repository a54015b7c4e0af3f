/*
 * The header around a geometry that was found: what can be kept is kept, what cannot is set to what
 * the file itself says.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>

#include "base/zero.h"
#include "format/qed_rebuild_state.h"

/* So many zero bytes behind a text tell that it is one, and not part of something else. */
#define AFTER_NAME_BYTES 32

/* Nothing that the header says is to be trusted: it was overwritten, not hit by a flipped bit. */
static bool was_overwritten(const struct rebuild *rebuild, const struct rebuild_candidate *best)
{
    unsigned int fields = best->fields;

    fields += __builtin_popcount(rebuild->old.magic ^ QED_MAGIC) > 1;
    return fields >= 3;
}

static void fix_features(struct rebuild *rebuild)
{
    struct qed_header *header = &rebuild->found->header;

    if (header->features & ~QED_FEATURES_KNOWN)
        rebuild_say(rebuild, "feature bits 0x%" PRIx64 " mean nothing: they are cleared",
                    header->features & ~QED_FEATURES_KNOWN);
    header->features &= QED_FEATURES_KNOWN;
}

static bool is_text(uint8_t byte)
{
    return byte >= 0x20 && byte != 0x7f;
}

/* Text in the header's clusters. */
struct text {
    uint32_t length; /* bytes until a control byte comes */
    uint32_t filled; /* until a zero byte comes */
    bool ends;       /* after length come zeroes, as in clusters that were written once */
};

static int find_text(struct rebuild *rebuild, uint64_t file_off, struct text *text,
                     struct qed_error *error)
{
    const struct qed_header *header = &rebuild->found->header;
    uint64_t end = (uint64_t)header->header_size * header->cluster_size;
    uint8_t bytes[QED_BACKING_NAME_MAX + AFTER_NAME_BYTES];
    size_t len, after;
    int ret;

    *text = (struct text){0};
    if (file_off < QED_HEADER_BYTES || file_off >= end)
        return QED_OK;
    len = (size_t)min_u64(sizeof(bytes), end - file_off);
    ret = io_read_padded(rebuild->io, bytes, len, file_off, error);
    if (ret < 0)
        return ret;
    while (text->length < len && is_text(bytes[text->length]))
        text->length++;
    while (text->filled < len && bytes[text->filled] != '\0')
        text->filled++;
    after = (size_t)min_u64(AFTER_NAME_BYTES, len - text->length);
    text->ends = text->length <= QED_BACKING_NAME_MAX && zero_all(bytes + text->length, after);
    return QED_OK;
}

static void set_name(struct qed_header *header, uint32_t offset, uint32_t size)
{
    header->features |= QED_FEATURE_BACKING_FILE;
    header->backing_filename_offset = offset;
    header->backing_filename_size = size;
}

static void clear_name(struct qed_header *header)
{
    header->features &= ~(QED_FEATURE_BACKING_FILE | QED_FEATURE_BACKING_NO_PROBE);
    header->backing_filename_offset = header->backing_filename_size = 0;
}

/* Of an overwritten header, what stands where writers put the name is all there is to go by. */
static void name_of_lost_header(struct rebuild *rebuild, const struct text *usual)
{
    clear_name(&rebuild->found->header);
    if (usual->length == 0 || !usual->ends) {
        rebuild_say(rebuild, "a backing file's name, if there was one, is lost");
        return;
    }
    set_name(&rebuild->found->header, QED_HEADER_BYTES, usual->length);
    rebuild_say(rebuild,
                "%" PRIu32 " bytes of text behind the header are taken for the backing file's name;"
                " its format is not known",
                usual->length);
}

/* stated: where the header says that the name is; usual: right behind the header. */
static void fix_name(struct rebuild *rebuild, const struct text *stated, const struct text *usual)
{
    struct qed_header *header = &rebuild->found->header;
    uint32_t size = header->backing_filename_size;
    bool is_name = size > 0 && size <= QED_BACKING_NAME_MAX && stated->filled >= size;

    if (!(header->features & QED_FEATURE_BACKING_FILE)) {
        if (is_name && stated->length == size && stated->filled == size) {
            header->features |= QED_FEATURE_BACKING_FILE;
            rebuild_say(rebuild, "a backing file's name is there, but the bit for one is not set");
        } else if (header->features & QED_FEATURE_BACKING_NO_PROBE) {
            header->features &= ~QED_FEATURE_BACKING_NO_PROBE;
            rebuild_say(rebuild, "the bit for a raw backing file is set, and there is none");
        }
    } else if (!is_name && usual->length > 0 && usual->ends) {
        set_name(header, QED_HEADER_BYTES, usual->length);
        rebuild_say(rebuild,
                    "the backing file's name is taken to be the %" PRIu32
                    " bytes of text behind the header",
                    usual->length);
    } else if (!is_name) {
        clear_name(header);
        rebuild_say(rebuild, "the bit for a backing file is set, but no name is there");
    } else if (stated->length > size) {
        /* QEMU leaves the rest of a longer name that was there before. */
        rebuild_say(rebuild, "text goes on behind the backing file's name: it may be cut short");
    }
}

int rebuild_backing_name(struct rebuild *rebuild, bool header_is_lost, struct qed_error *error)
{
    struct text stated, usual;
    int ret = find_text(rebuild, QED_HEADER_BYTES, &usual, error);

    if (ret == QED_OK)
        ret = find_text(rebuild, rebuild->found->header.backing_filename_offset, &stated, error);
    if (ret < 0)
        return ret;
    if (header_is_lost)
        name_of_lost_header(rebuild, &usual);
    else
        fix_name(rebuild, &stated, &usual);
    return QED_OK;
}

int rebuild_fields(struct rebuild *rebuild, const struct rebuild_candidate *best,
                   struct qed_error *error)
{
    struct qed_header *header = &rebuild->found->header;
    bool lost = was_overwritten(rebuild, best);
    int ret;

    *header = rebuild->old;
    header->magic = QED_MAGIC;
    header->cluster_size = best->cluster_size;
    header->table_size = best->table_size;
    header->header_size = best->header_size;
    header->l1_table_offset = best->l1_table_offset;
    if (lost) {
        header->features = header->compat_features = header->autoclear_features = 0;
        rebuild_say(rebuild, "so much of the header is wrong that nothing in it is trusted");
    }
    fix_features(rebuild);
    ret = rebuild_backing_name(rebuild, lost, error);
    return ret < 0 ? ret : rebuild_image_size(rebuild, best, lost, error);
}
