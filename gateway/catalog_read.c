/* SPDX-License-Identifier: PostgreSQL
 * catalog_read - one question after the other, from the waiting for a server to what is published. The
 * server is given back a loop turn after its last byte was used, so that another worker can have it at
 * once. */
#include "gateway/catalog_read.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/catalog.h"
#include "gateway/catalog_answer.h"
#include "gateway/catalog_query.h"
#include "gateway/gateway.h"
#include "gateway/session/owed.h"
#include "gateway/worker.h"
#include "router/budget_news.h"

/* A question may take so long; after a reading there is a pause of so many times what it took; and a long one
 * when there is too much to be read. */
enum { PATIENCE_US = 60000000, PAUSE_FACTOR = 4, TOO_MUCH_RETRY_US = 60000000 };

/* One question; in the worker's list. */
struct question {
    struct list link;
    struct waiter waiter;
    struct letter letter;
    struct catalog *catalog;
    struct pool_shard *shard;    /* its pool is retained */
    struct server *server;       /* NULL while waiting, and when it was lost */
    bool over;                   /* answered or lost: the letter is on its way */
    bool checking;               /* asks only for the fingerprint */
    struct reading reading;
    uint64_t changes, asked_us;
    char known[CATALOG_FINGERPRINT_BYTES];
};

static const struct stream_events question_events;

static struct worker *worker_of(const struct question *question)
{
    return list_entry(question->shard->thread, struct worker, thread);
}

static struct question *question_of(const struct server *server)
{
    struct worker *worker = list_entry(server->shard->thread, struct worker, thread);

    list_each(link, following, &worker->questions) {
        struct question *question = list_entry(link, struct question, link);

        if (question->server == server)
            return question;
    }
    return NULL;
}

static void question_free(struct question *question)
{
    struct pool *pool = question->shard->pool;

    reading_close(&question->reading);
    list_remove(&question->link);
    catalog_end(question->catalog);
    free(question);
    pool_release(pool);
}

static void complain(struct question *question, const struct fault *fault)
{
    const struct pool *pool = question->shard->pool;
    uint64_t retry_us = pool_options(question->shard->pool)->server_login_retry_us;

    if (strcmp(fault->sqlstate, "54000") == 0)
        retry_us = TOO_MUCH_RETRY_US;
    if (catalog_failed(question->catalog, clock_now_us() + retry_us) && !worker_of(question)->stopping)
        log_warn(worker_of(question)->thread.who,
                 "database=%s its functions could not be read, so that every statement is taken for one that "
                 "may change session state: user=%s %s: %s",
                 pool->database, pool->user, fault->sqlstate, fault->message);
}

static void publish(struct question *question)
{
    struct catalog_answer answer = {
        .changes = question->changes,
        .asked_us = question->asked_us,
        .refresh_us = worker_of(question)->generation->snapshot->catalog_refresh_us,
        .bytes = question->reading.bytes,
    };
    struct fault fault;

    if (!question->checking) {
        memcpy(answer.fingerprint, question->reading.fingerprint, sizeof answer.fingerprint);
        answer.routines = reading_finish(&question->reading, &fault);
        if (answer.routines == NULL) {
            complain(question, &fault);
            return;
        }
    }
    catalog_pause(question->catalog, clock_now_us() + PAUSE_FACTOR * (clock_now_us() - question->asked_us));
    (void)catalog_publish(question->catalog, &answer);
}

static void ask(struct question *question, bool checking)
{
    static const unsigned char type = 'Q';
    const char *text = checking ? catalog_check_query() : catalog_read_query();
    size_t length = strlen(text) + 1;
    const unsigned char size[] = {(unsigned char)((length + 4) >> 24), (unsigned char)((length + 4) >> 16),
                                  (unsigned char)((length + 4) >> 8), (unsigned char)(length + 4)};
    struct stream *stream = &question->server->stream;

    question->checking = checking;
    question->asked_us = clock_now_us();
    reading_open(&question->reading);
    stream_send(stream, &type, sizeof type);
    stream_send(stream, size, sizeof size);
    stream_send(stream, text, length);
}

/* The only word about them where no control connection can be made. */
static void tell_connections(const struct question *question)
{
    const struct reading *reading = &question->reading;

    if (reading->max_connections > 0)
        budget_guess(question->server->slot.budget, question->asked_us,
                     reading->max_connections - reading->reserved, reading->in_use);
}

/* The answer is complete, or there will be none. */
static void settle(struct letter *letter, void *owner)
{
    struct question *question = list_entry(letter, struct question, letter);
    struct server *server = question->server;
    const struct fault *fault = reading_fault(&question->reading);
    bool differs = strcmp(question->reading.fingerprint, question->known) != 0;

    (void)owner;
    question->over = false;
    if (server != NULL && fault == NULL)
        tell_connections(question);
    if (server != NULL && fault == NULL && question->checking && differs) {
        catalog_hide(question->catalog);
        reading_close(&question->reading);
        ask(question, false);
        return;
    }
    if (fault == NULL)
        publish(question);
    else
        complain(question, fault);
    question_free(question);
    if (server != NULL)
        pool_give(server);
}

static void over(struct question *question)
{
    if (question->over)
        return;
    question->over = true;
    question->letter.deliver = settle;
    mailbox_send(question->shard->thread->mailbox, &question->letter);
}

/* The server cannot be used any more. */
static void lose(struct question *question, const char *why)
{
    struct server *server = question->server;

    question->server = NULL;
    reading_fail(&question->reading, "08006", why);
    server_watch_parked(server);
    server_close(server, why);
    over(question);
}

static size_t question_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct server *server = list_entry(stream, struct server, stream);
    struct question *question = question_of(server);
    size_t used = 0;

    if (question->over) {
        lose(question, "PostgreSQL spoke without having been asked");
        return length;
    }
    switch (reading_take(&question->reading, bytes, length, &used)) {
    case READING_GOES_ON:
        return used;
    case READING_DONE:
        if (used == length) {
            over(question);
            return used;
        }
        break;
    case READING_BROKEN:
        break;
    }
    lose(question, "the answer about its functions made no sense, or was too large");
    return length;
}

static void question_drained(struct stream *stream)
{
    (void)stream;
}

static void question_ended(struct stream *stream, int error)
{
    struct server *server = list_entry(stream, struct server, stream);

    lose(question_of(server), error == 0 ? "PostgreSQL closed the connection" : strerror(error));
}

static void question_released(struct stream *stream)
{
    struct server *server = list_entry(stream, struct server, stream);

    server_watch_parked(server);
    server->stream.events->released(stream);
}

static const struct stream_events question_events = {.received = question_received,
                                                     .drained = question_drained,
                                                     .ended = question_ended,
                                                     .released = question_released};

static void on_granted(struct waiter *waiter, struct server *server)
{
    struct question *question = list_entry(waiter, struct question, waiter);

    question->server = server;
    server->stream.events = &question_events;
    if (server->session != NULL)
        server->session->unnamed_of = 0; /* a simple query ends the unnamed statement */
    ask(question, question->known[0] != '\0');
}

static void on_failed(struct waiter *waiter, const struct fault *fault, const void *message, size_t bytes)
{
    struct question *question = list_entry(waiter, struct question, waiter);

    (void)message;
    (void)bytes;
    complain(question, fault);
    question_free(question);
}

void catalog_read(struct pool_shard *shard)
{
    struct worker *worker = list_entry(shard->thread, struct worker, thread);
    struct profile *usual = atomic_load(&shard->pool->usual);
    struct catalog *catalog = catalog_of(shard);
    struct question *question;
    struct server *server;

    if (catalog == NULL || usual == NULL || worker->stopping
        || clock_now_us() < atomic_load(&catalog->retry_us) || !catalog_begin(catalog))
        return;
    question = calloc(1, sizeof *question);
    if (question == NULL) {
        catalog_end(catalog);
        return;
    }
    question->catalog = catalog;
    question->shard = shard;
    question->changes = catalog_state(catalog, question->known);
    question->waiter = (struct waiter){.want = WANT_POOLED,
                                       .profile = usual,
                                       .startup_name = "",
                                       .granted = on_granted,
                                       .failed = on_failed};
    list_init(&question->waiter.link);
    list_append(&worker->questions, &question->link);
    pool_retain(shard->pool);
    server = pool_take(shard, &question->waiter);
    if (server != NULL)
        on_granted(&question->waiter, server);
}

static void sweep_shard(struct pool_shard *shard, uint64_t now_us)
{
    struct catalog *catalog = atomic_load(&shard->pool->catalog);

    if (catalog == NULL)
        return;
    if (shard->routines != NULL && shard->routines_version != atomic_load(&catalog->version))
        catalog_forget(shard);
    if (atomic_load(&shard->pool->clients) > 0 && atomic_load(&catalog->used)
        && now_us >= atomic_load(&catalog->due_us) && !atomic_load(&catalog->asking))
        catalog_read(shard);
}

void catalog_sweep(struct worker *worker, uint64_t now_us)
{
    list_each(link, following, &worker->questions) {
        struct question *question = list_entry(link, struct question, link);

        if (question->server != NULL && !question->over && now_us > question->asked_us + PATIENCE_US)
            lose(question, "PostgreSQL took too long to tell about its functions");
    }
    if (worker->stopping)
        return;
    list_each(link, following, &worker->thread.shards)
        sweep_shard(list_entry(link, struct pool_shard, in_thread), now_us);
}

void catalog_reads_close(struct worker *worker)
{
    list_each(link, following, &worker->questions) {
        struct question *question = list_entry(link, struct question, link);

        if (question->server != NULL)
            lose(question, "the gateway is shutting down");
        else if (!question->over)
            pool_leave(question->shard, &question->waiter);
        if (!question->over)
            question_free(question);
    }
}
