/* SPDX-License-Identifier: PostgreSQL
 * offload - a few threads for work that blocks, with a bounded queue in front of them.
 *
 * A job is embedded in what the work needs and owns copies of all of it. From a successful offload_submit
 * on the offload owns the job; whoever submitted it only keeps a pointer, until `done` or offload_abandon,
 * whichever comes first. The job comes back as a letter to the submitter's mailbox, so that no event loop
 * ever waits. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/net/mailbox.h"

struct fault;
struct offload;

enum { OFFLOAD_THREADS_MAX = 64 };

/* CANCELLED: the offload was closed before the job's work was done, which may even still be running. */
enum offload_outcome { OFFLOAD_DONE, OFFLOAD_CANCELLED };
enum offload_state { OFFLOAD_QUEUED, OFFLOAD_RUNNING, OFFLOAD_ANSWERED };

struct offload_job {
    /* Set before offload_submit and never changed: the mailbox of the submitting thread, what runs on a
     * thread of the offload and may block, what runs on the submitting thread when the job is answered (it
     * reads results when DONE only), and what wipes and frees the job: the last call, once, on either
     * thread. */
    struct mailbox *mailbox;
    void (*run)(struct offload_job *job);
    void (*done)(struct offload_job *job, enum offload_outcome outcome);
    void (*dispose)(struct offload_job *job);
    /* Internal. */
    struct letter letter;
    struct offload *offload;      /* [s] */
    struct list link;             /* [l] of the offload: its queue or what runs */
    enum offload_state state;     /* [l] of the offload */
    enum offload_outcome outcome; /* written before the letter is sent, read when it arrives */
    bool abandoned;               /* [w] the submitting thread */
    atomic_int holders;           /* [a] the letter, and the thread that runs it; the last one disposes */
};

/* Starts the threads, with all signals blocked; `queue` jobs may wait for one. NULL with a fault (53000,
 * 53200) when that fails. Main thread. */
struct offload *offload_open(int threads, int queue, struct fault *fault);

/* How many jobs may wait from now on; those that wait already stay. Any thread. */
void offload_limit(struct offload *offload, int queue);

/* Hands a job over. False when the queue is full or the offload closed: the job is the caller's as before.
 * Any thread. */
bool offload_submit(struct offload *offload, struct offload_job *job);

/* Nobody waits for this job any more: `done` will not be called, and the pointer is not valid from here
 * on. A job that waits in the queue leaves it, one that runs ends in peace. Submitting thread only, not
 * after `done`. */
void offload_abandon(struct offload_job *job);

/* Takes no more jobs, answers those that wait as cancelled, and gives those that run `patience_us` to end
 * before they are answered as cancelled too. To be called while the mailboxes of all submitters are open
 * and their threads run, or run once more. Any one thread, once; blocks. */
void offload_close(struct offload *offload, uint64_t patience_us);

/* Frees a closed offload after the last letter was delivered; what a thread still uses goes with that thread,
 * whenever its job ends. NULL is nothing to do. */
void offload_free(struct offload *offload);
