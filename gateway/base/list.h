/* SPDX-License-Identifier: PostgreSQL
 * list - an intrusive doubly linked list; membership in a list is an object's state. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define list_entry(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_add_before(struct list *at, struct list *link)
{
    link->next = at;
    link->prev = at->prev;
    at->prev->next = link;
    at->prev = link;
}

/* Adds at the end (a queue's tail). */
static inline void list_append(struct list *head, struct list *link)
{
    list_add_before(head, link);
}

/* Adds at the front (a stack's top). */
static inline void list_push(struct list *head, struct list *link)
{
    list_add_before(head->next, link);
}

/* Takes the link out of whatever list holds it and leaves it as an empty list of its own. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* The body may remove the current link. */
#define list_each(link, following, head)                                                            \
    for (struct list *link = (head)->next, *following = link->next; link != (head);                 \
         link = following, following = link->next)
