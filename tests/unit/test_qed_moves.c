/*
 * The order in which entries that lie in what others read can be changed.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_moves.h"

#include "support/unit.h"

#define C UINT64_C(4096)
#define CLUSTERS 6 /* of the random test */
#define NOTHING QED_MOVE_READS_NOTHING
#define NO_ORDER QED_MOVE_NO_ORDER

static uint32_t order(struct qed_move *moves, size_t count)
{
    uint32_t highest;

    ck_assert_int_eq(qed_moves_order(moves, count, C, &highest, NULL), QED_OK);
    return highest;
}

START_TEST(what_lies_apart_has_no_order)
{
    struct qed_move moves[] = {{8 * C, 3 * C, 9}, {16, 4 * C, 9}, {24, NOTHING, 9}};

    ck_assert_uint_eq(order(NULL, 0), 0);
    ck_assert_uint_eq(order(moves, 3), 0);
    ck_assert_uint_eq(moves[0].word_off, 16);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(moves[i].level, 0);
}
END_TEST

START_TEST(a_chain_goes_from_its_end)
{
    /* The entry in cluster 1 reads cluster 2, the one in 2 reads 3, where another one lies. */
    struct qed_move moves[] = {{C, 2 * C, 0}, {2 * C + 8, 3 * C, 0}, {3 * C + 16, NOTHING, 0}};

    ck_assert_uint_eq(order(moves, 3), 2);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(moves[i].level, i);
}
END_TEST

START_TEST(one_that_reads_its_own_place_goes_before_the_others_there)
{
    struct qed_move moves[] = {{C, C, 0}, {C + 8, 7 * C, 0}, {5 * C, C, 0}};

    ck_assert_uint_eq(order(moves, 3), 2);
    ck_assert_uint_eq(moves[0].level, 1);
    ck_assert_uint_eq(moves[1].level, 2);
    ck_assert_uint_eq(moves[2].level, 0);
    ck_assert_uint_eq(order(moves, 1), 1);
}
END_TEST

START_TEST(a_ring_has_no_order_nor_has_what_waits_for_it)
{
    struct qed_move moves[] = {{C, 2 * C, 0},
                               {2 * C, C, 0},
                               {2 * C + 8, 3 * C, 0},
                               {3 * C, 4 * C, 0},
                               {5 * C, NOTHING, 0}};
    struct qed_move own[] = {{C, C, 0}, {C + 8, C, 0}};

    ck_assert_uint_eq(order(moves, 5), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(moves[i].level, NO_ORDER);
    ck_assert_uint_eq(moves[4].level, 0);
    order(own, 2);
    ck_assert_uint_eq(own[0].level, NO_ORDER);
    ck_assert_uint_eq(own[1].level, NO_ORDER);
}
END_TEST

static bool lies_in(const struct qed_move *move, const struct qed_move *reader)
{
    return move != reader && reader->from != NOTHING && move->word_off >= reader->from &&
           move->word_off < reader->from + C;
}

/* Whether all that read the place of a move come before it. */
static bool can_go(const struct qed_move *moves, size_t count, size_t at, const bool *gone)
{
    for (size_t i = 0; i < count; i++) {
        if (lies_in(&moves[at], &moves[i]) && !gone[i])
            return false;
    }
    return true;
}

START_TEST(random_moves_are_ordered_as_far_as_can_be)
{
    struct unit_random random = {(uint64_t)_i};

    for (int run = 0; run < 2000; run++) {
        struct qed_move moves[12];
        size_t count = 1 + unit_random_below(&random, 12);
        bool gone[12] = {false}, more = true;

        for (size_t i = 0; i < count; i++)
            moves[i] = (struct qed_move){
                .word_off = unit_random_below(&random, CLUSTERS) * C + 8 * i,
                .from = unit_random_below(&random, 5) ? unit_random_below(&random, CLUSTERS + 8) * C
                                                      : NOTHING};
        order(moves, count);
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < count; j++) {
                if (lies_in(&moves[i], &moves[j]) && moves[i].level != NO_ORDER)
                    ck_assert_uint_lt(moves[j].level, moves[i].level);
            }
        }
        while (more) {
            more = false;
            for (size_t i = 0; i < count; i++) {
                if (!gone[i] && can_go(moves, count, i, gone))
                    more = gone[i] = true;
            }
        }
        for (size_t i = 0; i < count; i++)
            ck_assert_int_eq(gone[i], moves[i].level != NO_ORDER);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_moves");

    tcase_add_test(tests, what_lies_apart_has_no_order);
    tcase_add_test(tests, a_chain_goes_from_its_end);
    tcase_add_test(tests, one_that_reads_its_own_place_goes_before_the_others_there);
    tcase_add_test(tests, a_ring_has_no_order_nor_has_what_waits_for_it);
    tcase_add_loop_test(tests, random_moves_are_ordered_as_far_as_can_be, 0, 4);
    return unit_run(tests);
}
