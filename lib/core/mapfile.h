/*
 * A map of what was read and what was not, as GNU ddrescue keeps one: text, for the offsets of the
 * guest. https://www.gnu.org/software/ddrescue/manual/ddrescue_manual.html, "Mapfile structure".
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_MAPFILE_H
#define CORE_MAPFILE_H

#include "core/salvage.h"

struct mapfile;

/*
 * QED_ERR_SAME_FILE when a map at path would take the place of an image that is converted, or of
 * what it is converted to. Of files that are not there yet only the names are known: ask again when
 * the target is there.
 */
int mapfile_check(const char *path, const struct image *source, const char *target_path,
                  struct qed_error *error);

/* Begin a map that is to stand at path, beside what may be there. */
int mapfile_begin(struct mapfile **mapfile, const char *path, struct qed_error *error);

/*
 * Write the map of size guest bytes: those of salvage's ranges are "bad-sector", all others
 * "finished"; salvage may be NULL. The same for the same ranges: there are no dates in it.
 */
int mapfile_write(struct mapfile *mapfile, uint64_t size, const struct salvage *salvage,
                  struct qed_error *error);

/* Flush the map, and let it appear. */
int mapfile_publish(struct mapfile *mapfile, struct qed_error *error);

/* Release; a map that was not published is removed. NULL-safe. */
void mapfile_end(struct mapfile *mapfile);

#endif
