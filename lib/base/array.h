/*
 * Arrays that grow: the one place that says by how much.
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include <stddef.h>

/*
 * Room for one more item in an array that holds count of them, of item_bytes each; items is NULL
 * while it holds none. Returns the array, moved perhaps, with *room set to what it has room for, or
 * NULL when out of memory: then the old one is as it was. The caller frees it with free(3).
 */
void *array_with_room(void *items, size_t count, size_t *room, size_t item_bytes);

#endif
