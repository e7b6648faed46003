/* SPDX-License-Identifier: PostgreSQL
 * access - the options of `auth` and `tls`: who may come in, and how connections are encrypted. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conf/types.h"

struct auth_options {
    enum auth_type type;
    /* Paths are resolved beside the configuration file; NULL = none. */
    const char *file, *hba_file, *ident_file, *passfile;
    const char *user, *query, *dbname; /* look-up of secrets in PostgreSQL; user NULL = none */
    uint64_t cache_ttl_us;             /* how long an answer of auth_query is believed, 0 = asked each time */
    int lookup_connections;            /* at most, for one upstream and database */
    int helper_threads;                /* for PAM and LDAP, which block */
    int helper_queue;                  /* logins that may wait for one of them */
    uint64_t delay_us;                 /* answer to a failed login, for an address that failed before */
};

/* One side of the gateway. Texts are in OpenSSL's language; "" = OpenSSL's defaults. */
struct tls_side {
    enum sslmode mode;
    const char *key_file, *cert_file, *ca_file, *crl_file;
    const char *protocols, *ciphers, *ciphers13, *groups;
};

struct tls_options {
    struct tls_side client, server;
    enum tls_negotiation negotiation; /* towards PostgreSQL */
    bool sni;                         /* towards PostgreSQL */
};
