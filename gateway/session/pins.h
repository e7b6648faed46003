/* SPDX-License-Identifier: PostgreSQL
 * pins - why a session keeps its server connection; rows of pins.def. */
#pragma once

enum pin_reason {
#define PIN_REASON(id, name, sentence) PIN_##id,
#include "gateway/session/pins.def"
#undef PIN_REASON
    PIN_REASONS
};

const char *pin_reason_name(enum pin_reason reason);
