/* SPDX-License-Identifier: PostgreSQL
 * test_backup_manifest - a manifest comes back as it was written, and a changed one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/manifest.h"
#include "backup/tree.h"
#include "backup/verification.h"
#include "gateway/base/arena.h"

static struct table_print tables[] = { { "public", "t \"a\"\n", "table", 42,
                                         "123456789012345678901234567890" } };
static struct sequence_print sequences[] = { { "public", "s", 7, INT64_MAX, true, false, true } };
static struct skipped_print skipped[] = { { "public", "f", "is a foreign table" } };
static struct object_print objects[] = { { "indexes", 3 } };
static struct file_entry files[] = { { "databases/001-a.dump", 5, "abc" } };
static struct warning_entry warnings[] = { { "Something." } };
static struct database_entry databases[] = { {
    .name = "a \xc3\xa9",
    .path = "databases/001-a.dump",
    .encoding = "UTF8",
    .owner = "o",
    .snapshot = "1:1:",
    .lsn = "0/1",
    .size_bytes = 10,
    .stored_bytes = 5,
    .dump_us = 1,
    .fingerprint = { tables, 1, sequences, 1, skipped, 1, objects, 1, true, 2, "-9" },
} };

static struct manifest sample(void)
{
    return (struct manifest){ .label = "20261121T032605Z-nightly-L",
                              .job = "nightly",
                              .run_id = "00000000",
                              .kind = "logical",
                              .format = "custom",
                              .runner_version = "1",
                              .gateway = "u@h:1",
                              .server_version = "15.1",
                              .system_identifier = "1",
                              .bootstrap_role = "postgres",
                              .server_version_number = 150001,
                              .tool_version = "15.1",
                              .tool_major = 15,
                              .started = 1795231565,
                              .finished = 1795231566,
                              .globals = true,
                              .verify_wanted = "content",
                              .databases = databases,
                              .database_count = 1,
                              .files = files,
                              .file_count = 1,
                              .warnings = warnings,
                              .warning_count = 1 };
}

static bool read_back(const char *text, struct manifest *manifest, struct arena *arena, struct fault *fault)
{
    return manifest_from_text(text, strlen(text), manifest, arena, fault);
}

static void a_manifest_comes_back(void **state)
{
    struct manifest before = sample(), after;
    struct arena *arena = arena_new();
    struct fault fault;
    char *text = manifest_to_text(&before, &fault), *again;

    (void)state;
    assert_non_null(text);
    if (!read_back(text, &after, arena, &fault))
        fail_msg("%s", fault.message);
    assert_string_equal(after.databases[0].name, databases[0].name);
    assert_string_equal(after.databases[0].fingerprint.tables[0].name, tables[0].name);
    assert_true(after.databases[0].fingerprint.sequences[0].after == INT64_MAX);
    assert_true(after.globals && !after.standby);
    again = manifest_to_text(&after, &fault);
    assert_string_equal(text, again);
    free(text);
    free(again);
    arena_free(arena);
}

static void every_changed_byte_is_noticed(void **state)
{
    struct manifest before = sample(), after;
    struct fault fault;
    char *text = manifest_to_text(&before, &fault);
    size_t length = strlen(text);

    (void)state;
    for (size_t i = 0; i < length; i++) {
        struct arena *arena = arena_new();
        char kept = text[i];

        if (kept != ' ' && kept != '\n') { /* white space between values means nothing */
            text[i] = kept == 'x' ? 'y' : 'x';
            if (manifest_from_text(text, length, &after, arena, &fault))
                fail_msg("byte %zu was changed from %c and nothing noticed", i, kept);
            text[i] = kept;
        }
        arena_free(arena);
    }
    free(text);
}

static void every_cut_is_noticed(void **state)
{
    struct manifest before = sample(), after;
    struct fault fault;
    char *text = manifest_to_text(&before, &fault);

    (void)state;
    for (size_t length = 0; length < strlen(text) - 1; length++) {
        struct arena *arena = arena_new();

        assert_false(manifest_from_text(text, length, &after, arena, &fault));
        assert_int_equal(failure_exit_code(&fault), 50);
        arena_free(arena);
    }
    free(text);
}

static void paths_that_leave_the_backup_are_refused(void **state)
{
    static const char *const paths[] = { "/etc/passwd", "../x", "a/../../x", "", "a/.." };

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct file_entry wrong[] = { { paths[i], 1, "x" } };
        struct manifest before = sample(), after;
        struct arena *arena = arena_new();
        struct fault fault;
        char *text;

        before.files = wrong;
        text = manifest_to_text(&before, &fault);
        if (read_back(text, &after, arena, &fault))
            fail_msg("\"%s\" was accepted", paths[i]);
        assert_non_null(strstr(fault.message, "points elsewhere"));
        free(text);
        arena_free(arena);
    }
}

static void a_name_that_is_not_utf8_is_a_fault(void **state)
{
    struct manifest before = sample();
    struct fault fault;

    (void)state;
    before.gateway = "\xff";
    assert_null(manifest_to_text(&before, &fault));
    assert_non_null(strstr(fault.message, "UTF-8"));
}

static struct fault differences;

static void difference_keep(void *context, bool fatal, const char *sentence)
{
    (void)context;
    (void)fatal;
    fault_set(&differences, "00000", "%s", sentence);
}

static size_t compared(const struct fingerprint *found)
{
    return fingerprint_compare(&databases[0].fingerprint, found, "a", difference_keep, NULL);
}

static void fingerprints_are_compared(void **state)
{
    struct table_print table = tables[0];
    struct sequence_print sequence = sequences[0];
    struct fingerprint found = databases[0].fingerprint;

    (void)state;
    found.tables = &table;
    found.sequences = &sequence;
    assert_int_equal(compared(&found), 0);
    table.rows = 41;
    assert_int_equal(compared(&found), 1);
    assert_non_null(strstr(differences.message, "had 42 rows in the snapshot and has 41 restored"));
    table = tables[0];
    table.checksum = "1";
    assert_int_equal(compared(&found), 1);
    assert_non_null(strstr(differences.message, "other contents"));
    table.name = "other";
    assert_int_equal(compared(&found), 2); /* one missing, one too many */
    table = tables[0];
    found.large_objects = 1;
    assert_int_equal(compared(&found), 1);
    found.large_objects = 2;
    found.sequence_count = 0;
    assert_int_equal(compared(&found), 2);
}

static void verification_results_are_kept_and_summed_up(void **state)
{
    struct verification_result checked = { "checksum", 1, 1, true, "fine" };
    struct verification_result restored = { "content", 2, 1, true, "fine" };
    struct verification_result failed = { "checksum", 3, 1, false, "bad" };
    char directory[] = "/tmp/test-backup-XXXXXX";
    struct verification verification;
    struct arena *arena = arena_new();
    struct fault fault;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(directory));
    fd = tree_open(AT_FDCWD, directory, &fault);
    assert_true(verification_read(fd, &verification, arena, &fault));
    assert_null(verification_summary(&verification));
    assert_true(verification_add(fd, &restored, &fault) && verification_add(fd, &checked, &fault));
    assert_true(verification_read(fd, &verification, arena, &fault));
    assert_string_equal(verification_summary(&verification)->level, "content");
    for (int i = 0; i < 30; i++)
        assert_true(verification_add(fd, &failed, &fault));
    assert_true(verification_read(fd, &verification, arena, &fault));
    assert_int_equal(verification.count, 20);
    assert_false(verification_summary(&verification)->passed);
    close(fd);
    assert_true(tree_remove(AT_FDCWD, directory, &fault));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_comes_back),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(paths_that_leave_the_backup_are_refused),
        cmocka_unit_test(a_name_that_is_not_utf8_is_a_fault),
        cmocka_unit_test(fingerprints_are_compared),
        cmocka_unit_test(verification_results_are_kept_and_summed_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
