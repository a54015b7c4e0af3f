/*
 * Walks the guest by qed_lookup, and two such walks side by side.
 * SPDX-License-Identifier: MIT
 */
#include "support/guest.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/zero.h"
#include "format/qed_lookup.h"
#include "support/unit.h"

static void *grow(void *array, size_t *room, size_t wanted, size_t size)
{
    if (wanted <= *room)
        return array;
    *room = wanted > *room * 2 ? wanted : *room * 2;
    array = realloc(array, *room * size);
    if (!array)
        ck_abort_msg("out of memory");
    return array;
}

static struct guest_cluster *add_cluster(struct guest *guest, uint64_t virt_off)
{
    guest->clusters =
        grow(guest->clusters, &guest->room, guest->count + 1, sizeof(*guest->clusters));
    guest->clusters[guest->count] = (struct guest_cluster){.virt_off = virt_off};
    return &guest->clusters[guest->count++];
}

static void add_unreadable(struct guest *guest, uint64_t virt_off)
{
    add_cluster(guest, virt_off);
    guest->unreadable++;
}

/* Add a cluster with len bytes of io, or of zeroes when that is NULL. */
static void add_bytes(struct guest *guest, uint64_t virt_off, struct io *io, uint64_t file_off,
                      size_t len)
{
    struct guest_cluster *cluster;
    uint8_t *bytes;

    guest->bytes = grow(guest->bytes, &guest->bytes_room, guest->used + guest->cluster_size, 1);
    bytes = guest->bytes + guest->used;
    memset(bytes, 0, guest->cluster_size);
    if (io && io_read_sectors(io, bytes, len, file_off, NULL) < 0) {
        add_unreadable(guest, virt_off);
        return;
    }
    if (!guest->has_backing && zero_all(bytes, len))
        return;
    cluster = add_cluster(guest, virt_off);
    cluster->readable = true;
    cluster->at = guest->used;
    guest->used += guest->cluster_size;
}

/* Add what is to be listed of a run, cluster by cluster. */
static void add_run(struct guest *guest, struct io *io, const struct extent *run)
{
    if (run->kind == EXTENT_UNALLOCATED || (run->kind == EXTENT_ZERO && !guest->has_backing))
        return;
    for (uint64_t at = 0; at < run->length; at += guest->cluster_size)
        add_bytes(guest, run->virt_off + at, run->kind == EXTENT_DATA ? io : NULL,
                  run->file_off + at, (size_t)min_u64(guest->cluster_size, run->length - at));
}

int guest_read(struct io *io, struct guest *guest)
{
    struct qed_image *image = NULL;
    int ret = qed_open(&image, io, false, NULL);
    struct extent run;

    *guest = (struct guest){0};
    if (ret < 0)
        return ret;
    guest->size = image->geometry.image_size;
    guest->cluster_size = image->geometry.cluster_size;
    guest->has_backing = qed_backing_name(image) != NULL;
    for (uint64_t at = 0; at < guest->size; at += run.length) {
        uint64_t left = guest->size - at;

        if (qed_lookup_run(image, at, left, &run, NULL) < 0) {
            add_unreadable(guest, at);
            run.length = min_u64(guest->cluster_size, left);
        } else if (run.length == 0 || run.length > left || run.virt_off != at) {
            ck_abort_msg("a run that is none");
        } else {
            add_run(guest, io, &run);
        }
    }
    qed_close(image);
    return QED_OK;
}

void guest_forget(struct guest *guest, uint64_t virt_off, uint64_t len)
{
    struct guest_cluster *old = guest->clusters;
    size_t old_count = guest->count, i = 0;

    guest->clusters = NULL;
    guest->count = guest->room = guest->unreadable = 0;
    while (i < old_count && old[i].virt_off < virt_off) {
        *add_cluster(guest, old[i].virt_off) = old[i];
        guest->unreadable += !old[i].readable;
        i++;
    }
    for (uint64_t at = 0; at < len; at += guest->cluster_size)
        add_unreadable(guest, virt_off + at);
    for (; i < old_count; i++) {
        if (old[i].virt_off - virt_off < len)
            continue;
        *add_cluster(guest, old[i].virt_off) = old[i];
        guest->unreadable += !old[i].readable;
    }
    free(old);
}

void guest_release(struct guest *guest)
{
    if (!guest)
        return;
    free(guest->clusters);
    free(guest->bytes);
    *guest = (struct guest){0};
}

/* The cluster of a guest at virt_off, from index *next of the list on; NULL: it is not listed. */
static const struct guest_cluster *listed(const struct guest *guest, size_t *next,
                                          uint64_t virt_off)
{
    while (*next < guest->count && guest->clusters[*next].virt_off < virt_off)
        (*next)++;
    return *next < guest->count && guest->clusters[*next].virt_off == virt_off
               ? &guest->clusters[*next]
               : NULL;
}

/*
 * Where in a cluster a byte that could be read before is lost after; the cluster's size when none
 * is. NULL: the cluster is not listed.
 */
static size_t lost_in(const struct guest *before, const struct guest_cluster *old,
                      const struct guest *after, const struct guest_cluster *new)
{
    const uint8_t *old_bytes, *new_bytes;
    size_t size = before->cluster_size, at = 0;

    if ((old && !old->readable) || old == new)
        return size;
    if ((new && !new->readable) || (before->has_backing && (!old || !new)))
        return 0;
    old_bytes = old ? before->bytes + old->at : NULL;
    new_bytes = new ? after->bytes + new->at : NULL;
    if (old && new &&memcmp(old_bytes, new_bytes, size) == 0)
        return size;
    while (at < size && (old ? old_bytes[at] : 0) == (new ? new_bytes[at] : 0))
        at++;
    return at;
}

/* The first offset from virt_off on that can be read; UINT64_MAX when there is none. */
static uint64_t first_readable(const struct guest *guest, uint64_t virt_off)
{
    size_t next = 0;

    while (virt_off < guest->size) {
        uint64_t start = round_down(virt_off, guest->cluster_size);
        const struct guest_cluster *cluster = listed(guest, &next, start);

        if (!cluster || cluster->readable)
            return virt_off;
        virt_off = start + guest->cluster_size;
    }
    return UINT64_MAX;
}

uint64_t guest_first_loss(const struct guest *before, const struct guest *after)
{
    size_t old_next = 0, new_next = 0;
    uint64_t end = min_u64(before->size, after->size);

    if (before->cluster_size != after->cluster_size || before->has_backing != after->has_backing)
        return first_readable(before, 0);
    for (;;) {
        uint64_t old_off = old_next < before->count ? before->clusters[old_next].virt_off : end;
        uint64_t new_off = new_next < after->count ? after->clusters[new_next].virt_off : end;
        uint64_t virt_off = min_u64(old_off, new_off);
        size_t lost;

        if (virt_off >= end)
            return first_readable(before, end);
        lost = lost_in(before, listed(before, &old_next, virt_off), after,
                       listed(after, &new_next, virt_off));
        if (lost < before->cluster_size && lost < before->size - virt_off)
            return virt_off + lost;
        old_next += old_off == virt_off;
        new_next += new_off == virt_off;
    }
}
