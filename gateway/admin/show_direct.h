/* SPDX-License-Identifier: PostgreSQL
 * show_direct - the rows behind SHOW DIRECT; called as every row of show.c. */
#pragma once

struct rows;
struct worker;

void show_direct(struct worker *worker, struct rows *rows);
