/* SPDX-License-Identifier: PostgreSQL
 * setting - one libconfig setting as the value of a row, and as the words of an error. */
#pragma once

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>

#include "conf/row.h"

/* Fills the row's field in `into`; false, with the field as it was, when type or range do not fit. */
bool setting_to_row(const config_setting_t *setting, const struct conf_row *row, void *into,
                    struct arena *arena);

/* Writes what stands there: `the string "abc"`, `the number 12`, `a group`. */
void setting_found(const config_setting_t *setting, char *text, size_t room);

/* What to do about a value of the wrong type: "; write it in quotes", or "" when the rest says it. */
const char *setting_advice(const config_setting_t *setting, const struct conf_row *row);

/* "group" or "setting" */
const char *setting_noun(const config_setting_t *setting);
