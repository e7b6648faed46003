/* SPDX-License-Identifier: PostgreSQL
 * users - reads the users file into a table that is sorted by name and never changes. */
#include "gateway/auth/users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/secret.h"
#include "gateway/auth/secret_file.h"
#include "gateway/base/arena.h"
#include "gateway/base/fault.h"

enum { PLACE_BYTES = 200 };

struct users {
    struct arena *arena; /* the names */
    struct user *list;   /* sorted by name */
    size_t count, room;
};

/* A place in the text, for reading and for sentences about it. */
struct cursor {
    const char *at, *end;
    const char *where;
    int line;
    struct fault *fault;
};

static bool refuse(const struct cursor *c, const char *why)
{
    return fault_set(c->fault, "F0000", "%.*s line %d: %s", PLACE_BYTES, c->where, c->line, why);
}

/* One quoted text of 0 to `room` - 1 bytes; out is NUL-terminated. */
static bool quoted_read(struct cursor *c, const char *what, char *out, size_t room)
{
    size_t used = 0;
    char why[100];

    if (c->at == c->end || *c->at != '"') {
        snprintf(why, sizeof why, "a %s in double quotes was expected", what);
        return refuse(c, why);
    }
    for (c->at++; c->at < c->end && *c->at != '\n' && *c->at != '\0'; c->at++) {
        bool doubled = c->end - c->at > 1 && c->at[0] == '"' && c->at[1] == '"';

        if (*c->at == '"' && !doubled) {
            c->at++;
            out[used] = '\0';
            return true;
        }
        if (used + 1 == room) {
            snprintf(why, sizeof why, "the %s is longer than %zu bytes", what, room - 1);
            return refuse(c, why);
        }
        out[used++] = *c->at;
        c->at += doubled ? 1 : 0;
    }
    snprintf(why, sizeof why, "the %s has no closing double quote", what);
    return refuse(c, why);
}

static void blanks_skip(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r'))
        c->at++;
}

static struct user *user_add(struct users *users)
{
    if (users->count == users->room) {
        size_t room = users->room == 0 ? 16 : users->room * 2;
        struct user *list = realloc(users->list, room * sizeof *list);

        if (list == NULL)
            return NULL;
        users->list = list;
        users->room = room;
    }
    return memset(&users->list[users->count++], 0, sizeof *users->list);
}

static bool user_take(struct users *users, const char *name, const char *secret, const struct cursor *c)
{
    struct fault why;
    struct user *user;

    if (name[0] == '\0')
        return refuse(c, "the name is empty");
    user = user_add(users);
    if (user == NULL)
        return fault_set(c->fault, "53200", "out of memory while reading the users file");
    user->name = arena_string(users->arena, name);
    user->secret = secret_new(secret, &why);
    return user->secret != NULL
           || fault_set(c->fault, why.sqlstate, "%.*s line %d: %s", PLACE_BYTES, c->where, c->line,
                        why.message);
}

/* PgBouncer ignores what follows the secret. Without a blank in between a quote was not doubled. */
static bool rest_skip(struct cursor *c)
{
    const char *newline = memchr(c->at, '\n', (size_t)(c->end - c->at));
    bool parted = c->at == c->end || memchr(" \t\r\n", *c->at, 4) != NULL;

    c->at = newline == NULL ? c->end : newline;
    return parted || refuse(c, "a blank was expected behind the secret; a quote within quotes is doubled");
}

static bool line_read(struct users *users, struct cursor *c)
{
    char name[USERS_NAME_MAX_BYTES + 1], secret[SECRET_MAX_BYTES + 1];
    bool read = quoted_read(c, "name", name, sizeof name);

    blanks_skip(c);
    read = read && quoted_read(c, "secret", secret, sizeof secret) && user_take(users, name, secret, c)
           && rest_skip(c);
    explicit_bzero(secret, sizeof secret);
    return read;
}

static bool lines_read(struct users *users, struct cursor *c)
{
    while (c->at < c->end) {
        blanks_skip(c);
        if (c->at < c->end && (*c->at == ';' || *c->at == '#')) {
            const char *newline = memchr(c->at, '\n', (size_t)(c->end - c->at));

            c->at = newline == NULL ? c->end : newline;
        } else if (c->at < c->end && *c->at != '\n' && !line_read(users, c)) {
            return false;
        }
        if (c->at < c->end) /* at a newline */
            c->at++;
        c->line++;
    }
    return true;
}

static int user_compare(const void *a, const void *b)
{
    return strcmp(((const struct user *)a)->name, ((const struct user *)b)->name);
}

static bool users_sort(struct users *users, const char *where, struct fault *fault)
{
    if (users->count > 1)
        qsort(users->list, users->count, sizeof *users->list, user_compare);
    for (size_t i = 1; i < users->count; i++) {
        if (user_compare(&users->list[i - 1], &users->list[i]) == 0)
            return fault_set(fault, "F0000", "%.*s: user \"%s\" has more than one line, only one is expected",
                             PLACE_BYTES, where, users->list[i].name);
    }
    return true;
}

struct users *users_parse(const char *text, size_t length, const char *where, struct fault *fault)
{
    struct cursor cursor = { text, text + length, where, 1, fault };
    struct users *users = calloc(1, sizeof *users);

    if (users != NULL)
        users->arena = arena_new();
    if (users == NULL || users->arena == NULL)
        fault_set(fault, "53200", "out of memory while reading the users file");
    else if (lines_read(users, &cursor) && users_sort(users, where, fault))
        return users;
    users_free(users);
    return NULL;
}

void users_free(struct users *users)
{
    if (users == NULL)
        return;
    for (size_t i = 0; i < users->count; i++)
        secret_release(users->list[i].secret);
    arena_free(users->arena);
    free(users->list);
    free(users);
}

size_t users_count(const struct users *users)
{
    return users->count;
}

struct user *users_find(const struct users *users, const char *name)
{
    size_t low = 0, high = users->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, users->list[middle].name);

        if (order == 0)
            return &users->list[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

struct users *users_load(const char *path, char *warning, size_t warning_room, struct fault *fault)
{
    struct secret_file file = { .what = "users file" };
    struct users *users;

    if (!secret_file_read(&file, path, warning, warning_room, fault))
        return NULL;
    users = users_parse(file.text, file.size, path, fault);
    secret_file_wipe(&file);
    return users;
}
