/* SPDX-License-Identifier: PostgreSQL
 * restore - one database of a backup into a server of the operator's choice, after its files were checked.
 */
#include "backup/restore.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup/content.h"
#include "backup/failure.h"
#include "backup/filter.h"
#include "backup/gateway_session.h"
#include "backup/keyring.h"
#include "backup/manifest.h"
#include "backup/pipeline.h"
#include "backup/relocate.h"
#include "backup/repository.h"
#include "backup/service.h"
#include "backup/text.h"
#include "backup/tools.h"
#include "backup/verify.h"
#include "backup/work.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

static const char application[] = "pgsluice-backup/restore";

struct restore {
    const struct runner_options *options;
    const struct restore_request *request;
    struct arena *arena;
    struct work work;
    struct manifest manifest;
    const struct database_entry *entry;
    const char *path; /* of the backup */
    int dir_fd;       /* the same */
    const struct repository_options *place_repository;
    struct pipeline pipeline;
    struct session_target target;
    struct session session;
    struct service service;
    struct tool tool;
};

static bool entry_choose(struct restore *restore, struct fault *fault)
{
    const struct manifest *manifest = &restore->manifest;
    const char *wanted = restore->request->database;
    char names[256] = "";

    for (size_t i = 0; i < manifest->database_count; i++) {
        size_t used = strlen(names);

        if (wanted == NULL ? manifest->database_count == 1
                           : strcmp(manifest->databases[i].name, wanted) == 0)
            restore->entry = &manifest->databases[i];
        snprintf(names + used, sizeof names - used, "%s%s", i == 0 ? "" : ", ", manifest->databases[i].name);
    }
    if (restore->entry != NULL)
        return true;
    if (wanted == NULL)
        return failure_set(fault, FAILURE_USAGE,
                           "The backup holds several databases (%s); name one with --database.", names);
    return failure_set(fault, FAILURE_NOT_FOUND, "The backup holds no database \"%s\", only: %s.", wanted,
                       names);
}

static bool target_fits(const struct restore *restore, struct fault *fault)
{
    const struct restore_request *request = restore->request;

    if (!manifest_is_physical(&restore->manifest))
        return (request->to != NULL && request->directory == NULL && request->target == NULL) ||
               failure_set(fault, FAILURE_USAGE,
                           "Expected --to with the connection string of the target server, and no "
                           "--directory or --target, because the backup is a logical one.");
    if (request->target != NULL && restore->manifest.wal_start == NULL)
        return failure_set(fault, FAILURE_RESTORE,
                           "The backup does not tell where its WAL begins, so --target cannot be used.");
    return (request->to == NULL && request->directory != NULL) ||
           failure_set(fault, FAILURE_USAGE,
                       "Expected --directory with a new data directory, and no --to, because the backup is a "
                       "physical one of the whole cluster.");
}

static bool backup_check(struct restore *restore, struct fault *fault)
{
    const struct restore_request *request = restore->request;
    struct key_search search = { restore->options, request->key_file, NULL };
    struct backup_place place;
    bool ok;

    if (!repository_find(restore->options, request->repository, request->label, &place, restore->arena,
                         fault))
        return false;
    restore->path = place_path(&place, restore->arena);
    ok = manifest_read(place.dir_fd, &restore->manifest, restore->arena, fault) &&
         target_fits(restore, fault) &&
         (manifest_is_physical(&restore->manifest) || entry_choose(restore, fault));
    if (ok) {
        progress_phase(&restore->work.progress, 0, "re-reading every file of %s", request->label);
        ok = verify_files(place.dir_fd, &restore->manifest, &restore->work.pulse, NULL, fault);
    }
    if (ok)
        progress_done(&restore->work.progress, (uint64_t)restore->manifest.stored_bytes);
    restore->dir_fd = place.dir_fd;
    restore->place_repository = place.repository;
    close(place.job_fd);
    return ok && pipeline_of_manifest(&restore->pipeline, &restore->manifest, &search, fault);
}

static bool target_is_free(struct restore *restore, struct fault *fault)
{
    static const char objects[] =
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM "
        "pg_depend d"
        " WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";
    const char *name = restore->entry->name, *count;

    if (restore->request->create) {
        const char *sql = arena_format(restore->arena, "SELECT count(*) FROM pg_database WHERE datname = %s",
                                       session_literal(&restore->session, name, restore->arena));

        count = session_value(&restore->session, sql, restore->arena, fault);
        if (count == NULL || strcmp(count, "0") == 0)
            return count != NULL;
        failure_set(fault, FAILURE_RESTORE,
                    "The target has a database \"%s\" already, so --create cannot make it.", name);
        return fault_hint(fault, "Drop it first, or leave out --create and name an empty database in --to.");
    }
    count = session_value(&restore->session, objects, restore->arena, fault);
    if (count == NULL || strcmp(count, "0") == 0 || restore->request->force)
        return count != NULL;
    failure_set(fault, FAILURE_RESTORE,
                "The target database \"%s\" is not empty: it holds %s tables, indexes and "
                "other relations.",
                PQdb(restore->session.conn), count);
    return fault_hint(fault, "Restore into a new database (--create), or add what is missing with --force.");
}

static bool target_open(struct restore *restore, struct fault *fault)
{
    const struct restore_request *request = restore->request;
    struct server_facts facts;
    int major = (int)restore->manifest.tool_major;

    restore->target = (struct session_target){ .conninfo = request->to,
                                               .application = application,
                                               .pulse = &restore->work.pulse };
    if (!request->create && !session_names_database(request->to))
        restore->target.database = restore->entry->name;
    return tools_find(restore->options->bin_directory, "pg_restore", major, restore->arena, &restore->tool,
                      fault) &&
           gateway_session_open(&restore->session, &restore->target, &facts, restore->arena, fault) &&
           target_is_free(restore, fault) &&
           service_open(&restore->service, restore->session.conn, application, fault);
}

/* pg_restore in parallel reads here and there in the archive, so it needs it as a file: one without a name,
 * in the directory for scratch servers. Its descriptor; -1 with the fault set on error. */
static int archive_unpack(struct restore *restore, struct fault *fault)
{
    const char *directory = restore->options->scratch_directory;
    struct stored stored = { .dir_fd = restore->dir_fd, .path = restore->entry->path };
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), copy;
    struct filter *chain;

    if (fd < 0) {
        failure_storage(fault, "make a temporary file in scratch_directory", directory);
        return -1;
    }
    progress_phase(&restore->work.progress, 0, "unpacking %s", restore->entry->name);
    chain = pipeline_reader(&restore->pipeline, &stored, &restore->work.pump.pulse, fault);
    copy = chain == NULL ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0) {
        pump_start(&restore->work.pump, chain, copy, directory);
        if (pump_finish(&restore->work.pump, &restore->work.pulse, fault) && lseek(fd, 0, SEEK_SET) == 0) {
            progress_done(&restore->work.progress, 0);
            return fd;
        }
    } else
        filter_free(chain);
    close(fd);
    return -1;
}

/* The archive is a file that pg_restore opens, or a stream on its standard input. */
static bool program_feed(struct restore *restore, const struct command *command, bool stream,
                         struct fault *fault)
{
    struct stored stored = { .dir_fd = restore->dir_fd, .path = restore->entry->path };

    progress_phase(&restore->work.progress, 0, "restoring %s", restore->entry->name);
    if (!stream)
        return work_run(&restore->work, command, FAILURE_RESTORE, fault);
    return pipeline_fetch(&restore->pipeline, &restore->work, command, FAILURE_RESTORE, &stored, fault) &&
           work_finish(&restore->work, fault);
}

static bool program_run(struct restore *restore, struct command *command, bool stream, struct fault *fault)
{
    if (program_feed(restore, command, stream, fault)) {
        progress_done(&restore->work.progress, 0);
        return true;
    }
    if (strstr(fault->message, "role \"") != NULL && strstr(fault->message, "does not exist") != NULL)
        fault_hint(fault, "Restore the roles first, as RESTORE.md in %.120s tells; or use --no-owner.",
                   restore->path);
    return false;
}

/* With one job everything is one transaction, so that a failure leaves the target as it was. */
static bool archive_restore(struct restore *restore, struct fault *fault)
{
    const struct restore_request *request = restore->request;
    struct arena *arena = restore->arena;
    const char *argv[14] = { restore->tool.path, "--no-password", "--exit-on-error" };
    struct command command = {
        .path = restore->tool.path, .argv = argv, .env = restore->service.env, .keep_fd = restore->service.fd
    };
    bool plain = pipeline_is_plain(&restore->pipeline), stream = !plain && request->jobs == 1, ok;
    size_t used = 3;

    argv[used++] = arena_format(arena, "--dbname=%s", session_conninfo(PQdb(restore->session.conn), arena));
    if (request->create)
        argv[used++] = "--create";
    if (request->jobs > 1)
        argv[used++] = arena_format(arena, "--jobs=%d", request->jobs);
    else if (!request->create)
        argv[used++] = "--single-transaction";
    if (request->schema != NULL)
        argv[used++] = arena_format(arena, "--schema=%s", request->schema);
    if (request->table != NULL)
        argv[used++] = arena_format(arena, "--table=%s", request->table);
    if (request->no_owner) {
        argv[used++] = "--no-owner";
        argv[used++] = "--no-acl";
    }
    if (plain)
        argv[used] = arena_format(arena, "%s/%s", restore->path, restore->entry->path);
    else if (!stream) {
        command.input_fd = archive_unpack(restore, fault);
        if (command.input_fd < 0)
            return false;
        argv[used] = "/dev/stdin";
    }
    ok = program_run(restore, &command, stream, fault);
    if (command.input_fd > 0)
        close(command.input_fd);
    return ok;
}

static bool target_compare(struct restore *restore, struct fault *fault)
{
    struct session_target target = restore->target;
    const struct database_entry *entry = restore->entry;
    struct fingerprint found;
    struct session session;
    size_t differences = 0;
    bool ok;

    if (restore->request->create)
        target.database = entry->name;
    if (!session_open(&session, &target, fault))
        return false;
    progress_phase(&restore->work.progress, 0, "comparing %s with its fingerprint", entry->name);
    ok = fingerprint_prepare(&session, 0, fault) &&
         fingerprint_list(&session, &found, restore->arena, fault) &&
         fingerprint_count(&session, &found, restore->arena, fault);
    session_close(&session);
    if (!ok)
        return false;
    differences = fingerprint_compare(&entry->fingerprint, &found, entry->name, verify_print_difference,
                                      &restore->work.progress);
    progress_done(&restore->work.progress, 0);
    return differences == 0 || failure_set(fault, FAILURE_CONTENT,
                                           "The restored database differs from the dumped one "
                                           "in %zu places.",
                                           differences);
}

static bool cluster_restore(struct restore *restore, struct fault *fault)
{
    const char *directory = restore->request->directory;
    struct subject subject = { .options = restore->options,
                               .manifest = &restore->manifest,
                               .pipeline = &restore->pipeline,
                               .path = restore->path,
                               .dir_fd = restore->dir_fd,
                               .work = &restore->work };
    struct relocation relocation = { .directory = directory,
                                     .repository = restore->place_repository,
                                     .key_file = restore->request->key_file };

    if (!recovery_parse(restore->request->target, &relocation.recovery, fault))
        return false;
    if (restore->request->dry) {
        text_print(stdout, "would restore the cluster of %s into %s%s%s\n", restore->request->label,
                   directory, restore->request->target == NULL ? "" : ", to be recovered to ",
                   restore->request->target == NULL ? "" : restore->request->target);
        return true;
    }
    if (!relocate_run(&subject, &relocation, fault))
        return false;
    text_print(stdout,
               "restored  the cluster of %s into %s, every file checked\nstart     pg_ctl -D %s start\n",
               restore->request->label, directory, directory);
    return true;
}

static bool database_restore(struct restore *restore, struct fault *fault)
{
    const struct restore_request *request = restore->request;

    if (!target_open(restore, fault))
        return false;
    if (request->dry) {
        text_print(stdout, "would restore %s%s%s%s%s of %s into %s of %s with %d session%s\n",
                   restore->entry->name, request->schema == NULL ? "" : ", schema ",
                   request->schema == NULL ? "" : request->schema, request->table == NULL ? "" : ", table ",
                   request->table == NULL ? "" : request->table, request->label,
                   request->create ? restore->entry->name : PQdb(restore->session.conn),
                   session_where(&restore->session, restore->arena), request->jobs,
                   request->jobs == 1 ? "" : "s");
        return true;
    }
    if (!archive_restore(restore, fault) ||
        (request->compare && !target_compare(restore, fault)))
        return false;
    text_print(stdout, "restored  %s of %s into %s%s\n", restore->entry->name, request->label,
               request->create ? restore->entry->name : PQdb(restore->session.conn),
               request->compare ? ", every table equal to its fingerprint" : "");
    return true;
}

bool restore_run(const struct runner_options *options, const struct restore_request *request,
                 struct fault *fault)
{
    struct restore restore = { .options = options,
                               .request = request,
                               .arena = arena_new(),
                               .dir_fd = -1,
                               .service = { .fd = -1 } };
    bool ok;

    CHECK(restore.arena != NULL);
    work_init(&restore.work, request->quiet);
    ok = backup_check(&restore, fault) &&
         (manifest_is_physical(&restore.manifest) ? cluster_restore(&restore, fault)
                                                  : database_restore(&restore, fault));
    work_abandon(&restore.work);
    service_close(&restore.service);
    session_close(&restore.session);
    if (restore.dir_fd >= 0)
        close(restore.dir_fd);
    pipeline_wipe(&restore.pipeline);
    arena_free(restore.arena);
    return ok;
}
