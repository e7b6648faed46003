/* SPDX-License-Identifier: PostgreSQL
 * owed - the answers that a server still owes, in the order of the requests; the session layer's memory of
 * one server connection. A server is clean only when nothing is owed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/session/last_statement.h"
#include "gateway/session/name_list.h"
#include "gateway/session/prepared_set.h"

enum owed_kind {
    OWED_QUERY,      /* until ReadyForQuery */
    OWED_FUNCTION,   /* until ReadyForQuery */
    OWED_SYNC,       /* until ReadyForQuery */
    OWED_PARSE,
    OWED_BIND,
    OWED_DESCRIBE,
    OWED_EXECUTE,
    OWED_CLOSE,
    OWED_COPY_END    /* CopyDone or CopyFail was sent: no answer of its own */
};

/* Why the gateway itself asked. */
enum owed_purpose { PURPOSE_PLAIN, PURPOSE_REPLAY /* the client's settings */, PURPOSE_PROBE };

struct owed {
    uint8_t kind;
    uint8_t purpose;              /* of ours */
    bool ours;                    /* asked by the gateway: the answer is swallowed */
    bool prepares;                /* statement was added to the server's set by this */
    uint8_t listens;              /* a query of gateway/notify: which, see enum notify_query */
    bool evicts;                  /* statement was taken out of the server's set by this */
    uint32_t refused;             /* QUERY, PARSE: stands in for a statement refused for these PIN_BITs */
    bool restores;                /* when undone, name->material is `material` again */
    uint8_t material;
    struct statement *statement;  /* PARSE, CLOSE: what `prepares` or `evicts` is about; DESCRIBE: what it
                                     asks about; retained */
    uint64_t number; /* PARSE, CLOSE without a name: of the client's change, see struct unnamed */
    uint32_t before; /* PARSE, CLOSE without a name: what it replaces, see unnamed_keep; 0: not kept */
    struct prepared_name *name;   /* PARSE: the client's name that it added, or one that we place; CLOSE: that
                                     is removed or taken back; DESCRIBE: that it asks about; retained */
};

enum { UNNAMED_UNKNOWN = -1 /* of nobody, but there may be one */ };

/* A ring; above OWED_HIGH the client is not read until answers came. */
enum { OWED_HIGH = 4096 };

struct owed_ring {
    struct owed *items;
    uint32_t head, count, room;
};

/* What its client said since it was linked, as long as that may be said to another server: relay_again.c. */
enum { AGAIN_BYTES = 1200 /* fits one segment of TCP anywhere */ };

struct again {
    bool possible;
    uint64_t turn_us, written_before, told_bytes, held_us;
    size_t used;
    unsigned char bytes[AGAIN_BYTES];
};

/* What the session layer knows about one server. */
struct server_session {
    struct owed_ring owed;
    struct prepared_set prepared;
    struct name_list materials;   /* statements that may be there under the client's own names */
    uint64_t unnamed_of;          /* id of the client whose unnamed statement the server has, 0 = none */
    uint64_t unnamed_batch;       /* ... since which batch: an earlier one may still be skipped */
    unsigned char *replaced;      /* unnamed statements that later ones of one batch replace; owned */
    size_t replaced_used;
    unsigned char *excuse;        /* an ErrorResponse to be sent instead of PostgreSQL's: relay_error.c */
    size_t excuse_bytes;
    size_t unread;                /* bytes of the server that wait for the rest of their message */
    uint64_t batch;               /* Syncs sent: what one batch prepared is in doubt to the next */
    size_t passing;               /* bytes of a large message still to come from the server */
    bool passing_swallowed;
    bool probe_failed;            /* the question at the head failed */
    /* A cancel request for the client's query, while one of ours is in front of it; NULL: none. */
    void (*cancel_told)(void *owner);
    void *cancel_owner;
    uint8_t listens;              /* the ReadyForQuery at hand is gateway/notify's: as in struct owed */
    bool names_unseen;            /* a function may have removed what was prepared: it is not given back */
    bool said_fatal;              /* PostgreSQL sent FATAL or PANIC: the end of the connection is no news */
    struct again again;
    const char *late;             /* the time limit for which the query was cancelled; NULL: it was not */
    uint64_t late_us;             /* ... and its value */
    struct last_statement last;
    uint64_t cleaning_since_us;   /* a client left in a transaction: ROLLBACK is on its way */
};

struct server_session *session_new(void);
void session_free(struct server_session *session);

/* Adds at the end; false when out of memory. References in `owed` pass to the ring. */
bool owed_push(struct owed_ring *ring, const struct owed *owed);
static inline struct owed *owed_head(struct owed_ring *ring)
{
    return ring->count == 0 ? 0 : &ring->items[ring->head];
}
struct owed *owed_at(struct owed_ring *ring, uint32_t index);
/* Whether a Close of this client's name is on its way that an error before it may still undo: a Sync stands
 * between it and what is sent next. */
bool owed_closes(struct owed_ring *ring, const char *name);
/* Whether a Close of this statement is on its way that may still be skipped. */
bool owed_evicts(struct owed_ring *ring, const struct statement *statement);
/* Drops the first one and its references. */
void owed_pop(struct owed_ring *ring);
/* Drops one in the middle: a Sync that the server ignored inside COPY. */
void owed_remove(struct owed_ring *ring, uint32_t index);

/* Keeps what the client's next Parse replaces in the middle of a batch, for the case that PostgreSQL skips
 * that Parse: for owed.before. 0: no room or no memory for it. */
enum { REPLACED_MAX_BYTES = 1 << 16 };
uint32_t unnamed_keep(struct server_session *session, const struct unnamed *unnamed);
/* Makes it the client's and the server's again. */
void unnamed_return(struct server_session *session, struct unnamed *unnamed, uint32_t before);
