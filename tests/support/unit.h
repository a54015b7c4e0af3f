/*
 * What the unit tests share: a main function's body, seeded randomness, a folder for files, and
 * small images to work on. Everything here ends the test where it fails.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_UNIT_H
#define SUPPORT_UNIT_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include "format/qed.h"
#include "format/qed_check.h"
#include "io/io.h"

/* Run the tests of tcase; returns main's exit status. Each may take a minute, or so many seconds. */
int unit_run(TCase *tcase);
int unit_run_long(TCase *tcase, double seconds);

/* Each test of tcase starts in an empty folder of its own, removed at the end. */
void unit_use_folder(TCase *tcase);

/* Randomness that is the same in every run: any number is a seed. */
struct unit_random {
    uint64_t state;
};

uint64_t unit_random(struct unit_random *random);
/* 0 … limit - 1. */
uint64_t unit_random_below(struct unit_random *random, uint64_t limit);

/*
 * Bytes as disks hold them: text that repeats near and far, noise, and runs of zeroes. The caller
 * frees them.
 */
uint8_t *unit_mixed(uint64_t seed, size_t len);

/* Files of the folder, whole. unit_read_file's result is the caller's. */
void unit_write_file(const char *name, const void *bytes, size_t len);
uint8_t *unit_read_file(const char *name, size_t *len);

/* How many names the folder has. */
size_t unit_count_names(const char *folder);

/* Geometry of an image to make; zeroes are 4 KiB clusters, tables and a header of one cluster. */
struct unit_image {
    uint64_t image_size; /* guest bytes */
    uint32_t cluster_size, table_size, header_size;
    uint64_t features;
    uint64_t clusters; /* of the file, with header and L1 table; 0: as few as need be */
};

/*
 * An image in memory: the header, the L1 table behind it, empty, then clusters of zeroes up to the
 * end.
 */
struct io *unit_image_new(const struct unit_image *spec);

/* Open for reading or writing; never fails. */
struct qed_image *unit_open(struct io *io, bool writable);

/* An entry of the table at table_off as it stands in the file. */
void unit_put_entry(struct io *io, uint64_t table_off, uint64_t index, uint64_t value);
uint64_t unit_get_entry(struct io *io, uint64_t table_off, uint64_t index);

/* 64 bits at a file offset, such as a header field. */
void unit_put64(struct io *io, uint64_t file_off, uint64_t value);
uint64_t unit_get64(struct io *io, uint64_t file_off);

/* Fill len bytes at file_off with a value. */
void unit_fill(struct io *io, uint64_t file_off, uint64_t len, uint8_t value);

/* Read the guest's bytes of the image alone; what is not allocated as zeroes. */
void unit_read_guest(struct qed_image *image, uint64_t virt_off, void *buffer, size_t len);

/* The totals of a check of the image in io, which never fails to be completed. */
struct qed_check_totals unit_check(struct io *io);

/*
 * A QED file with clusters of 4 KiB: size guest bytes, and a backing file name unless NULL, said to
 * be raw or not. unit_write_qed fills guest bytes of one that is there, through a writer.
 */
void unit_create_qed(const char *name, uint64_t size, const char *backing_name,
                     bool backing_is_raw);
void unit_write_qed(const char *name, uint64_t virt_off, size_t len, uint8_t value);

/* All that a guest reads of the image at name, through its chain; the caller frees it. */
uint8_t *unit_read_image(const char *name, size_t *size);

/* Whether the guest reads len bytes of that value at virt_off. */
bool unit_reads_as(const char *name, uint64_t virt_off, size_t len, uint8_t value);

#endif
