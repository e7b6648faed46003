/* SPDX-License-Identifier: PostgreSQL
 * notes - RESTORE.md: how to restore this very backup by hand, with nothing but PostgreSQL's own programs.
 */
#pragma once

struct manifest;

/* The text, malloc'ed. */
char *notes_text(const struct manifest *manifest);
