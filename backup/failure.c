/* SPDX-License-Identifier: PostgreSQL
 * failure - the ways a command can end badly, their exit codes, and what PostgreSQL's programs mean by their
 * texts. */
#include "backup/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct row {
    int exit_code;
    const char *sqlstate, *meaning;
};

static const struct row rows[] = {
#define FAILURE(name, exit_code, sqlstate, meaning) [FAILURE_##name] = { exit_code, sqlstate, meaning },
#include "backup/failure.def"
#undef FAILURE
};

static const struct {
    const char *text, *also;
    enum failure failure;
    const char *hint;
} reasons[] = {
#define REASON(text, also, failure, hint) { text, also, FAILURE_##failure, hint },
#include "backup/reasons.def"
#undef REASON
};

enum { ROWS = sizeof rows / sizeof rows[0], REASONS = sizeof reasons / sizeof reasons[0] };

bool failure_set(struct fault *fault, enum failure failure, const char *format, ...)
{
    char message[sizeof fault->message];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return fault_set(fault, rows[failure].sqlstate, "%s", message);
}

bool failure_storage(struct fault *fault, const char *doing, const char *path)
{
    int error = errno;
    bool full = error == ENOSPC || error == EDQUOT;

    failure_set(fault, full ? FAILURE_DISK_FULL : FAILURE_STORAGE, "Cannot %s \"%s\": %s.", doing, path,
                strerror(error));
    return full ? fault_hint(fault, "Free some space, or use another repository.") : false;
}

void failure_become(struct fault *fault, enum failure failure)
{
    memcpy(fault->sqlstate, rows[failure].sqlstate, sizeof fault->sqlstate);
}

/* Classes of PostgreSQL's own SQLSTATEs that have no row of their own. */
static enum failure failure_of_class(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        enum failure failure;
    } classes[] = {
        { "08", FAILURE_CONNECT },     { "28", FAILURE_CONNECT },     { "57P", FAILURE_CONNECT },
        { "3D", FAILURE_CONNECT },     { "40001", FAILURE_CANCELED }, { "25P03", FAILURE_CANCELED },
        { "25P04", FAILURE_CANCELED },
    };

    for (unsigned i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strncmp(sqlstate, classes[i].prefix, strlen(classes[i].prefix)) == 0)
            return classes[i].failure;
    return FAILURE_OTHER;
}

enum failure failure_of(const struct fault *fault)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (strcmp(rows[i].sqlstate, fault->sqlstate) == 0)
            return (enum failure)i;
    return failure_of_class(fault->sqlstate);
}

int failure_exit_code(const struct fault *fault)
{
    return rows[failure_of(fault)].exit_code;
}

/* Joins lines with "; " and drops trailing white space, so that the sentence stays on one line. */
static void text_join_lines(char *to, size_t size, const char *text)
{
    size_t used = 0;

    for (; *text != '\0' && used + 3 < size; text++) {
        if (*text != '\n')
            to[used++] = *text == '\t' ? ' ' : *text;
        else if (text[strspn(text, "\n\t ")] != '\0') {
            to[used++] = ';';
            to[used++] = ' ';
            text += strspn(text, "\n\t ") - 1;
        }
    }
    to[used] = '\0';
}

bool failure_explain(struct fault *fault, enum failure otherwise, const char *who, const char *text)
{
    char line[sizeof fault->message];

    text_join_lines(line, sizeof line, text);
    for (unsigned i = 0; i < REASONS; i++) {
        if (strstr(text, reasons[i].text) == NULL || strstr(text, reasons[i].also) == NULL)
            continue;
        failure_set(fault, reasons[i].failure, "%s: %s", who, line);
        return fault_hint(fault, "%s", reasons[i].hint);
    }
    return failure_set(fault, otherwise, "%s: %s", who, line[0] == '\0' ? "failed and said nothing." : line);
}

void failure_print_exit_codes(void)
{
    printf("Exit codes:\n  0   done\n");
    for (unsigned i = 0; i < ROWS; i++)
        printf("  %-3d %s\n", rows[i].exit_code, rows[i].meaning);
}
