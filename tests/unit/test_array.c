/*
 * Growing arrays keep what they hold and say how much they can.
 * SPDX-License-Identifier: MIT
 */
#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>

#include "support/unit.h"

START_TEST(items_stay_while_it_grows)
{
    size_t count = 0, room = 0, grown = 0;
    uint32_t *items = NULL;

    while (count < 1000) {
        size_t before = room;

        items = array_with_room(items, count, &room, sizeof(*items));
        ck_assert_ptr_nonnull(items);
        ck_assert_uint_gt(room, count);
        grown += room != before;
        items[count] = (uint32_t)count;
        count++;
    }
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(items[i], i);
    ck_assert_uint_lt(grown, 10);
    free(items);
}
END_TEST

START_TEST(nothing_moves_while_there_is_room)
{
    size_t room = 0;
    char *items = array_with_room(NULL, 0, &room, 1), *again;
    size_t before = room;

    again = array_with_room(items, room - 1, &room, 1);
    ck_assert_ptr_eq(again, items);
    ck_assert_uint_eq(room, before);
    free(items);
}
END_TEST

START_TEST(more_than_memory_can_be_is_refused)
{
    size_t room = SIZE_MAX / 16 + 1;

    ck_assert_ptr_null(array_with_room(NULL, room, &room, 16));
    ck_assert_uint_eq(room, SIZE_MAX / 16 + 1);
    room = SIZE_MAX / 2 + 1;
    ck_assert_ptr_null(array_with_room(NULL, room, &room, 1));
    ck_assert_uint_eq(room, SIZE_MAX / 2 + 1);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("array");

    tcase_add_test(tests, items_stay_while_it_grows);
    tcase_add_test(tests, nothing_moves_while_there_is_room);
    tcase_add_test(tests, more_than_memory_can_be_is_refused);
    return unit_run(tests);
}
