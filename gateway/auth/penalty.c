/* SPDX-License-Identifier: PostgreSQL
 * penalty - how often logins from an address failed lately, and so how long the next failure's answer
 * waits. */
#include "gateway/auth/penalty.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/table.h"
#include "gateway/net/address.h"

enum { FORGIVEN_AFTER_S = 600, KEY_BYTES = 16 };

struct penalty {
    struct table_link link;
    struct list by_age; /* the latest failure is the last */
    unsigned char key[KEY_BYTES];
    uint64_t failed_us;
    unsigned failures;
};

struct penalties {
    pthread_mutex_t lock;
    struct table table;  /* [l] */
    struct list by_age;  /* [l] */
};

/* Without the port; all Unix sockets are one place. */
static void key_of(const struct address *address, unsigned char *key)
{
    memset(key, 0, KEY_BYTES);
    if (address->any.sa_family == AF_INET)
        memcpy(key, &((const struct sockaddr_in *)&address->storage)->sin_addr, 4);
    else if (address->any.sa_family == AF_INET6)
        memcpy(key, &((const struct sockaddr_in6 *)&address->storage)->sin6_addr,
               8); /* a network is one place */
}

static struct penalty *find(struct penalties *penalties, const unsigned char *key)
{
    struct table_link *link = table_find(&penalties->table, table_hash(key, KEY_BYTES, 0));

    for (; link != NULL; link = table_next(link)) {
        struct penalty *penalty = table_entry(link, struct penalty, link);

        if (memcmp(penalty->key, key, KEY_BYTES) == 0)
            return penalty;
    }
    return NULL;
}

static void drop(struct penalties *penalties, struct penalty *penalty)
{
    table_remove(&penalties->table, &penalty->link);
    list_remove(&penalty->by_age);
    free(penalty);
}

struct penalties *penalties_new(void)
{
    struct penalties *penalties = calloc(1, sizeof *penalties);

    if (penalties == NULL)
        return NULL;
    pthread_mutex_init(&penalties->lock, NULL);
    list_init(&penalties->by_age);
    return penalties;
}

void penalties_free(struct penalties *penalties)
{
    if (penalties == NULL)
        return;
    while (!list_empty(&penalties->by_age))
        drop(penalties, list_entry(penalties->by_age.next, struct penalty, by_age));
    table_free(&penalties->table);
    pthread_mutex_destroy(&penalties->lock);
    free(penalties);
}

static struct penalty *add(struct penalties *penalties, const unsigned char *key)
{
    struct penalty *penalty = calloc(1, sizeof *penalty);

    if (penalty == NULL)
        return NULL;
    if (penalties->table.count >= PENALTIES_MAX)
        drop(penalties, list_entry(penalties->by_age.next, struct penalty, by_age));
    memcpy(penalty->key, key, KEY_BYTES);
    list_init(&penalty->by_age);
    if (table_add(&penalties->table, &penalty->link, table_hash(key, KEY_BYTES, 0)) != 0)
        return penalty;
    free(penalty);
    return NULL;
}

uint64_t penalty_add(struct penalties *penalties, const struct address *address, uint64_t delay_us,
                     uint64_t now_us)
{
    unsigned char key[KEY_BYTES];
    struct penalty *penalty;
    unsigned failures = 0;
    uint64_t wanted;

    key_of(address, key);
    pthread_mutex_lock(&penalties->lock);
    penalty = find(penalties, key);
    if (penalty == NULL)
        penalty = add(penalties, key);
    if (penalty != NULL) {
        if (now_us > penalty->failed_us + FORGIVEN_AFTER_S * UINT64_C(1000000))
            penalty->failures = 0;
        failures = penalty->failures;
        penalty->failures += failures < PENALTY_DOUBLINGS_MAX;
        penalty->failed_us = now_us;
        list_remove(&penalty->by_age);
        list_append(&penalties->by_age, &penalty->by_age);
    }
    pthread_mutex_unlock(&penalties->lock);
    wanted = delay_us << failures;
    return wanted < delay_us * 10 ? wanted : delay_us * 10;
}

void penalty_forget(struct penalties *penalties, const struct address *address)
{
    unsigned char key[KEY_BYTES];
    struct penalty *penalty;

    key_of(address, key);
    pthread_mutex_lock(&penalties->lock);
    penalty = find(penalties, key);
    if (penalty != NULL)
        drop(penalties, penalty);
    pthread_mutex_unlock(&penalties->lock);
}
