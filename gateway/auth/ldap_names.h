/* SPDX-License-Identifier: PostgreSQL
 * ldap_names - what a directory is asked for: the name of a user's entry, or a filter that finds it. */
#pragma once

#include <stdbool.h>

struct fault;
struct hba_ldap;

enum { LDAP_NAME_BYTES = 1024, LDAP_FILTER_BYTES = 1024 };

/* Prefix, user and suffix of the options into name[LDAP_NAME_BYTES]. In a distinguished name (the prefix
 * has an equals sign) the user is escaped by RFC 4514, 2.4; in any other kind of name (`user@example.net`,
 * `DOMAIN\user`) a user with a character special there is refused with 28P01. 54000 when it does not fit,
 * F0000 when the options have neither prefix nor suffix. */
bool ldap_name_make(const struct hba_ldap *options, const char *user, char *name, struct fault *fault);

/* The options' searchfilter with the user in the place of each $username, or `(searchattribute=user)`,
 * into filter[LDAP_FILTER_BYTES]. 28P01 for a user with one of `*()\/`, as PostgreSQL has it; F0000 for a
 * filter without $username, which would let anybody in as the one entry that it finds; 54000 when it does
 * not fit. */
bool ldap_filter_make(const struct hba_ldap *options, const char *user, char *filter, struct fault *fault);
