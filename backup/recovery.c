/* SPDX-License-Identifier: PostgreSQL
 * recovery - how far a restored cluster is taken by the WAL that was received: to a time, an LSN, a named
 * restore point, a transaction, or to its end. */
#include "backup/recovery.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup/failure.h"

static const struct {
    const char *word;    /* before the = */
    const char *allowed; /* characters of the value; NULL = any that can be printed */
    const char *setting;
} kinds[] = {
    [RECOVERY_TIME] = { "time", NULL, "recovery_target_time" },
    [RECOVERY_LSN] = { "lsn", "0123456789abcdefABCDEF/", "recovery_target_lsn" },
    [RECOVERY_NAME] = { "name", NULL, "recovery_target_name" },
    [RECOVERY_XID] = { "xid", "0123456789", "recovery_target_xid" },
};

enum { KINDS = sizeof kinds / sizeof kinds[0], VALUE_MAX = 120 };

static bool value_fits(const char *value, const char *allowed)
{
    size_t length = strlen(value);

    if (length == 0 || length > VALUE_MAX)
        return false;
    for (const char *at = value; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == '\\' || *at == 127)
            return false;
    return allowed == NULL || strspn(value, allowed) == length;
}

bool recovery_parse(const char *text, struct recovery *recovery, struct fault *fault)
{
    *recovery = (struct recovery){ RECOVERY_NONE, NULL };
    if (text == NULL)
        return true;
    if (strcmp(text, "end") == 0) {
        recovery->kind = RECOVERY_END;
        return true;
    }
    for (int i = RECOVERY_TIME; i < KINDS; i++) {
        size_t length = strlen(kinds[i].word);

        if (strncmp(text, kinds[i].word, length) == 0 && text[length] == '=' &&
            value_fits(text + length + 1, kinds[i].allowed)) {
            *recovery = (struct recovery){ (enum recovery_kind)i, text + length + 1 };
            return true;
        }
    }
    return failure_set(fault, FAILURE_USAGE,
                       "Expected --target end, time=TIMESTAMP, lsn=LSN, name=RESTORE_POINT or "
                       "xid=TRANSACTION, found \"%s\".",
                       text);
}

/* The value as a string of postgresql.conf. */
static void setting_append(char *text, size_t room, const struct recovery *recovery)
{
    size_t used = strlen(text);

    used += (size_t)snprintf(text + used, room - used, "%s = '", kinds[recovery->kind].setting);
    for (const char *at = recovery->value; *at != '\0'; at++)
        used += (size_t)snprintf(text + used, room - used, *at == '\'' ? "''" : "%c", *at);
    snprintf(text + used, room - used, "'\n");
}

static bool file_append(int data_fd, const char *name, const char *text, uid_t uid, gid_t gid)
{
    int fd = openat(data_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
              (uid == 0 || fchown(fd, uid, gid) == 0) && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

/* A restore_command that never has anything makes PostgreSQL look into pg_wal. */
bool recovery_write(const struct recovery *recovery, int data_fd, uid_t uid, gid_t gid, struct fault *fault)
{
    char text[4 * VALUE_MAX + 400] = "\n# by pgsluice-backup restore --target\n"
                                     "restore_command = '/bin/false'\n"
                                     "recovery_target_timeline = 'latest'\n"
                                     "recovery_target_action = 'promote'\n";

    if (recovery->kind != RECOVERY_END)
        setting_append(text, sizeof text, recovery);
    return (file_append(data_fd, "postgresql.auto.conf", text, uid, gid) &&
            file_append(data_fd, "recovery.signal", "", uid, gid)) ||
           failure_storage(fault, "write", "postgresql.auto.conf and recovery.signal");
}
