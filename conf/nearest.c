/* SPDX-License-Identifier: PostgreSQL
 * nearest - the known name that somebody who misspelt one probably meant. */
#include "conf/nearest.h"

#include <string.h>

enum { WORD_MAX = 48 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* One cell of the distance table: rows are prefixes of a, columns prefixes of b. */
static size_t distance_cell(size_t table[WORD_MAX + 1][WORD_MAX + 1], const char *a, const char *b, size_t i,
                            size_t j)
{
    size_t cell = least(table[i - 1][j], table[i][j - 1]) + 1;

    cell = least(cell, table[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
    if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cell = least(cell, table[i - 2][j - 2] + 1);
    return cell;
}

static size_t edit_distance(const char *a, const char *b)
{
    size_t table[WORD_MAX + 1][WORD_MAX + 1];
    size_t a_length = strlen(a), b_length = strlen(b);

    if (a_length > WORD_MAX || b_length > WORD_MAX)
        return WORD_MAX;
    for (size_t i = 0; i <= a_length; i++)
        table[i][0] = i;
    for (size_t j = 0; j <= b_length; j++)
        table[0][j] = j;
    for (size_t i = 1; i <= a_length; i++)
        for (size_t j = 1; j <= b_length; j++)
            table[i][j] = distance_cell(table, a, b, i, j);
    return table[a_length][b_length];
}

const char *nearest_name(const char *word, const char *const *candidates, size_t count)
{
    size_t allowed = strlen(word) / 3, best = allowed + 1;
    const char *nearest = NULL;

    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, candidates[i]);

        if (distance < best) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
