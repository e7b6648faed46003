/* SPDX-License-Identifier: PostgreSQL
 * verification - the results of verifying a backup, kept beside its manifest as verification.json. */
#include "backup/verification.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backup/durable.h"
#include "backup/failure.h"
#include "backup/options.h"
#include "backup/record.h"
#include "backup/smallfile.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

enum { RESULTS_MAX = 20 };

const char verification_name[] = "verification.json";

#define RESULT(kind, field) { #field, RECORD_##kind, offsetof(struct verification_result, field) }

static const struct record_field result_fields[] = {
    RESULT(TEXT, level),  RESULT(INTEGER, time), RESULT(INTEGER, duration_us),
    RESULT(BOOL, passed), RESULT(TEXT, text),
};
static const struct record result_record = { "verification result", result_fields,
                                             sizeof result_fields / sizeof result_fields[0],
                                             sizeof(struct verification_result) };

bool verification_read(int dir_fd, struct verification *verification, struct arena *arena,
                       struct fault *fault)
{
    struct stat stat;
    size_t length;
    char *text;
    json_t *object;

    *verification = (struct verification){ 0 };
    if (fstatat(dir_fd, verification_name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return true;
    text = smallfile_read(dir_fd, verification_name, &length, fault);
    if (text == NULL)
        return false;
    object = json_loadb(text, length, 0, NULL);
    free(text);
    if (object == NULL)
        return failure_set(fault, FAILURE_STORAGE, "%s is not valid JSON; remove it and verify again.",
                           verification_name);
    verification->results = records_decode(&result_record, json_object_get(object, "results"),
                                           &verification->count, arena, fault);
    json_decref(object);
    return verification->results != NULL;
}

bool verification_add(int dir_fd, const struct verification_result *result, struct fault *fault)
{
    struct arena *arena = arena_new();
    struct verification old;
    struct fault ignored;
    json_t *object = json_object(), *results;
    size_t skip;
    char *text;
    bool ok;

    CHECK(arena != NULL);
    if (!verification_read(dir_fd, &old, arena, &ignored))
        old = (struct verification){ 0 }; /* a damaged history must not keep a new result out */
    skip = old.count < RESULTS_MAX ? 0 : old.count - RESULTS_MAX + 1;
    results = records_encode(&result_record, old.results + (old.count == 0 ? 0 : skip), old.count - skip);
    CHECK(json_array_append_new(results, record_encode(&result_record, result)) == 0);
    CHECK(record_put(object, "results", results));
    text = json_dumps(object, JSON_INDENT(1));
    json_decref(object);
    CHECK(text != NULL);
    ok = durable_write(dir_fd, verification_name, text, strlen(text), fault);
    free(text);
    arena_free(arena);
    return ok;
}

const struct verification_result *verification_summary(const struct verification *verification)
{
    const struct verification_result *best = NULL;
    enum verify_level best_level = VERIFY_NONE, level;

    if (verification->count == 0)
        return NULL;
    if (!verification->results[verification->count - 1].passed)
        return &verification->results[verification->count - 1];
    for (size_t i = verification->count; i-- > 0;) {
        const struct verification_result *result = &verification->results[i];

        if (!level_from_name(result->level, &level) || !result->passed || level <= best_level)
            continue;
        best = result;
        best_level = level;
    }
    return best;
}
