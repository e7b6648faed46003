/* SPDX-License-Identifier: PostgreSQL
 * pins - why a session keeps its server connection. */
#include "conf/pins.h"

#include <stdio.h>

enum { ENDS_PROBED = 0, ENDS_LASTING = 1 };

const uint32_t pins_lasting = 0
#define PIN_REASON(id, name, policy, ends, sentence) | ((uint32_t)ENDS_##ends << PIN_##id)
#include "conf/pins.def"
#undef PIN_REASON
    ;

const uint32_t pins_with_policy = 0
#define PIN_REASON(id, name, policy, ends, sentence) | ((uint32_t)(sizeof(policy) > 1) << PIN_##id)
#include "conf/pins.def"
#undef PIN_REASON
    ;

const char *pin_reason_name(enum pin_reason reason)
{
    static const char *const names[] = {
#define PIN_REASON(id, name, policy, ends, sentence) name,
#include "conf/pins.def"
#undef PIN_REASON
    };

    return names[reason];
}

const char *pin_reason_sentence(enum pin_reason reason)
{
    static const char *const sentences[] = {
#define PIN_REASON(id, name, policy, ends, sentence) sentence,
#include "conf/pins.def"
#undef PIN_REASON
    };

    return sentences[reason];
}

const char *pin_reason_policy(enum pin_reason reason)
{
    static const char *const policies[] = {
#define PIN_REASON(id, name, policy, ends, sentence) policy,
#include "conf/pins.def"
#undef PIN_REASON
    };

    return policies[reason];
}

const char *pins_print(uint32_t pins, char *text, size_t room)
{
    size_t used = 0;

    if (pins == 0)
        return pin_reason_name(PIN_NONE);
    for (enum pin_reason reason = PIN_NONE + 1; reason < PIN_REASONS; reason++) {
        if ((pins & 1u << reason) != 0 && used < room)
            used += (size_t)snprintf(text + used, room - used, "%s%s", used == 0 ? "" : ", ",
                                     pin_reason_name(reason));
    }
    return text;
}
