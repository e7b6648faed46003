/* SPDX-License-Identifier: PostgreSQL
 * first_pins - which applications were already named in the log for which pin. */
#include "gateway/first_pins.h"

/* The slots outnumber what may be added, so that some are always free and every search ends. */
enum first_pin first_pins_add(struct first_pins *pins, uint64_t hash)
{
    uint64_t key = hash == 0 ? 1 : hash;

    for (uint64_t at = key;; at++) {
        _Atomic uint64_t *slot = &pins->seen[at % FIRST_PINS_SLOTS];
        uint64_t found = atomic_load_explicit(slot, memory_order_relaxed);
        int before;

        if (found == key)
            return FIRST_PIN_KNOWN;
        if (found != 0)
            continue;
        if (atomic_load(&pins->count) > FIRST_PINS_MAX)
            return FIRST_PIN_UNTOLD;
        before = atomic_fetch_add(&pins->count, 1);
        if (before >= FIRST_PINS_MAX)
            return before == FIRST_PINS_MAX ? FIRST_PIN_LAST : FIRST_PIN_UNTOLD;
        if (atomic_compare_exchange_strong(slot, &found, key))
            return FIRST_PIN_NEW;
        atomic_fetch_sub(&pins->count, 1);
        at--; /* another thread took the slot, perhaps for this very key */
    }
}
