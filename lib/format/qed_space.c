/*
 * Two ends: of what was taken, and of the file. The geometry's file_end follows the latter, so that
 * entries that name what was taken are valid. SPDX-License-Identifier: MIT
 */
#include "format/qed_space.h"

#include "io/io_space.h"

static int cannot_grow(struct qed_error *error)
{
    return qed_fail(error, QED_ERR_NO_SPACE, "the file cannot grow any longer");
}

int qed_space_init(struct qed_space *space, struct qed_image *image, struct qed_error *error)
{
    uint64_t cluster_size = image->geometry.cluster_size;
    int ret;

    *space = (struct qed_space){.image = image, .step = QED_SPACE_STEP};
    ret = io_get_length(image->io, &space->length, error);
    if (ret < 0)
        return ret;
    if (!checked_round_up(max_u64(space->length, image->geometry.file_end), cluster_size,
                          &space->next) ||
        space->next > INT64_MAX)
        return cannot_grow(error);
    return QED_OK;
}

uint64_t qed_space_left(const struct qed_space *space)
{
    uint64_t bytes = space->length > space->next ? space->length - space->next : 0;

    return bytes >> space->image->geometry.cluster_shift;
}

static int set_length(struct qed_space *space, uint64_t length, bool reserve,
                      struct qed_error *error)
{
    int ret = QED_ERR_UNSUPPORTED;

    if (reserve)
        ret = io_allocate(space->image->io, space->length, length - space->length, error);
    if (ret == QED_ERR_UNSUPPORTED)
        ret = io_set_length(space->image->io, length, error);
    if (ret < 0) { /* part of it may have been done */
        io_set_length(space->image->io, space->length, NULL);
        return ret;
    }
    space->length = length;
    space->image->geometry.file_end = round_down(length, space->image->geometry.cluster_size);
    return QED_OK;
}

int qed_space_grow(struct qed_space *space, uint64_t bytes, bool reserve, struct qed_error *error)
{
    uint64_t length;

    if (!checked_add(max_u64(space->length, space->next), bytes, &length) ||
        !checked_round_up(length, space->image->geometry.cluster_size, &length) ||
        length > INT64_MAX)
        return cannot_grow(error);
    return set_length(space, length, reserve, error);
}

int qed_space_need(struct qed_space *space, uint64_t count, struct qed_error *error)
{
    uint64_t bytes;

    if (count <= qed_space_left(space))
        return QED_OK;
    if (!checked_mul(count - qed_space_left(space), space->image->geometry.cluster_size, &bytes))
        return cannot_grow(error);
    return qed_space_grow(space, max_u64(bytes, space->step), false, error);
}

uint64_t qed_space_take(struct qed_space *space, uint64_t count)
{
    uint64_t file_off = space->next;

    space->next += count << space->image->geometry.cluster_shift;
    return file_off;
}

void qed_space_take_tables(struct qed_space *space, uint64_t tables)
{
    space->tables_next = qed_space_take(space, tables * space->image->geometry.table_size);
    space->tables_end = space->next;
}

bool qed_space_has_table(const struct qed_space *space)
{
    return space->tables_next < space->tables_end;
}

uint64_t qed_space_next_table(struct qed_space *space)
{
    uint64_t file_off = space->tables_next;

    space->tables_next += space->image->geometry.table_bytes;
    return file_off;
}

int qed_space_trim(struct qed_space *space, struct qed_error *error)
{
    if (space->length <= space->next)
        return QED_OK;
    return set_length(space, space->next, false, error);
}
