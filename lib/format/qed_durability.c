/*
 * Names of the policies. SPDX-License-Identifier: MIT
 */
#include "format/qed_durability.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
    [QED_DURABILITY_AUTO] = "auto",
    [QED_DURABILITY_NEED_CHECK] = "need-check",
    [QED_DURABILITY_PREALLOCATE] = "preallocate",
    [QED_DURABILITY_INTENT] = "intent",
    [QED_DURABILITY_ORDERED] = "ordered",
};

_Static_assert(sizeof(names) / sizeof(names[0]) == QED_DURABILITY_COUNT, "a name for each policy");

const char *qed_durability_name(enum qed_durability durability)
{
    return names[durability];
}

bool qed_durability_parse(const char *name, enum qed_durability *durability)
{
    for (size_t i = 0; i < QED_DURABILITY_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            *durability = (enum qed_durability)i;
            return true;
        }
    }
    return false;
}
