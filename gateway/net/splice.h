/* SPDX-License-Identifier: PostgreSQL
 * splice - bulk from one socket to another through a pipe, without entering user space: splice(2).
 * One direction; belongs to one worker. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct splice_events {
    /* How many bytes may be moved now; 0: none until splice_go_on. NULL: there is no limit. */
    size_t (*more)(void *owner);
    /* The source closed (0) or one of both failed (errno). Everything received before was sent. */
    void (*ended)(void *owner, int error);
    /* Little has been flowing: the pipe is empty and was taken apart; streams may go on. */
    void (*idle)(void *owner);
};

struct splice {
    struct ev_loop *loop;
    const struct splice_events *events;
    void *owner;
    int from, to, pipe[2];
    size_t held;          /* bytes in the pipe */
    size_t budget;        /* bytes that may still be taken from the source before `more` is asked */
    int quiet;            /* readiness events in a row that brought little */
    bool finished;        /* the source closed; what is held is still to be sent */
    ev_io reader, writer;
    uint64_t bytes;
};

/* Starts moving; false when no pipe can be had (then nothing changed). Nobody else may read `from` or write
 * `to` until idle or splice_stop. */
bool splice_start(struct splice *splice, struct ev_loop *loop, int from, int to,
                  const struct splice_events *events, void *owner);
/* There may be more now. */
void splice_go_on(struct splice *splice);
bool splice_active(const struct splice *splice);
void splice_stop(struct splice *splice); /* what the pipe holds is lost */
