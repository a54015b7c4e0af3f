/*
 * Prints errors.
 * SPDX-License-Identifier: MIT
 */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>

#include "cmd.h"

static void __attribute__((format(printf, 1, 0))) print_line(const char *format, va_list args)
{
    fflush(stdout);
    fputs("qedtool: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int report(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_line(format, args);
    va_end(args);
    return CMD_FAILED;
}

int report_error(const struct qed_error *error)
{
    report("%s", error->text);
    if (error->hint[0])
        fprintf(stderr, "%s\n", error->hint);
    return CMD_FAILED;
}

int report_error_for(const char *subject, const struct qed_error *error)
{
    report("%s: %s", subject, error->text);
    if (error->hint[0])
        fprintf(stderr, "%s\n", error->hint);
    return CMD_FAILED;
}

int report_usage(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_line(format, args);
    va_end(args);
    fputs("Try 'qedtool --help' for more information\n", stderr);
    return CMD_FAILED;
}

void report_warning(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_line(format, args);
    va_end(args);
}
