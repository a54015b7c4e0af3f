/*
 * Modes by name, then length, space, tables, zeroes: in that order, so that a disk that is too
 * small is found out first. SPDX-License-Identifier: MIT
 */
#include "core/preallocate.h"

#include <string.h>

#include "base/checked.h"
#include "io/io_space.h"

#define FILL_STEP_BYTES (UINT64_C(64) << 20)

static const char *const mode_names[] = {
    [PREALLOCATION_OFF] = "off",
    [PREALLOCATION_METADATA] = "metadata",
    [PREALLOCATION_FALLOC] = "falloc",
    [PREALLOCATION_FULL] = "full",
};

#define MODE_COUNT (sizeof(mode_names) / sizeof(mode_names[0]))

static int unknown_mode(const struct create_options *options, struct qed_error *error)
{
    if (create_is_raw(options))
        return qed_fail(error, QED_ERR_INVALID, "invalid parameter value: %s",
                        options->preallocation);
    return qed_fail(error, QED_ERR_INVALID, "Parameter 'preallocation' does not accept value '%s'",
                    options->preallocation);
}

int preallocation_mode(const struct create_options *options, enum preallocation *mode,
                       struct qed_error *error)
{
    size_t i = 0;

    *mode = PREALLOCATION_OFF;
    if (!options->preallocation)
        return QED_OK;
    while (i < MODE_COUNT && strcmp(mode_names[i], options->preallocation) != 0)
        i++;
    if (i == MODE_COUNT)
        return unknown_mode(options, error);
    if (i == PREALLOCATION_METADATA && create_is_raw(options))
        return qed_fail(error, QED_ERR_INVALID, "Unsupported preallocation mode: metadata");
    if (i != PREALLOCATION_OFF && options->backing_name)
        return qed_fail(error, QED_ERR_INVALID,
                        "Backing file and preallocation cannot be used at the same time");
    *mode = (enum preallocation)i;
    return QED_OK;
}

int preallocation_places(const struct create_options *options, struct qed_places *places,
                         struct qed_error *error)
{
    struct qed_create_options qed;

    create_qed_options(&qed, options);
    if (!qed_places_plan(places, &qed))
        return qed_fail(error, QED_ERR_INVALID, "No file is as long as all clusters of the image");
    return QED_OK;
}

/* Reserving is what falloc asks for; for full it only tells early that there is no space. */
static int reserve(struct io *io, enum preallocation mode, uint64_t len, struct qed_error *error)
{
    int ret = QED_OK;

    if (mode != PREALLOCATION_METADATA)
        ret = io_allocate(io, 0, len, error);
    if (ret == QED_ERR_UNSUPPORTED && mode == PREALLOCATION_FULL)
        return QED_OK;
    return ret < 0 ? qed_fail_prefix(error, ret, "preallocation=%s", mode_names[mode]) : QED_OK;
}

int preallocation_prepare(struct io *io, const struct create_options *options,
                          struct qed_error *error)
{
    enum preallocation mode;
    struct qed_places places;
    int ret = preallocation_mode(options, &mode, error);

    if (ret < 0 || mode == PREALLOCATION_OFF)
        return ret;
    if (create_is_raw(options))
        return reserve(io, mode, create_round_size(options->size), error);
    ret = preallocation_places(options, &places, error);
    if (ret == QED_OK)
        ret = io_set_length(io, places.file_end, error);
    if (ret == QED_OK)
        ret = reserve(io, mode, places.file_end, error);
    return ret < 0 ? ret
                   : qed_places_write(&places, io, options->stop, options->stop_context, error);
}

static int fill(struct io *io, uint64_t from, uint64_t end, const struct create_options *options,
                struct qed_error *error)
{
    int ret = QED_OK;

    while (ret == QED_OK && from < end) {
        uint64_t step = min_u64(end - from, FILL_STEP_BYTES);

        if (options->stop && options->stop(options->stop_context))
            return qed_fail(error, QED_ERR_STOPPED, "interrupted");
        ret = io_write_zeroes(io, from, step, error);
        from += step;
    }
    return ret;
}

int preallocation_fill(struct io *io, const struct create_options *options, struct qed_error *error)
{
    enum preallocation mode;
    struct qed_places places;
    int ret = preallocation_mode(options, &mode, error);

    if (ret < 0 || mode != PREALLOCATION_FULL)
        return ret;
    if (create_is_raw(options))
        return fill(io, 0, create_round_size(options->size), options, error);
    ret = preallocation_places(options, &places, error);
    return ret < 0 ? ret : fill(io, places.data_off, places.file_end, options, error);
}
