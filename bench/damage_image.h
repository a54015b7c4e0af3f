/*
 * A reader of QED images written from the format alone, for bench/salvage. It shares no code with
 * lib/, so it can judge what lib/ repairs. The file is mapped into memory and must not change.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_DAMAGE_IMAGE_H
#define BENCH_DAMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR 512

/* Fields of the header, by their place in the file. */
enum {
    HEADER_FEATURES = 16,
    HEADER_L1_OFFSET = 40,
    HEADER_BYTES = 64,
};

enum {
    FEATURE_BACKING_FILE = 1,
    FEATURE_NEED_CHECK = 2,
    FEATURES_KNOWN = 7,
};

struct mapped {
    const uint8_t *bytes;
    uint64_t length;
};

struct image {
    struct mapped file, backing; /* backing.bytes is NULL where there is none; always raw */
    uint64_t cluster_size, table_bytes, entries, header_bytes;
    uint64_t l1_offset, image_size;
    uint64_t file_size; /* the length in whole clusters, from which entries are judged */
};

enum place_kind {
    PLACE_UNREADABLE, /* by an entry that is no valid offset */
    PLACE_HOLE,       /* reads from the backing file, else as zeroes */
    PLACE_ZERO,
    PLACE_DATA,
};

/* Where a guest cluster lies. What does not apply is 0. */
struct place {
    enum place_kind kind;
    uint64_t l1_at, l2_at; /* file offsets of the entries that lead to it */
    uint64_t data_at;
};

/* The length rounded up to sectors, as QEMU counts it, then down to clusters. */
uint64_t whole_clusters(uint64_t length, uint64_t cluster_size);

/* False, with a reason, when the image cannot be opened by the rules of the format. */
bool image_open(struct image *image, const char *path, const char **reason);
void image_close(struct image *image);

uint64_t image_word(const struct image *image, uint64_t at);
struct place image_find(const struct image *image, uint64_t guest);

/* Whether an entry can be an L2 table of this image, or a data cluster. */
bool image_table_offset_is_valid(const struct image *image, uint64_t offset);
bool image_cluster_offset_is_valid(const struct image *image, uint64_t offset);

/* len guest bytes inside one cluster; false when they cannot be read. */
bool image_read(const struct image *image, uint64_t guest, uint8_t *bytes, size_t len);

/* What the backing file holds there; zeroes without one and past its end. */
void image_read_backing(const struct image *image, uint64_t guest, uint8_t *bytes, size_t len);

#endif
