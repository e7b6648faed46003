/* SPDX-License-Identifier: PostgreSQL
 * successor - SIGUSR2: this process starts its own successor. */
#include "gateway/takeover/successor.h"

#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"

extern char **environ;

static char path[PATH_MAX]; /* [main] what follows, too */
static char **arguments;    /* `serve`, the given ones, --takeover */
static pid_t running;

void successor_prepare(int argc, char **argv)
{
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    int count = 0;

    path[length > 0 ? length : 0] = '\0';
    arguments = calloc((size_t)argc + 3, sizeof *arguments);
    CHECK(arguments != NULL);
    arguments[count++] = path;
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--takeover") != 0)
            arguments[count++] = argv[i];
    arguments[count] = (char *)(uintptr_t)"--takeover";
}

bool successor_start(struct fault *fault)
{
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int error;

    successor_look();
    if (running > 0)
        return fault_set(fault, "55000", "the process %d is starting already", (int)running);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    error = posix_spawn(&running, path, NULL, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        running = 0;
        return fault_set(fault, "58030", "%s could not be started: %s", path, strerror(error));
    }
    log_info("main", "takeover: the process %d was started to take over", (int)running);
    return true;
}

void successor_look(void)
{
    int status;

    if (running <= 0 || waitpid(running, &status, WNOHANG) != running)
        return;
    log_warn("main", "takeover: the process %d that was started to take over has ended with %d", (int)running,
             WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    running = 0;
}
