/* SPDX-License-Identifier: PostgreSQL
 * hba_options - the options behind the method in pg_hba.conf: name=value, each for some methods only.
 * Where PostgreSQL takes any word for "no" (ldaptls, pam_use_hostname), only 0 and 1 are taken here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/auth/hba.h"

struct arena;

/* A rule while its options are read; they become rule->ldap and so on. */
struct hba_draft {
    struct hba_rule *rule; /* its type and method are set */
    struct arena *arena;
    struct hba_ldap *ldap; /* NULL unless the method is ldap */
    char why[400];         /* after a failure: what is wrong, as a whole sentence; never a secret */
};

/* Takes the fields behind the method, NULL for none, then checks that they go together. */
bool hba_options_take(struct hba_draft *draft, const struct hba_field *fields);
