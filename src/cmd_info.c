/*
 * qedtool info: what an image is.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "cmd.h"
#include "core/info.h"
#include "opts.h"
#include "out.h"
#include "report.h"

struct info_args {
    struct opts_image image;
    bool backing_chain;
    enum image_backing backing;
};

static const struct argp_option options[] = {
    {"backing-chain", OPTS_KEY_BACKING_CHAIN, NULL, 0, "Show the backing files, too", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct info_args *args = state->input;

    (void)arg;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->image;
        state->child_inputs[1] = &args->backing;
        return 0;
    case OPTS_KEY_BACKING_CHAIN:
        args->backing_chain = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "FILE",
    .children = opts_image_children,
    .doc = "Show what an image is. Its backing file is neither opened nor needed unless the chain "
           "is asked for.",
};

static void print_size(struct out *out, const char *label, uint64_t bytes, bool exact)
{
    char text[UNITS_TEXT_MAX];

    out_printf(out, "%s: %s", label, units_format_size(bytes, text));
    if (exact)
        out_printf(out, " (%" PRIu64 " bytes)", bytes);
    out_printf(out, "\n");
}

static void print_human(struct out *out, const struct info *info)
{
    char name[OUT_NAME_MAX];

    out_printf(out, "image: %s\n", text_escape(name, sizeof(name), info->path));
    out_printf(out, "file format: %s\n", info->format);
    print_size(out, "virtual size", info->virtual_size, true);
    print_size(out, "disk size", info->allocated_bytes, false);
    if (info->is_qed)
        out_printf(out, "cluster_size: %" PRIu32 "\n", info->cluster_size);
    if (info->is_dirty)
        out_printf(out, "cleanly shut down: no\n");
    if (info->has_intent && info->intent_is_valid)
        out_printf(out, "write-intent bitmap: %" PRIu64 " L2 tables marked\n",
                   info->marked_bits * info->tables_a_bit);
    else if (info->has_intent)
        out_printf(out, "write-intent bitmap: damaged\n");
    if (info->tail_bytes)
        print_size(out, "preallocated tail", info->tail_bytes, true);
    if (!info->backing_name)
        return;
    out_printf(out, "backing file: %s", text_escape(name, sizeof(name), info->backing_name));
    if (strcmp(info->backing_name, info->full_backing_name) != 0)
        out_printf(out, " (actual path: %s)",
                   text_escape(name, sizeof(name), info->full_backing_name));
    out_printf(out, "\n");
    if (info->backing_format)
        out_printf(out, "backing file format: %s\n", info->backing_format);
}

static void add_text(struct json_object *object, const char *key, const char *value)
{
    json_object_object_add(object, key, json_object_new_string(value));
}

static struct json_object *intent_json(const struct info *info)
{
    struct json_object *intent = json_object_new_object();

    json_object_object_add(intent, "valid", json_object_new_boolean(info->intent_is_valid));
    if (!info->intent_is_valid)
        return intent;
    out_add_number(intent, "marked-bits", info->marked_bits);
    out_add_number(intent, "tables-per-bit", info->tables_a_bit);
    return intent;
}

static struct json_object *format_specific(const struct info *info)
{
    struct json_object *specific = json_object_new_object();
    struct json_object *data = json_object_new_object();

    out_add_number(data, "table-size", info->table_size);
    out_add_number(data, "header-size", info->header_size);
    out_add_number(data, "l1-table-offset", info->l1_table_offset);
    out_add_number(data, "features", info->features);
    out_add_number(data, "compat-features", info->compat_features);
    out_add_number(data, "autoclear-features", info->autoclear_features);
    if (info->has_intent)
        json_object_object_add(data, "intent", intent_json(info));
    if (info->tail_bytes)
        out_add_number(data, "tail-bytes", info->tail_bytes);
    add_text(specific, "type", "qed");
    json_object_object_add(specific, "data", data);
    return specific;
}

/* The keys in qemu-img's order. */
static struct json_object *json_of(const struct info *info)
{
    struct json_object *object = json_object_new_object();

    if (info->backing_format)
        add_text(object, "backing-filename-format", info->backing_format);
    out_add_number(object, "virtual-size", info->virtual_size);
    add_text(object, "filename", info->path);
    if (info->is_qed)
        out_add_number(object, "cluster-size", info->cluster_size);
    add_text(object, "format", info->format);
    out_add_number(object, "actual-size", info->allocated_bytes);
    if (info->is_qed)
        json_object_object_add(object, "format-specific", format_specific(info));
    if (info->backing_name) {
        add_text(object, "full-backing-filename", info->full_backing_name);
        add_text(object, "backing-filename", info->backing_name);
    }
    json_object_object_add(object, "dirty-flag", json_object_new_boolean(info->is_dirty));
    return object;
}

static int describe(struct out *out, struct image *image, bool human, struct json_object *list)
{
    struct qed_error error = QED_ERROR_INIT;

    for (unsigned int depth = 0; depth < image_depth(image); depth++) {
        struct info info;

        if (info_get(&info, image, depth, &error) < 0)
            return report_error(&error);
        if (human && depth > 0)
            out_printf(out, "\n");
        if (human)
            print_human(out, &info);
        else
            json_object_array_add(list, json_of(&info));
        info_release(&info);
    }
    return CMD_OK;
}

static int info(void *context)
{
    const struct info_args *args = context;
    struct image_options open_options = {.format = args->image.format,
                                         .share = args->image.share,
                                         .backing = args->backing_chain ? args->backing
                                                                        : IMAGE_BACKING_IGNORE};
    struct qed_error error = QED_ERROR_INIT;
    struct image *image = NULL;
    struct json_object *list = NULL;
    struct out *out = NULL;
    int status = CMD_FAILED;

    if (image_open(&image, args->image.path, &open_options, &error) < 0) {
        report_error(&error);
        goto out;
    }
    out = out_new(false);
    list = json_object_new_array();
    if (!out || describe(out, image, args->image.output == OPTS_OUTPUT_HUMAN, list) != CMD_OK)
        goto out;
    if (args->image.output == OPTS_OUTPUT_JSON)
        out_json(out, args->backing_chain ? list : json_object_array_get_idx(list, 0));
    status = out_commit(out);
    out = NULL;
out:
    json_object_put(list);
    out_discard(out);
    image_close(image);
    return status;
}

int cmd_info(int argc, char **argv)
{
    struct info_args args = {.backing = IMAGE_BACKING_FOLLOW};

    return opts_run(&argp, argc, argv, &args, info);
}
