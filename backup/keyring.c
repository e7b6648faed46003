/* SPDX-License-Identifier: PostgreSQL
 * keyring - the master keys: 64 hexadecimal digits a line, the first line encrypts, all of them decrypt. */
#include "backup/keyring.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/child.h"
#include "backup/failure.h"
#include "backup/options.h"

static const char advice[] = "Make a key by: (umask 077; openssl rand -hex 32 > FILE)";

bool keyring_is_wanted(const struct job_options *job)
{
    return job->encrypt_key_file != NULL || job->encrypt_key_env != NULL || job->encrypt_key_command != NULL;
}

void keyring_wipe(struct keyring *ring)
{
    OPENSSL_cleanse(ring, sizeof *ring);
}

/* Cuts the text into lines. Empty ones and those that begin with # mean nothing. */
static bool keys_parse(struct keyring *ring, char *text, const char *where, struct fault *fault)
{
    char *rest = NULL;
    int number = 0;

    for (char *line = strtok_r(text, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest)) {
        size_t length;

        number++;
        line += strspn(line, " \t");
        length = strlen(line);
        while (length > 0 && strchr(" \t", line[length - 1]) != NULL)
            line[--length] = '\0';
        if (length == 0 || line[0] == '#')
            continue;
        if (ring->count == KEYRING_KEYS)
            return failure_set(fault, FAILURE_CRYPTO, "%s holds more than %d keys.", where, KEYRING_KEYS);
        if (!seal_unhex(line, ring->keys[ring->count], SEAL_KEY)) {
            failure_set(fault, FAILURE_CRYPTO,
                        "Key %d of %s is no key: expected were %d hexadecimal digits, found %zu characters.",
                        number, where, 2 * SEAL_KEY, length);
            return fault_hint(fault, "%s", advice);
        }
        ring->count++;
    }
    if (ring->count > 0)
        return true;
    failure_set(fault, FAILURE_CRYPTO, "%s holds no key.", where);
    return fault_hint(fault, "%s", advice);
}

static bool file_is_private(int fd, const char *path, struct fault *fault)
{
    struct stat stat;

    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode))
        return failure_set(fault, FAILURE_CRYPTO, "The key file \"%s\" is not a regular file.", path);
    return (stat.st_mode & 077) == 0 ||
           failure_set(fault, FAILURE_CRYPTO,
                       "The key file \"%s\" may be read by others (mode %03o); make it 0600.", path,
                       (unsigned)stat.st_mode & 0777);
}

bool keyring_read_file(struct keyring *ring, const char *path, struct fault *fault)
{
    char text[8192], where[256];
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t length = -1;
    bool ok;

    memset(ring, 0, sizeof *ring);
    if (fd >= 0 && !file_is_private(fd, path, fault)) {
        close(fd);
        return false;
    }
    if (fd >= 0)
        length = read(fd, text, sizeof text - 1);
    if (length < 0)
        failure_storage(fault, "read the key file", path);
    if (fd >= 0)
        close(fd);
    if (length < 0) {
        failure_become(fault, FAILURE_CRYPTO);
        return false;
    }
    text[length] = '\0';
    snprintf(where, sizeof where, "The key file \"%.200s\"", path);
    ok = keys_parse(ring, text, where, fault);
    OPENSSL_cleanse(text, sizeof text);
    return ok;
}

static bool variable_read(struct keyring *ring, const char *name, struct fault *fault)
{
    const char *value = getenv(name);
    char text[8192], where[256];
    bool ok;

    if (value == NULL || strlen(value) >= sizeof text)
        return failure_set(fault, FAILURE_CRYPTO, "The environment variable %s with the key is not set.",
                           name);
    strcpy(text, value);
    snprintf(where, sizeof where, "The environment variable %.200s", name);
    ok = keys_parse(ring, text, where, fault);
    OPENSSL_cleanse(text, sizeof text);
    return ok;
}

/* What it writes to standard error would be taken for a key too, so it had better be silent. */
static bool command_read(struct keyring *ring, const char *line, struct fault *fault)
{
    const char *argv[] = { "/bin/sh", "-c", line, NULL };
    struct command command = { .path = argv[0], .argv = argv, .keep_fd = -1 };
    struct child child;
    bool ok = child_start(&child, &command, fault) && child_wait(&child, NULL, fault);

    if (ok && !child_succeeded(&child)) {
        failure_set(fault, FAILURE_CRYPTO, "The command that gives the key failed: %.300s", line);
        ok = fault_hint(fault, "Run it by hand as the user that the runner runs as.");
    }
    ok = ok && keys_parse(ring, child.text, "The output of encrypt_key_command", fault);
    OPENSSL_cleanse(child.text, sizeof child.text);
    return ok;
}

bool keyring_read(struct keyring *ring, const struct job_options *job, struct fault *fault)
{
    memset(ring, 0, sizeof *ring);
    if (job->encrypt_key_file != NULL)
        return keyring_read_file(ring, job->encrypt_key_file, fault);
    if (job->encrypt_key_env != NULL)
        return variable_read(ring, job->encrypt_key_env, fault);
    return command_read(ring, job->encrypt_key_command, fault);
}

/* The wrap names its master key, so only that one is tried. */
static bool ring_unwrap(const struct keyring *ring, struct seal_key *key)
{
    char wanted[SEAL_ID_TEXT], id[SEAL_ID_TEXT];

    seal_hex(key->wrap, SEAL_ID, wanted);
    for (size_t i = 0; i < ring->count; i++) {
        seal_master_id(ring->keys[i], id);
        if (strcmp(id, wanted) == 0 && seal_key_unwrap(key, ring->keys[i]))
            return true;
    }
    return false;
}

bool key_search_unwrap(const struct key_search *search, struct seal_key *key, struct fault *fault)
{
    char wanted[SEAL_ID_TEXT];
    struct fault unread = { .message = "" };
    struct keyring ring;
    bool found = false;

    if (search->file != NULL)
        found = keyring_read_file(&ring, search->file, &unread) && ring_unwrap(&ring, key);
    for (size_t i = 0; !found && search->options != NULL && i < search->options->job_count; i++)
        if (keyring_is_wanted(&search->options->jobs[i]))
            found = keyring_read(&ring, &search->options->jobs[i], &unread) && ring_unwrap(&ring, key);
    keyring_wipe(&ring);
    if (found)
        return true;
    seal_hex(key->wrap, SEAL_ID, wanted);
    failure_set(fault, FAILURE_CRYPTO,
                "The backup is encrypted by the master key %s, which is not there.%s%s", wanted,
                unread.message[0] == '\0' ? "" : " ", unread.message);
    return fault_hint(fault, "Keep every old key as a further line of the key file, or name its file by "
                             "--key-file.");
}

bool key_search_open(void *context, const unsigned char *header, struct seal_key *key, struct fault *fault)
{
    const struct key_search *search = context;

    memcpy(key->wrap, header + SEAL_WRAP_AT, SEAL_WRAP);
    if (key_search_unwrap(search, key, fault))
        return true;
    if (search->wrap == NULL)
        return false;
    memcpy(key->wrap, search->wrap, SEAL_WRAP);
    return key_search_unwrap(search, key, fault);
}
