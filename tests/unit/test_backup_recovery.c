/* SPDX-License-Identifier: PostgreSQL
 * test_backup_recovery - targets are read strictly and written so that none becomes a setting; names of
 * WAL are told from others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/recovery.h"
#include "backup/tree.h"
#include "backup/walstore.h"

static void targets_are_of_five_kinds(void **state)
{
    static const struct {
        const char *text;
        enum recovery_kind kind;
        const char *value;
    } cases[] = {
        { NULL, RECOVERY_NONE, NULL },
        { "end", RECOVERY_END, NULL },
        { "time=2026-11-21 18:00:00+00", RECOVERY_TIME, "2026-11-21 18:00:00+00" },
        { "lsn=0/3000060", RECOVERY_LSN, "0/3000060" },
        { "name=before the change", RECOVERY_NAME, "before the change" },
        { "xid=7654", RECOVERY_XID, "7654" },
    };
    struct recovery recovery;
    struct fault fault;

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(recovery_parse(cases[i].text, &recovery, &fault));
        assert_int_equal(recovery.kind, cases[i].kind);
        if (cases[i].value != NULL)
            assert_string_equal(recovery.value, cases[i].value);
    }
}

static void what_is_no_target_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",        "End",        "time",        "time=",      "lsn=0-3", "xid=1x",
        "xid=-1",  "name=a\nb", "name=a\\nb", "name=\x7f", "where=x", "end=1",
    };
    char long_name[200] = "name=";
    struct recovery recovery;
    struct fault fault;

    (void)state;
    memset(long_name + 5, 'a', sizeof long_name - 6);
    assert_false(recovery_parse(long_name, &recovery, &fault));
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (recovery_parse(wrong[i], &recovery, &fault))
            fail_msg("\"%s\" was taken for a target", wrong[i]);
        assert_int_equal(failure_of(&fault), FAILURE_USAGE);
    }
}

static void a_quote_in_a_name_stays_in_the_name(void **state)
{
    char directory[] = "/tmp/test-backup-recovery-XXXXXX", text[1000] = "";
    struct recovery recovery;
    struct fault fault;
    int data_fd, fd;

    (void)state;
    assert_non_null(mkdtemp(directory));
    data_fd = tree_open(AT_FDCWD, directory, &fault);
    assert_true(recovery_parse("name=it's %s 'x", &recovery, &fault));
    assert_true(recovery_write(&recovery, data_fd, 0, 0, &fault));
    fd = openat(data_fd, "postgresql.auto.conf", O_RDONLY);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    assert_non_null(strstr(text, "\nrecovery_target_name = 'it''s %s ''x'\n"));
    assert_int_equal(faccessat(data_fd, "recovery.signal", F_OK, 0), 0);
    close(data_fd);
    assert_true(tree_remove(AT_FDCWD, directory, &fault));
}

static void names_of_wal_are_segments_and_histories(void **state)
{
    static const struct {
        const char *name;
        bool is;
    } cases[] = {
        { "000000010000000000000003", true },         { "0000000A00000FFF000000FE", true },
        { "00000002.history", true },                 { "000000010000000000000003.partial", false },
        { "00000001000000000000000", false },         { "000000010000000000000003.zst", false },
        { "00000001000000000000000g", false },        { "0000000a0000000000000003", false },
        { "00000002.histor", false },                 { "", false },
        { "../../../../../etc/passwd", false },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (walstore_is_name(cases[i].name, strlen(cases[i].name)) != cases[i].is)
            fail_msg("\"%s\"", cases[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_of_five_kinds),
        cmocka_unit_test(what_is_no_target_is_refused),
        cmocka_unit_test(a_quote_in_a_name_stays_in_the_name),
        cmocka_unit_test(names_of_wal_are_segments_and_histories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
