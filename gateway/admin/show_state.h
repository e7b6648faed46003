/* SPDX-License-Identifier: PostgreSQL
 * show_state - the rows behind SHOW PINS, CATALOGS, ROUTINES and HOSTS; called as every row of show.c. */
#pragma once

struct rows;
struct worker;

void show_pins(struct worker *worker, struct rows *rows);
void show_catalogs(struct worker *worker, struct rows *rows);
void show_routines(struct worker *worker, struct rows *rows);
void show_hosts(struct worker *worker, struct rows *rows);
