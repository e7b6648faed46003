/* SPDX-License-Identifier: PostgreSQL
 * client_state - where a session stands, and why it ended. */
#include "gateway/client_state.h"

const char *client_state_name(enum client_state state)
{
    static const char *const names[] = {
#define CLIENT_STATE(id, name, sentence) name,
#include "conf/client_states.def"
#undef CLIENT_STATE
    };

    return names[state];
}

struct reason_row {
    const char *name, *severity, *sqlstate, *sentence;
};

static const struct reason_row reasons[] = {
#define REASON(id, name, severity, sqlstate, sentence) {name, severity, sqlstate, sentence},
#include "conf/reasons.def"
#undef REASON
};

const char *reason_name(enum reason reason)
{
    return reasons[reason].name;
}

const char *reason_sqlstate(enum reason reason)
{
    return reasons[reason].sqlstate;
}

const char *reason_sentence(enum reason reason)
{
    return reasons[reason].sentence;
}

const char *reason_severity(enum reason reason)
{
    return reasons[reason].severity;
}
