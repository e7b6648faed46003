/* SPDX-License-Identifier: PostgreSQL
 * access_read - the groups `auth` and `tls` of a configuration file, and what must fit together in them. */
#pragma once

struct conf_group;
struct snapshot;

/* After the listeners and upstreams, whose own sslmode may be SSLMODE_DEFAULT until here. */
void access_read(struct snapshot *snapshot, struct conf_group *root);
