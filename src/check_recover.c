/*
 * What was read, and what was cleared. SPDX-License-Identifier: MIT
 */
#include "check_recover.h"

#include <inttypes.h>

#include "report.h"

void check_recover_human(struct out *out, const struct qed_recovery *recovery)
{
    static const char *const which[] = {[QED_RECOVERY_MARKED] = "marked by the write-intent bitmap",
                                        [QED_RECOVERY_FULL] = "all that there are"};

    if (recovery->kind == QED_RECOVERY_NONE) {
        out_printf(out, "The image was cleanly closed: nothing was read.\n");
        return;
    }
    out_printf(out, "%" PRIu64 " L2 tables were read: %s.\n", recovery->tables,
               which[recovery->kind]);
    out_printf(out,
               "%" PRIu64 " L1 entries and %" PRIu64
               " L2 entries pointed past the end of the file, and were cleared.\n",
               recovery->l1_cleared, recovery->l2_cleared);
    if (recovery->bytes_added)
        out_printf(out, "The last cluster was cut short by %" PRIu64 " bytes, and was completed.\n",
                   recovery->bytes_added);
}

void report_recovery(const char *path, const struct qed_recovery *recovery)
{
    if (recovery->kind != QED_RECOVERY_NONE)
        report_warning("warning: %s was not cleanly closed: %" PRIu64
                       " L2 tables were read, %" PRIu64 " entries from the crash cleared",
                       path, recovery->tables, recovery->l1_cleared + recovery->l2_cleared);
}

void check_recover_json(struct out *out, const char *path, const struct qed_recovery *recovery)
{
    static const char *const kinds[] = {[QED_RECOVERY_NONE] = "none",
                                        [QED_RECOVERY_MARKED] = "marked",
                                        [QED_RECOVERY_FULL] = "full"};
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "filename", json_object_new_string(path));
    json_object_object_add(object, "recovery", json_object_new_string(kinds[recovery->kind]));
    out_add_number(object, "tables-read", recovery->tables);
    out_add_number(object, "bytes-read", recovery->scan.bytes_read + recovery->scan.bytes_cached);
    out_add_number(object, "l1-entries-cleared", recovery->l1_cleared);
    out_add_number(object, "l2-entries-cleared", recovery->l2_cleared);
    out_add_number(object, "bytes-added", recovery->bytes_added);
    out_json(out, object);
    json_object_put(object);
}
