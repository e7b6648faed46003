/* SPDX-License-Identifier: PostgreSQL
 * client_state - where a session stands, and why it ended: rows of conf/client_states.def and
 * conf/reasons.def. */
#pragma once

enum client_state {
#define CLIENT_STATE(id, name, sentence) CLIENT_##id,
#include "conf/client_states.def"
#undef CLIENT_STATE
    CLIENT_STATES
};

enum reason {
#define REASON(id, name, severity, sqlstate, sentence) REASON_##id,
#include "conf/reasons.def"
#undef REASON
    REASONS
};

const char *client_state_name(enum client_state state);
const char *reason_name(enum reason reason);
const char *reason_severity(enum reason reason); /* "": nothing is sent */
const char *reason_sqlstate(enum reason reason);
const char *reason_sentence(enum reason reason);
