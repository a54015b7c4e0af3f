/*
 * The names of the error codes, and the filling in of struct qed_error.
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const char *const code_names[] = {
    [-QED_OK] = "ok",
    [-QED_ERR_NO_MEMORY] = "no-memory",
    [-QED_ERR_IO] = "io",
    [-QED_ERR_SHORT_READ] = "short-read",
    [-QED_ERR_OPEN] = "open",
    [-QED_ERR_NOT_FILE] = "not-file",
    [-QED_ERR_FORMAT] = "format",
    [-QED_ERR_HEADER] = "header",
    [-QED_ERR_UNSUPPORTED] = "unsupported",
    [-QED_ERR_CORRUPT] = "corrupt",
    [-QED_ERR_BACKING] = "backing",
    [-QED_ERR_INVALID] = "invalid",
    [-QED_ERR_NO_SPACE] = "no-space",
    [-QED_ERR_SAME_FILE] = "same-file",
    [-QED_ERR_STOPPED] = "stopped",
    [-QED_ERR_LOOP] = "loop",
    [-QED_ERR_CHANGED] = "changed",
    [-QED_ERR_IN_USE] = "in-use",
    [-QED_ERR_PIPE] = "pipe",
};

_Static_assert(sizeof(code_names) / sizeof(code_names[0]) == QED_CODE_COUNT,
               "every error code has a name");

const char *qed_code_name(int code)
{
    if (code > 0 || code <= -QED_CODE_COUNT)
        return "unknown";
    return code_names[-code];
}

static void __attribute__((format(printf, 4, 0)))
fill(struct qed_error *error, int code, int sys_errno, const char *format, va_list args)
{
    char raw[sizeof(error->text)];
    size_t used;

    vsnprintf(raw, sizeof(raw), format, args);
    error->code = code;
    error->sys_errno = sys_errno;
    error->file_off = UINT64_MAX;
    error->hint[0] = '\0';
    text_escape(error->text, sizeof(error->text), raw);
    used = strlen(error->text);
    if (sys_errno)
        snprintf(error->text + used, sizeof(error->text) - used, ": %s", strerror(sys_errno));
}

int qed_fail(struct qed_error *error, int code, const char *format, ...)
{
    va_list args;

    if (!error)
        return code;
    va_start(args, format);
    fill(error, code, 0, format, args);
    va_end(args);
    return code;
}

int qed_fail_errno(struct qed_error *error, int code, int sys_errno, const char *format, ...)
{
    va_list args;

    if (!error)
        return code;
    va_start(args, format);
    fill(error, code, sys_errno, format, args);
    va_end(args);
    return code;
}

int qed_fail_prefix(struct qed_error *error, int code, const char *format, ...)
{
    char cause[sizeof(error->text)];
    char prefix[sizeof(error->text)];
    size_t used;
    va_list args;

    if (!error)
        return code;
    memcpy(cause, error->text, sizeof(cause));
    va_start(args, format);
    vsnprintf(prefix, sizeof(prefix), format, args);
    va_end(args);
    text_escape(error->text, sizeof(error->text), prefix);
    used = strlen(error->text);
    snprintf(error->text + used, sizeof(error->text) - used, ": %s", cause);
    error->code = code;
    return code;
}

void qed_fail_hint(struct qed_error *error, const char *format, ...)
{
    va_list args;

    if (!error)
        return;
    va_start(args, format);
    vsnprintf(error->hint, sizeof(error->hint), format, args);
    va_end(args);
}
