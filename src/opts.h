/*
 * Command lines: what all commands share. Built on argp, with qemu-img's messages.
 * SPDX-License-Identifier: MIT
 */
#ifndef SRC_OPTS_H
#define SRC_OPTS_H

#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/image.h"

/* Keys of options that have no short form; shared, so that no two collide. */
enum opts_key {
    OPTS_KEY_OUTPUT = 0x100,
    OPTS_KEY_BACKING_CHAIN,
    OPTS_KEY_BACKING,
    OPTS_KEY_REPAIR,
    OPTS_KEY_LIMIT,
    OPTS_KEY_MEMORY,
    OPTS_KEY_DRY_RUN,
    OPTS_KEY_UNDO,
    OPTS_KEY_REBUILD,
    OPTS_KEY_RECOVER,
    OPTS_KEY_IMAGE_SIZE,
    OPTS_KEY_TARGET_IS_ZERO,
    OPTS_KEY_MODE,
    OPTS_KEY_FLUSH_INTERVAL,
    OPTS_KEY_NO_DRAIN,
    OPTS_KEY_PATTERN,
    OPTS_KEY_DISK,
    OPTS_KEY_DURABILITY,
    OPTS_KEY_PREALLOCATE,
    OPTS_KEY_GUESTS,
    OPTS_KEY_ORDER,
    OPTS_KEY_SEED,
    OPTS_KEY_ROUNDS,
    OPTS_KEY_SALVAGE,
    OPTS_KEY_MAPFILE,
};

/* What a parser returns when it has reported a mistake itself. */
#define OPTS_REPORTED ECANCELED

/*
 * Parse argv with a command's argp, whose parser gets args as state->input, and call run with args.
 * Options may follow operands; argv[0] is the command's name; --help is answered here. Returns
 * what run returned, CMD_OK after --help, CMD_FAILED, reported, after a mistake.
 */
int opts_run(const struct argp *argp, int argc, char **argv, void *args, int (*run)(void *args));

enum opts_output { OPTS_OUTPUT_HUMAN, OPTS_OUTPUT_JSON, OPTS_OUTPUT_SVG };

/* What the commands that look at one image share: -f, --output, -U and the operand FILE. */
struct opts_image {
    const char *path;
    const char *format; /* NULL: to be probed */
    enum opts_output output;
    bool draws; /* set by the command beforehand: svg is an output, too */
    bool share;
};

/* The child argp for it; its input is a struct opts_image. */
extern const struct argp opts_image_argp;

/* The child argp for --backing; its input is an enum image_backing. */
extern const struct argp opts_backing_argp;

/* Both, in this order. */
extern const struct argp_child opts_image_children[];

/* The next of two operands; a third is reported. 0, or OPTS_REPORTED. */
int opts_two_operands(const char *arg, const char **first, const char **second);

/*
 * Values, for parsers: 0, or OPTS_REPORTED. opts_qemu_size_value has qemu-img's message, with what
 * it calls the size; so has the size of an image.
 */
int opts_qemu_size_value(const char *what, const char *text, uint64_t *bytes);
int opts_image_size_value(const char *text, uint64_t *bytes);
int opts_size_value(const char *option, const char *text, uint64_t *bytes);
int opts_count_value(const char *option, const char *text, size_t *count);

#endif
