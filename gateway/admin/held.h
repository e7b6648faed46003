/* SPDX-License-Identifier: PostgreSQL
 * held - what a client of the console prepared: statements and portals, by name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/admin/rows.h"
#include "gateway/base/list.h"

struct bind_fields;
struct fault;
struct parse_fields;

/* HELD_MAX: of each kind. Names are as long as PostgreSQL keeps them. */
enum { CONSOLE_COMMAND_BYTES = 128, CONSOLE_COLUMNS_MAX = 24, HELD_NAME_BYTES = 64, HELD_MAX = 1000 };

/* A statement, or a portal that was bound to one. The empty name is one like others, but may be replaced. */
struct held {
    struct list link;
    char name[HELD_NAME_BYTES];
    char command[CONSOLE_COMMAND_BYTES];
    uint32_t binary;  /* bit i: column i in binary */
    bool executed;    /* a portal's rows are there */
    size_t sent;      /* bytes of them that the client has */
    struct rows rows;
};

/* All of one kind. */
struct helds {
    struct list list;
    size_t count;
};

void helds_init(struct helds *helds);
void helds_clear(struct helds *helds);
/* NULL: there is none of that name. */
struct held *held_find(struct helds *helds, const char *name);
/* A new one; the unnamed one is replaced. NULL with 42P05 or 42P03 (taken, by `what`), 54000 or 53200. */
struct held *held_add(struct helds *helds, const char *what, const char *name, struct fault *fault);
void held_drop(struct helds *helds, struct held *held); /* NULL: nothing is done */

/* The result formats of a Bind without parameters. False: 08P01. */
bool held_bind(struct held *portal, const struct bind_fields *bind, struct fault *fault);

/* The next rows of an executed portal, at most `limit` of them (0: all): where they are, *bytes long.
 * *count tells how many; what is left stays. */
const void *held_rows(struct held *portal, uint32_t limit, size_t *bytes, size_t *count);
bool held_has_more(const struct held *portal);
