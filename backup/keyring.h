/* SPDX-License-Identifier: PostgreSQL
 * keyring - the master keys: 64 hexadecimal digits a line, the first line encrypts, all of them decrypt. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "backup/seal.h"

struct fault;
struct job_options;
struct runner_options;

enum { KEYRING_KEYS = 32 };

struct keyring {
    unsigned char keys[KEYRING_KEYS][SEAL_KEY];
    size_t count;
};

/* True when the job says where its keys are. */
bool keyring_is_wanted(const struct job_options *job);

/* Reads the job's keys from its file, environment variable or command; FAILURE_CRYPTO when there is none or
 * a line is none. Wipe it in any case. */
bool keyring_read(struct keyring *ring, const struct job_options *job, struct fault *fault);
bool keyring_read_file(struct keyring *ring, const char *path, struct fault *fault);
void keyring_wipe(struct keyring *ring);

/* Opens what encrypts the backups of every job of the configuration, and `file` before them when not NULL.
 * Sources that cannot be read are told only when the key is not found elsewhere. */
struct key_search {
    const struct runner_options *options;
    const char *file;
    const unsigned char *wrap; /* of the manifest, for when the file's does not fit; NULL = none */
};

/* Unwraps key->wrap with whatever key of the search fits. */
bool key_search_unwrap(const struct key_search *search, struct seal_key *key, struct fault *fault);

/* A seal_opener's open; context is a struct key_search. */
bool key_search_open(void *context, const unsigned char *header, struct seal_key *key, struct fault *fault);
