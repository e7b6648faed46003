/* SPDX-License-Identifier: PostgreSQL
 * offload - a few threads for work that blocks. One lock guards the queue and the state of every job. */
#include "gateway/auth/offload.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"

struct offload {
    pthread_mutex_t lock;
    pthread_cond_t arrived; /* a job, or the end */
    pthread_cond_t left;    /* a thread, after the end */
    struct list queued, running; /* [l] */
    int count, limit;            /* [l] of the queue */
    int threads;                 /* [l] that have not left */
    bool closed;                 /* [l] */
    atomic_int holders;          /* [a] the owner and each thread; the last one frees */
};

static void offload_release(struct offload *offload)
{
    if (atomic_fetch_sub(&offload->holders, 1) > 1)
        return;
    pthread_cond_destroy(&offload->left);
    pthread_cond_destroy(&offload->arrived);
    pthread_mutex_destroy(&offload->lock);
    free(offload);
}

static void job_release(struct offload_job *job)
{
    if (atomic_fetch_sub(&job->holders, 1) == 1)
        job->dispose(job);
}

static void job_deliver(struct letter *letter, void *owner)
{
    struct offload_job *job = list_entry(letter, struct offload_job, letter);

    (void)owner;
    if (!job->abandoned)
        job->done(job, job->outcome);
    job_release(job);
}

/* With the lock held. Once for each job: whoever comes first answers it. */
static void job_answer(struct offload_job *job, enum offload_outcome outcome)
{
    list_remove(&job->link);
    job->state = OFFLOAD_ANSWERED;
    job->outcome = outcome;
    mailbox_send(job->mailbox, &job->letter);
}

/* With the lock held, which is released while the job runs. */
static void job_run(struct offload *offload, struct offload_job *job)
{
    list_remove(&job->link);
    list_append(&offload->running, &job->link);
    offload->count--;
    job->state = OFFLOAD_RUNNING;
    atomic_store(&job->holders, 2);
    pthread_mutex_unlock(&offload->lock);
    job->run(job);
    pthread_mutex_lock(&offload->lock);
    if (job->state == OFFLOAD_RUNNING)
        job_answer(job, OFFLOAD_DONE);
    pthread_mutex_unlock(&offload->lock);
    job_release(job);
    pthread_mutex_lock(&offload->lock);
}

static void *thread_main(void *argument)
{
    struct offload *offload = argument;

    pthread_mutex_lock(&offload->lock);
    while (!offload->closed) {
        if (list_empty(&offload->queued))
            pthread_cond_wait(&offload->arrived, &offload->lock);
        else
            job_run(offload, list_entry(offload->queued.next, struct offload_job, link));
    }
    offload->threads--;
    pthread_cond_signal(&offload->left);
    pthread_mutex_unlock(&offload->lock);
    offload_release(offload);
    return NULL;
}

/* Nobody joins a thread: one that hangs in a library must not keep the process from ending. */
static int thread_start(struct offload *offload)
{
    pthread_attr_t detached;
    sigset_t all, before;
    pthread_t thread;
    int error = pthread_attr_init(&detached);

    if (error != 0)
        return error;
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    atomic_fetch_add(&offload->holders, 1);
    offload->threads++;
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are main's */
    error = pthread_create(&thread, &detached, thread_main, offload);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    if (error != 0) {
        atomic_fetch_sub(&offload->holders, 1);
        offload->threads--;
    }
    return error;
}

static void offload_init(struct offload *offload, int queue)
{
    pthread_condattr_t clock;

    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&offload->left, &clock);
    pthread_condattr_destroy(&clock);
    pthread_cond_init(&offload->arrived, NULL);
    pthread_mutex_init(&offload->lock, NULL);
    list_init(&offload->queued);
    list_init(&offload->running);
    offload->limit = queue;
    atomic_init(&offload->holders, 1);
}

struct offload *offload_open(int threads, int queue, struct fault *fault)
{
    struct offload *offload = calloc(1, sizeof *offload);
    int error = 0;

    CHECK(threads > 0 && threads <= OFFLOAD_THREADS_MAX && queue > 0);
    if (offload == NULL) {
        fault_set(fault, "53200", "out of memory while starting the threads of auth_helper_threads");
        return NULL;
    }
    offload_init(offload, queue);
    pthread_mutex_lock(&offload->lock);
    while (error == 0 && offload->threads < threads)
        error = thread_start(offload);
    pthread_mutex_unlock(&offload->lock);
    if (error == 0)
        return offload;
    fault_set(fault, "53000", "could not start the %d threads of auth_helper_threads: %s", threads,
              strerror(error));
    offload_close(offload, UINT64_MAX);
    offload_free(offload);
    return NULL;
}

void offload_limit(struct offload *offload, int queue)
{
    CHECK(queue > 0);
    pthread_mutex_lock(&offload->lock);
    offload->limit = queue;
    pthread_mutex_unlock(&offload->lock);
}

bool offload_submit(struct offload *offload, struct offload_job *job)
{
    bool taken;

    pthread_mutex_lock(&offload->lock);
    taken = !offload->closed && offload->count < offload->limit;
    if (taken) {
        job->letter.deliver = job_deliver;
        job->offload = offload;
        job->state = OFFLOAD_QUEUED;
        job->abandoned = false;
        atomic_init(&job->holders, 1);
        list_append(&offload->queued, &job->link);
        offload->count++;
        pthread_cond_signal(&offload->arrived);
    }
    pthread_mutex_unlock(&offload->lock);
    return taken;
}

void offload_abandon(struct offload_job *job)
{
    struct offload *offload = job->offload;
    bool queued;

    CHECK(!job->abandoned);
    job->abandoned = true;
    pthread_mutex_lock(&offload->lock);
    queued = job->state == OFFLOAD_QUEUED;
    if (queued) {
        list_remove(&job->link);
        offload->count--;
    }
    pthread_mutex_unlock(&offload->lock);
    if (queued)
        job_release(job);
}

static struct timespec after(uint64_t patience_us)
{
    enum { AN_HOUR_S = 3600 };
    struct timespec until;
    uint64_t seconds = patience_us / 1000000 < AN_HOUR_S ? patience_us / 1000000 : AN_HOUR_S;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)seconds;
    until.tv_nsec += (long)(patience_us % 1000000) * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

void offload_close(struct offload *offload, uint64_t patience_us)
{
    struct timespec until = after(patience_us);

    pthread_mutex_lock(&offload->lock);
    CHECK(!offload->closed);
    offload->closed = true;
    list_each(link, following, &offload->queued)
        job_answer(list_entry(link, struct offload_job, link), OFFLOAD_CANCELLED);
    offload->count = 0;
    pthread_cond_broadcast(&offload->arrived);
    while (offload->threads > 0)
        if (pthread_cond_timedwait(&offload->left, &offload->lock, &until) == ETIMEDOUT)
            break;
    list_each(link, following, &offload->running)
        job_answer(list_entry(link, struct offload_job, link), OFFLOAD_CANCELLED);
    pthread_mutex_unlock(&offload->lock);
}

void offload_free(struct offload *offload)
{
    if (offload == NULL)
        return;
    CHECK(offload->closed);
    offload_release(offload);
}
