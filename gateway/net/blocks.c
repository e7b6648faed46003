/* SPDX-License-Identifier: PostgreSQL
 * blocks - bytes that wait in 16 kB blocks, leased from a stock of the thread. */
#include "gateway/net/blocks.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum { SPARE_MAX = 256 };

static struct block *block_lease(struct block_stock *stock)
{
    struct block *block = stock->spare;

    if (block != NULL) {
        stock->spare = block->next;
        stock->spare_count--;
    } else {
        block = malloc(sizeof *block);
        if (block == NULL)
            return NULL;
        stock->block_count++;
    }
    block->next = NULL;
    block->start = block->used = 0;
    return block;
}

static void block_return(struct block_stock *stock, struct block *block)
{
    if (stock->spare_count >= SPARE_MAX) {
        free(block);
        stock->block_count--;
        return;
    }
    block->next = stock->spare;
    stock->spare = block;
    stock->spare_count++;
}

static bool blocks_extend(struct blocks *blocks, struct block_stock *stock)
{
    struct block *block = block_lease(stock);

    if (block == NULL)
        return false;
    if (blocks->last == NULL)
        blocks->first = block;
    else
        blocks->last->next = block;
    blocks->last = block;
    return true;
}

/* Takes back what was added behind `used` bytes of the block `last` (NULL = all there is). */
static void blocks_cut(struct blocks *blocks, struct block_stock *stock, struct block *last, uint32_t used)
{
    struct blocks behind = {last == NULL ? blocks->first : last->next, blocks->last};

    blocks_clear(&behind, stock);
    blocks->last = last;
    if (last == NULL) {
        blocks->first = NULL;
        return;
    }
    last->next = NULL;
    last->used = used;
}

bool blocks_add(struct blocks *blocks, struct block_stock *stock, const void *bytes, size_t length)
{
    struct block *last = blocks->last;
    uint32_t used = last == NULL ? 0 : last->used;
    const unsigned char *at = bytes;

    while (length > 0) {
        size_t room;

        if ((blocks->last == NULL || blocks->last->used == BLOCK_BYTES) && !blocks_extend(blocks, stock)) {
            blocks_cut(blocks, stock, last, used);
            return false;
        }
        room = BLOCK_BYTES - blocks->last->used;
        room = room < length ? room : length;
        memcpy(blocks->last->bytes + blocks->last->used, at, room);
        blocks->last->used += (uint32_t)room;
        at += room;
        length -= room;
    }
    return true;
}

void blocks_drop(struct blocks *blocks, struct block_stock *stock, size_t length)
{
    while (length > 0) {
        struct block *block = blocks->first;
        size_t here = block->used - block->start;

        if (length < here) {
            block->start += (uint32_t)length;
            return;
        }
        length -= here;
        blocks->first = block->next;
        block_return(stock, block);
    }
    if (blocks->first == NULL)
        blocks->last = NULL;
}

size_t blocks_vector(const struct blocks *blocks, struct iovec *vector, size_t room, size_t *length)
{
    size_t count = 0;

    *length = 0;
    for (struct block *block = blocks->first; block != NULL && count < room; block = block->next) {
        vector[count].iov_base = block->bytes + block->start;
        vector[count++].iov_len = block->used - block->start;
        *length += block->used - block->start;
    }
    return count;
}

void blocks_clear(struct blocks *blocks, struct block_stock *stock)
{
    while (blocks->first != NULL) {
        struct block *block = blocks->first;

        blocks->first = block->next;
        block_return(stock, block);
    }
    blocks->last = NULL;
}

void block_stock_free(struct block_stock *stock)
{
    while (stock->spare != NULL) {
        struct block *block = stock->spare;

        stock->spare = block->next;
        free(block);
    }
}
