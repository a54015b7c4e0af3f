/*
 * Opens by the header's rules, finds by the tables, reads. A host that runs benchmarks is
 * little-endian, as the format is.
 *
 * SPDX-License-Identifier: MIT
 */
#include "damage_image.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 1023

static bool map_file(struct mapped *file, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    void *bytes = MAP_FAILED;

    *file = (struct mapped){0};
    if (fd < 0)
        return false;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0)
        bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        return false;
    file->bytes = bytes;
    file->length = (uint64_t)about.st_size;
    return true;
}

static uint32_t half_word(const struct image *image, uint64_t at)
{
    uint32_t value;

    memcpy(&value, image->file.bytes + at, sizeof(value));
    return value;
}

uint64_t image_word(const struct image *image, uint64_t at)
{
    uint64_t value = 0;

    if (at <= image->file.length && image->file.length - at >= sizeof(value))
        memcpy(&value, image->file.bytes + at, sizeof(value));
    return value;
}

uint64_t whole_clusters(uint64_t length, uint64_t cluster_size)
{
    length = (length + SECTOR - 1) / SECTOR * SECTOR;
    return length / cluster_size * cluster_size;
}

static bool is_power_of_two(uint64_t n)
{
    return n && !(n & (n - 1));
}

bool image_cluster_offset_is_valid(const struct image *image, uint64_t offset)
{
    return offset % image->cluster_size == 0 && offset >= image->header_bytes &&
           offset < image->file_size;
}

bool image_table_offset_is_valid(const struct image *image, uint64_t offset)
{
    return image_cluster_offset_is_valid(image, offset) &&
           image->table_bytes <= image->file_size - offset;
}

/* What the header says, but for the backing file; the reason for which it is refused, or NULL. */
static const char *decode_header(struct image *image)
{
    uint64_t table_size, clusters_max;

    if (image->file.length < HEADER_BYTES || memcmp(image->file.bytes, "QED", 4) != 0)
        return "no QED header";
    image->cluster_size = half_word(image, 4);
    table_size = half_word(image, 8);
    image->header_bytes = half_word(image, 12) * image->cluster_size;
    image->l1_offset = image_word(image, HEADER_L1_OFFSET);
    image->image_size = image_word(image, 48);
    if (image_word(image, HEADER_FEATURES) & ~(uint64_t)FEATURES_KNOWN)
        return "unknown features";
    if (!is_power_of_two(image->cluster_size) || image->cluster_size < 4096 ||
        image->cluster_size > 64 << 20)
        return "cluster_size";
    if (!is_power_of_two(table_size) || table_size > 16)
        return "table_size";
    image->table_bytes = table_size * image->cluster_size;
    image->entries = image->table_bytes / sizeof(uint64_t);
    image->file_size = whole_clusters(image->file.length, image->cluster_size);
    clusters_max = image->entries * image->entries;
    if (image->image_size % SECTOR ||
        (image->image_size && (image->image_size - 1) / image->cluster_size >= clusters_max))
        return "image_size";
    return image_table_offset_is_valid(image, image->l1_offset) ? NULL : "l1_table_offset";
}

/* The name is relative to the image's folder. */
static const char *open_backing(struct image *image, const char *path)
{
    uint64_t at = half_word(image, 56), len = half_word(image, 60);
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path + 1) : 0;
    char name[NAME_MAX_BYTES + 1] = "", full[4096];

    if (!(image_word(image, HEADER_FEATURES) & FEATURE_BACKING_FILE))
        return NULL;
    if (at + len > image->header_bytes || at + len > image->file.length || len > NAME_MAX_BYTES)
        return "backing file name";
    memcpy(name, image->file.bytes + at, len);
    if (!name[0])
        return NULL;
    if (name[0] == '/')
        folder = 0;
    snprintf(full, sizeof(full), "%.*s%s", folder, path, name);
    return map_file(&image->backing, full) ? NULL : "backing file";
}

bool image_open(struct image *image, const char *path, const char **reason)
{
    *image = (struct image){0};
    *reason = map_file(&image->file, path) ? NULL : "file";
    if (!*reason)
        *reason = decode_header(image);
    if (!*reason)
        *reason = open_backing(image, path);
    if (*reason)
        image_close(image);
    return !*reason;
}

static void unmap_file(struct mapped *file)
{
    if (file->bytes)
        munmap((void *)(uintptr_t)file->bytes, file->length);
    *file = (struct mapped){0};
}

void image_close(struct image *image)
{
    unmap_file(&image->file);
    unmap_file(&image->backing);
}

struct place image_find(const struct image *image, uint64_t guest)
{
    uint64_t cluster = guest / image->cluster_size, table, entry;
    struct place place = {.kind = PLACE_HOLE};

    place.l1_at = image->l1_offset + cluster / image->entries * sizeof(uint64_t);
    table = image_word(image, place.l1_at);
    if (table == 0)
        return place;
    place.kind = PLACE_UNREADABLE;
    if (!image_table_offset_is_valid(image, table))
        return place;
    place.l2_at = table + cluster % image->entries * sizeof(uint64_t);
    entry = image_word(image, place.l2_at);
    if (entry <= 1) {
        place.kind = entry ? PLACE_ZERO : PLACE_HOLE;
    } else if (image_cluster_offset_is_valid(image, entry)) {
        place.kind = PLACE_DATA;
        place.data_at = entry;
    }
    return place;
}

/* Bytes of a file; zeroes past its end. */
static void read_mapped(const struct mapped *file, uint64_t at, uint8_t *bytes, size_t len)
{
    uint64_t there = at < file->length ? file->length - at : 0;

    if (there > len)
        there = len;
    if (there)
        memcpy(bytes, file->bytes + at, there);
    memset(bytes + there, 0, len - there);
}

void image_read_backing(const struct image *image, uint64_t guest, uint8_t *bytes, size_t len)
{
    read_mapped(&image->backing, guest, bytes, len);
}

bool image_read(const struct image *image, uint64_t guest, uint8_t *bytes, size_t len)
{
    struct place place;

    if (guest >= image->image_size || len > image->image_size - guest)
        return false;
    place = image_find(image, guest);
    if (place.kind == PLACE_DATA)
        read_mapped(&image->file, place.data_at + guest % image->cluster_size, bytes, len);
    else if (place.kind == PLACE_HOLE)
        image_read_backing(image, guest, bytes, len);
    else
        memset(bytes, 0, len);
    return place.kind != PLACE_UNREADABLE;
}
