/*
 * The map of a rescue: the whole guest, without gaps, the same for the same ranges.
 * SPDX-License-Identifier: MIT
 */
#include "core/mapfile.h"

#include <stdlib.h>
#include <string.h>

#include "support/unit.h"

#define HEAD "# Mapfile. Created by qedtool convert\n# current_pos  current_status  current_pass\n"
#define COLUMNS "#      pos        size  status\n"

static void write_map(const char *name, uint64_t size, const struct salvage *salvage)
{
    struct mapfile *mapfile = NULL;

    ck_assert_int_eq(mapfile_begin(&mapfile, name, NULL), QED_OK);
    ck_assert_int_eq(mapfile_write(mapfile, size, salvage, NULL), QED_OK);
    ck_assert_int_eq(mapfile_publish(mapfile, NULL), QED_OK);
    mapfile_end(mapfile);
}

static void check_text(const char *name, const char *text)
{
    size_t len;
    uint8_t *bytes = unit_read_file(name, &len);

    ck_assert_msg(len == strlen(text) && memcmp(bytes, text, len) == 0, "%.*s", (int)len, bytes);
    free(bytes);
}

START_TEST(what_was_read_whole_is_one_line)
{
    write_map("map", 0x12345600, NULL);
    check_text("map",
               HEAD "0x12345600     +               1\n" COLUMNS "0x00000000  0x12345600  +\n");
}
END_TEST

START_TEST(a_guest_of_nothing_has_no_lines)
{
    write_map("map", 0, NULL);
    check_text("map", HEAD "0x00000000     +               1\n" COLUMNS);
}
END_TEST

START_TEST(offsets_may_be_as_large_as_guests)
{
    write_map("map", UINT64_C(0xfedcba9876543200), NULL);
    check_text("map", HEAD "0xFEDCBA9876543200     +               1\n" COLUMNS
                           "0x00000000  0xFEDCBA9876543200  +\n");
}
END_TEST

START_TEST(ranges_may_touch_both_ends)
{
    struct salvage *salvage = NULL;
    struct image *image = NULL;
    uint8_t buffer[8 * 512] = {0};

    /* What is behind the end of a raw file that has become shorter. */
    unit_write_file("a.raw", buffer, sizeof(buffer));
    ck_assert_int_eq(image_open(&image, "a.raw", &(struct image_options){.format = "raw"}, NULL),
                     QED_OK);
    unit_write_file("a.raw", buffer, 0);
    ck_assert_int_eq(salvage_new(&salvage, NULL), QED_OK);
    ck_assert_int_eq(salvage_attach(salvage, image, NULL, NULL, NULL), QED_OK);
    unit_write_file("a.raw", memset(buffer, 7, sizeof(buffer)), 6 * 512);
    ck_assert_int_eq(salvage_read(salvage, 0, buffer, sizeof(buffer), NULL), QED_OK);
    write_map("map", sizeof(buffer), salvage);
    check_text("map", HEAD "0x00001000     +               1\n" COLUMNS
                           "0x00000000  0x00000C00  +\n0x00000C00  0x00000400  -\n");
    salvage_free(salvage);
    image_close(image);
}
END_TEST

START_TEST(a_map_that_is_not_published_is_not_there)
{
    struct mapfile *mapfile = NULL;

    unit_write_file("map", "old", 3);
    ck_assert_int_eq(mapfile_begin(&mapfile, "map", NULL), QED_OK);
    ck_assert_int_eq(mapfile_write(mapfile, 512, NULL, NULL), QED_OK);
    mapfile_end(mapfile);
    check_text("map", "old");
    ck_assert_uint_eq(unit_count_names("."), 1);
    ck_assert_int_eq(mapfile_begin(&mapfile, "none/map", NULL), QED_ERR_OPEN);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("mapfile");

    unit_use_folder(tests);
    tcase_add_test(tests, what_was_read_whole_is_one_line);
    tcase_add_test(tests, a_guest_of_nothing_has_no_lines);
    tcase_add_test(tests, offsets_may_be_as_large_as_guests);
    tcase_add_test(tests, ranges_may_touch_both_ends);
    tcase_add_test(tests, a_map_that_is_not_published_is_not_there);
    return unit_run(tests);
}
