/* SPDX-License-Identifier: PostgreSQL
 * scratch - a PostgreSQL server of the runner's own: made in a temporary directory, reached by a Unix socket
 * that only its owner may use, gone when the verification ends, however it ends. */
#include "backup/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/options.h"
#include "backup/pulse.h"
#include "backup/session.h"
#include "backup/tree.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"

enum { START_SECONDS = 60, RECOVERY_SECONDS = 86400, LEFTOVER_TRIES = 40 };

static const char prefix[] = "pgsluice-scratch-";

/* PostgreSQL refuses to run as root, so root needs somebody to run it as. */
bool scratch_identity(const struct runner_options *options, uid_t *uid, gid_t *gid, struct fault *fault)
{
    struct passwd *user;

    *uid = 0;
    *gid = 0;
    if (geteuid() != 0)
        return true;
    user = getpwnam(options->run_as);
    if (user == NULL || user->pw_uid == 0)
        return failure_set(fault, FAILURE_CONFIG,
                           "run_as names \"%s\", but expected is an existing unprivileged user, "
                           "because PostgreSQL refuses to run as root.",
                           options->run_as);
    *uid = user->pw_uid;
    *gid = user->pw_gid;
    return true;
}

/* What is left of a killed runner's PostgreSQL may still write there for a moment. */
static void leftover_remove(const struct scratch *scratch, const char *name)
{
    struct fault ignored;

    for (int tries = 0; tries < LEFTOVER_TRIES; tries++) {
        if (tree_remove(scratch->parent_fd, name, &ignored))
            return;
        poll(NULL, 0, 50);
    }
}

/* Removes the directories of runners that were killed: nobody holds their lock any more. */
static void leftovers_remove(const struct scratch *scratch, const char *parent)
{
    struct dirent **entries;
    int count = scandir(parent, &entries, NULL, NULL);

    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        uid_t owner = scratch->uid == 0 ? geteuid() : scratch->uid;
        struct stat stat;
        int fd = -1;

        if (strncmp(name, prefix, sizeof prefix - 1) == 0)
            fd = openat(scratch->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &stat) == 0 && stat.st_uid == owner && flock(fd, LOCK_EX | LOCK_NB) == 0)
            leftover_remove(scratch, name);
        if (fd >= 0)
            close(fd);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static bool directory_make(struct scratch *scratch, const char *parent, struct fault *fault)
{
    char path[SCRATCH_PATH];

    scratch->parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (scratch->parent_fd < 0)
        return failure_storage(fault, "open scratch_directory", parent);
    leftovers_remove(scratch, parent);
    if (snprintf(path, sizeof path - 16, "%s/%sXXXXXX", parent, prefix) >= (int)sizeof path - 16)
        return failure_set(fault, FAILURE_CONFIG,
                           "scratch_directory \"%s\" is too long for the path of a Unix socket.", parent);
    if (mkdtemp(path) == NULL)
        return failure_storage(fault, "make a directory in scratch_directory", parent);
    strcpy(scratch->directory, path);
    scratch->directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (scratch->directory_fd < 0 || flock(scratch->directory_fd, LOCK_EX | LOCK_NB) != 0)
        return failure_storage(fault, "lock", path);
    if (scratch->uid != 0 && fchown(scratch->directory_fd, scratch->uid, scratch->gid) != 0)
        return failure_storage(fault, "change the owner of", path);
    return true;
}

static bool cluster_init(struct scratch *scratch, const char *superuser, const struct pulse *pulse,
                         struct fault *fault)
{
    const char *argv[] = { scratch->initdb.path,
                           arena_format(scratch->arena, "--pgdata=%s/data", scratch->directory),
                           arena_format(scratch->arena, "--username=%s", superuser),
                           "--auth=trust",
                           "--no-sync",
                           "--encoding=UTF8",
                           "--locale=C",
                           NULL };
    struct command command = {
        .path = scratch->initdb.path, .argv = argv, .keep_fd = -1, .uid = scratch->uid, .gid = scratch->gid
    };
    struct child child;

    return child_run(&command, &child, pulse, FAILURE_OTHER, fault);
}

/* Durability off: the copy lives for minutes. No TCP, no workers that could reach other servers, no
 * archiving. */
static bool server_start(struct scratch *scratch, const char *more, struct fault *fault)
{
    static const char *const settings[] = {
        "fsync=off",
        "full_page_writes=off",
        "synchronous_commit=off",
        "wal_level=minimal",
        "max_wal_senders=0",
        "listen_addresses=",
        "unix_socket_permissions=0700",
        "port=5432",
        "max_connections=40",
        "maintenance_work_mem=128MB",
        "max_wal_size=4GB",
        "max_locks_per_transaction=512",
        "autovacuum=off",
        "max_logical_replication_workers=0",
        "lc_messages=C",
        "logging_collector=off",
        "jit=off",
    };
    enum { SETTINGS = sizeof settings / sizeof settings[0] };
    const char *argv[2 * SETTINGS + 10] = { scratch->postgres.path, "-D",
                                           arena_format(scratch->arena, "%s/data", scratch->directory), "-k",
                                           scratch->directory };
    struct command command = { .path = scratch->postgres.path,
                               .argv = argv,
                               .keep_fd = -1,
                               .uid = scratch->uid,
                               .gid = scratch->gid,
                               .death_signal = SIGQUIT };

    for (unsigned i = 0; i < SETTINGS; i++) {
        argv[5 + 2 * i] = "-c";
        argv[6 + 2 * i] = settings[i];
    }
    if (more != NULL) {
        argv[5 + 2 * SETTINGS] = "-c";
        argv[6 + 2 * SETTINGS] = more;
    }
    return child_start(&scratch->server, &command, fault);
}

static bool server_await(struct scratch *scratch, uint64_t seconds, const struct pulse *pulse,
                         struct fault *fault)
{
    struct session_target target = { .conninfo = scratch->conninfo,
                                     .database = "template1",
                                     .pulse = pulse };
    uint64_t deadline = clock_now_us() + seconds * 1000000u;
    struct session session;

    while (!session_open(&session, &target, fault)) {
        if (pulse_stopping())
            return false;
        if (!child_running(&scratch->server))
            return failure_explain(fault, FAILURE_OTHER, "The scratch server did not start",
                                   scratch->server.text);
        if (clock_now_us() > deadline)
            return fault_hint(fault, "The scratch server did not accept connections within %d s.",
                              (int)seconds);
        poll(NULL, 0, 50);
    }
    session_close(&session);
    return true;
}

static bool programs_find(struct scratch *scratch, const struct runner_options *options, int major,
                          struct fault *fault)
{
    if (tools_find(options->bin_directory, "initdb", major, scratch->arena, &scratch->initdb, fault) &&
        tools_find(options->bin_directory, "postgres", major, scratch->arena, &scratch->postgres, fault))
        return true;
    return fault_hint(fault, "Content verification needs the server's programs too: install postgresql-%d.",
                      major);
}

/* How programs and sessions reach the server. */
static void address_build(struct scratch *scratch, const char *superuser)
{
    scratch->env[0] = arena_format(scratch->arena, "PGHOST=%s", scratch->directory);
    scratch->env[1] = "PGPORT=5432";
    scratch->env[2] = arena_format(scratch->arena, "PGUSER=%s", superuser);
    /* What ALTER ROLE or ALTER DATABASE SET in the backup must not do to the restore. */
    scratch->env[3] =
        "PGOPTIONS=-c statement_timeout=0 -c lock_timeout=0 -c default_transaction_read_only=off "
        "-c idle_session_timeout=0 -c default_tablespace=";
    /* session_conninfo quotes the name; only the keyword differs. */
    scratch->conninfo =
        arena_format(scratch->arena, "host=%s port=5432 sslmode=disable user%s", scratch->directory,
                     session_conninfo(superuser, scratch->arena) + strlen("dbname"));
}

bool scratch_make(struct scratch *scratch, const struct runner_options *options, int major,
                  const char *superuser, struct fault *fault)
{
    memset(scratch, 0, sizeof *scratch);
    scratch->arena = arena_new();
    CHECK(scratch->arena != NULL);
    scratch->parent_fd = scratch->directory_fd = scratch->server.text_fd = -1;
    if (programs_find(scratch, options, major, fault) &&
        scratch_identity(options, &scratch->uid, &scratch->gid, fault) &&
        directory_make(scratch, options->scratch_directory, fault)) {
        address_build(scratch, superuser);
        return true;
    }
    scratch_stop(scratch);
    return false;
}

bool scratch_start(struct scratch *scratch, const struct runner_options *options, int major,
                   const char *superuser, const struct pulse *pulse, struct fault *fault)
{
    if (!scratch_make(scratch, options, major, superuser, fault))
        return false;
    if (cluster_init(scratch, superuser, pulse, fault) && server_start(scratch, NULL, fault) &&
        server_await(scratch, START_SECONDS, pulse, fault))
        return true;
    scratch_stop(scratch);
    return false;
}

static bool file_write(struct scratch *scratch, const char *name, const char *text, struct fault *fault)
{
    int fd = openat(scratch->directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
              (scratch->uid == 0 || fchown(fd, scratch->uid, scratch->gid) == 0);

    if (!ok)
        failure_storage(fault, "write", name);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* What ALTER SYSTEM left in the copy would count otherwise. */
bool scratch_boot(struct scratch *scratch, const struct pulse *pulse, struct fault *fault)
{
    const char *settings =
        arena_format(scratch->arena, "config_file=%s/postgresql.conf", scratch->directory);
    const char *text = arena_format(scratch->arena,
                                    "hba_file = '%s/pg_hba.conf'\nident_file = '%s/pg_ident.conf'\n",
                                    scratch->directory, scratch->directory);

    return file_write(scratch, "postgresql.conf", text, fault) &&
           file_write(scratch, "pg_hba.conf", "local all all trust\n", fault) &&
           file_write(scratch, "pg_ident.conf", "", fault) &&
           file_write(scratch, "data/postgresql.auto.conf", "", fault) &&
           server_start(scratch, settings, fault) && server_await(scratch, RECOVERY_SECONDS, pulse, fault);
}

void scratch_stop(struct scratch *scratch)
{
    struct fault ignored;

    child_end(&scratch->server, SIGQUIT);
    if (scratch->directory[0] != '\0')
        tree_remove(scratch->parent_fd, strrchr(scratch->directory, '/') + 1, &ignored);
    if (scratch->directory_fd >= 0)
        close(scratch->directory_fd);
    if (scratch->parent_fd >= 0)
        close(scratch->parent_fd);
    scratch->directory_fd = scratch->parent_fd = -1;
    scratch->directory[0] = '\0';
    arena_free(scratch->arena);
    scratch->arena = NULL;
}
