/*
 * The rows.
 * SPDX-License-Identifier: MIT
 */
#include "support/rows.h"

#include "support/io_mem.h"
#include "support/mend.h"
#include "support/unit.h"

#define C ROWS_CLUSTER
#define TEXT UINT64_C(0x2068747461206f74)

struct rows_image rows_image_new(uint32_t table_size)
{
    struct rows_image image = {.table_bytes = table_size * C, .l1 = ROWS_HEADER};
    struct unit_image spec = {.table_size = table_size, .header_size = ROWS_HEADER / C};
    uint64_t at = image.l1 + image.table_bytes;

    image.span = image.table_bytes / 8 * C;
    image.t[0] = at;
    image.t[1] = at + image.table_bytes;
    at += 2 * image.table_bytes;
    for (size_t i = 0; i < 10; i++, at += C)
        image.data[i] = at;
    image.t[2] = at;
    image.data[10] = at + image.table_bytes;
    image.end = image.data[10] + C;
    spec.image_size = 6 * image.span - 3 * 512;
    spec.clusters = image.end / C;
    image.io = unit_image_new(&spec);
    unit_put_entry(image.io, image.l1, 0, image.t[0]);
    unit_put_entry(image.io, image.l1, 1, image.t[1]);
    unit_put_entry(image.io, image.l1, 3, image.t[2]);
    for (uint64_t i = 0; i < 6; i++)
        unit_put_entry(image.io, image.t[0], i, image.data[i]);
    unit_put_entry(image.io, image.t[1], 0, image.data[6]);
    unit_put_entry(image.io, image.t[1], 1, image.data[7]);
    unit_put_entry(image.io, image.t[1], 5, image.data[8]);
    unit_put_entry(image.io, image.t[1], 6, QED_ENTRY_ZERO);
    unit_put_entry(image.io, image.t[2], 0, image.data[9]);
    unit_put_entry(image.io, image.t[2], 100, image.data[10]);
    for (unsigned int i = 0; i < 11; i++) {
        if (i != 5)
            unit_fill(image.io, image.data[i], C, (uint8_t)('a' + i));
    }
    for (uint64_t i = 0; i < 3; i++)
        unit_put_entry(image.io, image.data[5], i, TEXT + i);
    return image;
}

static void cut(const struct rows_image *image, uint64_t length)
{
    ck_assert_int_eq(io_set_length(image->io, length, NULL), QED_OK);
}

void rows_put_l1(const struct rows_image *image, uint64_t index, uint64_t value)
{
    unit_put_entry(image->io, image->l1, index, value);
}

void rows_put_l2(const struct rows_image *image, unsigned int table, uint64_t index, uint64_t value)
{
    unit_put_entry(image->io, image->t[table], index, value);
}

uint64_t rows_get_l1(const struct rows_image *image, uint64_t index)
{
    return unit_get_entry(image->io, image->l1, index);
}

uint64_t rows_get_l2(const struct rows_image *image, unsigned int table, uint64_t index)
{
    return unit_get_entry(image->io, image->t[table], index);
}

struct check_report rows_repair(const struct rows_image *image,
                                const struct qed_repair_options *options)
{
    struct qed_error error = QED_ERROR_INIT;
    struct check_report report;

    if (mend_as(image->io, options, &report, &error) < 0)
        ck_abort_msg("%s", error.text);
    return report;
}

/* ---- L2 entries ---- */

static void l2_past_end(const struct rows_image *image)
{
    rows_put_l2(image, 1, 5, image->end);
}

static void l2_far_past_end(const struct rows_image *image)
{
    rows_put_l2(image, 1, 5, UINT64_C(1) << 62);
}

static void l2_past_end_framed(const struct rows_image *image)
{
    rows_put_l2(image, 0, 2, image->end);
}

static void l2_in_header(const struct rows_image *image)
{
    rows_put_l2(image, 1, 5, C);
}

static void l2_small_value(const struct rows_image *image)
{
    rows_put_l2(image, 1, 5, 8);
}

static void l2_low_bits(const struct rows_image *image)
{
    rows_put_l2(image, 0, 2, image->data[2] | 0x804);
}

static void l2_all_low_bits(const struct rows_image *image)
{
    for (unsigned int i = 0; i < 6; i++)
        rows_put_l2(image, 0, i, image->data[i] | 1U << i);
    for (uint64_t i = 6; i < 10; i++)
        rows_put_l2(image, 0, i, 1 << 6);
}

static void l2_low_bits_on_other(const struct rows_image *image)
{
    rows_put_l2(image, 1, 5, image->data[3] | 512);
}

static void l2_low_bits_on_other_framed(const struct rows_image *image)
{
    rows_put_l2(image, 0, 2, image->data[3] | 512);
}

static void l2_low_bits_twice(const struct rows_image *image)
{
    rows_put_l2(image, 0, 2, image->data[2] | 512);
    rows_put_l2(image, 0, 3, image->data[2] | 1024);
}

static void l2_zero_flipped(const struct rows_image *image)
{
    rows_put_l2(image, 1, 6, QED_ENTRY_ZERO | UINT64_C(1) << 33);
}

static void l2_flipped(const struct rows_image *image)
{
    rows_put_l2(image, 0, 2, image->data[2] ^ UINT64_C(1) << 40);
}

static void l2_flipped_alone(const struct rows_image *image)
{
    rows_put_l2(image, 1, 5, image->data[8] ^ UINT64_C(1) << 40);
}

static void l2_flipped_at_end(const struct rows_image *image)
{
    rows_put_l2(image, 2, 100, image->data[10] ^ UINT64_C(1) << 40);
    rows_put_l2(image, 2, 101, image->end);
}

static void l2_on_l1(const struct rows_image *image)
{
    rows_put_l2(image, 1, 1, image->l1);
}

static void l2_on_table(const struct rows_image *image)
{
    rows_put_l2(image, 1, 1, image->t[0]);
}

static void l2_on_own_table(const struct rows_image *image)
{
    rows_put_l2(image, 1, 1, image->t[1]);
}

static void l2_on_damaged_table(const struct rows_image *image)
{
    rows_put_l2(image, 1, 1, image->t[0]);
    rows_put_l2(image, 0, 1, 24);
    rows_put_l2(image, 0, 2, image->end);
    rows_put_l2(image, 0, 3, image->data[3] | 2);
}

static void l2_shared(const struct rows_image *image)
{
    rows_put_l2(image, 1, 5, image->data[0]);
}

static void l2_shared_by_three(const struct rows_image *image)
{
    rows_put_l2(image, 0, 4, image->data[0]);
    rows_put_l2(image, 1, 5, image->data[0]);
}

static void l2_shared_past_end_too(const struct rows_image *image)
{
    rows_put_l2(image, 0, 4, image->data[0]);
    rows_put_l2(image, 1, 5, image->end);
}

/* ---- L1 entries ---- */

static void l1_past_end(const struct rows_image *image)
{
    rows_put_l1(image, 1, image->end);
}

static void l1_far_past_end(const struct rows_image *image)
{
    rows_put_l1(image, 1, UINT64_C(0x7fffffffffff0000));
}

static void l1_in_header(const struct rows_image *image)
{
    rows_put_l1(image, 2, C);
}

static void l1_low_bits(const struct rows_image *image)
{
    rows_put_l1(image, 1, image->t[1] | 0x101);
}

static void l1_low_bits_damage_inside(const struct rows_image *image)
{
    rows_put_l1(image, 0, image->t[0] | 0x10);
    rows_put_l2(image, 0, 1, image->data[1] | 8);
    rows_put_l2(image, 0, 5, image->end + C);
}

static void l1_low_bits_on_other(const struct rows_image *image)
{
    rows_put_l1(image, 1, image->t[0] | 0x101);
}

static void l1_flipped(const struct rows_image *image)
{
    rows_put_l1(image, 1, image->t[1] ^ UINT64_C(1) << 30);
}

static void l1_on_l1(const struct rows_image *image)
{
    rows_put_l1(image, 2, image->l1);
}

static void l1_on_data(const struct rows_image *image)
{
    rows_put_l1(image, 2, image->data[3]);
}

static void l1_on_text(const struct rows_image *image)
{
    rows_put_l1(image, 2, image->data[5]);
}

static void l1_same_table(const struct rows_image *image)
{
    rows_put_l1(image, 2, image->t[0]);
}

static void l1_same_table_orphan(const struct rows_image *image)
{
    rows_put_l1(image, 1, image->t[0]);
}

static void l1_same_table_all(const struct rows_image *image)
{
    rows_put_l1(image, 2, image->t[0]);
    rows_put_l1(image, 4, image->t[0]);
    rows_put_l2(image, 0, 3, image->data[2]);
    rows_put_l2(image, 0, 4, image->end + C);
    rows_put_l2(image, 0, 5, QED_ENTRY_ZERO);
}

static void l1_cleared(const struct rows_image *image)
{
    rows_put_l1(image, 1, 0);
}

/* ---- the end of the file ---- */

static void data_cut_short(const struct rows_image *image)
{
    cut(image, image->end - 512);
}

static void data_cut_to_odd_length(const struct rows_image *image)
{
    cut(image, image->data[10] + 777);
}

static void data_cut_off(const struct rows_image *image)
{
    cut(image, image->data[10]);
}

static void data_cut_short_shared(const struct rows_image *image)
{
    rows_put_l2(image, 0, 3, image->data[10]);
    cut(image, image->data[10] + 1024);
}

/* Its entries 0 and 100 are still there; what 100 names is not. */
static void table_cut_short(const struct rows_image *image)
{
    cut(image, image->t[2] + 1024);
}

static void table_cut_to_odd_length(const struct rows_image *image)
{
    rows_put_l2(image, 2, 100, image->data[10] + UINT64_C(0x1000000));
    cut(image, image->t[2] + 803); /* three bytes of entry 100, which name another cluster */
}

static void table_cut_off(const struct rows_image *image)
{
    cut(image, image->t[2]);
}

/* ---- the header, and space ---- */

static void need_check(const struct rows_image *image)
{
    unit_put64(image->io, 16, QED_FEATURE_NEED_CHECK);
}

static void autoclear(const struct rows_image *image)
{
    unit_put64(image->io, 32, UINT64_C(0x8000000000000000));
}

static void leak_tail(const struct rows_image *image)
{
    cut(image, image->end + 3 * C);
    unit_fill(image->io, image->end, 2 * C, 0xee);
}

static void leak_middle(const struct rows_image *image)
{
    rows_put_l2(image, 0, 2, 0);
    rows_put_l2(image, 0, 3, 0);
}

static void crash(const struct rows_image *image)
{
    need_check(image);
    rows_put_l2(image, 0, 2, 0);
    rows_put_l2(image, 0, 300, image->end + C);
    cut(image, image->end + 100);
}

#define NONE QED_LEAKS_NONE
#define GIVEN QED_LEAKS_GIVEN_BACK
#define LOST QED_LEAKS_KEPT_LOST
#define ORPHANS QED_LEAKS_KEPT_ORPHANS
#define PLACES QED_LEAKS_KEPT_PLACES

const struct row rows[] = {
    {"L2 past the end", l2_past_end, PROBLEM_L2_PAST_END, ACTION_CLEAR, 1, {0, 1}, {0, 0}, LOST, 0},
    {"L2 far past the end",
     l2_far_past_end,
     PROBLEM_L2_PAST_END,
     ACTION_CLEAR,
     1,
     {0, 1},
     {0, 0},
     LOST,
     0},
    {"L2 past the end between neighbours",
     l2_past_end_framed,
     PROBLEM_L2_PAST_END,
     ACTION_RELINK,
     1,
     {0, 0},
     {0, 1},
     NONE,
     0},
    {"L2 in the header",
     l2_in_header,
     PROBLEM_L2_IN_HEADER,
     ACTION_CLEAR,
     1,
     {0, 1},
     {0, 0},
     LOST,
     0},
    {"L2 small value",
     l2_small_value,
     PROBLEM_L2_LOW_BITS,
     ACTION_CLEAR,
     1,
     {0, 1},
     {0, 0},
     LOST,
     0},
    {"L2 low bits", l2_low_bits, PROBLEM_L2_LOW_BITS, ACTION_MASK, 1, {0, 0}, {0, 1}, NONE, 0},
    {"L2 low bits everywhere",
     l2_all_low_bits,
     PROBLEM_L2_LOW_BITS,
     ACTION_MASK,
     6,
     {0, 4},
     {0, 6},
     NONE,
     0},
    {"L2 low bits, another's cluster",
     l2_low_bits_on_other,
     PROBLEM_L2_LOW_BITS,
     ACTION_CLEAR,
     1,
     {0, 1},
     {0, 0},
     LOST,
     0},
    {"L2 low bits, another's, between neighbours",
     l2_low_bits_on_other_framed,
     PROBLEM_L2_LOW_BITS,
     ACTION_RELINK,
     1,
     {0, 0},
     {0, 1},
     NONE,
     0},
    {"L2 low bits, twice one cluster",
     l2_low_bits_twice,
     PROBLEM_L2_LOW_BITS,
     ACTION_RELINK,
     1,
     {0, 0},
     {0, 2},
     NONE,
     0},
    {"L2 zeroes, flipped",
     l2_zero_flipped,
     PROBLEM_L2_LOW_BITS,
     ACTION_UNFLIP,
     1,
     {0, 0},
     {0, 1},
     NONE,
     0},
    {"L2 flipped between neighbours",
     l2_flipped,
     PROBLEM_L2_PAST_END,
     ACTION_UNFLIP,
     1,
     {0, 0},
     {0, 1},
     NONE,
     0},
    {"L2 flipped, no neighbours",
     l2_flipped_alone,
     PROBLEM_L2_PAST_END,
     ACTION_CLEAR,
     1,
     {0, 1},
     {0, 0},
     LOST,
     0},
    {"L2 flipped, a neighbour past the end",
     l2_flipped_at_end,
     PROBLEM_L2_PAST_END,
     ACTION_UNFLIP,
     1,
     {0, 1},
     {0, 1},
     NONE,
     0},
    {"L2 on the L1 table", l2_on_l1, PROBLEM_L2_ON_L1, ACTION_COPY, 1, {0, 0}, {0, 1}, LOST, 0},
    {"L2 on a table", l2_on_table, PROBLEM_L2_ON_TABLE, ACTION_COPY, 1, {0, 0}, {0, 1}, LOST, 0},
    {"L2 on its own table",
     l2_on_own_table,
     PROBLEM_L2_ON_TABLE,
     ACTION_COPY,
     1,
     {0, 0},
     {0, 1},
     LOST,
     0},
    {"L2 on a damaged table",
     l2_on_damaged_table,
     PROBLEM_L2_ON_TABLE,
     ACTION_COPY,
     1,
     {0, 2},
     {0, 2},
     LOST,
     0},
    {"L2 shared", l2_shared, PROBLEM_L2_SHARED, ACTION_COPY, 1, {0, 0}, {0, 1}, LOST, 0},
    {"L2 shared by three",
     l2_shared_by_three,
     PROBLEM_L2_SHARED,
     ACTION_COPY,
     2,
     {0, 0},
     {0, 2},
     LOST,
     0},
    {"L2 shared, another past the end",
     l2_shared_past_end_too,
     PROBLEM_L2_SHARED,
     ACTION_COPY,
     1,
     {0, 1},
     {0, 1},
     LOST,
     0},
    {"L1 past the end",
     l1_past_end,
     PROBLEM_L1_PAST_END,
     ACTION_CLEAR,
     1,
     {1, 0},
     {0, 0},
     ORPHANS,
     0},
    {"L1 far past the end",
     l1_far_past_end,
     PROBLEM_L1_PAST_END,
     ACTION_CLEAR,
     1,
     {1, 0},
     {0, 0},
     ORPHANS,
     0},
    {"L1 in the header",
     l1_in_header,
     PROBLEM_L1_IN_HEADER,
     ACTION_CLEAR,
     1,
     {1, 0},
     {0, 0},
     NONE,
     0},
    {"L1 low bits", l1_low_bits, PROBLEM_L1_LOW_BITS, ACTION_MASK, 1, {0, 0}, {1, 0}, NONE, 0},
    {"L1 low bits, damage inside",
     l1_low_bits_damage_inside,
     PROBLEM_L1_LOW_BITS,
     ACTION_MASK,
     2,
     {0, 1},
     {1, -1},
     LOST,
     0},
    {"L1 low bits, another's table",
     l1_low_bits_on_other,
     PROBLEM_L1_LOW_BITS,
     ACTION_CLEAR,
     1,
     {1, 0},
     {0, 0},
     ORPHANS,
     0},
    {"L1 flipped", l1_flipped, PROBLEM_L1_PAST_END, ACTION_UNFLIP, 1, {0, 0}, {1, 0}, NONE, 0},
    {"L1 on the L1 table", l1_on_l1, PROBLEM_L1_ON_L1, ACTION_CLEAR, 1, {1, 0}, {0, 0}, NONE, 0},
    {"L1 on data", l1_on_data, PROBLEM_L1_NOT_A_TABLE, ACTION_CLEAR, 1, {1, 0}, {0, 0}, NONE, 0},
    {"L1 on text", l1_on_text, PROBLEM_L1_NOT_A_TABLE, ACTION_CLEAR, 1, {1, 0}, {0, 0}, NONE, 0},
    {"L1 on another's table",
     l1_same_table,
     PROBLEM_L1_SAME_TABLE,
     ACTION_COPY_TABLE,
     1,
     {0, 0},
     {1, 0},
     NONE,
     0},
    {"L1 on another's table, its own lost",
     l1_same_table_orphan,
     PROBLEM_L1_SAME_TABLE,
     ACTION_LEAVE,
     1,
     {0, 0},
     {0, 0},
     ORPHANS,
     1},
    {"L1 on another's table, damage inside",
     l1_same_table_all,
     PROBLEM_L1_SAME_TABLE,
     ACTION_COPY_TABLE,
     2,
     {0, 1},
     {2, 1},
     LOST,
     0},
    {"L1 cleared", l1_cleared, PROBLEM_COUNT, ACTION_NONE, 0, {0, 0}, {0, 0}, ORPHANS, 0},
    {"data cut short",
     data_cut_short,
     PROBLEM_L2_CUT_SHORT,
     ACTION_EXTEND,
     1,
     {0, 0, 512},
     {0, 1, -512},
     NONE,
     0},
    {"data cut to an odd length",
     data_cut_to_odd_length,
     PROBLEM_L2_CUT_SHORT,
     ACTION_EXTEND,
     1,
     {0, 1, -777},
     {0, 0, 777},
     NONE,
     0},
    {"data cut off", data_cut_off, PROBLEM_L2_PAST_END, ACTION_CLEAR, 1, {0, 1}, {0, 0}, NONE, 0},
    {"data cut short, shared",
     data_cut_short_shared,
     PROBLEM_L2_CUT_SHORT,
     ACTION_EXTEND,
     2,
     {0, 2, -2048},
     {0, 0, 2048},
     LOST,
     0},
    {"table cut short",
     table_cut_short,
     PROBLEM_L1_CUT_SHORT,
     ACTION_EXTEND,
     1,
     {1, -127},
     {0, 127},
     NONE,
     0},
    {"table cut to an odd length",
     table_cut_to_odd_length,
     PROBLEM_L1_CUT_SHORT,
     ACTION_EXTEND,
     1,
     {1, -100},
     {0, 100},
     NONE,
     0},
    {"table cut off", table_cut_off, PROBLEM_L1_PAST_END, ACTION_CLEAR, 1, {1, 0}, {0, 0}, LOST, 0},
    {"NEED_CHECK", need_check, PROBLEM_COUNT, ACTION_NONE, 0, {0, 0}, {0, 0}, NONE, 0},
    {"autoclear bits", autoclear, PROBLEM_AUTOCLEAR, ACTION_CLEAR_BITS, 1, {0, 0}, {0, 0}, NONE, 0},
    {"leak at the end", leak_tail, PROBLEM_COUNT, ACTION_NONE, 0, {0, 0}, {0, 0}, GIVEN, 0},
    {"leak in the middle", leak_middle, PROBLEM_COUNT, ACTION_NONE, 0, {0, 0}, {0, 0}, PLACES, 0},
    {"crash", crash, PROBLEM_L2_PAST_END, ACTION_CLEAR, 1, {0, 1}, {0, 0}, PLACES, 0},
};

const size_t rows_count = sizeof(rows) / sizeof(rows[0]);
