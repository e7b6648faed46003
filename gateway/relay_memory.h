/* SPDX-License-Identifier: PostgreSQL
 * relay_memory - what the relay has to remember between two messages of one client. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RESET application_name, alone or among all others, on a server that was opened with another name. */
enum name_reset {
    NAME_KEPT,
    NAME_MAY_RESET, /* such a statement was sent: nothing is read before its answer */
    NAME_WAS_RESET  /* and executed, in a pipeline in which nothing is reported yet */
};

struct relay {
    size_t passing;               /* bytes of a large message still to come */
    bool discard;                 /* ... and they are thrown away */
    bool skip_to_sync;            /* an error was answered: messages up to Sync are dropped */
    bool barrier;                 /* nothing more is read until the answers to what was sent are here */
    bool unsynced;                /* extended-protocol messages were sent since the last Sync */
    bool copying;                 /* the server takes COPY data from this client */
    bool refused;                 /* the wait for a server failed: the message at hand is answered by that */
    bool examined;                /* the message at hand was looked at before it had to wait */
    bool opaque_encoding;         /* texts of this client_encoding cannot be examined byte by byte */
    bool reads_anew;              /* what was sent changes that: nothing is read before its answer */
    bool plain_backslashes;       /* standard_conforming_strings is off in this profile */
    bool drew_now;                /* its transaction drew from a sequence, or may have */
    bool reserved;                /* the server was linked for a message that waits to be sent */
    uint8_t again;                /* servers that ended before they read the message at hand */
    uint8_t name_reset;           /* enum name_reset */
    uint8_t replays;              /* servers that did not take the settings of the message at hand */
    bool defaults_changed;        /* ALTER ROLE or the like ran in this transaction */
    bool changes_routines;        /* CREATE FUNCTION or the like did */
    bool held;                    /* a ReadyForQuery for it waits for notifications: nothing is read */
    bool other_encoding;          /* its client_encoding is not that of its login */
    bool dedicated;               /* the server was opened for this session; names are not rewritten */
};
