/* SPDX-License-Identifier: PostgreSQL
 * random - unpredictable bytes from the kernel, for cancel keys, nonces and salts. */
#pragma once

#include <stddef.h>

/* Fills the buffer; aborts when the kernel has no randomness to give. */
void random_fill(void *buffer, size_t length);
