/*
 * Locks between those who have a file open.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_lock.h"

#include "io/io_file.h"
#include "support/io_mem.h"
#include "support/unit.h"

static struct io *open_file(const char *name)
{
    struct io *io = NULL;

    ck_assert_int_eq(io_file_open(&io, name, true, NULL, NULL), QED_OK);
    return io;
}

/* One takes a lock, another one tries to; what that one gets. */
static int lock_after(bool first_writes, bool second_writes)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io *first = open_file("f"), *second = open_file("f");
    int ret;

    ck_assert_int_eq(io_lock(first, "f", first_writes, NULL), QED_OK);
    ret = io_lock(second, "the f", second_writes, &error);
    ck_assert_int_eq(error.code, ret);
    if (ret < 0) {
        ck_assert_str_ne(error.text, "");
        ck_assert_str_eq(error.hint, "Is another process using the image [the f]?");
    }
    io_close(second);
    io_close(first);
    return ret;
}

START_TEST(many_may_read_and_one_may_write_alone)
{
    unit_write_file("f", "", 0);
    ck_assert_int_eq(lock_after(false, false), QED_OK);
    ck_assert_int_eq(lock_after(false, true), QED_ERR_IN_USE);
    ck_assert_int_eq(lock_after(true, false), QED_ERR_IN_USE);
    ck_assert_int_eq(lock_after(true, true), QED_ERR_IN_USE);
}
END_TEST

START_TEST(a_lock_is_gone_when_its_file_is_closed)
{
    struct io *io;

    unit_write_file("f", "", 0);
    for (int i = 0; i < 3; i++) {
        io = open_file("f");
        ck_assert_int_eq(io_lock(io, "f", true, NULL), QED_OK);
        io_close(io);
    }
}
END_TEST

START_TEST(who_was_refused_is_in_nobodys_way)
{
    struct io *reader, *refused, *other;

    unit_write_file("f", "", 0);
    reader = open_file("f");
    refused = open_file("f");
    other = open_file("f");
    ck_assert_int_eq(io_lock(reader, "f", false, NULL), QED_OK);
    ck_assert_int_eq(io_lock(refused, "f", true, NULL), QED_ERR_IN_USE);
    io_close(refused);
    ck_assert_int_eq(io_lock(other, "f", false, NULL), QED_OK);
    io_close(other);
    io_close(reader);
}
END_TEST

START_TEST(other_files_and_what_is_no_file_are_not_concerned)
{
    struct io *memory = io_mem_new(512), *f, *g;

    unit_write_file("f", "", 0);
    unit_write_file("g", "", 0);
    f = open_file("f");
    g = open_file("g");
    ck_assert_int_eq(io_lock(f, "f", true, NULL), QED_OK);
    ck_assert_int_eq(io_lock(g, "g", true, NULL), QED_OK);
    ck_assert_int_eq(io_lock(memory, "memory", true, NULL), QED_OK);
    ck_assert_int_eq(io_lock(memory, "memory", true, NULL), QED_OK);
    io_close(memory);
    io_close(g);
    io_close(f);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_lock");

    unit_use_folder(tests);
    tcase_add_test(tests, many_may_read_and_one_may_write_alone);
    tcase_add_test(tests, a_lock_is_gone_when_its_file_is_closed);
    tcase_add_test(tests, who_was_refused_is_in_nobodys_way);
    tcase_add_test(tests, other_files_and_what_is_no_file_are_not_concerned);
    return unit_run(tests);
}
