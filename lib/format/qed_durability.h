/*
 * Four ways for a writer to survive a crash: what each does to the image meanwhile, and what it
 * leaves to be done after one.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_DURABILITY_H
#define FORMAT_QED_DURABILITY_H

#include <stdbool.h>

enum qed_durability {
    /* QED_DURABILITY_INTENT where the image has a write-intent bitmap, else need-check. */
    QED_DURABILITY_AUTO,
    /*
     * NEED_CHECK is set, durably, before the first new entry, and cleared when the image is closed
     * or the writer has gone quiet. After a crash all tables have to be read.
     */
    QED_DURABILITY_NEED_CHECK,
    /*
     * Space is made durable, reading as zeroes, before an entry names it: none ever points past the
     * end of the file, so there is nothing to check. A crash leaks at most what was ahead.
     */
    QED_DURABILITY_PREALLOCATE,
    /* As need-check, and a bitmap says which tables have to be read (qed_intent.h). */
    QED_DURABILITY_INTENT,
    /* Data, flush, L2 entries, flush, L1 entries: nothing to check, at two flushes more each time.
     */
    QED_DURABILITY_ORDERED,
};

#define QED_DURABILITY_COUNT 5

/* "auto", "need-check", "preallocate", "intent", "ordered". */
const char *qed_durability_name(enum qed_durability durability);

/* False for a name that there is not. */
bool qed_durability_parse(const char *name, enum qed_durability *durability);

#endif
