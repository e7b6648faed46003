/* SPDX-License-Identifier: PostgreSQL
 * secrets - what a client's password is checked against, and what its pool logs in to PostgreSQL with: from
 * auth_file, or looked up by auth_user. */
#pragma once

#include <stdbool.h>

#include "gateway/auth/hba_names.h"

struct client;

/* Finds the client's secret: login->secret, or NULL when nobody knows one. `then` is called at once, or
 * when PostgreSQL answered; never when the client is refused or leaves meanwhile. */
void secrets_find(struct client *client, void (*then)(struct client *client));
/* Likewise the roles that the client's user is a member of, for secrets_is_member. Without auth_user none. */
void secrets_find_roles(struct client *client, void (*then)(struct client *client));
enum hba_answer secrets_is_member(const struct client *client, const char *role);

/* The login is over: nothing is waited for any more, what was found is wiped. */
void secrets_end(struct client *client);
/* The login failed: if the secret was an earlier answer, the next login asks anew. */
void secrets_forget(const struct client *client);

/* What the pool of the client logs in with: what auth_file and passfile say; the password or the SCRAM keys
 * that the client proved to have. Nothing of a client's is used where the route names another user. */
void secrets_share_known(struct client *client);
void secrets_share_forced(struct client *client); /* the same, only where the route names another user */
void secrets_share_secret(struct client *client); /* the one that was found */
void secrets_share_password(struct client *client, const char *password);
void secrets_share_keys(struct client *client, const unsigned char *client_key,
                        const unsigned char *server_key);

/* What auth_file and passfile say, and where they say nothing, the password that LDAP or PAM found right. */
void secrets_share_judged(struct client *client, const char *judged);
