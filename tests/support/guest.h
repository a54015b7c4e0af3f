/*
 * All that a guest reads of a QED image, as far as it can be read: so that a test can ask whether
 * what was done to an image has cost it any of that. Kept sparse, so a guest may be of any size
 * that is mostly unallocated. SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_GUEST_H
#define SUPPORT_GUEST_H

#include <stddef.h>

#include "io/io.h"

/* A cluster that does not read as what is not allocated does. */
struct guest_cluster {
    uint64_t virt_off; /* guest bytes */
    bool readable;
    size_t at; /* of its bytes in struct guest, where it is readable */
};

/*
 * The guest of an image alone, without its backing file. Where a cluster is not listed it reads as
 * that file, or as zeroes where the image names none.
 */
struct guest {
    uint64_t size;         /* guest bytes */
    uint32_t cluster_size; /* bytes; 0: the image could not be opened, nothing is readable */
    bool has_backing;
    struct guest_cluster *clusters; /* by virt_off */
    size_t count, room;
    size_t unreadable; /* how many of them are not readable: their entries are invalid */
    uint8_t *bytes;    /* of the readable ones; a last cluster is padded with zeroes */
    size_t used, bytes_room;
};

/*
 * Read the image in io, whose guest the caller releases also when it could not be opened: then the
 * code of qed_open is returned. Aborts the test when out of memory.
 */
int guest_read(struct io *io, struct guest *guest);

/* Take every cluster of that range, which begins with one, for not readable from now on. */
void guest_forget(struct guest *guest, uint64_t virt_off, uint64_t len);

/* NULL-safe. */
void guest_release(struct guest *guest);

/*
 * The first guest offset whose byte could be read before and cannot be read or is another one
 * after; UINT64_MAX when there is none. What could not be read before may be anything after. Images
 * of different cluster sizes have nothing in common, nor have one that names a backing file and one
 * that names none.
 */
uint64_t guest_first_loss(const struct guest *before, const struct guest *after);

#endif
