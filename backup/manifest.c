/* SPDX-License-Identifier: PostgreSQL
 * manifest - what one backup is: written last into its directory, as manifest.json; its presence makes the
 * backup. */
#include "backup/manifest.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/digest.h"
#include "backup/durable.h"
#include "backup/failure.h"
#include "backup/label.h"
#include "backup/record.h"
#include "backup/smallfile.h"
#include "backup/walstore.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

enum { FORMAT_VERSION = 1 };

const char manifest_name[] = "manifest.json";
static const char seal_key[] = "manifest_sha256";

#define FIELD(structure, kind, field) { #field, RECORD_##kind, offsetof(struct structure, field) }
#define RECORD(name, noun, structure, rows)                                                                 \
    static const struct record name = { noun, rows, sizeof rows / sizeof rows[0], sizeof(struct structure) }
#define MANIFEST(kind, field) FIELD(manifest, kind, field)
#define DATABASE(kind, field) FIELD(database_entry, kind, field)

static const struct record_field manifest_fields[] = {
    MANIFEST(TEXT, label),
    MANIFEST(TEXT, job),
    MANIFEST(TEXT, run_id),
    MANIFEST(TEXT, kind),
    MANIFEST(TEXT, format),
    MANIFEST(TEXT, runner_version),
    MANIFEST(TEXT, gateway),
    MANIFEST(TEXT, server_version),
    MANIFEST(INTEGER, server_version_number),
    MANIFEST(TEXT, system_identifier),
    MANIFEST(TEXT, bootstrap_role),
    MANIFEST(BOOL, standby),
    MANIFEST(TEXT, tool_version),
    MANIFEST(INTEGER, tool_major),
    MANIFEST(INTEGER, started),
    MANIFEST(INTEGER, finished),
    MANIFEST(INTEGER, duration_us),
    MANIFEST(BOOL, globals),
    MANIFEST(BOOL, role_passwords),
    MANIFEST(INTEGER, stored_bytes),
    MANIFEST(OPTIONAL, compression),
    MANIFEST(OPTIONAL, encryption),
    MANIFEST(OPTIONAL, key_id),
    MANIFEST(OPTIONAL, wrapped_key),
    MANIFEST(OPTIONAL, wal_start),
    MANIFEST(TEXT, verify_wanted),
};
static const struct record_field database_fields[] = {
    DATABASE(TEXT, name),          DATABASE(TEXT, path),
    DATABASE(TEXT, encoding),      DATABASE(TEXT, owner),
    DATABASE(TEXT, snapshot),      DATABASE(TEXT, lsn),
    DATABASE(INTEGER, size_bytes), DATABASE(INTEGER, stored_bytes),
    DATABASE(INTEGER, dump_us),    DATABASE(OPTIONAL, left_out),
    DATABASE(OPTIONAL, extensions),
};
static const struct record_field file_fields[] = {
    FIELD(file_entry, TEXT, path),
    FIELD(file_entry, INTEGER, bytes),
    FIELD(file_entry, TEXT, sha256),
};
static const struct record_field warning_fields[] = { FIELD(warning_entry, TEXT, text) };
RECORD(manifest_record, "manifest", manifest, manifest_fields);
RECORD(database_record, "database", database_entry, database_fields);
RECORD(file_record, "file", file_entry, file_fields);
RECORD(warning_record, "warning", warning_entry, warning_fields);

static json_t *databases_encode(const struct manifest *manifest)
{
    json_t *array = records_encode(&database_record, manifest->databases, manifest->database_count);

    for (size_t i = 0; array != NULL && i < manifest->database_count; i++) {
        if (record_put(json_array_get(array, i), "fingerprint",
                       fingerprint_encode(&manifest->databases[i].fingerprint)))
            continue;
        json_decref(array);
        return NULL;
    }
    return array;
}

static json_t *manifest_encode(const struct manifest *manifest)
{
    json_t *object = record_encode(&manifest_record, manifest);

    if (object != NULL && record_put(object, "pgsluice_manifest", json_integer(FORMAT_VERSION)) &&
        record_put(object, "databases", databases_encode(manifest)) &&
        record_put(object, "files", records_encode(&file_record, manifest->files, manifest->file_count)) &&
        record_put(object, "warnings",
                   records_encode(&warning_record, manifest->warnings, manifest->warning_count)))
        return object;
    json_decref(object);
    return NULL;
}

/* SHA-256 of the object's one canonical form: sorted keys, no white space, without the seal itself. */
static void object_seal(json_t *object, struct digest *digest)
{
    char *text;

    json_object_del(object, seal_key);
    text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    CHECK(text != NULL);
    digest_bytes(text, strlen(text), digest);
    free(text);
}

char *manifest_to_text(const struct manifest *manifest, struct fault *fault)
{
    json_t *object = manifest_encode(manifest);
    struct digest digest;
    char *text;

    if (object == NULL) {
        failure_set(fault, FAILURE_DUMP,
                    "A name in the database is not valid UTF-8, so the manifest cannot hold it.");
        return NULL;
    }
    object_seal(object, &digest);
    CHECK(record_put(object, seal_key, json_string(digest.sha256)));
    text = json_dumps(object, JSON_INDENT(1));
    json_decref(object);
    CHECK(text != NULL);
    return text;
}

static bool seal_check(json_t *object, struct fault *fault)
{
    const char *written = json_string_value(json_object_get(object, seal_key));
    char kept[DIGEST_TEXT] = "";
    struct digest digest;

    if (json_integer_value(json_object_get(object, "pgsluice_manifest")) != FORMAT_VERSION)
        return failure_set(fault, FAILURE_VERIFY, "%s is not a manifest of format %d.", manifest_name,
                           FORMAT_VERSION);
    if (written != NULL && strlen(written) == DIGEST_TEXT - 1)
        memcpy(kept, written, DIGEST_TEXT);
    object_seal(object, &digest);
    return strcmp(kept, digest.sha256) == 0 ||
           failure_set(fault, FAILURE_VERIFY,
                       "%s was changed after it was written: its own SHA-256 does not fit.", manifest_name);
}

/* A path of the manifest is opened below the backup's directory, so it must stay there. */
static bool path_is_inside(const char *path)
{
    if (path[0] == '/' || path[0] == '\0')
        return false;
    for (const char *at = path; at != NULL; at = strchr(at, '/')) {
        at += *at == '/';
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
            return false;
    }
    return true;
}

static bool paths_check(const struct manifest *manifest, struct fault *fault)
{
    const char *bad = NULL;

    for (size_t i = 0; i < manifest->file_count; i++)
        if (!path_is_inside(manifest->files[i].path))
            bad = manifest->files[i].path;
    for (size_t i = 0; i < manifest->database_count; i++)
        if (!path_is_inside(manifest->databases[i].path))
            bad = manifest->databases[i].path;
    if (manifest->wal_start != NULL && !walstore_is_name(manifest->wal_start, strlen(manifest->wal_start)))
        bad = manifest->wal_start;
    if (!label_is_valid(manifest->label) || !label_is_name(manifest->job, JOB_NAME_MAX))
        bad = manifest->label;
    return bad == NULL || failure_set(fault, FAILURE_VERIFY, "%s names \"%s\", which points elsewhere.",
                                      manifest_name, bad);
}

static bool manifest_decode(const json_t *object, struct manifest *manifest, struct arena *arena,
                            struct fault *fault)
{
    const json_t *databases = json_object_get(object, "databases");

    memset(manifest, 0, sizeof *manifest);
    if (!record_decode(&manifest_record, object, manifest, arena, fault))
        return false;
    manifest->files =
        records_decode(&file_record, json_object_get(object, "files"), &manifest->file_count, arena, fault);
    manifest->warnings = records_decode(&warning_record, json_object_get(object, "warnings"),
                                        &manifest->warning_count, arena, fault);
    manifest->databases =
        records_decode(&database_record, databases, &manifest->database_count, arena, fault);
    if (manifest->files == NULL || manifest->warnings == NULL || manifest->databases == NULL)
        return false;
    for (size_t i = 0; i < manifest->database_count; i++)
        if (!fingerprint_decode(json_object_get(json_array_get(databases, i), "fingerprint"),
                                &manifest->databases[i].fingerprint, arena, fault))
            return false;
    return paths_check(manifest, fault);
}

bool manifest_from_text(const char *text, size_t length, struct manifest *manifest, struct arena *arena,
                        struct fault *fault)
{
    json_error_t error;
    json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    bool ok;

    if (object == NULL)
        return failure_set(fault, FAILURE_VERIFY, "%s is not valid JSON: line %d, %s.", manifest_name,
                           error.line, error.text);
    ok = seal_check(object, fault) && manifest_decode(object, manifest, arena, fault);
    json_decref(object);
    return ok;
}

bool manifest_write(int dir_fd, const struct manifest *manifest, struct fault *fault)
{
    char *text = manifest_to_text(manifest, fault);
    bool ok = text != NULL && durable_write(dir_fd, manifest_name, text, strlen(text), fault);

    free(text);
    return ok;
}

bool manifest_read(int dir_fd, struct manifest *manifest, struct arena *arena, struct fault *fault)
{
    size_t length;
    char *text = smallfile_read(dir_fd, manifest_name, &length, fault);
    bool ok = text != NULL && manifest_from_text(text, length, manifest, arena, fault);

    free(text);
    return ok;
}

bool manifest_is_physical(const struct manifest *manifest)
{
    return strcmp(manifest->kind, "physical") == 0;
}

void manifest_add_file(struct manifest *manifest, struct arena *arena, const char *path,
                       const struct digest *digest)
{
    if (manifest->file_count == manifest->file_room) {
        struct file_entry *grown;

        manifest->file_room = manifest->file_room * 2 + 64;
        grown = arena_alloc(arena, manifest->file_room * sizeof *grown);
        if (manifest->file_count > 0)
            memcpy(grown, manifest->files, manifest->file_count * sizeof *grown);
        manifest->files = grown;
    }
    manifest->files[manifest->file_count++] = (struct file_entry){
        arena_string(arena, path), (int64_t)digest->bytes, arena_string(arena, digest->sha256)
    };
    manifest->stored_bytes += (int64_t)digest->bytes;
}

void manifest_warn(struct manifest *manifest, struct arena *arena, const char *text)
{
    struct warning_entry *grown = arena_alloc(arena, (manifest->warning_count + 1) * sizeof *grown);

    if (manifest->warning_count > 0)
        memcpy(grown, manifest->warnings, manifest->warning_count * sizeof *grown);
    grown[manifest->warning_count++].text = arena_string(arena, text);
    manifest->warnings = grown;
}
