/*
 * Error messages: the only place that prints them. One line on stderr each, beginning with the
 * tool's name, as qemu-img's do.
 * SPDX-License-Identifier: MIT
 */
#ifndef SRC_REPORT_H
#define SRC_REPORT_H

#include "base/error.h"

/* "qedtool: <text>", and the hint on a line of its own. Returns CMD_FAILED. */
int report_error(const struct qed_error *error);

/* The same with "<subject>: " before the text. */
int report_error_for(const char *subject, const struct qed_error *error);

/* "qedtool: " and a sentence. Returns CMD_FAILED. */
int report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for a mistake on the command line: a second line points to the help. */
int report_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same as report for what does not make the command fail. */
void report_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
