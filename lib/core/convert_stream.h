/*
 * Conversions with a stream on either side.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_CONVERT_STREAM_H
#define CORE_CONVERT_STREAM_H

#include "core/convert.h"

/*
 * Whether the options can be had where the source is a stream, or the target at target_path is to
 * be one (stream_sink.h): one that has no meaning there is refused by its name on the command line.
 */
int convert_stream_check(const struct convert_options *options, bool from_stream,
                         const char *target_path, struct qed_error *error);

/* What convert_image does, for a source that is a stream. The options have been checked. */
int convert_from_stream(const char *source_path, const char *target_path,
                        const struct convert_options *options, struct qed_error *error);

#endif
