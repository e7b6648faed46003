/* SPDX-License-Identifier: PostgreSQL
 * passfile - passwords in the format of libpq's .pgpass. */
#include "gateway/auth/passfile.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/auth/secret.h"
#include "gateway/auth/secret_file.h"
#include "gateway/base/arena.h"
#include "gateway/base/fault.h"

enum { PLACE_BYTES = 200, PORT_MAX = 65535 };

/* One line. */
struct entry {
    const char *host, *database, *user; /* NULL = any */
    int port;                           /* 0 = any */
    const char *password;
};

struct passfile {
    struct arena *arena; /* the texts; wiped when freed */
    struct entry *list;  /* in the file's order */
    size_t count, room;
};

/* One line being read, and where it is. */
struct cursor {
    const char *at, *end;
    const char *where;
    int line;
    struct arena *arena;
    struct fault *fault;
};

static bool refuse(const struct cursor *c, const char *why)
{
    return fault_set(c->fault, "F0000", "%.*s line %d: %s", PLACE_BYTES, c->where, c->line, why);
}

/* Where the field that begins here ends: at the next colon that no backslash precedes, or the line's end. */
static const char *field_end(const struct cursor *c)
{
    const char *at = c->at;

    while (at < c->end && *at != ':')
        at += *at == '\\' && c->end - at > 1 ? 2 : 1;
    return at;
}

/* The field without its backslashes, in the arena; a backslash that ends the line stands for itself. */
static char *field_copy(struct cursor *c, const char *end)
{
    char *copy = arena_alloc(c->arena, (size_t)(end - c->at) + 1), *to = copy;

    for (; c->at < end; c->at++) {
        if (*c->at == '\\' && end - c->at > 1)
            c->at++;
        *to++ = *c->at;
    }
    return copy;
}

/* One of the first four fields; *out is NULL for `*`. */
static bool field_read(struct cursor *c, const char **out)
{
    const char *end = field_end(c);
    bool any = end - c->at == 1 && *c->at == '*';

    if (end == c->end)
        return refuse(c, "HOST:PORT:DATABASE:USER:PASSWORD was expected, it has fewer fields");
    *out = any ? NULL : field_copy(c, end);
    c->at = end + 1;
    return true;
}

static bool port_read(struct cursor *c, int *port)
{
    const char *text;

    *port = 0;
    if (!field_read(c, &text))
        return false;
    if (text == NULL)
        return true;
    for (const char *at = text; *at >= '0' && *at <= '9' && *port <= PORT_MAX; at++)
        *port = *port * 10 + (*at - '0');
    if (*port < 1 || *port > PORT_MAX || *text == '0' || strspn(text, "0123456789") != strlen(text))
        return refuse(c, "the port must be * or a number from 1 to 65535");
    return true;
}

static bool password_read(struct cursor *c, const char **password)
{
    const char *end = field_end(c);

    if (end < c->end)
        return refuse(c, "nothing may follow the password; a colon in it is written \\:");
    *password = field_copy(c, end);
    if (strlen(*password) <= SECRET_MAX_BYTES)
        return true;
    return fault_set(c->fault, "F0000", "%.*s line %d: the password is longer than %d bytes", PLACE_BYTES,
                     c->where, c->line, SECRET_MAX_BYTES);
}

static bool entry_add(struct passfile *file, const struct entry *entry)
{
    if (file->count == file->room) {
        size_t room = file->room == 0 ? 16 : file->room * 2;
        struct entry *list = realloc(file->list, room * sizeof *list);

        if (list == NULL)
            return false;
        file->list = list;
        file->room = room;
    }
    file->list[file->count++] = *entry;
    return true;
}

static bool line_read(struct passfile *file, struct cursor *c)
{
    struct entry entry = { .port = 0 };

    if (c->end > c->at && c->end[-1] == '\r')
        c->end--;
    if (c->at == c->end || *c->at == '#')
        return true;
    if (memchr(c->at, '\0', (size_t)(c->end - c->at)) != NULL)
        return refuse(c, "it has a zero byte");
    if (!field_read(c, &entry.host) || !port_read(c, &entry.port) || !field_read(c, &entry.database)
        || !field_read(c, &entry.user) || !password_read(c, &entry.password))
        return false;
    return entry_add(file, &entry)
           || fault_set(c->fault, "53200", "out of memory while reading the passfile");
}

static bool lines_read(struct passfile *file, const char *text, size_t length, struct cursor *c)
{
    const char *end = text + length;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));

        c->at = text;
        c->end = newline == NULL ? end : newline;
        if (!line_read(file, c))
            return false;
        text = newline == NULL ? end : newline + 1;
        c->line++;
    }
    return true;
}

struct passfile *passfile_parse(const char *text, size_t length, const char *where, struct fault *fault)
{
    struct passfile *file = calloc(1, sizeof *file);
    struct cursor cursor = { .where = where, .line = 1, .fault = fault };

    if (file != NULL)
        file->arena = cursor.arena = arena_new();
    if (file == NULL || file->arena == NULL)
        fault_set(fault, "53200", "out of memory while reading the passfile");
    else if (lines_read(file, text, length, &cursor))
        return file;
    passfile_free(file);
    return NULL;
}

struct passfile *passfile_load(const char *path, char *warning, size_t warning_room, struct fault *fault)
{
    struct secret_file file = { .what = "passfile" };
    struct passfile *passfile;

    if (!secret_file_read(&file, path, warning, warning_room, fault))
        return NULL;
    passfile = passfile_parse(file.text, file.size, path, fault);
    secret_file_wipe(&file);
    return passfile;
}

void passfile_free(struct passfile *file)
{
    if (file == NULL)
        return;
    arena_free(file->arena);
    free(file->list);
    free(file);
}

/* Where PostgreSQL's own and the packagers' builds put the socket. */
static bool directory_is_usual(const char *host)
{
    return strcmp(host, "/tmp") == 0 || strcmp(host, "/var/run/postgresql") == 0
           || strcmp(host, "/run/postgresql") == 0;
}

static bool host_fits(const char *pattern, const char *host)
{
    if (pattern == NULL)
        return true;
    if (host == NULL || *host == '\0')
        host = "localhost";
    return strcmp(pattern, host) == 0 || (directory_is_usual(host) && strcmp(pattern, "localhost") == 0);
}

static bool name_fits(const char *pattern, const char *name)
{
    return pattern == NULL || strcmp(pattern, name) == 0;
}

const char *passfile_find(const struct passfile *file, const char *host, int port, const char *database,
                          const char *user)
{
    for (size_t i = 0; i < file->count; i++) {
        const struct entry *entry = &file->list[i];

        if (host_fits(entry->host, host) && (entry->port == 0 || entry->port == port)
            && name_fits(entry->database, database) && name_fits(entry->user, user))
            return *entry->password == '\0' ? NULL : entry->password;
    }
    return NULL;
}
