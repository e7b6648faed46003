/* SPDX-License-Identifier: PostgreSQL
 * ldap - asks a directory whether a user's password is right, as PostgreSQL's `ldap` in pg_hba.conf does. */
#pragma once

#include <stdbool.h>

struct fault;
struct hba_ldap; /* gateway/auth/hba_ldap.h */

/* True when a server of the list let the user in by this password. Else false with the true reason in
 * *truth, for the log and not for the client: 28P01 when it was refused, 08006 when no server answered,
 * F0000 when the options cannot work. An empty password is refused here: a directory takes it for an
 * anonymous login and lets it in (RFC 4513, 5.1.2). Names with characters that mean something in a filter
 * are refused, in an entry's name they are escaped (RFC 4514). Referrals are not followed. Certificates of
 * servers are judged by the system's ldap.conf. Blocks: at most 5 s for a connection, 10 s for an answer,
 * and about 20 s for everything. Any thread. */
bool ldap_check(const struct hba_ldap *options, const char *user, const char *password, struct fault *truth);
