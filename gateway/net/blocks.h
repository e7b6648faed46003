/* SPDX-License-Identifier: PostgreSQL
 * blocks - bytes that wait in 16 kB blocks, leased from a stock of the thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iovec;

enum { BLOCK_BYTES = 16384 - 16 };

struct block {
    struct block *next;
    uint32_t start, used;
    unsigned char bytes[BLOCK_BYTES];
};

/* A thread's spare blocks. */
struct block_stock {
    struct block *spare;
    size_t spare_count, block_count;
};

/* A queue of blocks; all zero is empty. */
struct blocks {
    struct block *first, *last;
};

/* Copies the bytes to the end; false when out of memory: none of them is there then. */
bool blocks_add(struct blocks *blocks, struct block_stock *stock, const void *bytes, size_t length);

/* Drops so many bytes from the front; there are as many. */
void blocks_drop(struct blocks *blocks, struct block_stock *stock, size_t length);

/* Fills at most `room` vectors from the front; returns how many, and their bytes in *length. */
size_t blocks_vector(const struct blocks *blocks, struct iovec *vector, size_t room, size_t *length);

/* Gives every block of the queue back. */
void blocks_clear(struct blocks *blocks, struct block_stock *stock);

/* Frees the spare blocks. */
void block_stock_free(struct block_stock *stock);
