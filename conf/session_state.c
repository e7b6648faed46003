/* SPDX-License-Identifier: PostgreSQL
 * session_state - what a route does about each kind of session state: pin, refuse or allow. */
#include "conf/session_state.h"

#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/options.h"
#include "conf/pins.h"
#include "gateway/base/check.h"

enum { NOT_GIVEN = -1 };

/* The word of a kind, once for each: NULL where no policy applies or an earlier reason has the same one. */
static const char *kind_of(enum pin_reason reason)
{
    const char *kind = pin_reason_policy(reason);

    if (*kind == '\0')
        return NULL;
    for (enum pin_reason earlier = PIN_NONE; earlier < reason; earlier++)
        if (strcmp(pin_reason_policy(earlier), kind) == 0)
            return NULL;
    return kind;
}

static uint32_t bits_of(const char *kind)
{
    uint32_t bits = 0;

    for (enum pin_reason reason = PIN_NONE; reason < PIN_REASONS; reason++)
        if (strcmp(pin_reason_policy(reason), kind) == 0)
            bits |= 1u << reason;
    return bits;
}

static void policy_set(struct session_state *state, uint32_t bits, enum state_policy policy)
{
    state->refused &= ~bits;
    state->allowed &= ~bits;
    state->asked &= ~bits;
    if (policy == STATE_REFUSE)
        state->refused |= bits;
    else if (policy == STATE_ALLOW)
        state->allowed |= bits;
}

static void policy_set_all(struct session_state *state, enum state_policy policy)
{
    for (enum pin_reason reason = PIN_NONE; reason < PIN_REASONS; reason++)
        if (kind_of(reason) != NULL)
            policy_set(state, bits_of(kind_of(reason)), policy);
}

static enum state_policy policy_get(const struct session_state *state, uint32_t bits)
{
    if ((state->refused & bits) != 0)
        return STATE_REFUSE;
    return (state->allowed & bits) != 0 ? STATE_ALLOW : STATE_PIN;
}

static const char *policy_word(enum state_policy policy)
{
    for (const struct conf_word *word = state_policy_words; word->word != NULL; word++)
        if (word->value == (int)policy)
            return word->word;
    UNREACHABLE();
}

bool session_state_from_text(const char *text, struct session_state *state)
{
    for (const struct conf_word *word = state_policy_words; word->word != NULL; word++) {
        if (strcmp(word->word, text) == 0) {
            policy_set_all(state, (enum state_policy)word->value);
            return true;
        }
    }
    return false;
}

void session_state_to_text(const struct session_state *state, char *text, size_t room)
{
    size_t kinds = 0, counts[STATE_ALLOW + 1] = {0}, used = 0;

    for (enum pin_reason reason = PIN_NONE; reason < PIN_REASONS; reason++) {
        if (kind_of(reason) != NULL) {
            counts[policy_get(state, 1u << reason)]++;
            kinds++;
        }
    }
    for (int policy = STATE_PIN; policy <= STATE_ALLOW && state->asked == 0; policy++) {
        if (counts[policy] == kinds) {
            snprintf(text, room, "%s", policy_word((enum state_policy)policy));
            return;
        }
    }
    for (enum pin_reason reason = PIN_NONE; reason < PIN_REASONS && used < room; reason++) {
        enum state_policy policy = policy_get(state, 1u << reason);

        if (kind_of(reason) != NULL && (policy != STATE_PIN || (state->asked & 1u << reason) != 0))
            used += (size_t)snprintf(text + used, room - used, "%s=%s, ", kind_of(reason),
                                     policy_word(policy));
    }
    if (used < room)
        snprintf(text + used, room - used, "default=%s", policy_word(STATE_PIN));
}

void session_state_read(struct conf_group *group, const char *name, struct session_state *state)
{
    struct conf_group child = conf_child(group, name);
    struct conf_row rows[PIN_REASONS];
    int given[PIN_REASONS];
    size_t count = 0;

    rows[count++] = (struct conf_row){.name = "default"};
    for (enum pin_reason reason = PIN_NONE; reason < PIN_REASONS; reason++)
        if (kind_of(reason) != NULL)
            rows[count++] = (struct conf_row){.name = kind_of(reason)};
    for (size_t i = 0; i < count; i++) {
        rows[i].type = CONF_ENUM;
        rows[i].words = state_policy_words;
        rows[i].offset = i * sizeof given[0];
        given[i] = NOT_GIVEN;
    }
    conf_read(&child, rows, count, given);
    conf_end(&child);
    if (given[0] != NOT_GIVEN)
        policy_set_all(state, (enum state_policy)given[0]);
    for (size_t i = 1; i < count; i++)
        if (given[i] != NOT_GIVEN) {
            policy_set(state, bits_of(rows[i].name), (enum state_policy)given[i]);
            state->asked |= given[i] == STATE_PIN ? bits_of(rows[i].name) : 0;
        }
}
