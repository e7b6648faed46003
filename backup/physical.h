/* SPDX-License-Identifier: PostgreSQL
 * physical - a copy of the whole cluster by pg_basebackup, as one tar stream with its WAL and
 * backup_manifest inside. */
#pragma once

#include <stdbool.h>

struct arena;
struct fault;
struct logical;
struct manifest;

extern const char physical_base[]; /* "base.tar", before what the pipeline puts behind it */

/* Writes the stream below the directory and adds it to the manifest. A temporary replication slot of the
 * control session keeps the WAL meanwhile; PostgreSQL drops it with that session, however the runner ends.
 */
bool physical_dump(const struct logical *logical, struct manifest *manifest, struct arena *arena,
                   struct fault *fault);
