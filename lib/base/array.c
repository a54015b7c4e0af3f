/*
 * Twice the room each time.
 * SPDX-License-Identifier: MIT
 */
#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>

#define ROOM_FIRST 64 /* items */

void *array_with_room(void *items, size_t count, size_t *room, size_t item_bytes)
{
    size_t more = *room ? *room * 2 : ROOM_FIRST;
    void *grown;

    if (count < *room)
        return items;
    if (more > SIZE_MAX / item_bytes || more < *room)
        return NULL;
    grown = realloc(items, more * item_bytes);
    if (grown)
        *room = more;
    return grown;
}
