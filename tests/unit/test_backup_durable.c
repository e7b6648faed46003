/* SPDX-License-Identifier: PostgreSQL
 * test_backup_durable - files appear whole or not at all, links are not followed, trees are walked and
 * removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/digest.h"
#include "backup/durable.h"
#include "backup/failure.h"
#include "backup/smallfile.h"
#include "backup/tree.h"

static char directory[64];
static int directory_fd;

static int directory_make(void **state)
{
    struct fault fault;

    (void)state;
    strcpy(directory, "/tmp/test-backup-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    directory_fd = tree_open(AT_FDCWD, directory, &fault);
    return directory_fd < 0 ? -1 : 0;
}

static int directory_drop(void **state)
{
    struct fault fault;

    (void)state;
    close(directory_fd);
    return tree_remove(AT_FDCWD, directory, &fault) ? 0 : -1;
}

static bool is_there(const char *path)
{
    struct stat stat;

    return fstatat(directory_fd, path, &stat, AT_SYMLINK_NOFOLLOW) == 0;
}

static void a_file_is_written_whole_and_replaced_whole(void **state)
{
    struct fault fault;
    size_t length;
    char *text;

    (void)state;
    assert_true(durable_write(directory_fd, "a", "one", 3, &fault));
    assert_true(durable_write(directory_fd, "a", "twofold", 7, &fault));
    text = smallfile_read(directory_fd, "a", &length, &fault);
    assert_non_null(text);
    assert_int_equal(length, 7);
    assert_string_equal(text, "twofold");
    free(text);
    assert_false(is_there(".a.new"));
}

static void a_new_file_never_goes_through_a_link(void **state)
{
    struct fault fault;
    size_t length;

    (void)state;
    assert_int_equal(symlinkat("/etc/hostname", directory_fd, "link"), 0);
    assert_null(smallfile_read(directory_fd, "link", &length, &fault));
    assert_int_equal(symlinkat("elsewhere", directory_fd, ".a.new"), 0);
    assert_true(durable_write(directory_fd, "a", "x", 1, &fault));
    assert_false(is_there("elsewhere"));
}

static void publishing_is_one_rename_that_replaces_nothing(void **state)
{
    struct fault fault;
    int fd;

    (void)state;
    assert_true(durable_directory(directory_fd, "x.partial", &fault));
    fd = tree_open(directory_fd, "x.partial", &fault);
    assert_true(fd >= 0 && durable_write(fd, "data", "1", 1, &fault));
    assert_true(durable_publish(directory_fd, "x.partial", "x", &fault));
    close(fd);
    assert_true(is_there("x/data") && !is_there("x.partial"));
    assert_true(durable_directory(directory_fd, "x.partial", &fault));
    assert_false(durable_publish(directory_fd, "x.partial", "x", &fault));
    assert_true(is_there("x/data"));
}

static void a_link_in_the_tree_is_not_published(void **state)
{
    struct fault fault;

    (void)state;
    assert_true(durable_directory(directory_fd, "y.partial", &fault));
    assert_int_equal(symlinkat("/etc/hostname", directory_fd, "y.partial/link"), 0);
    assert_false(durable_publish(directory_fd, "y.partial", "y", &fault));
    assert_false(is_there("y"));
}

static void trees_are_measured_and_removed(void **state)
{
    struct fault fault;

    (void)state;
    assert_true(durable_directory(directory_fd, "t", &fault));
    assert_true(durable_directory(directory_fd, "t/u", &fault));
    assert_true(durable_write(directory_fd, "a", "12345", 5, &fault));
    assert_true(durable_copy(directory_fd, "a", directory_fd, "t/u/b", &fault));
    assert_int_equal(symlinkat("/", directory_fd, "t/root"), 0);
    assert_int_equal(tree_bytes(directory_fd), 10);
    assert_true(tree_remove(directory_fd, "t", &fault));
    assert_false(is_there("t"));
    assert_true(tree_remove(directory_fd, "t", &fault));
}

static void digests_are_sha256(void **state)
{
    static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    struct digest digest;
    struct fault fault;

    (void)state;
    digest_bytes("", 0, &digest);
    assert_string_equal(digest.sha256, empty);
    assert_true(durable_write(directory_fd, "abc", "abc", 3, &fault));
    assert_true(digest_file(directory_fd, "abc", NULL, &digest, &fault));
    assert_string_equal(digest.sha256, abc);
    assert_int_equal(digest.bytes, 3);
    assert_int_equal(mkfifoat(directory_fd, "pipe", 0600), 0);
    assert_false(digest_file(directory_fd, "pipe", NULL, &digest, &fault));
    assert_int_equal(failure_exit_code(&fault), 31);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, directory_make, directory_drop)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_written_whole_and_replaced_whole),
        TEST(a_new_file_never_goes_through_a_link),
        TEST(publishing_is_one_rename_that_replaces_nothing),
        TEST(a_link_in_the_tree_is_not_published),
        TEST(trees_are_measured_and_removed),
        TEST(digests_are_sha256),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
