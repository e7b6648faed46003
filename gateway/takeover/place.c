/* SPDX-License-Identifier: PostgreSQL
 * place - where the takeover socket of a configuration is. */
#include "gateway/takeover/place.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/snapshot.h"
#include "gateway/base/fault.h"
#include "gateway/net/socket.h"

enum { BACKLOG = 4 };

/* A directory of our own, in a place where anybody may make one. */
static bool own_directory(char *path, size_t room, struct fault *fault)
{
    struct stat found;

    snprintf(path, room, "/tmp/pgsluice-%u", (unsigned)geteuid());
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return fault_set(fault, "58030", "could not make the directory %s: %s", path, strerror(errno));
    if (lstat(path, &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == geteuid() &&
        (found.st_mode & 077) == 0)
        return true;
    fault_set(fault, "58030", "%s is no directory that only this user may use", path);
    return fault_hint(fault, "Remove it, or set takeover_socket.");
}

/* $RUNTIME_DIRECTORY may name several, the first of which is meant. */
static bool directory(char *path, size_t room, struct fault *fault)
{
    const char *runtime = getenv("RUNTIME_DIRECTORY"), *session = getenv("XDG_RUNTIME_DIR");

    if (runtime != NULL && *runtime == '/')
        snprintf(path, room, "%.*s", (int)strcspn(runtime, ":"), runtime);
    else if (session != NULL && *session == '/')
        snprintf(path, room, "%s", session);
    else
        return own_directory(path, room, fault);
    return true;
}

/* The same for both processes: FNV-1a of the configuration's path, or of --upstream. */
static uint64_t key_of(const struct snapshot *snapshot)
{
    const char *file = snapshot->file == NULL ? snapshot->upstreams[0].hosts.items[0] : snapshot->file;
    char whole[PATH_MAX];
    uint64_t key = 0xcbf29ce484222325u;
    const char *at = snapshot->file == NULL ? NULL : realpath(file, whole);

    for (at = at == NULL ? file : at; *at != '\0'; at++)
        key = (key ^ (unsigned char)*at) * 0x100000001b3u;
    return key;
}

bool place_find(const struct snapshot *snapshot, struct address *address, struct fault *fault)
{
    char where[PATH_MAX], path[PATH_MAX + 64];

    fault->message[0] = '\0';
    if (*snapshot->takeover_socket == '\0')
        return false;
    if (strcmp(snapshot->takeover_socket, "auto") != 0)
        return address_local(snapshot->takeover_socket, address, fault);
    if (!directory(where, sizeof where, fault))
        return false;
    snprintf(path, sizeof path, "%s/takeover-%016llx.sock", where,
             (unsigned long long)key_of(snapshot));
    return address_local(path, address, fault);
}

int place_listen(const struct address *address, struct fault *fault)
{
    mode_t before = umask(0177); /* no other thread runs yet */
    int fd = socket_listen(address, BACKLOG, fault);

    umask(before);
    return fd;
}
