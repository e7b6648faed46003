/* SPDX-License-Identifier: PostgreSQL
 * classify - decides once what a connection is for and which route serves it, and remembers why. */
#include "router/classify.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "router/programs.h"
#include "router/route.h"

/* Names come from the network and go to logs and consoles: printable ASCII only, as in PostgreSQL itself. */
static void text_clean(char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static bool is_console(const struct startup *startup)
{
    return strcmp(startup->database, "pgsluice") == 0 || strcmp(startup->database, "pgbouncer") == 0;
}

static enum class class_of(const struct startup *startup, char *why, size_t room)
{
    enum class class;

    if (startup->replication != REPLICATION_NONE) {
        snprintf(why, room, "replication=%s",
                 startup->replication == REPLICATION_LOGICAL ? "database" : "true");
        return CLASS_REPLICATION;
    }
    if (is_console(startup)) {
        snprintf(why, room, "database=%s", startup->database);
        return CLASS_ADMIN;
    }
    if (program_class(startup->application_name, &class)) {
        snprintf(why, room, "application_name=%.120s", startup->application_name);
        text_clean(why);
        return class;
    }
    why[0] = '\0';
    return CLASS_APP;
}

static bool listener_pools(const struct listener_options *listener)
{
    return listener->mode == MODE_TRANSACTION || listener->mode == MODE_STATEMENT;
}

static void refuse_rejected(const struct connection_facts *facts, struct verdict *verdict,
                            struct fault *fault)
{
    const struct startup *startup = facts->startup;

    verdict->refused = true;
    if (route_is_builtin(verdict->route))
        fault_set(fault, "28000",
                  "no route admits user \"%.64s\" to database \"%.64s\" on the listener \"%s\"",
                  startup->user, startup->database, facts->listener->name);
    else
        fault_set(fault, "28000", "the route \"%s\" rejects user \"%.64s\" on database \"%.64s\"",
                  verdict->route->name, startup->user, startup->database);
    fault_hint(fault, "Connect in a way that another route admits, or ask the operator to add a route.");
}

static const struct listener_options *direct_listener(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        if (snapshot->listeners[i].mode == MODE_DIRECT)
            return &snapshot->listeners[i];
    return NULL;
}

static void refuse_wrong_port(const struct snapshot *snapshot, const struct connection_facts *facts,
                              struct verdict *verdict, struct fault *fault)
{
    const struct listener_options *direct = direct_listener(snapshot);

    verdict->refused = true;
    fault_set(fault, "0A000",
              "the listener \"%s\" shares servers by %s, and a session of class %s (%s) needs one of its own",
              facts->listener->name, mode_name(facts->listener->mode), class_name(verdict->class),
              verdict->why);
    if (direct == NULL)
        fault_hint(fault, "Ask the operator to add a listener with mode = \"direct\", and connect to that.");
    else
        fault_hint(fault, "Connect to %s, the listener \"%s\".", direct->listen.items[0], direct->name);
}

/* A class that cannot be pooled came to a port that pools, and its route sends it direct. */
static void wrong_port(const struct snapshot *snapshot, const struct connection_facts *facts,
                       struct verdict *verdict, struct fault *fault)
{
    switch (verdict->route->pool.on_wrong_port) {
    case ON_WRONG_PORT_MOVE: return;
    case ON_WRONG_PORT_REFUSE: refuse_wrong_port(snapshot, facts, verdict, fault); return;
    case ON_WRONG_PORT_WARN:
        verdict->warned = true;
        if (facts->startup->replication != REPLICATION_NONE)
            return; /* a walsender is no pooled backend, whatever the operator prefers */
        verdict->route = snapshot_builtin_route(snapshot, facts->listener->mode);
        verdict->mode = facts->listener->mode;
        return;
    }
    UNREACHABLE();
}

static void verdict_route(const struct snapshot *snapshot, const struct connection_facts *facts,
                          struct verdict *verdict, struct fault *fault)
{
    verdict->route = route_find(snapshot, facts, verdict->class);
    verdict->mode = route_mode(verdict->route, facts->listener, verdict->class);
    if (verdict->why[0] == '\0')
        snprintf(verdict->why, sizeof verdict->why, "%s",
                 route_is_builtin(verdict->route) ? "listener mode" : "route match");
    if (verdict->mode == MODE_REJECT)
        refuse_rejected(facts, verdict, fault);
    else if (verdict->class != CLASS_APP && verdict->class != CLASS_ADMIN && verdict->mode == MODE_DIRECT &&
             listener_pools(facts->listener))
        wrong_port(snapshot, facts, verdict, fault);
}

void classify(const struct snapshot *snapshot, const struct connection_facts *facts, struct verdict *verdict,
              struct fault *fault)
{
    *verdict = (struct verdict){ 0 };
    verdict->class = class_of(facts->startup, verdict->why, sizeof verdict->why);
    verdict_route(snapshot, facts, verdict, fault);
}

void classify_as(const struct snapshot *snapshot, const struct connection_facts *facts, enum class class,
                 const char *why, struct verdict *verdict, struct fault *fault)
{
    *verdict = (struct verdict){ .class = class };
    snprintf(verdict->why, sizeof verdict->why, "%s", why);
    text_clean(verdict->why);
    verdict_route(snapshot, facts, verdict, fault);
}
