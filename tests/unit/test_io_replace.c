/*
 * Files that appear when they are whole.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_replace.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/unit.h"

static struct io_replace *begin(const char *path, const char *text)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io_replace *replace = NULL;
    struct io *io = NULL;

    ck_assert_msg(io_replace_begin(&replace, path, &io, &error) == QED_OK, "%s", error.text);
    ck_assert_int_eq(io_write(io, text, strlen(text), 0, NULL), QED_OK);
    return replace;
}

static void publish(const char *path, const char *text)
{
    struct io_replace *replace = begin(path, text);

    ck_assert_int_eq(io_replace_publish(replace, NULL), QED_OK);
    io_replace_end(replace);
}

static void check_content(const char *name, const char *text)
{
    size_t len;
    uint8_t *bytes = unit_read_file(name, &len);

    ck_assert_uint_eq(len, strlen(text));
    ck_assert_mem_eq(bytes, text, len);
    free(bytes);
}

static unsigned int mode_of(const char *name)
{
    struct stat st;

    ck_assert_int_eq(lstat(name, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    return st.st_mode & 07777;
}

START_TEST(a_new_file_appears_when_it_is_published)
{
    struct io_replace *replace = begin("new", "text");

    ck_assert_int_ne(access("new", F_OK), 0);
    ck_assert_int_eq(io_replace_publish(replace, NULL), QED_OK);
    check_content("new", "text");
    io_replace_end(replace);
    check_content("new", "text");
    ck_assert_uint_eq(unit_count_names("."), 1);
}
END_TEST

START_TEST(an_old_file_stays_as_it_is_until_then)
{
    struct io_replace *replace;

    unit_write_file("f", "old", 3);
    replace = begin("f", "new one");
    check_content("f", "old");
    ck_assert_int_eq(io_replace_publish(replace, NULL), QED_OK);
    io_replace_end(replace);
    check_content("f", "new one");
}
END_TEST

START_TEST(what_is_not_published_leaves_nothing)
{
    unit_write_file("f", "old", 3);
    io_replace_end(begin("f", "new"));
    io_replace_end(begin("other", "new"));
    io_replace_end(NULL);
    check_content("f", "old");
    ck_assert_uint_eq(unit_count_names("."), 1);
}
END_TEST

START_TEST(the_mode_of_the_old_file_is_kept)
{
    unit_write_file("f", "old", 3);
    ck_assert_int_eq(chmod("f", 0641), 0);
    publish("f", "new");
    ck_assert_uint_eq(mode_of("f"), 0641);
}
END_TEST

START_TEST(a_new_file_gets_the_usual_mode)
{
    mode_t before = umask(027);

    publish("f", "new");
    ck_assert_uint_eq(umask(before), 027);
    ck_assert_uint_eq(mode_of("f"), 0640);
}
END_TEST

START_TEST(a_link_stays_and_its_target_is_replaced)
{
    char target[16];

    ck_assert_int_eq(mkdir("dir", 0700), 0);
    unit_write_file("dir/f", "old", 3);
    ck_assert_int_eq(symlink("dir/f", "link"), 0);
    publish("link", "new");
    check_content("dir/f", "new");
    ck_assert_int_eq(readlink("link", target, sizeof(target)), 5);
    ck_assert_uint_eq(unit_count_names("dir"), 1);
}
END_TEST

START_TEST(a_link_to_nothing_yet_stays_and_the_file_is_made_where_it_points)
{
    char target[16];

    ck_assert_int_eq(mkdir("dir", 0700), 0);
    ck_assert_int_eq(symlink("dir/f", "link"), 0);
    ck_assert_int_eq(symlink("link", "chain"), 0);
    publish("chain", "new");
    check_content("dir/f", "new");
    ck_assert_int_eq(readlink("link", target, sizeof(target)), 5);
    ck_assert_int_eq(readlink("chain", target, sizeof(target)), 4);
}
END_TEST

START_TEST(the_temporary_file_is_in_the_folder_of_the_new_one)
{
    struct io_replace *replace;

    ck_assert_int_eq(mkdir("dir", 0700), 0);
    replace = begin("dir/f", "new");
    ck_assert_uint_eq(unit_count_names("dir"), 1);
    ck_assert_uint_eq(unit_count_names("."), 1);
    io_replace_end(replace);
    ck_assert_uint_eq(unit_count_names("dir"), 0);
}
END_TEST

START_TEST(a_name_of_any_length_that_a_file_can_have_is_fine)
{
    char name[256];

    memset(name, 'n', 255);
    name[255] = '\0';
    publish(name, "new");
    check_content(name, "new");
}
END_TEST

static void check_refused(const char *path, int code)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io_replace *replace = NULL;
    struct io *io = NULL;

    ck_assert_int_eq(io_replace_begin(&replace, path, &io, &error), code);
    ck_assert_int_eq(error.code, code);
    ck_assert_ptr_null(replace);
    ck_assert_ptr_null(io);
}

START_TEST(what_is_no_file_and_what_cannot_be_made_is_refused)
{
    ck_assert_int_eq(mkdir("dir", 0700), 0);
    ck_assert_int_eq(mkfifo("fifo", 0600), 0);
    ck_assert_int_eq(symlink("round", "round"), 0);
    check_refused("round", QED_ERR_OPEN);
    check_refused("dir", QED_ERR_NOT_FILE);
    check_refused("fifo", QED_ERR_NOT_FILE);
    check_refused("missing/f", QED_ERR_OPEN);
    check_refused("fifo/f", QED_ERR_OPEN);
    check_refused("missing/", QED_ERR_OPEN);
    ck_assert_uint_eq(unit_count_names("."), 3);
}
END_TEST

START_TEST(an_empty_name_is_refused_from_the_start)
{
    check_refused("", QED_ERR_OPEN);
    ck_assert_uint_eq(unit_count_names("."), 0);
}
END_TEST

static struct io_replace *begin_private(const char *path)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io_replace *replace = NULL;
    struct io *io = NULL;

    ck_assert_msg(io_replace_begin_private(&replace, path, &io, &error) == QED_OK, "%s",
                  error.text);
    ck_assert_int_eq(io_write(io, "new", 3, 0, NULL), QED_OK);
    return replace;
}

START_TEST(a_private_file_is_its_owners_alone)
{
    mode_t before = umask(0);
    struct io_replace *replace = begin_private("f");

    ck_assert_int_eq(io_replace_publish(replace, NULL), QED_OK);
    io_replace_end(replace);
    umask(before);
    check_content("f", "new");
    ck_assert_uint_eq(mode_of("f"), 0600);
}
END_TEST

START_TEST(a_private_file_takes_nobodys_place)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io_replace *replace = NULL;
    struct io *io = NULL;

    unit_write_file("f", "old", 3);
    ck_assert_int_eq(io_replace_begin_private(&replace, "f", &io, &error), QED_ERR_OPEN);
    ck_assert_str_eq(error.text, "'f' is there already and is not overwritten");
    check_content("f", "old");
    ck_assert_uint_eq(unit_count_names("."), 1);
}
END_TEST

START_TEST(nor_that_of_a_file_that_came_meanwhile)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io_replace *replace = begin_private("f");

    unit_write_file("f", "old", 3);
    ck_assert_int_eq(io_replace_publish(replace, &error), QED_ERR_OPEN);
    ck_assert_str_eq(error.text, "'f' is there already and is not overwritten");
    io_replace_end(replace);
    check_content("f", "old");
    ck_assert_uint_eq(unit_count_names("."), 1);
}
END_TEST

START_TEST(a_failure_to_publish_leaves_what_was_there)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io_replace *replace = begin("f", "new");

    ck_assert_int_eq(mkdir("f", 0700), 0);
    ck_assert_int_eq(io_replace_publish(replace, &error), QED_ERR_IO);
    ck_assert_int_ne(error.sys_errno, 0);
    io_replace_end(replace);
    ck_assert_uint_eq(unit_count_names("."), 1);
    ck_assert_uint_eq(unit_count_names("f"), 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_replace");

    unit_use_folder(tests);
    tcase_add_test(tests, a_new_file_appears_when_it_is_published);
    tcase_add_test(tests, an_old_file_stays_as_it_is_until_then);
    tcase_add_test(tests, what_is_not_published_leaves_nothing);
    tcase_add_test(tests, the_mode_of_the_old_file_is_kept);
    tcase_add_test(tests, a_new_file_gets_the_usual_mode);
    tcase_add_test(tests, a_link_stays_and_its_target_is_replaced);
    tcase_add_test(tests, a_link_to_nothing_yet_stays_and_the_file_is_made_where_it_points);
    tcase_add_test(tests, the_temporary_file_is_in_the_folder_of_the_new_one);
    tcase_add_test(tests, a_name_of_any_length_that_a_file_can_have_is_fine);
    tcase_add_test(tests, what_is_no_file_and_what_cannot_be_made_is_refused);
    tcase_add_test(tests, an_empty_name_is_refused_from_the_start);
    tcase_add_test(tests, a_private_file_is_its_owners_alone);
    tcase_add_test(tests, a_private_file_takes_nobodys_place);
    tcase_add_test(tests, nor_that_of_a_file_that_came_meanwhile);
    tcase_add_test(tests, a_failure_to_publish_leaves_what_was_there);
    return unit_run(tests);
}
