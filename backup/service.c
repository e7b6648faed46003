/* SPDX-License-Identifier: PostgreSQL
 * service - a session's connection parameters, handed to PostgreSQL's programs without a file and without
 * argv. */
#include "backup/service.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backup/failure.h"
#include "gateway/base/check.h"

enum { LINE_MAX_BYTES = 1000 }; /* libpq reads service files in lines of 1024 bytes */

static bool option_is_left_out(const char *keyword)
{
    static const char *const left_out[] = { "dbname",           "client_encoding",
                                            "application_name", "fallback_application_name",
                                            "service",          "replication" };

    for (unsigned i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
        if (strcmp(keyword, left_out[i]) == 0)
            return true;
    return false;
}

static bool line_write(int fd, const char *keyword, const char *value, struct fault *fault)
{
    char line[LINE_MAX_BYTES + 1];
    size_t value_length = strlen(value);
    int length;
    bool ok;

    if (strchr(value, '\n') != NULL ||
        (value_length > 0 && strchr(" \t\r", value[value_length - 1]) != NULL))
        return failure_set(fault, FAILURE_CONFIG,
                           "The connection parameter \"%s\" ends in white space or has a line "
                           "break, so it cannot be handed to PostgreSQL's programs.",
                           keyword);
    length = snprintf(line, sizeof line, "%s=%s\n", keyword, value);
    if (length >= (int)sizeof line)
        return failure_set(fault, FAILURE_CONFIG, "The connection parameter \"%s\" is longer than %d bytes.",
                           keyword, LINE_MAX_BYTES);
    ok = write(fd, line, (size_t)length) == length;
    explicit_bzero(line, sizeof line);
    return ok || failure_storage(fault, "write to", "memory");
}

static bool options_write(int fd, PGconn *conn, const char *application, struct fault *fault)
{
    PQconninfoOption *options = PQconninfo(conn);
    bool ok = line_write(fd, "application_name", application, fault);

    CHECK(options != NULL);
    for (PQconninfoOption *option = options; ok && option->keyword != NULL; option++)
        if (option->val != NULL && option->val[0] != '\0' && !option_is_left_out(option->keyword))
            ok = line_write(fd, option->keyword, option->val, fault);
    for (PQconninfoOption *option = options; option->keyword != NULL; option++)
        if (option->val != NULL)
            explicit_bzero(option->val, strlen(option->val));
    PQconninfoFree(options);
    return ok;
}

bool service_open(struct service *service, PGconn *conn, const char *application, struct fault *fault)
{
    static const char header[] = "[pgsluice]\n";

    service->fd = memfd_create("pgsluice-service", MFD_CLOEXEC);
    if (service->fd < 0)
        return failure_storage(fault, "make", "memory for connection parameters");
    if (write(service->fd, header, sizeof header - 1) != sizeof header - 1 ||
        !options_write(service->fd, conn, application, fault)) {
        service_close(service);
        return false;
    }
    snprintf(service->file, sizeof service->file, "PGSERVICEFILE=/proc/self/fd/%d", service->fd);
    service->env[0] = service->file;
    service->env[1] = "PGSERVICE=pgsluice";
    service->env[2] = NULL;
    return true;
}

void service_close(struct service *service)
{
    if (service->fd >= 0)
        close(service->fd);
    service->fd = -1;
}
