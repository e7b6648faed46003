/* SPDX-License-Identifier: PostgreSQL
 * decrypt - one encrypted file back to what it was, without a backup around it; and the exchange of a
 * backup's master key. */
#pragma once

#include <stdbool.h>

struct fault;
struct runner_options;

/* Writes the file's contents to standard output. The key comes from the file of that name (may be NULL) or
 * from the configuration (may be NULL). When what the file says about its key does not fit any, a
 * manifest.json beside the file or above its directory is asked, because a new master key stands there. */
bool decrypt_file(const char *path, const char *key_file, const struct runner_options *options,
                  struct fault *fault);

/* Wraps the data key of the backup by the first key of its job, in every repository that has it (or the one
 * named); the data stays as it is. */
bool decrypt_rekey(const struct runner_options *options, const char *repository, const char *label,
                   struct fault *fault);
