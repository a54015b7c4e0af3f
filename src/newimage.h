/*
 * The options of an image to be made, as create and convert take them: -o, -b and -F.
 * SPDX-License-Identifier: MIT
 */
#ifndef SRC_NEWIMAGE_H
#define SRC_NEWIMAGE_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/create.h"

struct newimage {
    struct create_options options; /* its strings lie in argv or in lists */
    bool has_geometry;             /* -o says more than a size */
    bool want_help;                /* "-o help" or "-o ?" was among them */
    const char *backing_name;      /* -b or -B; NULL when not given */
    const char *backing_format;    /* -F */
    char **lists;                  /* copies of the -o arguments, taken apart by newimage_parse */
    size_t list_count;
};

/* Everything at its default. */
void newimage_init(struct newimage *image);

/* Free the lists. */
void newimage_release(struct newimage *image);

/* The child argp for -F and -o; its input is a struct newimage. */
extern const struct argp newimage_argp;

/* Whether images can be made in a format of that name. */
bool newimage_known_format(const char *format);

/*
 * Parse the -o lists ("name=value,…", a doubled comma being a comma) into options, whose format is
 * set already. Mistakes are reported with
 * "<subject>: " before them unless subject is NULL. 0, or OPTS_REPORTED.
 */
int newimage_parse(struct newimage *image, const char *subject);

/* Print the -o options that a format has. */
void newimage_print_help(const char *format);

#endif
