/*
 * Formats by name and by the start of the file.
 * SPDX-License-Identifier: MIT
 */
#include "format/probe.h"

#include <string.h>

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

START_TEST(drivers_are_found_by_name)
{
    ck_assert_ptr_eq(probe_by_name("qed"), &qed_driver);
    ck_assert_ptr_eq(probe_by_name("raw"), &raw_driver);
    ck_assert_ptr_null(probe_by_name("qcow2"));
    ck_assert_ptr_null(probe_by_name("QED"));
    ck_assert_ptr_null(probe_by_name(""));
}
END_TEST

static int probe_bytes(const void *bytes, size_t len, uint64_t file_off, uint64_t file_length,
                       const struct format_driver **driver, struct qed_error *error)
{
    struct io *io = io_mem_new(file_length);
    int ret;

    *driver = NULL;
    ck_assert_int_eq(io_write(io, bytes, len, file_off, NULL), QED_OK);
    ret = probe_io(io, driver, error);
    io_close(io);
    return ret;
}

START_TEST(qed_is_known_by_its_magic)
{
    const struct format_driver *driver;

    ck_assert_int_eq(probe_bytes("QED", 4, 0, 1 << 20, &driver, NULL), QED_OK);
    ck_assert_ptr_eq(driver, &qed_driver);
    ck_assert_int_eq(probe_bytes("QED", 4, 0, 0, &driver, NULL), QED_OK);
    ck_assert_ptr_eq(driver, &qed_driver);
}
END_TEST

START_TEST(anything_unknown_is_raw)
{
    static const struct {
        const char *bytes;
        size_t len, at;
    } cases[] = {{"", 0, 0},      {"Q", 1, 0},          {"QEDx", 4, 0}, {"QED", 4, 1},
                 {"qed\0", 4, 0}, {"conectix", 8, 100}, {"QFI", 3, 0},  {"LUKS", 4, 0}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct format_driver *driver;

        ck_assert_int_eq(probe_bytes(cases[i].bytes, cases[i].len, cases[i].at, 0, &driver, NULL),
                         QED_OK);
        ck_assert_ptr_eq(driver, &raw_driver);
    }
}
END_TEST

START_TEST(images_of_other_formats_are_not_taken_for_raw)
{
    static const struct {
        const char *format, *magic;
        size_t len, at;
    } cases[] = {
        {"qcow", "QFI\xfb", 4, 0},
        {"vmdk", "KDMV", 4, 0},
        {"vmdk", "COWD", 4, 0},
        {"vpc", "conectix", 8, 0},
        {"vhdx", "vhdxfile", 8, 0},
        {"luks", "LUKS\xba\xbe", 6, 0},
        {"vdi", "\x7f\x10\xda\xbe", 4, 64},
        {"parallels", "WithoutFreeSpace", 16, 0},
        {"parallels", "WithouFreSpacExt", 16, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct qed_error error = QED_ERROR_INIT;
        const struct format_driver *driver;

        ck_assert_int_eq(
            probe_bytes(cases[i].magic, cases[i].len, cases[i].at, 65536, &driver, &error),
            QED_ERR_UNSUPPORTED);
        ck_assert_ptr_null(driver);
        ck_assert_ptr_nonnull(strstr(error.text, cases[i].format));
    }
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_not_guessed_at)
{
    struct io *io = io_mem_new(4096);
    struct io_fault_plan plan = {
        .kinds = IO_FAULT_BIT(IO_FAULT_READ), .fail_at = 1, .code = QED_ERR_IO};
    struct io *fault = io_fault_new(io, &plan);
    const struct format_driver *driver = NULL;

    ck_assert_int_eq(probe_io(fault, &driver, NULL), QED_ERR_IO);
    ck_assert_ptr_null(driver);
    io_close(fault);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("probe");

    tcase_add_test(tests, drivers_are_found_by_name);
    tcase_add_test(tests, qed_is_known_by_its_magic);
    tcase_add_test(tests, anything_unknown_is_raw);
    tcase_add_test(tests, images_of_other_formats_are_not_taken_for_raw);
    tcase_add_test(tests, a_file_that_cannot_be_read_is_not_guessed_at);
    return unit_run(tests);
}
