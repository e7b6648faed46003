/* SPDX-License-Identifier: PostgreSQL
 * login - from the first byte to ReadyForQuery: startup packets, classification, authentication, welcome. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <ev.h>

#include "conf/types.h"
#include "gateway/client_state.h"
#include "gateway/base/fault.h"
#include "gateway/net/stream.h"
#include "gateway/wire/scram.h"
#include "gateway/wire/startup.h"

struct arena;
struct hba_rule;
struct inquiry;
struct lookup_request;
struct secret;
struct client;
struct server;

extern const struct stream_events login_stream_events;

/* What only a login needs; freed when it is over. */
struct login {
    struct arena *arena;
    struct startup startup;
    uint16_t minor;                  /* protocol version granted: 3.0 or 3.2 */
    bool ssl_asked, gss_asked;
    enum reason refusal;             /* why it will be told that there is no room; 0: there is */
    bool asked;                      /* PostgreSQL asked for something: the login cannot begin again */
    bool offered_plus; /* PostgreSQL offered channel binding, which cannot be had through here */
    bool answer_expected;            /* the next message must be the client's */
    enum auth_type auth_type;
    const struct hba_rule *rule;     /* auth_type hba: the line that matched */
    const unsigned char *packet;     /* auth_type hba: the startup packet of what will be a direct session */
    size_t packet_bytes;
    struct secret *secret;           /* what the password is checked against; NULL = nobody knows */
    struct lookup_request *secret_request, *roles_request;
    struct lookup_request **waits;   /* the one of both that is under way; NULL = none */
    void (*then)(struct client *client);
    void (*secret_then)(struct client *client);
    void (*roles_then)(struct client *client);
    const char *password;            /* plain, ldap and pam; in the arena */
    unsigned char salt[4];           /* auth_type md5 */
    struct scram_server *scram;      /* auth_type scram-sha-256 */
    struct inquiry *inquiry;         /* auth_type ldap and pam, while asked */
    struct server *relaying;         /* a server connection that is logging in with the client's answers */
    struct fault failure;            /* what a failed login is told, perhaps later */
    ev_timer held;                   /* ... when this fires */
    bool queued;                     /* the client's waiter is in the pool's queue */
};

void login_begin(struct client *client);
void login_abandon(struct client *client);

/* The names in the packet become the client's. False: out of memory. */
bool login_remember_identity(struct client *client, const struct startup *startup);

