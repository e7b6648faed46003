/* SPDX-License-Identifier: PostgreSQL
 * users - reads the users file into a table that is sorted by name and never changes. */
#include "gateway/auth/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/arena.h"
#include "gateway/base/check.h"
#include "gateway/base/fault.h"

enum { PLACE_BYTES = 200 };

/* Whoever takes a key from ABSENT to WRITING writes the verifier; READY publishes it, for good. */
enum { KEY_ABSENT, KEY_WRITING, KEY_READY };

struct user_key {
    atomic_int state;               /* [a] */
    struct scram_verifier verifier; /* [s] once the state is KEY_READY */
};

struct users {
    struct arena *arena; /* whatever the users point to; wiped when freed */
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

static bool hash_is_md5(const char *secret)
{
    return strncmp(secret, "md5", 3) == 0 && strlen(secret) == 35
           && strspn(secret + 3, "0123456789abcdefABCDEF") == 32;
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

static bool secret_take(struct users *users, struct user *user, const char *secret, const struct cursor *c)
{
    if (hash_is_md5(secret)) {
        refuse(c, "an MD5 hash is not accepted as a secret");
        return fault_hint(c->fault, "Set the role's password again with password_encryption = scram-sha-256, "
                          "then copy its verifier from pg_authid.rolpassword.");
    }
    if (secret[0] == '\0')
        return true;
    user->key = arena_alloc(users->arena, sizeof *user->key);
    if (strncmp(secret, "SCRAM-SHA-256$", 14) != 0) {
        user->password = arena_string(users->arena, secret);
        return true;
    }
    atomic_store(&user->key->state, KEY_READY);
    return scram_verifier_parse(secret, &user->key->verifier)
           || refuse(c, "the SCRAM-SHA-256 verifier is damaged: copy the whole of pg_authid.rolpassword");
}

static bool user_take(struct users *users, const char *name, const char *secret, const struct cursor *c)
{
    struct user *user;

    if (name[0] == '\0')
        return refuse(c, "the name is empty");
    if (c->at < c->end && *c->at != '\n')
        return refuse(c, "nothing may follow the secret");
    user = user_add(users);
    if (user == NULL)
        return fault_set(c->fault, "53200", "out of memory while reading the users file");
    user->name = arena_string(users->arena, name);
    return secret_take(users, user, secret, c);
}

static bool line_read(struct users *users, struct cursor *c)
{
    char name[USERS_NAME_MAX_BYTES + 1], secret[USERS_SECRET_MAX_BYTES + 1];
    bool read = quoted_read(c, "name", name, sizeof name);

    blanks_skip(c);
    read = read && quoted_read(c, "secret", secret, sizeof secret);
    blanks_skip(c);
    read = read && user_take(users, name, secret, c);
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

static bool file_refuse(const char *path, struct fault *fault)
{
    return fault_set(fault, "58P01", "the users file \"%.*s\" cannot be read: %s", PLACE_BYTES, path,
                     strerror(errno));
}

/* Of an open regular file; the caller wipes and frees *text. */
static bool content_read(int file, const char *path, size_t size, char **text, struct fault *fault)
{
    size_t used = 0;

    *text = malloc(size + 1);
    if (*text == NULL)
        return fault_set(fault, "53200", "out of memory while reading the users file");
    while (used < size) {
        ssize_t got = read(file, *text + used, size - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_refuse(path, fault);
        if (got == 0)
            return fault_set(fault, "58P01", "the users file \"%.*s\" shrank during reading: load it again",
                             PLACE_BYTES, path);
        used += (size_t)got;
    }
    return true;
}

static bool file_judge(int file, const char *path, size_t *size, mode_t *mode, struct fault *fault)
{
    struct stat status;

    if (fstat(file, &status) != 0)
        return file_refuse(path, fault);
    if (!S_ISREG(status.st_mode))
        return fault_set(fault, "58P01", "the users file \"%.*s\" is not a regular file", PLACE_BYTES, path);
    if (status.st_size > USERS_FILE_MAX_BYTES)
        return fault_set(fault, "54000", "the users file \"%.*s\" is larger than %d bytes", PLACE_BYTES, path,
                         USERS_FILE_MAX_BYTES);
    *size = (size_t)status.st_size;
    *mode = status.st_mode;
    return true;
}

static void mode_judge(const char *path, mode_t mode, char *warning, size_t room)
{
    if ((mode & (S_IWGRP | S_IRWXO)) != 0)
        snprintf(warning, room,
                 "the users file \"%.*s\" has mode %04o: others can read or change it, set 0600 or 0640",
                 PLACE_BYTES, path, (unsigned)(mode & 07777));
}

struct users *users_load(const char *path, char *warning, size_t warning_room, struct fault *fault)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang */
    struct users *users = NULL;
    char *text = NULL;
    size_t size = 0;
    mode_t mode = 0;

    CHECK(warning_room > 0);
    warning[0] = '\0';
    if (file < 0) {
        file_refuse(path, fault);
        return NULL;
    }
    if (file_judge(file, path, &size, &mode, fault) && content_read(file, path, size, &text, fault))
        users = users_parse(text, size, path, fault);
    if (users != NULL)
        mode_judge(path, mode, warning, warning_room);
    if (text != NULL)
        explicit_bzero(text, size);
    free(text);
    close(file);
    return users;
}

bool user_verifier(const struct user *user, struct scram_verifier *out)
{
    struct user_key *key = user->key;
    int absent = KEY_ABSENT;

    if (key == NULL)
        return false;
    if (atomic_load_explicit(&key->state, memory_order_acquire) == KEY_READY) {
        *out = key->verifier;
        return true;
    }
    if (!scram_verifier_make(user->password, SCRAM_ITERATIONS_DEFAULT, out))
        return false;
    if (atomic_compare_exchange_strong(&key->state, &absent, KEY_WRITING)) {
        key->verifier = *out;
        atomic_store_explicit(&key->state, KEY_READY, memory_order_release);
    }
    return true;
}
