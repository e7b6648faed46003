/* SPDX-License-Identifier: PostgreSQL
 * ldap_deadline - no read or write on a connection of libldap waits beyond a deadline.
 *
 * Its own timeouts end neither a TLS handshake nor a message of which only a part has come (OpenLDAP 2.5).
 * A layer above the socket and below TLS does, for whatever the library waits. */
#pragma once

#include <ldap.h>
#include <stdbool.h>
#include <stdint.h>

struct ldap_deadline {
    uint64_t until_us; /* by clock_now_us; may be moved at any time */
    struct ldap_conncb hooks; /* internal */
};

/* For all connections that ldap opens from now on. The deadline must live until ldap is unbound. */
bool ldap_deadline_attach(struct ldap_deadline *deadline, LDAP *ldap);
