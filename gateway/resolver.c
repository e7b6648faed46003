/* SPDX-License-Identifier: PostgreSQL
 * resolver - the thread that looks host names up. */
#include "gateway/resolver.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "gateway/base/fault.h"
#include "router/hosts.h"

enum { INTERVAL_S = 1 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct upstreams *watched; /* [l] */
static uint64_t max_ttl_us; /* [l] */
static bool stopping, running, fresh; /* [l] */
static pthread_t thread;

void resolver_watch(struct upstreams *upstreams, uint64_t ttl_us)
{
    pthread_mutex_lock(&lock);
    max_ttl_us = ttl_us;
    watched = upstreams;
    fresh = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void *resolver_main(void *unused)
{
    struct upstreams *upstreams;
    struct timespec until;
    uint64_t ttl_us;

    (void)unused;
    pthread_mutex_lock(&lock);
    while (!stopping) {
        upstreams = watched;
        ttl_us = max_ttl_us;
        fresh = false;
        pthread_mutex_unlock(&lock);
        if (upstreams != NULL)
            upstreams_resolve(upstreams, ttl_us);
        pthread_mutex_lock(&lock);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += INTERVAL_S;
        while (!stopping && !fresh)
            if (pthread_cond_timedwait(&changed, &lock, &until) != 0)
                break;
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

bool resolver_start(struct fault *fault)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, NULL, resolver_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return fault_set(fault, "53000", "could not start the resolver thread: %s", strerror(error));
    running = true;
    return true;
}

void resolver_stop(void)
{
    if (!running)
        return;
    pthread_mutex_lock(&lock);
    stopping = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
}
