/*
 * Lines are gathered and written a buffer at a time.
 * SPDX-License-Identifier: MIT
 */
#include "core/mapfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io_file.h"
#include "io/io_replace.h"

#define LINE_MAX_BYTES 64
#define BUFFER_BYTES ((size_t)64 << 10)

struct mapfile {
    char *path;
    struct io_replace *replace;
    struct io *io; /* owned by replace */
    uint64_t file_off;
    size_t used;
    char buffer[BUFFER_BYTES];
};

/* The state of a rescue that is complete: at its end, "finished", in its first pass. */
static const char head[] = "# Mapfile. Created by qedtool convert\n"
                           "# current_pos  current_status  current_pass\n";
static const char columns[] = "#      pos        size  status\n";

static bool is_same_file(const char *a, const char *b)
{
    struct io_file_info info_a, info_b;
    bool exists_a, exists_b;

    if (strcmp(a, b) == 0)
        return true;
    return io_file_query(a, &exists_a, &info_a, NULL) == QED_OK && exists_a &&
           io_file_query(b, &exists_b, &info_b, NULL) == QED_OK && exists_b &&
           io_identity_equal(&info_a.identity, &info_b.identity);
}

int mapfile_check(const char *path, const struct image *source, const char *target_path,
                  struct qed_error *error)
{
    if (image_uses_file(source, path))
        return qed_fail(error, QED_ERR_SAME_FILE,
                        "%s: the map file is the source, or a backing file of it", path);
    if (is_same_file(path, target_path))
        return qed_fail(error, QED_ERR_SAME_FILE, "%s: the map file is the target", path);
    return QED_OK;
}

int mapfile_begin(struct mapfile **out, const char *path, struct qed_error *error)
{
    struct mapfile *mapfile = calloc(1, sizeof(*mapfile));
    int ret;

    if (mapfile)
        mapfile->path = strdup(path);
    if (!mapfile || !mapfile->path)
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    else
        ret = io_replace_begin(&mapfile->replace, path, &mapfile->io, error);
    if (ret < 0) {
        mapfile_end(mapfile);
        return ret;
    }
    *out = mapfile;
    return QED_OK;
}

static int write_failed(const struct mapfile *mapfile, int ret, struct qed_error *error)
{
    return qed_fail_prefix(error, ret, "%s", mapfile->path);
}

static int write_out(struct mapfile *mapfile, struct qed_error *error)
{
    int ret = io_write(mapfile->io, mapfile->buffer, mapfile->used, mapfile->file_off, error);

    mapfile->file_off += mapfile->used;
    mapfile->used = 0;
    return ret < 0 ? write_failed(mapfile, ret, error) : QED_OK;
}

static int put_text(struct mapfile *mapfile, const char *text, struct qed_error *error)
{
    size_t len = strlen(text);
    int ret = mapfile->used + len > BUFFER_BYTES ? write_out(mapfile, error) : QED_OK;

    memcpy(mapfile->buffer + mapfile->used, text, len);
    mapfile->used += len;
    return ret;
}

static int put_range(struct mapfile *mapfile, uint64_t from, uint64_t end, char status,
                     struct qed_error *error)
{
    char line[LINE_MAX_BYTES];

    if (from == end)
        return QED_OK;
    snprintf(line, sizeof(line), "0x%08" PRIX64 "  0x%08" PRIX64 "  %c\n", from, end - from,
             status);
    return put_text(mapfile, line, error);
}

int mapfile_write(struct mapfile *mapfile, uint64_t size, const struct salvage *salvage,
                  struct qed_error *error)
{
    size_t count = 0;
    const struct salvage_range *ranges = salvage ? salvage_ranges(salvage, &count) : NULL;
    char line[LINE_MAX_BYTES];
    uint64_t at = 0;
    int ret = put_text(mapfile, head, error);

    snprintf(line, sizeof(line), "0x%08" PRIX64 "     +               1\n", size);
    if (ret == QED_OK)
        ret = put_text(mapfile, line, error);
    if (ret == QED_OK)
        ret = put_text(mapfile, columns, error);
    for (size_t i = 0; ret == QED_OK && i < count; i++) {
        uint64_t end = ranges[i].virt_off + ranges[i].length;

        ret = put_range(mapfile, at, ranges[i].virt_off, '+', error);
        if (ret == QED_OK)
            ret = put_range(mapfile, ranges[i].virt_off, end, '-', error);
        at = end;
    }
    if (ret == QED_OK)
        ret = put_range(mapfile, at, size, '+', error);
    return ret == QED_OK ? write_out(mapfile, error) : ret;
}

int mapfile_publish(struct mapfile *mapfile, struct qed_error *error)
{
    int ret = io_replace_publish(mapfile->replace, error);

    return ret < 0 ? write_failed(mapfile, ret, error) : QED_OK;
}

void mapfile_end(struct mapfile *mapfile)
{
    if (!mapfile)
        return;
    io_replace_end(mapfile->replace);
    free(mapfile->path);
    free(mapfile);
}
