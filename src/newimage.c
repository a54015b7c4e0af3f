/*
 * One row for each name that -o knows.
 * SPDX-License-Identifier: MIT
 */
#include "newimage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "opts.h"
#include "report.h"

enum list_option {
    LIST_BACKING_FILE,
    LIST_BACKING_FMT,
    LIST_CLUSTER_SIZE,
    LIST_LEVEL,
    LIST_PREALLOCATION,
    LIST_SIZE,
    LIST_TABLE_SIZE,
};

/* Which formats have an option. */
enum { FOR_QED = 1, FOR_RAW = 2, FOR_GZIP = 4, FOR_ALL = 7 };

static const struct {
    const char *name, *type, *help;
    int formats;
    const char *raw_help; /* NULL: the same */
} list_options[] = {
    [LIST_BACKING_FILE] = {"backing_file", "<str>", "File name of a base image", FOR_QED, NULL},
    [LIST_BACKING_FMT] = {"backing_fmt", "<str>", "Image format of the base image", FOR_QED, NULL},
    [LIST_CLUSTER_SIZE] = {"cluster_size", "<size>", "Cluster size (in bytes)", FOR_QED, NULL},
    [LIST_LEVEL] = {"level", "<0-9>", "How hard to compress", FOR_GZIP, NULL},
    [LIST_PREALLOCATION] = {"preallocation", "<str>",
                            "Preallocation mode (allowed values: off, metadata, falloc, full)",
                            FOR_QED | FOR_RAW,
                            "Preallocation mode (allowed values: off, falloc, full)"},
    [LIST_SIZE] = {"size", "<size>", "Virtual disk size", FOR_ALL, NULL},
    [LIST_TABLE_SIZE] = {"table_size", "<size>", "L1/L2 table size (in clusters)", FOR_QED, NULL},
};

#define LIST_OPTION_COUNT (sizeof(list_options) / sizeof(list_options[0]))

void newimage_init(struct newimage *image)
{
    *image = (struct newimage){0};
    create_options_init(&image->options);
}

void newimage_release(struct newimage *image)
{
    for (size_t i = 0; i < image->list_count; i++)
        free(image->lists[i]);
    free(image->lists);
    image->lists = NULL;
    image->list_count = 0;
}

/* Keep one -o argument until the format is known. */
static int add_list(struct newimage *image, const char *list)
{
    char **lists = realloc(image->lists, (image->list_count + 1) * sizeof(*lists));
    char *copy = strdup(list);

    if (lists)
        image->lists = lists;
    if (!lists || !copy) {
        free(copy);
        report("out of memory");
        return OPTS_REPORTED;
    }
    image->lists[image->list_count++] = copy;
    return 0;
}

/* Cut the next element off *rest and undo its doubled commas; NULL at the end. */
static char *next_element(char **rest)
{
    char *element = *rest;
    char *from = element, *to = element;

    if (!element || !*element)
        return NULL;
    while (*from && (*from != ',' || from[1] == ',')) {
        if (*from == ',')
            from++;
        *to++ = *from++;
    }
    *rest = *from ? from + 1 : from;
    *to = '\0';
    return element;
}

static int format_bit(const char *format)
{
    if (strcmp(format, "raw.gz") == 0)
        return FOR_GZIP;
    return strcmp(format, "raw") == 0 ? FOR_RAW : FOR_QED;
}

static int bad_element(const char *subject, const char *sentence, const char *what)
{
    if (subject)
        report("%s: %s '%s'", subject, sentence, what);
    else
        report("%s '%s'", sentence, what);
    return OPTS_REPORTED;
}

static int set_level(struct newimage *image, const char *value, const char *subject)
{
    if (strlen(value) != 1 || value[0] < '0' || value[0] > '9')
        return bad_element(subject, "Level must be a digit, not", value);
    image->options.gzip_level = value[0] - '0';
    return 0;
}

static int set_option(struct newimage *image, enum list_option option, const char *value,
                      const char *subject)
{
    struct create_options *options = &image->options;
    uint64_t bytes = 0;

    image->has_geometry = image->has_geometry || option != LIST_SIZE;
    if (strcmp(list_options[option].type, "<size>") == 0 && !units_parse_size(value, &bytes))
        return bad_element(subject, "Invalid size in option", list_options[option].name);
    switch (option) {
    case LIST_BACKING_FILE:
        options->backing_name = value;
        break;
    case LIST_BACKING_FMT:
        options->backing_format = value;
        break;
    case LIST_CLUSTER_SIZE:
        options->cluster_size = bytes;
        break;
    case LIST_LEVEL:
        return set_level(image, value, subject);
    case LIST_PREALLOCATION:
        options->preallocation = value;
        break;
    case LIST_TABLE_SIZE:
        options->table_size = bytes;
        options->has_table_size = true;
        break;
    case LIST_SIZE:
        options->size = bytes;
        options->has_size = true;
        break;
    }
    return 0;
}

static int parse_element(struct newimage *image, char *element, const char *subject)
{
    char *equals = strchr(element, '=');

    if (strcmp(element, "help") == 0 || strcmp(element, "?") == 0) {
        image->want_help = true;
        return 0;
    }
    if (equals)
        *equals = '\0';
    for (size_t i = 0; i < LIST_OPTION_COUNT; i++) {
        if (strcmp(element, list_options[i].name) != 0 ||
            !(list_options[i].formats & format_bit(image->options.format)))
            continue;
        if (!equals)
            return bad_element(subject, "No value given for option", element);
        return set_option(image, (enum list_option)i, equals + 1, subject);
    }
    return bad_element(subject, "Invalid parameter", element);
}

int newimage_parse(struct newimage *image, const char *subject)
{
    for (size_t i = 0; i < image->list_count; i++) {
        char *rest = image->lists[i];
        char *element;

        while ((element = next_element(&rest)) != NULL) {
            int ret = parse_element(image, element, subject);

            if (ret != 0)
                return ret;
        }
    }
    if (image->backing_name)
        image->options.backing_name = image->backing_name;
    if (image->backing_format)
        image->options.backing_format = image->backing_format;
    if (image->options.backing_name && image->options.backing_name[0] == '\0')
        image->options.backing_name = NULL;
    return 0;
}

void newimage_print_help(const char *format)
{
    printf("Supported %s options:\n", format);
    for (size_t i = 0; i < LIST_OPTION_COUNT; i++) {
        char name[64];

        if (!(list_options[i].formats & format_bit(format)))
            continue;
        snprintf(name, sizeof(name), "%s=%s", list_options[i].name, list_options[i].type);
        printf("  %-22s - %s\n", name,
               strcmp(format, "raw") == 0 && list_options[i].raw_help ? list_options[i].raw_help
                                                                      : list_options[i].help);
    }
}

bool newimage_known_format(const char *format)
{
    return strcmp(format, "qed") == 0 || strcmp(format, "raw") == 0;
}

static error_t parse_key(int key, char *arg, struct argp_state *state)
{
    struct newimage *image = state->input;

    switch (key) {
    case 'F':
        image->backing_format = arg;
        return 0;
    case 'o':
        return add_list(image, arg);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"backing-format", 'F', "FMT", 0, "Format of the new image's backing file: qed or raw", 0},
    {"options", 'o', "LIST", 0, "Comma-separated NAME=VALUE options; -o help lists them", 0},
    {0},
};

const struct argp newimage_argp = {.options = options, .parser = parse_key};
