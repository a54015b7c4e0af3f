/*
 * Each guest byte counts once, by the last thing that is done about it.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair_account.h"

#include "support/unit.h"

#define BYTES 256 /* of the guest in the random test */

static void add(struct qed_repair_account *account, uint64_t virt_off, uint64_t virt_len, bool lost)
{
    ck_assert_int_eq(qed_repair_account_add(account, virt_off, virt_len, lost, NULL), QED_OK);
}

/* Ends the account. */
static void expect(struct qed_repair_account *account, uint64_t lost, uint64_t saved)
{
    uint64_t told_lost, told_saved;

    ck_assert_int_eq(qed_repair_account_sum(account, &told_lost, &told_saved, NULL), QED_OK);
    ck_assert_uint_eq(told_lost, lost);
    ck_assert_uint_eq(told_saved, saved);
    qed_repair_account_free(account);
}

START_TEST(nothing_done_is_nothing_lost)
{
    struct qed_repair_account account = {0};

    add(&account, 5, 0, true);
    expect(&account, 0, 0);
}
END_TEST

START_TEST(a_range_counts_once)
{
    struct qed_repair_account account = {0};

    for (int i = 0; i < 3; i++)
        add(&account, 100, 50, false);
    add(&account, 150, 10, false);
    add(&account, 500, 1, true);
    add(&account, 500, 1, true);
    expect(&account, 1, 60);
}
END_TEST

START_TEST(the_last_has_the_say)
{
    struct qed_repair_account account = {0};

    add(&account, 0, 1000, false); /* a table is saved */
    add(&account, 100, 10, true);  /* a cluster of it is lost */
    add(&account, 200, 10, false);
    add(&account, 205, 5, true);
    expect(&account, 15, 985);
    add(&account, 100, 10, true);
    add(&account, 0, 1000, false); /* lost, and found again with all in it */
    expect(&account, 0, 1000);
    add(&account, UINT64_MAX - 9, 9, false); /* the end of all numbers */
    add(&account, UINT64_MAX - 1, 1, true);
    expect(&account, 1, 8);
}
END_TEST

/* A range of a power of two bytes at a multiple of that, or the rest of one. */
static void pick(struct unit_random *random, uint64_t *virt_off, uint64_t *virt_len)
{
    uint64_t size = UINT64_C(1) << unit_random_below(random, 9);

    *virt_off = unit_random_below(random, BYTES / size) * size;
    *virt_len = size;
    if (size == 8 && unit_random_below(random, 2)) {
        *virt_off += 3;
        *virt_len = 5;
    }
}

START_TEST(random_ranges_count_as_byte_by_byte)
{
    struct unit_random random = {(uint64_t)_i};

    for (int run = 0; run < 500; run++) {
        struct qed_repair_account account = {0};
        int state[BYTES] = {0};
        uint64_t bytes[3] = {0};

        for (uint64_t i = unit_random_below(&random, 30); i > 0; i--) {
            bool lost = unit_random_below(&random, 2);
            uint64_t virt_off, virt_len;

            pick(&random, &virt_off, &virt_len);
            if (virt_len < 5) /* would lie across the beginning of a rest of eight */
                continue;
            add(&account, virt_off, virt_len, lost);
            for (uint64_t at = virt_off; at < virt_off + virt_len; at++)
                state[at] = lost ? 2 : 1;
        }
        for (size_t at = 0; at < BYTES; at++)
            bytes[state[at]]++;
        expect(&account, bytes[2], bytes[1]);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_repair_account");

    tcase_add_test(tests, nothing_done_is_nothing_lost);
    tcase_add_test(tests, a_range_counts_once);
    tcase_add_test(tests, the_last_has_the_say);
    tcase_add_loop_test(tests, random_ranges_count_as_byte_by_byte, 0, 4);
    return unit_run(tests);
}
