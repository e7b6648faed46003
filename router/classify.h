/* SPDX-License-Identifier: PostgreSQL
 * classify - decides once what a connection is for and which route serves it, and remembers why. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "conf/snapshot.h"
#include "gateway/wire/startup.h"

struct fault;

/* Everything that is known before a server is touched. */
struct connection_facts {
    const struct startup *startup;
    const struct listener_options *listener;
    const struct sockaddr *address; /* NULL or AF_UNIX: local */
    bool tls;
};

/* Where the session goes. `why` lives as long as the verdict. */
struct verdict {
    enum class class;
    const struct route_options *route;
    enum mode mode;        /* how it is served here, after on_wrong_port was applied */
    bool refused;          /* fault was filled: reject route, or wrong port with on_wrong_port = "refuse" */
    bool warned;           /* wrong port with on_wrong_port = "warn": served as the listener would */
    char why[160];         /* class reason, such as "application_name=pg_dump" */
};

/* Classifies and routes; always finds a route (the built-in ones catch everything). When refused,
 * fault holds the ERROR (28000 for a reject route, 0A000 for the wrong port) and a HINT that names
 * the right port. An admin session belongs to the console: its route and mode mean nothing. */
void classify(const struct snapshot *snapshot, const struct connection_facts *facts, struct verdict *verdict,
              struct fault *fault);

/* Routes a session again whose class became known by a statement; `why` is copied. */
void classify_as(const struct snapshot *snapshot, const struct connection_facts *facts, enum class class,
                 const char *why, struct verdict *verdict, struct fault *fault);

/* The second classifier: a session's first statements, looked at before a server is attached. */
enum opening { OPENING_UNDECIDED, OPENING_APPLICATION, OPENING_TOOL };

/* All zero at the start of a session. */
struct first_statements {
    int seen;              /* statements looked at so far */
    enum opening opening;  /* starts as OPENING_UNDECIDED (0) */
    enum class class;      /* when OPENING_TOOL */
    const char *undecided; /* the opening that was seen and may be a tool's or not; NULL before */
    char why[96];          /* when OPENING_TOOL, such as "first statement: set_config('search_path', '')" */
};

/* Feeds the next simple query or Parse text. Once it says OPENING_APPLICATION or OPENING_TOOL, that stays.
 * The first statement decides whenever it can: a tool's opening must be caught before it reaches a server.
 * OPENING_UNDECIDED: the statement changes session state that either may want, so it pins its server. */
enum opening first_statements_see(struct first_statements *first, const char *text, size_t length);

/* A statement that needs a dedicated server at any time in a session: pg_export_snapshot, pg_backup_start,
 * SET TRANSACTION SNAPSHOT, replication slot functions. Only meaningful while no transaction is open. */
bool statement_needs_dedicated(const char *text, size_t length, enum class *class, char *why, size_t room);
