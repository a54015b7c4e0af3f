/*
 * The undo record as a file, and the undo of an image file.
 * SPDX-License-Identifier: MIT
 */
#include "core/undo.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/image.h"
#include "format/qed_plan.h"
#include "io/io_file.h"
#include "io/io_lock.h"
#include "support/io_fault.h"
#include "support/undo_case.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define IMAGE_SIZE (100 * C)

/* A file's bytes, to be compared with later ones. */
struct content {
    uint8_t *bytes;
    size_t len;
};

static struct content content_of(const char *name)
{
    struct content content;

    content.bytes = unit_read_file(name, &content.len);
    return content;
}

static void check_content(const char *name, const struct content *expected)
{
    struct content now = content_of(name);

    ck_assert_uint_eq(now.len, expected->len);
    ck_assert_mem_eq(now.bytes, expected->bytes, now.len);
    free(now.bytes);
}

static struct io *open_file(const char *name)
{
    struct io *io = NULL;

    ck_assert_int_eq(io_file_open(&io, name, true, NULL, NULL), QED_OK);
    return io;
}

/* Something of everything. */
static struct qed_plan *new_plan(struct io *io)
{
    struct qed_plan *plan = NULL;
    uint64_t to;

    ck_assert_int_eq(qed_plan_new(&plan, io, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_copy(plan, 3 * C, C, C, &to, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_set(plan, 2 * C + 8, to, QED_PLAN_MOVE, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_set(plan, 0, 0, QED_PLAN_SETTLE, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_punch(plan, 5 * C, C, NULL), QED_OK);
    qed_plan_settle(plan);
    return plan;
}

/* The image a.qed, repaired, with the record rec; returns what it was before. */
static struct content repaired_image(void)
{
    struct qed_error error = QED_ERROR_INIT;
    struct content before;
    struct qed_plan *plan;
    struct io *io;

    unit_create_qed("a.qed", IMAGE_SIZE, NULL, false);
    unit_write_qed("a.qed", 0, 6 * C, 9);
    before = content_of("a.qed");
    io = open_file("a.qed");
    plan = new_plan(io);
    ck_assert_msg(undo_save_to("rec", plan, io, &error) == QED_OK, "%s", error.text);
    check_content("a.qed", &before);
    ck_assert_int_eq(undo_case_apply(plan, io, NULL), QED_OK);
    qed_plan_free(plan);
    io_close(io);
    return before;
}

static void check_refused(const char *image, const char *record, int code, const char *text)
{
    struct qed_error error = QED_ERROR_INIT;
    bool changed = true;

    ck_assert_int_eq(undo_image(image, record, &changed, &error), code);
    ck_assert_str_eq(error.text, text);
    ck_assert(!changed);
}

START_TEST(an_image_is_put_back_even_without_a_header)
{
    struct content before = repaired_image();
    bool changed = false;

    ck_assert_int_eq(undo_image("a.qed", "rec", &changed, NULL), QED_OK);
    ck_assert(changed);
    check_content("a.qed", &before);
    ck_assert_int_eq(undo_image("a.qed", "rec", &changed, NULL), QED_OK);
    ck_assert(!changed);
    check_content("a.qed", &before);
    free(before.bytes);
}
END_TEST

START_TEST(a_record_is_its_owners_and_is_not_written_over)
{
    struct content before = repaired_image(), record = content_of("rec");
    struct qed_error error = QED_ERROR_INIT;
    struct io *io = open_file("a.qed");
    struct qed_plan *plan = new_plan(io);
    struct stat st;

    ck_assert_int_eq(stat("rec", &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(undo_save_to("rec", plan, io, &error), QED_ERR_OPEN);
    ck_assert_str_eq(error.text, "Could not write the undo record: 'rec' is there already and is "
                                 "not overwritten");
    ck_assert_int_eq(undo_save_to("a.qed", plan, io, NULL), QED_ERR_OPEN);
    ck_assert_int_eq(undo_save_to("missing/rec", plan, io, NULL), QED_ERR_OPEN);
    check_content("rec", &record);
    ck_assert_uint_eq(unit_count_names("."), 2);
    qed_plan_free(plan);
    io_close(io);
    free(before.bytes);
    free(record.bytes);
}
END_TEST

START_TEST(a_record_that_fails_leaves_no_file)
{
    struct io_fault_plan fault = {
        .kinds = IO_FAULT_BIT(IO_FAULT_READ), .fail_at = 2, .code = QED_ERR_IO};
    struct qed_error error = QED_ERROR_INIT;
    struct qed_plan *plan;
    struct io *io, *failing;

    unit_create_qed("a.qed", IMAGE_SIZE, NULL, false);
    unit_write_qed("a.qed", 0, 6 * C, 9);
    io = open_file("a.qed");
    failing = io_fault_new(io, &fault);
    plan = new_plan(io);
    ck_assert_int_eq(undo_save_to("rec", plan, failing, &error), QED_ERR_IO);
    ck_assert_str_eq(error.text, "planned failure");
    ck_assert_uint_eq(unit_count_names("."), 1);
    qed_plan_free(plan);
    io_close(failing);
    io_close(io);
}
END_TEST

START_TEST(what_is_not_there_or_no_record_is_refused)
{
    struct content before = repaired_image(), after = content_of("a.qed");

    unit_write_file("short", "QEDUNDO", 8);
    unit_write_file("text", "some text", 9);
    check_refused("missing", "rec", QED_ERR_OPEN,
                  "Could not open 'missing': No such file or directory");
    check_refused("a.qed", "missing", QED_ERR_OPEN,
                  "Could not open 'missing': No such file or directory");
    check_refused("a.qed", "text", QED_ERR_FORMAT, "'text' is not an undo record");
    check_refused("rec", "a.qed", QED_ERR_FORMAT, "'a.qed' is not an undo record");
    check_refused("a.qed", "short", QED_ERR_SHORT_READ,
                  "'short' is not complete: the repair that wrote it had not begun to change the "
                  "image, or it was cut off since");
    check_refused("text", "rec", QED_ERR_CHANGED,
                  "'rec' is the undo record of another image, or 'text' was written to since the "
                  "repair");
    check_content("a.qed", &after);
    free(before.bytes);
    free(after.bytes);
}
END_TEST

START_TEST(a_damaged_record_is_refused)
{
    struct content before = repaired_image(), after = content_of("a.qed");
    struct io *record = open_file("rec");

    unit_fill(record, 200, 1, 0x5a);
    io_close(record);
    check_refused("a.qed", "rec", QED_ERR_CORRUPT, "'rec' was changed or is damaged");
    check_content("a.qed", &after);
    free(before.bytes);
    free(after.bytes);
}
END_TEST

START_TEST(image_and_record_are_two_files)
{
    struct content before = repaired_image(), after = content_of("a.qed");

    ck_assert_int_eq(symlink("a.qed", "link"), 0);
    ck_assert_int_eq(link("a.qed", "hard"), 0);
    check_refused("a.qed", "a.qed", QED_ERR_SAME_FILE, "'a.qed' and 'a.qed' are the same file");
    check_refused("a.qed", "link", QED_ERR_SAME_FILE, "'a.qed' and 'link' are the same file");
    check_refused("hard", "a.qed", QED_ERR_SAME_FILE, "'hard' and 'a.qed' are the same file");
    check_content("a.qed", &after);
    free(before.bytes);
    free(after.bytes);
}
END_TEST

START_TEST(an_image_in_use_is_left_alone)
{
    struct content before = repaired_image(), after = content_of("a.qed");
    struct io *reader = NULL;
    bool changed;

    ck_assert_int_eq(io_file_open(&reader, "a.qed", false, NULL, NULL), QED_OK);
    ck_assert_int_eq(io_lock(reader, "a.qed", false, NULL), QED_OK);
    check_refused("a.qed", "rec", QED_ERR_IN_USE, "Failed to get \"write\" lock");
    check_content("a.qed", &after);
    io_close(reader);
    ck_assert_int_eq(undo_image("a.qed", "rec", &changed, NULL), QED_OK);
    check_content("a.qed", &before);
    free(before.bytes);
    free(after.bytes);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("undo");

    unit_use_folder(tests);
    tcase_add_test(tests, an_image_is_put_back_even_without_a_header);
    tcase_add_test(tests, a_record_is_its_owners_and_is_not_written_over);
    tcase_add_test(tests, a_record_that_fails_leaves_no_file);
    tcase_add_test(tests, what_is_not_there_or_no_record_is_refused);
    tcase_add_test(tests, a_damaged_record_is_refused);
    tcase_add_test(tests, image_and_record_are_two_files);
    tcase_add_test(tests, an_image_in_use_is_left_alone);
    return unit_run(tests);
}
