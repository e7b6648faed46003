/* SPDX-License-Identifier: PostgreSQL
 * options - the rows of options.def by scope, and the words that options may have. */
#pragma once

#include "conf/row.h"

enum option_scope {
#define SCOPE(scope, place, doc) OPTIONS_##scope,
#include "conf/scopes.def"
#undef SCOPE
    OPTION_SCOPES
};

extern const struct conf_word mode_words[], class_words[], auth_type_words[], on_wrong_port_words[],
    log_level_words[], state_policy_words[], isolation_words[], target_words[], rate_words[], memory_words[],
    sslmode_words[], own_sslmode_words[], tls_negotiation_words[], listener_tls_words[];

/* The rows of one scope, in the order of options.def. Offsets are into the scope's struct of snapshot.h. */
const struct conf_row *options_rows(enum option_scope scope, size_t *count);

const char *option_scope_place(enum option_scope scope); /* where it stands in the file; "" for the top */
const char *option_scope_doc(enum option_scope scope);
