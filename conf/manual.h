/* SPDX-License-Identifier: PostgreSQL
 * manual - the reference of the configuration, written from the tables that the parser reads. */
#pragma once

#include <stdio.h>

void manual_write(FILE *to);        /* the reference, as Markdown */
void manual_write_sample(FILE *to); /* a commented configuration file that is valid as it is */
