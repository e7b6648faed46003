/* SPDX-License-Identifier: PostgreSQL
 * child - one of PostgreSQL's programs, run in a process group of its own, its error texts kept. */
#include "backup/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/pulse.h"

enum { END_PATIENCE_MS = 10000, ENV_MAX = 32, EXEC_FAILED = 127 };

/* Only these are handed on: a stray PGHOST or PGOPTIONS must not lead a dump elsewhere. */
static const char *const inherited[] = { "PATH", "HOME", "TZ", "TMPDIR", "KRB5CCNAME", "KRB5_CONFIG" };

static void environment_build(char *to[ENV_MAX], char (*lines)[4096], const char *const *added)
{
    size_t used = 0;

    to[used++] = (char *)(size_t) "LC_ALL=C"; /* reasons.def is in English */
    for (unsigned i = 0; i < sizeof inherited / sizeof inherited[0]; i++) {
        const char *value = getenv(inherited[i]);

        if (value == NULL ||
            snprintf(lines[i], sizeof lines[i], "%s=%s", inherited[i], value) >= (int)sizeof lines[i])
            continue;
        to[used++] = lines[i];
    }
    for (; added != NULL && *added != NULL && used + 1 < ENV_MAX; added++)
        to[used++] = (char *)(size_t)*added;
    to[used] = NULL;
}

static bool identity_take(const struct command *command)
{
    if (command->uid == 0 && command->gid == 0)
        return true;
    return setgroups(0, NULL) == 0 && setgid(command->gid) == 0 && setuid(command->uid) == 0;
}

/* Between fork and exec. The death signal is set after the identity, because setuid clears it. */
static _Noreturn void program_become(const struct command *command, char *const *env, int text_fd,
                                     pid_t parent)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    dup2(command->output_fd > 0 ? command->output_fd : text_fd, STDOUT_FILENO);
    dup2(text_fd, STDERR_FILENO);
    dup2(command->input_fd > 0 ? command->input_fd : open("/dev/null", O_RDONLY), STDIN_FILENO);
    if (command->keep_fd >= 0)
        fcntl(command->keep_fd, F_SETFD, 0);
    if (!identity_take(command) || (command->uid != 0 && chdir("/") != 0))
        dprintf(STDERR_FILENO, "cannot become user %u: %s\n", (unsigned)command->uid, strerror(errno));
    else {
        prctl(PR_SET_PDEATHSIG, command->death_signal == 0 ? SIGTERM : command->death_signal);
        if (getppid() == parent)
            execve(command->path, (char *const *)(size_t)command->argv, env);
        dprintf(STDERR_FILENO, "cannot run %s: %s\n", command->path, strerror(errno));
    }
    _exit(EXEC_FAILED);
}

bool child_start(struct child *child, const struct command *command, struct fault *fault)
{
    static char lines[sizeof inherited / sizeof inherited[0]][4096];
    char *env[ENV_MAX];
    const char *slash = strrchr(command->path, '/');
    int ends[2];
    pid_t parent = getpid();

    memset(child, 0, sizeof *child);
    child->name = slash == NULL ? command->path : slash + 1;
    child->text_fd = -1;
    environment_build(env, lines, command->env);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return failure_storage(fault, "make a pipe for", command->path);
    child->pid = fork();
    if (child->pid == 0)
        program_become(command, env, ends[1], parent);
    close(ends[1]);
    if (child->pid < 0) {
        child->pid = 0;
        failure_storage(fault, "start", command->path);
        close(ends[0]);
        return false;
    }
    setpgid(child->pid, child->pid); /* in both, so that neither has to wait for the other */
    child->text_fd = ends[0];
    fcntl(child->text_fd, F_SETFL, O_NONBLOCK);
    return true;
}

/* Keeps the newest part of a long text: the reason of a failure stands at its end. */
static void text_add(struct child *child, const char *bytes, size_t length)
{
    size_t room = sizeof child->text - 1;

    if (length > room / 2) {
        bytes += length - room / 2;
        length = room / 2;
    }
    if (child->used + length > room) {
        size_t cut = child->used + length - room;

        memmove(child->text, child->text + cut, child->used - cut);
        child->used -= cut;
    }
    memcpy(child->text + child->used, bytes, length);
    child->used += length;
    child->text[child->used] = '\0';
}

static void output_drain(struct child *child)
{
    char buffer[4096];
    ssize_t count;

    while ((count = read(child->text_fd, buffer, sizeof buffer)) > 0)
        text_add(child, buffer, (size_t)count);
}

static void child_ended(struct child *child)
{
    output_drain(child);
    kill(-child->pid, SIGKILL); /* whatever of the group outlived its leader */
    close(child->text_fd);
    child->text_fd = -1;
    child->pid = 0;
}

bool child_running(struct child *child)
{
    if (child->pid == 0)
        return false;
    output_drain(child);
    if (waitpid(child->pid, &child->status, WNOHANG) == 0)
        return true;
    child_ended(child);
    return false;
}

bool child_wait(struct child *child, const struct pulse *pulse, struct fault *fault)
{
    while (child_running(child)) {
        struct pollfd poll_fd = { .fd = child->text_fd, .events = POLLIN };

        /* After the last writer closed its end the pipe is always ready: then only the short sleep is left.
         */
        if (poll(&poll_fd, 1, PULSE_MS) == 1 && (poll_fd.revents & POLLIN) == 0)
            poll(NULL, 0, 10);
        if (!pulse_beat(pulse, fault)) {
            child_end(child, 0);
            return false;
        }
    }
    return true;
}

void child_end(struct child *child, int number)
{
    if (child->pid == 0)
        return;
    kill(-child->pid, number == 0 ? SIGTERM : number);
    for (int waited = 0; child_running(child); waited += 20) {
        if (waited >= END_PATIENCE_MS)
            kill(-child->pid, SIGKILL);
        poll(NULL, 0, 20);
    }
}

bool child_succeeded(const struct child *child)
{
    return child->pid == 0 && WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0;
}

bool child_run(const struct command *command, struct child *child, const struct pulse *pulse,
               enum failure otherwise, struct fault *fault)
{
    if (!child_start(child, command, fault) || !child_wait(child, pulse, fault))
        return false;
    if (child_succeeded(child))
        return true;
    return failure_explain(fault, otherwise, child->name, child->text);
}
