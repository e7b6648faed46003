/* SPDX-License-Identifier: PostgreSQL
 * first_pins - which applications were already named in the log for which pin: a set that only grows, up to a
 * bound, without a lock. Any thread. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum { FIRST_PINS_MAX = 1000, FIRST_PINS_SLOTS = 2048 };

/* All zero is empty. */
struct first_pins {
    _Atomic uint64_t seen[FIRST_PINS_SLOTS]; /* hashes; 0 = free */
    _Atomic int count;
};

enum first_pin {
    FIRST_PIN_NEW,
    FIRST_PIN_KNOWN,
    FIRST_PIN_LAST,  /* new, but there is no more room: said once */
    FIRST_PIN_UNTOLD /* perhaps new; there is no more room */
};

/* Adds what a hash (table_hash) stands for. */
enum first_pin first_pins_add(struct first_pins *pins, uint64_t hash);
