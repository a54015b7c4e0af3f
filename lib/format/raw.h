/*
 * The raw format's one constant; its driver is declared in driver.h.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_RAW_H
#define FORMAT_RAW_H

/* Guests and the QED format count in sectors of 512 bytes. */
#define RAW_SECTOR_SHIFT 9

#endif
