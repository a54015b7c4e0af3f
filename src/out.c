/*
 * The answer lies in memory up to a limit and in an unlinked temporary file beyond it: a map may
 * have millions of lines.
 * SPDX-License-Identifier: MIT
 */
#include "out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "report.h"

#define MEMORY_MAX ((size_t)4 << 20)
#define INDENT 4

/* Of the first failure to write to stdout, 0 for none. */
static int stdout_errno;

struct out {
    bool quiet;
    int failed_errno; /* of the first failure to gather, 0 for none */
    char *text;
    size_t used, room;
    FILE *file; /* NULL while all is in text; else text is to be appended to it */
};

struct out *out_new(bool quiet)
{
    struct out *out = calloc(1, sizeof(*out));

    if (!out) {
        report("out of memory");
        return NULL;
    }
    out->quiet = quiet;
    return out;
}

static bool move_to_file(struct out *out)
{
    if (!out->file)
        out->file = tmpfile();
    if (!out->file || fwrite(out->text, 1, out->used, out->file) != out->used)
        return false;
    out->used = 0;
    return true;
}

/* Make room for len more bytes. */
static bool reserve(struct out *out, size_t len)
{
    size_t room = out->room ? out->room : 4096;
    char *text;

    if (out->used + len > MEMORY_MAX && !move_to_file(out))
        return false;
    while (room < out->used + len)
        room *= 2;
    if (room == out->room)
        return true;
    text = realloc(out->text, room);
    if (!text)
        return false;
    out->text = text;
    out->room = room;
    return true;
}

void out_printf(struct out *out, const char *format, ...)
{
    va_list args, again;
    int len;

    if (out->quiet || out->failed_errno)
        return;
    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    if (len < 0 || !reserve(out, (size_t)len + 1)) {
        out->failed_errno = errno ? errno : ENOMEM;
    } else {
        vsnprintf(out->text + out->used, (size_t)len + 1, format, again);
        out->used += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

static void print_value(struct out *out, struct json_object *value, int indent);

static void print_object(struct out *out, struct json_object *value, int indent)
{
    const char *separator = "";

    out_printf(out, "{");
    json_object_object_foreach(value, key, member)
    {
        struct json_object *name = json_object_new_string(key);

        out_printf(out, "%s\n%*s%s: ", separator, indent + INDENT, "",
                   json_object_to_json_string_ext(name, JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(name);
        print_value(out, member, indent + INDENT);
        separator = ",";
    }
    out_printf(out, "\n%*s}", indent, "");
}

static void print_array(struct out *out, struct json_object *value, int indent)
{
    size_t count = json_object_array_length(value);

    out_printf(out, "[");
    for (size_t i = 0; i < count; i++) {
        out_printf(out, "%s\n%*s", i ? "," : "", indent + INDENT, "");
        print_value(out, json_object_array_get_idx(value, i), indent + INDENT);
    }
    out_printf(out, "\n%*s]", indent, "");
}

static void print_value(struct out *out, struct json_object *value, int indent)
{
    if (json_object_is_type(value, json_type_object) && json_object_object_length(value) > 0)
        print_object(out, value, indent);
    else if (json_object_is_type(value, json_type_array) && json_object_array_length(value) > 0)
        print_array(out, value, indent);
    else
        out_printf(out, "%s", json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE));
}

void out_json(struct out *out, struct json_object *value)
{
    print_value(out, value, 0);
    out_printf(out, "\n");
}

void out_add_number(struct json_object *object, const char *key, uint64_t value)
{
    json_object_object_add(object, key, json_object_new_uint64(value));
}

/* Copy the temporary file to stdout. */
static bool copy_file(struct out *out)
{
    char buffer[1 << 16];
    size_t n;

    if (!move_to_file(out) || fseek(out->file, 0, SEEK_SET) != 0)
        return false;
    while ((n = fread(buffer, 1, sizeof(buffer), out->file)) > 0) {
        if (fwrite(buffer, 1, n, stdout) != n)
            return false;
    }
    return !ferror(out->file);
}

static bool copy_text(struct out *out)
{
    return out->used == 0 || fwrite(out->text, 1, out->used, stdout) == out->used;
}

int out_commit(struct out *out)
{
    bool ok = !out->failed_errno;

    errno = out->failed_errno;
    if (ok)
        ok = out->file ? copy_file(out) : copy_text(out);
    if (!ok && !stdout_errno)
        stdout_errno = errno;
    out_flush();
    out_discard(out);
    return stdout_errno ? CMD_FAILED : CMD_OK;
}

void out_flush(void)
{
    if (fflush(stdout) != 0 && !stdout_errno)
        stdout_errno = errno;
}

int out_finish(int status)
{
    out_flush();
    if (!stdout_errno)
        return status;
    return report("cannot write to stdout: %s", strerror(stdout_errno));
}

void out_discard(struct out *out)
{
    if (!out)
        return;
    if (out->file)
        fclose(out->file);
    free(out->text);
    free(out);
}
