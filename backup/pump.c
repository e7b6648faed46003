/* SPDX-License-Identifier: PostgreSQL
 * pump - pulls a chain of filters into a descriptor in a thread of its own, while the runner talks to the
 * server. */
#include "backup/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/filter.h"
#include "gateway/base/check.h"

enum { LOOK_MS = 20 };

static bool stop_check(void *context, struct fault *fault)
{
    struct pump *pump = context;

    return !atomic_load(&pump->stop) || failure_set(fault, FAILURE_STOPPED, "The stream was given up.");
}

void pump_init(struct pump *pump)
{
    memset(pump, 0, sizeof *pump);
    pump->pulse = (struct pulse){ stop_check, pump };
    pump->to_fd = -1;
}

/* Sets *gone when nobody reads any more. */
static bool bytes_push(struct pump *pump, const unsigned char *bytes, size_t size, bool *gone)
{
    while (size > 0 && !*gone) {
        ssize_t count = write(pump->to_fd, bytes, size);

        if (count >= 0) {
            bytes += count;
            size -= (size_t)count;
        } else if (errno == EPIPE)
            *gone = true;
        else if (errno == EAGAIN) {
            if (!pulse_wait(&pump->pulse, pump->to_fd, POLLOUT, &pump->fault))
                return false;
        } else if (errno != EINTR)
            return failure_storage(&pump->fault, "write", pump->to);
    }
    return true;
}

/* close reports what NFS could not write, so its result counts too. */
static bool output_close(struct pump *pump)
{
    int fd = pump->to_fd;

    pump->to_fd = -1;
    return close(fd) == 0 || failure_storage(&pump->fault, "write", pump->to);
}

static void *pump_work(void *context)
{
    struct pump *pump = context;
    unsigned char bytes[FILTER_BYTES];
    size_t count = 1;
    bool ok = true, gone = false;

    while (ok && count > 0)
        ok = filter_pull(pump->chain, bytes, sizeof bytes, &count, &pump->fault) &&
             bytes_push(pump, bytes, count, &gone);
    ok = ok && output_close(pump);
    atomic_store(&pump->state, ok ? PUMP_DONE : PUMP_FAILED);
    return NULL;
}

void pump_start(struct pump *pump, struct filter *chain, int to_fd, const char *to)
{
    sigset_t all, before;

    CHECK(atomic_load(&pump->state) == PUMP_IDLE);
    pump->chain = chain;
    pump->to_fd = to_fd;
    pump->to = to;
    fcntl(to_fd, F_SETFL, O_NONBLOCK);
    atomic_store(&pump->stop, false);
    atomic_store(&pump->state, PUMP_WORKING);
    sigfillset(&all); /* signals are for the thread that waits with the pulse */
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    CHECK(pthread_create(&pump->thread, NULL, pump_work, pump) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

bool pump_check(struct pump *pump, struct fault *fault)
{
    if (atomic_load(&pump->state) != PUMP_FAILED)
        return true;
    *fault = pump->fault;
    return false;
}

bool pump_finish(struct pump *pump, const struct pulse *pulse, struct fault *fault)
{
    bool ok = true;

    while (ok && atomic_load(&pump->state) == PUMP_WORKING) {
        poll(NULL, 0, LOOK_MS);
        ok = pulse_beat(pulse, fault);
    }
    ok = ok && pump_check(pump, fault);
    pump_end(pump);
    return ok;
}

void pump_end(struct pump *pump)
{
    if (atomic_load(&pump->state) == PUMP_IDLE)
        return;
    atomic_store(&pump->stop, true);
    CHECK(pthread_join(pump->thread, NULL) == 0);
    if (pump->to_fd >= 0)
        close(pump->to_fd);
    pump->to_fd = -1;
    filter_free(pump->chain);
    pump->chain = NULL;
    atomic_store(&pump->state, PUMP_IDLE);
}
