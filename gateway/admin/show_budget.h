/* SPDX-License-Identifier: PostgreSQL
 * show_budget - the rows behind SHOW BUDGET and BUDGET_LIMITS; called as every row of show.c. */
#pragma once

struct rows;
struct worker;

void show_budget(struct worker *worker, struct rows *rows);
void show_budget_limits(struct worker *worker, struct rows *rows);
