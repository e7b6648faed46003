/* SPDX-License-Identifier: PostgreSQL
 * held - what a client of the console prepared: statements and portals, by name. */
#include "gateway/admin/held.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/fault.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"

void helds_init(struct helds *helds)
{
    list_init(&helds->list);
    helds->count = 0;
}

void held_drop(struct helds *helds, struct held *held)
{
    if (held == NULL)
        return;
    list_remove(&held->link);
    helds->count--;
    rows_free(&held->rows);
    free(held);
}

void helds_clear(struct helds *helds)
{
    while (!list_empty(&helds->list))
        held_drop(helds, list_entry(helds->list.next, struct held, link));
}

struct held *held_find(struct helds *helds, const char *name)
{
    list_each(link, following, &helds->list) {
        struct held *held = list_entry(link, struct held, link);

        if (strncmp(held->name, name, HELD_NAME_BYTES - 1) == 0)
            return held;
    }
    return NULL;
}

struct held *held_add(struct helds *helds, const char *what, const char *name, struct fault *fault)
{
    struct held *held = held_find(helds, name);

    if (held != NULL && *name != '\0') {
        fault_set(fault, strcmp(what, "portal") == 0 ? "42P03" : "42P05", "%s \"%s\" already exists", what,
                  held->name);
        return NULL;
    }
    held_drop(helds, held);
    if (helds->count >= HELD_MAX) {
        fault_set(fault, "54000", "the console keeps at most %d of a session's %ss", HELD_MAX, what);
        return NULL;
    }
    held = calloc(1, sizeof *held);
    if (held == NULL) {
        fault_set(fault, "53200", "out of memory");
        return NULL;
    }
    strncpy(held->name, name, HELD_NAME_BYTES - 1);
    list_push(&helds->list, &held->link);
    helds->count++;
    return held;
}

/* One code for all columns, or one for each; none: text. */
static bool read_formats(struct held *portal, struct reader *reader)
{
    uint16_t count = reader_u16(reader);

    portal->binary = 0;
    for (uint16_t i = 0; i < count && i < CONSOLE_COLUMNS_MAX; i++) {
        uint16_t code = reader_u16(reader);

        if (code > 1)
            return false;
        portal->binary |= (uint32_t)code << i;
    }
    if (count == 1 && portal->binary != 0)
        portal->binary = UINT32_MAX;
    return !reader->bad;
}

bool held_bind(struct held *portal, const struct bind_fields *bind, struct fault *fault)
{
    struct reader reader;
    uint16_t codes, parameters;

    reader_init(&reader, bind->rest, bind->rest_bytes);
    codes = reader_u16(&reader);
    (void)reader_bytes(&reader, (size_t)codes * 2);
    parameters = reader_u16(&reader);
    if (!reader.bad && parameters > 0)
        return fault_set(fault, "08P01",
                         "bind message supplies %u parameters, but the console's commands have none",
                         parameters);
    if (read_formats(portal, &reader))
        return true;
    return fault_set(fault, "08P01", "expected a whole Bind message with format codes 0 and 1");
}

bool held_has_more(const struct held *portal)
{
    return portal->sent < portal->rows.used;
}

const void *held_rows(struct held *portal, uint32_t limit, size_t *bytes, size_t *count)
{
    const unsigned char *from = portal->rows.bytes + portal->sent;
    struct frame frame;

    *bytes = *count = 0;
    while (held_has_more(portal) && (limit == 0 || *count < limit) &&
           frame_peek(from + *bytes, portal->rows.used - portal->sent, &frame) == FRAME_OK) {
        portal->sent += frame.size;
        *bytes += frame.size;
        ++*count;
    }
    return from;
}
