/* SPDX-License-Identifier: PostgreSQL
 * match - whether a route is for a connection, and if not, which of its conditions says so. */
#include "router/match.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf/conditions.h"
#include "router/classify.h"

/* Where the reason goes, if anybody wants it. */
struct reason {
    char *text;
    size_t room;
};

static bool differs(const struct reason *reason, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool differs(const struct reason *reason, const char *format, ...)
{
    va_list args;

    if (reason->text == NULL)
        return false;
    va_start(args, format);
    vsnprintf(reason->text, reason->room, format, args);
    va_end(args);
    return false;
}

/* `is not "a"` or `is none of "a", "b"`, appended to what is there. */
static bool differs_from(const struct reason *reason, const struct patterns *patterns)
{
    for (size_t i = 0; reason->text != NULL && i < patterns->count; i++) {
        size_t used = strlen(reason->text);
        const char *before = i > 0 ? "," : patterns->count == 1 ? " is not" : " is none of";

        snprintf(reason->text + used, reason->room - used, "%s \"%s\"", before, patterns->items[i].text);
    }
    return false;
}

static bool any_matches(const struct patterns *patterns, const char *text)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (pattern_matches(&patterns->items[i], text))
            return true;
    return patterns->count == 0;
}

static bool text_accepted(const struct patterns *patterns, const char *key, const char *text,
                          const struct reason *reason)
{
    if (any_matches(patterns, text))
        return true;
    differs(reason, "%s \"%.64s\"", key, text);
    return differs_from(reason, patterns);
}

static bool replication_accepted(const struct patterns *patterns, enum replication kind,
                                 const struct reason *reason)
{
    static const char *const words[] = { "false", "physical", "logical" };
    const char *word = words[kind];

    if (any_matches(patterns, word) || (kind != REPLICATION_NONE && any_matches(patterns, "true")))
        return true;
    differs(reason, "replication \"%s\"", word);
    return differs_from(reason, patterns);
}

static const char *address_text(const struct sockaddr *address, char *text, socklen_t room)
{
    const void *bytes = NULL;

    if (address != NULL && address->sa_family == AF_INET)
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    else if (address != NULL && address->sa_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (bytes == NULL || inet_ntop(address->sa_family, bytes, text, room) == NULL)
        return "local";
    return text;
}

static bool address_accepted(const struct patterns *patterns, const struct sockaddr *address,
                             const struct reason *reason)
{
    char text[INET6_ADDRSTRLEN];

    for (size_t i = 0; i < patterns->count; i++)
        if (pattern_matches_address(&patterns->items[i], address))
            return true;
    if (patterns->count == 0)
        return true;
    differs(reason, "client_addr \"%s\"", address_text(address, text, sizeof text));
    return differs_from(reason, patterns);
}

static bool parameters_accepted(const struct match *match, const struct startup *startup,
                                const struct reason *reason)
{
    for (size_t i = 0; i < match->parameter_count; i++) {
        const struct parameter_condition *wanted = &match->parameters[i];
        const char *value = startup_get(startup, wanted->name);

        if (value == NULL)
            return differs(reason, "the startup packet has no parameter \"%s\"", wanted->name);
        if (!text_accepted(&wanted->patterns, wanted->name, value, reason))
            return false;
    }
    return true;
}

/* What keeps dumps out of pools and the console out of catch-all routes, whatever the conditions say. */
static bool class_accepted(const struct route_options *route, enum class class, const struct reason *reason)
{
    bool named = route->match->class.count > 0;
    bool pools = route->mode == MODE_TRANSACTION || route->mode == MODE_STATEMENT;

    if (class == CLASS_ADMIN && (!named || route->mode != MODE_REJECT))
        return differs(reason, "the admin console is served by no route; only a route that names the "
                               "class admin, with the mode reject, applies to it");
    if (!named && pools && class != CLASS_APP)
        return differs(reason, "it pools and names no class, so it is for app only, and this is %s",
                       class_name(class));
    return text_accepted(&route->match->class, "class", class_name(class), reason);
}

bool match_accepts(const struct route_options *route, const struct connection_facts *facts, enum class class,
                   char *why_not, size_t room)
{
    const struct match *match = route->match;
    const struct startup *startup = facts->startup;
    const struct reason reason = { why_not, room };

    return class_accepted(route, class, &reason) &&
           text_accepted(&match->user, "user", startup->user, &reason) &&
           text_accepted(&match->database, "database", startup->database, &reason) &&
           text_accepted(&match->application_name, "application_name", startup->application_name, &reason) &&
           replication_accepted(&match->replication, startup->replication, &reason) &&
           text_accepted(&match->listener, "listener", facts->listener->name, &reason) &&
           address_accepted(&match->client_addr, facts->address, &reason) &&
           text_accepted(&match->tls, "tls", facts->tls ? "true" : "false", &reason) &&
           parameters_accepted(match, startup, &reason);
}
