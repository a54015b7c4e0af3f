/*
 * stdout: gathered while a command runs, written when it has succeeded, so that a script never
 * sees half an answer.
 * SPDX-License-Identifier: MIT
 */
#ifndef SRC_OUT_H
#define SRC_OUT_H

#include <json.h>
#include <stdbool.h>
#include <stdint.h>

/* Room for an escaped path (base/text.h). */
#define OUT_NAME_MAX (4 * 4096 + 1)

struct out;

/* A new, empty answer; quiet ones are dropped. NULL, reported, when out of memory. */
struct out *out_new(bool quiet);

void out_printf(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A value in QEMU's layout (four blanks of indent, keys in order of insertion) and a newline. */
void out_json(struct out *out, struct json_object *value);

/* A member of an object. */
void out_add_number(struct json_object *object, const char *key, uint64_t value);

/*
 * Write what was gathered to stdout, flush it, and release out. Returns CMD_OK, or CMD_FAILED,
 * which out_finish will report, when not all could be gathered or written.
 */
int out_commit(struct out *out);

/*
 * Flush stdout, for what was printed straight to it. A failure is remembered, and reported by
 * out_finish.
 */
void out_flush(void);

/* At the end of the program: CMD_FAILED, reported, when anything was not written, else status. */
int out_finish(int status);

/* Release without writing; NULL-safe. */
void out_discard(struct out *out);

#endif
