/* SPDX-License-Identifier: PostgreSQL
 * hba_ldap - the LDAP options of a rule, and the ldapurl that stands for several of them.
 * Source: PostgreSQL manual, "LDAP Authentication"; RFC 4516. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum hba_ldap_scope { HBA_LDAP_BASE, HBA_LDAP_ONE, HBA_LDAP_SUB };

/* Either prefix and suffix (the user's entry is PREFIX user SUFFIX) or basedn (the entry is searched for) is
 * there. Texts are NULL when they were not given. */
struct hba_ldap {
    /* One or several, parted by blanks, IPv6 in brackets when it came in a URL; NULL or "": by the SRV
     * records of the domain in basedn. */
    const char *server;
    int port;           /* 0 = the scheme's own */
    const char *scheme; /* "ldap" or "ldaps" */
    bool starttls;
    const char *prefix, *suffix;
    const char *basedn, *binddn, *bindpasswd;
    const char *searchattribute; /* NULL without searchfilter: uid */
    const char *searchfilter;    /* with $username */
    enum hba_ldap_scope scope;   /* HBA_LDAP_SUB, or what the ldapurl says: HBA_LDAP_BASE if nothing */
};

/* Fills scheme, server, port, basedn, searchattribute, scope and searchfilter from
 * ldap[s]://host[:port]/basedn[?[attribute][?[scope][?[filter]]]], percent-decoded; texts live in the arena.
 * As in PostgreSQL a port that is not there is the scheme's own, and of several attributes the first one
 * counts; a host, attribute or filter that is not there stays what it was. False: why says what is wrong, as
 * a whole sentence. */
bool hba_ldap_url(struct hba_ldap *ldap, struct arena *arena, const char *url, char *why, size_t room);

/* Which options go together. False: why says which ones do not. */
bool hba_ldap_judge(const struct hba_ldap *ldap, char *why, size_t room);
