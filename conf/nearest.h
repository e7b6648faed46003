/* SPDX-License-Identifier: PostgreSQL
 * nearest - the known name that somebody who misspelt one probably meant. */
#pragma once

#include <stddef.h>

/* The candidate with the smallest edit distance (insert, delete, replace, swap two neighbours), if that is at
 * most a third of the word's length; NULL otherwise. */
const char *nearest_name(const char *word, const char *const *candidates, size_t count);
