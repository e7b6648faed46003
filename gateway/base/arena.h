/* SPDX-License-Identifier: PostgreSQL
 * arena - memory that is freed all at once: a configuration snapshot, a login, a console command. */
#pragma once

#include <stddef.h>

struct arena;

/* A new empty arena, or NULL when out of memory. The caller frees it with arena_free. */
struct arena *arena_new(void);
void arena_free(struct arena *arena); /* wipes every byte it gave out, then frees */

/* Zeroed memory aligned for any object; lives until arena_free. Aborts when out of memory, so it is
 * for sizes that were checked before. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_copy(struct arena *arena, const char *text, size_t length); /* adds the NUL */
char *arena_string(struct arena *arena, const char *text);              /* NULL stays NULL */
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
