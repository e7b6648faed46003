/* SPDX-License-Identifier: PostgreSQL
 * room - a full disk foreseen: whether a repository has room for one more backup like the last one. */
#pragma once

#include <stdbool.h>

struct fault;
struct repository;

/* FAILURE_DISK_FULL when less is free than the job's newest backup took and a tenth more. The first one is
 * always tried. */
bool room_check(const struct repository *repository, const char *job, struct fault *fault);
