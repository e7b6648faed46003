/* SPDX-License-Identifier: PostgreSQL
 * session_state - what a route does about each kind of session state: pin, refuse or allow. The kinds are the
 * policy words of pins.def. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_group;

enum state_policy { STATE_PIN, STATE_REFUSE, STATE_ALLOW };

/* PIN_BITs of the reasons whose kind is refused or allowed; the rest is pinned. asked: of those that a
 * group names with "pin": sequence state then pins from a session's first write on, and not only once
 * currval was asked for. */
struct session_state {
    uint32_t refused, allowed, asked;
};

/* One word for every kind; false when it is none. */
bool session_state_from_text(const char *text, struct session_state *state);

/* As an operator would write it: the one word, or "temporary=refuse, ..., default=pin". */
void session_state_to_text(const struct session_state *state, char *text, size_t room);

/* Reads the group `name` of `group`, a word for each kind; `default` is for those that it does not name,
 * which otherwise stay as they are. Problems are reported through the group. */
void session_state_read(struct conf_group *group, const char *name, struct session_state *state);
