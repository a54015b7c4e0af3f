/*
 * Random scripts, and what a plain model says that a power cut leaves of them: all the files that
 * there can be, one operation after the other, on arrays of bytes.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "support/io_crash.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define S 512
#define FILE_MAX (3 * S)
#define LIMIT 20000 /* of selectors; a script flushes before it has more */
#define STEPS 24

struct file {
    uint64_t length;
    uint8_t bytes[FILE_MAX]; /* zeroes past length */
};

/* The files that there can be, none of them twice. */
struct files {
    struct file *files;
    size_t count, room;
};

struct change {
    enum { WRITE, ZERO, SET_LENGTH } kind;
    uint64_t off, end; /* the new length in end */
    uint8_t value;
};

static bool files_have(const struct files *files, const struct file *file)
{
    for (size_t i = 0; i < files->count; i++) {
        if (memcmp(&files->files[i], file, sizeof(*file)) == 0)
            return true;
    }
    return false;
}

static void add(struct files *files, const struct file *file)
{
    if (files_have(files, file))
        return;
    if (files->count == files->room) {
        files->room = files->room ? files->room * 2 : 64;
        files->files = realloc(files->files, files->room * sizeof(*file));
        ck_assert_ptr_nonnull(files->files);
    }
    files->files[files->count++] = *file;
}

static void set_length(struct file *file, uint64_t length)
{
    file->length = length;
    memset(file->bytes + length, 0, (size_t)(FILE_MAX - length));
}

/* What change leaves of file in the sectors of the mask, for a file that gets that length. */
static struct file change_sectors(struct file file, const struct change *change, unsigned int mask,
                                  uint64_t length)
{
    file.length = length;
    for (uint64_t i = change->off; i < min_u64(change->end, length); i++) {
        if (mask >> (i / S) & 1)
            file.bytes[i] = change->value;
    }
    return file;
}

/* Add all that change can leave of a file. */
static void add_changed(struct files *files, const struct file *file, const struct change *change)
{
    struct file changed = *file;

    add(files, file);
    if (change->kind == SET_LENGTH) {
        set_length(&changed, change->end);
        add(files, &changed);
        return;
    }
    for (unsigned int mask = 0; mask < 1U << (FILE_MAX / S); mask++) {
        changed = change_sectors(*file, change, mask, file->length);
        add(files, &changed);
        for (uint64_t at = change->off; change->kind == WRITE && at < change->end;) {
            at = min_u64(at / S * S + S, change->end);
            changed = change_sectors(*file, change, mask, max_u64(file->length, at));
            add(files, &changed);
        }
    }
}

/* What each of the files may be after the change. */
static void change_all(struct files *files, const struct change *change)
{
    struct files old = *files;

    *files = (struct files){0};
    for (size_t i = 0; i < old.count; i++)
        add_changed(files, &old.files[i], change);
    free(old.files);
}

static struct file read_file(struct io *io)
{
    struct file file = {0};

    if (io_get_length(io, &file.length, NULL) < 0 || file.length > FILE_MAX ||
        io_read(io, file.bytes, (size_t)file.length, 0, NULL) < 0)
        ck_abort_msg("cannot read the file");
    return file;
}

static void do_change(struct io *io, const struct change *change)
{
    if (change->kind == WRITE)
        unit_fill(io, change->off, change->end - change->off, change->value);
    else if (change->kind == ZERO)
        ck_assert_int_eq(io_zero(io, change->off, change->end - change->off, NULL), QED_OK);
    else
        ck_assert_int_eq(io_set_length(io, change->end, NULL), QED_OK);
}

/* A random change of the file, often along the borders of sectors. */
static struct change random_change(struct io *io, struct unit_random *random)
{
    struct change change = {.value = (uint8_t)(1 + unit_random_below(random, 255))};
    uint64_t ends[2], kind = unit_random_below(random, 8);

    for (size_t i = 0; i < 2; i++) {
        ends[i] = unit_random_below(random, FILE_MAX + 1);
        if (unit_random_below(random, 2))
            ends[i] = round_down(ends[i], S);
    }
    change.off = min_u64(ends[0], ends[1]);
    change.end = max_u64(ends[0], ends[1]);
    change.kind = kind == 0 ? SET_LENGTH : kind <= 2 ? ZERO : WRITE;
    if (change.kind == ZERO) {
        change.end = min_u64(change.end, read_file(io).length);
        change.off = min_u64(change.off, change.end);
        change.value = 0;
    } else if (change.kind == WRITE && change.off == change.end) {
        change.kind = SET_LENGTH;
    }
    return change;
}

/* The last cut leaves exactly these files. */
static void check_files(struct io *io, const struct files *files)
{
    struct io_crash_state state = {.cut = io_crash_ops(io), .limit = LIMIT};
    uint64_t count = io_crash_selectors(io, state.cut, LIMIT);
    struct io_crash_walk *walk = io_crash_walk_new(io, state.cut, state.cut + 1, LIMIT);
    struct io *left;

    ck_assert_uint_lt(count, LIMIT);
    while ((left = io_crash_walk_next(walk, &state))) {
        struct file file = read_file(left);

        if (!files_have(files, &file))
            ck_abort_msg("left by selector %u:\n%s", (unsigned int)state.selector,
                         io_crash_describe(io, &state));
        io_close(left);
    }
    ck_assert_uint_eq(io_crash_walk_count(walk), files->count);
    io_crash_walk_free(walk);
}

START_TEST(a_random_script_leaves_what_the_model_says)
{
    struct unit_random random = {(uint64_t)_i};
    struct io *file = io_mem_new(unit_random_below(&random, FILE_MAX)), *io = io_crash_new(file);
    struct files files = {0};
    size_t most = 0;
    struct file now = read_file(file);

    add(&files, &now);
    for (int i = 0; i < STEPS; i++) {
        struct change change = random_change(io, &random);

        /* A change has 2^3 choices of sectors, and 4 of lengths, at most. */
        if (io_crash_selectors(io, io_crash_ops(io), LIMIT) >= LIMIT / 32) {
            ck_assert_int_eq(io_flush(io, NULL), QED_OK);
            now = read_file(file);
            files.count = 0;
            add(&files, &now);
            check_files(io, &files);
        }
        do_change(io, &change);
        change_all(&files, &change);
        check_files(io, &files);
        most = files.count > most ? files.count : most;
    }
    ck_assert_uint_gt(most, 20);
    free(files.files);
    io_close(io);
    io_close(file);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_crash_random");

    tcase_add_loop_test(tests, a_random_script_leaves_what_the_model_says, 0, 40);
    return unit_run(tests);
}
