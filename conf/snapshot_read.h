/* SPDX-License-Identifier: PostgreSQL
 * snapshot_read - fills a snapshot from the groups of a configuration file; part of conf/snapshot. */
#pragma once

struct conf;
struct snapshot;

/* Reads everything; what is wrong goes to the conf's problems and leaves defaults in its place. Needs the
 * snapshot's arena and its defaults. */
void snapshot_read(struct snapshot *snapshot, struct conf *conf);
