/*
 * What becomes of guest bytes in a repair: lost, or saved, each byte counted once, by the last
 * thing that is done about it.
 *
 * Memory: 24 bytes for each thing that is done.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_REPAIR_ACCOUNT_H
#define FORMAT_QED_REPAIR_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* All zero when empty. */
struct qed_repair_account {
    struct qed_repair_account_range *ranges; /* in the order of what is done */
    size_t count, room;
};

/*
 * From now on the guest bytes [virt_off, virt_off + virt_len) are lost, or saved. Ranges lie inside
 * each other or apart, as those of tables, clusters and ends of these do.
 */
int qed_repair_account_add(struct qed_repair_account *account, uint64_t virt_off, uint64_t virt_len,
                           bool is_lost, struct qed_error *error);

/* Count the bytes; nothing can be added afterwards. */
int qed_repair_account_sum(struct qed_repair_account *account, uint64_t *lost, uint64_t *saved,
                           struct qed_error *error);

void qed_repair_account_free(struct qed_repair_account *account);

#endif
