/*
 * Parses and prints sizes.
 * SPDX-License-Identifier: MIT
 */
#include "base/units.h"

#include <stdio.h>
#include <string.h>

#include "base/checked.h"

static const char suffixes[] = "bkmgtpe";

static bool suffix_shift(const char *text, unsigned int *shift)
{
    const char *at;
    char c = text[0];

    if (c == '\0') {
        *shift = 0;
        return true;
    }
    if (c >= 'A' && c <= 'Z')
        c = (char)(c - 'A' + 'a');
    at = strchr(suffixes, c);
    if (!at || text[1] != '\0')
        return false;
    *shift = 10 * (unsigned int)(at - suffixes);
    return true;
}

static int digit_value(char c, unsigned int base)
{
    int value = -1;

    if (c >= '0' && c <= '9')
        value = c - '0';
    else if (c >= 'a' && c <= 'f')
        value = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
        value = c - 'A' + 10;
    return value >= 0 && (unsigned int)value < base ? value : -1;
}

/* Digits from *text on; moves *text past them. False if there are none or they overflow. */
static bool parse_digits(const char **text, unsigned int base, uint64_t *value)
{
    const char *start = *text;
    int digit;

    *value = 0;
    while ((digit = digit_value(**text, base)) >= 0) {
        if (!checked_mul(*value, base, value) || !checked_add(*value, (uint64_t)digit, value))
            return false;
        (*text)++;
    }
    return *text != start;
}

/* The fraction after the point, as numerator over 10^digits; digits past the 18th do not count. */
static bool parse_fraction(const char **text, uint64_t *numerator, uint64_t *denominator)
{
    const char *start = *text;

    *numerator = 0;
    *denominator = 1;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        if (*denominator == UINT64_C(1000000000000000000))
            continue;
        *numerator = *numerator * 10 + (uint64_t)(**text - '0');
        *denominator *= 10;
    }
    return *text != start;
}

bool units_parse_size(const char *text, uint64_t *bytes)
{
    uint64_t whole, numerator = 0, denominator = 1, total;
    unsigned int shift;

    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        text += 2;
        if (!parse_digits(&text, 16, &total) || *text != '\0')
            return false;
    } else {
        if (!parse_digits(&text, 10, &whole))
            return false;
        if (*text == '.') {
            text++;
            if (!parse_fraction(&text, &numerator, &denominator))
                return false;
        }
        if (!suffix_shift(text, &shift) || (shift == 0 && numerator != 0))
            return false;
        if (!checked_mul(whole, UINT64_C(1) << shift, &total))
            return false;
        whole = (uint64_t)((long double)numerator / (long double)denominator *
                               (long double)(UINT64_C(1) << shift) +
                           0.5L);
        if (!checked_add(total, whole, &total))
            return false;
    }
    if (total > INT64_MAX)
        return false;
    *bytes = total;
    return true;
}

const char *units_format_size(uint64_t bytes, char text[UNITS_TEXT_MAX])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned int unit = 0;

    /* The next unit is taken from 1000 of this one on, so that %.3g never turns to exponents. */
    while (unit + 1 < sizeof(names) / sizeof(names[0]) &&
           (bytes >> (10 * unit)) >= 1000)
        unit++;
    snprintf(text, UNITS_TEXT_MAX, "%0.3g %s",
             (double)bytes / (double)(UINT64_C(1) << (10 * unit)), names[unit]);
    return text;
}
