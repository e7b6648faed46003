/* SPDX-License-Identifier: PostgreSQL
 * pins - why a session keeps its server connection; rows of pins.def. Sets of reasons are bits of uint32_t.
 * */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum pin_reason {
#define PIN_REASON(id, name, policy, ends, sentence) PIN_##id,
#include "conf/pins.def"
#undef PIN_REASON
    PIN_REASONS
};

#define PIN_BIT(id) (1u << PIN_##id)

/* Reasons that last as long as the session; the others end when PostgreSQL says so. */
extern const uint32_t pins_lasting;
/* Reasons that session_state may refuse or allow. */
extern const uint32_t pins_with_policy;

const char *pin_reason_name(enum pin_reason reason);
const char *pin_reason_sentence(enum pin_reason reason);
/* Its word in session_state, which several reasons may share; "" when no policy applies. */
const char *pin_reason_policy(enum pin_reason reason);

/* The names of the reasons in `pins`, joined by commas; "none" for 0. Cut when they do not fit in `room`. */
const char *pins_print(uint32_t pins, char *text, size_t room);
