/*
 * Escapes control bytes.
 * SPDX-License-Identifier: MIT
 */
#include "base/text.h"

#include <stdio.h>

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

const char *text_escape(char *dst, size_t size, const char *src)
{
    size_t at = 0;

    for (; *src; src++) {
        size_t need = is_control(*src) ? 4 : 1;

        if (at + need >= size)
            break;
        if (need == 1)
            dst[at] = *src;
        else
            snprintf(dst + at, size - at, "\\x%02x", (unsigned char)*src);
        at += need;
    }
    dst[at] = '\0';
    return dst;
}

bool text_has_control_byte(const char *text)
{
    for (; *text; text++) {
        if (is_control(*text))
            return true;
    }
    return false;
}
