/* SPDX-License-Identifier: PostgreSQL
 * hba - rules in the format of pg_hba.conf: which connection is let in, by which method.
 * Source: PostgreSQL manual, "The pg_hba.conf File" (17, with its includes and regular expressions), and our
 * own method `relay`. Not here: host names as addresses, GSSAPI, SSPI, RADIUS, BSD. Pure functions; logging
 * in is done elsewhere. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/types.h"
#include "gateway/auth/hba_address.h"
#include "gateway/auth/hba_names.h"

struct fault;
struct hba;
struct hba_ldap;
struct problems;

enum { HBA_RULES_MAX = 10000 };

/* HBA_HOSTGSSENC never matches: GSSAPI encryption is not spoken here. */
enum hba_type {
    HBA_LOCAL, HBA_HOST, HBA_HOSTSSL, HBA_HOSTNOSSL, HBA_HOSTGSSENC, HBA_HOSTNOGSSENC
};

/* What the client's certificate must be good for, whatever the method asks; FULL: it names the user too. */
enum hba_clientcert { HBA_CLIENTCERT_NONE, HBA_CLIENTCERT_CA, HBA_CLIENTCERT_FULL };

/* Which part of a certificate names the user: the common name, or the whole subject as in RFC 2253. */
enum hba_clientname { HBA_CLIENTNAME_CN, HBA_CLIENTNAME_DN };

/* One line. It never changes and lives as long as the hba. */
struct hba_rule {
    const struct hba_rule *next;
    const char *file;
    int line;
    enum hba_type type;
    struct hba_name *databases, *users;
    struct hba_addresses addresses; /* all types but HBA_LOCAL */
    enum auth_type method;          /* never AUTH_HBA */
    const char *map;                /* AUTH_PEER and AUTH_CERT: for ident_match; NULL = equal names */
    enum hba_clientcert clientcert; /* HBA_CLIENTCERT_FULL for AUTH_CERT */
    enum hba_clientname clientname;
    const char *pamservice;         /* AUTH_PAM; NULL = the default, "postgresql" */
    bool pam_use_hostname;
    const struct hba_ldap *ldap;    /* AUTH_LDAP, else NULL; see gateway/auth/hba_ldap.h */
};

/* Who knocks. All texts are NUL-terminated. */
struct hba_question {
    const char *database; /* not looked at for physical replication */
    const char *user;
    bool replication;     /* physical; logical replication is asked about as a session in its database */
    bool tls;
    const struct sockaddr *address; /* NULL or AF_UNIX: a Unix socket */
    struct hba_members members;
};

/* Reads and checks the whole file and all that it includes. NULL when anything is wrong; then `problems`
 * (which may be NULL) has every problem with file and line, up to PROBLEMS_MAX, and the fault the first of
 * them: F0000 for the content, 58P01 when the file cannot be read, 53200. Blocks on the disk. The caller
 * frees the result with hba_free. */
struct hba *hba_load(const char *path, struct problems *problems, struct fault *fault);

/* The same from memory; `where` names it in problems. The text cannot include files. */
struct hba *hba_parse(const char *text, size_t length, const char *where, struct problems *problems,
                      struct fault *fault);

/* Wipes and frees everything. NULL is nothing to do. */
void hba_free(struct hba *hba);

/* The rules in their order; any thread may read them. */
const struct hba_rule *hba_first(const struct hba *hba);
size_t hba_count(const struct hba *hba);

/* The first rule that fits, or NULL: nobody is let in then. A membership that is not known counts as none,
 * except for a rule that rejects: there it counts as one. Any thread; allocates nothing beyond what regexec
 * needs. */
const struct hba_rule *hba_match(const struct hba *hba, const struct hba_question *question);

/* Whether some rule has +role or samerole, so that memberships are worth looking up. */
bool hba_asks_members(const struct hba *hba);
