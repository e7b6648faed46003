/* SPDX-License-Identifier: PostgreSQL
 * programs - which class an application_name belongs to. */
#pragma once

#include <stdbool.h>

#include "conf/types.h"

/* False, with class untouched, when programs.def has no row that fits. */
bool program_class(const char *application_name, enum class *class);
