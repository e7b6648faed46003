/* SPDX-License-Identifier: PostgreSQL
 * write - builds protocol messages into a bounded buffer. */
#include "gateway/wire/write.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/startup.h"

enum { CODE_CANCEL = 80877102, CODE_SSL = 80877103 };

static const size_t NOTHING_OPEN = SIZE_MAX;

static void u32_store(unsigned char *at, uint32_t value)
{
    at[0] = (unsigned char)(value >> 24);
    at[1] = (unsigned char)(value >> 16);
    at[2] = (unsigned char)(value >> 8);
    at[3] = (unsigned char)value;
}

void builder_init(struct builder *b, void *buffer, size_t room)
{
    b->bytes = buffer;
    b->room = room;
    b->used = 0;
    b->open = NOTHING_OPEN;
    b->overflowed = false;
}

bool builder_ok(const struct builder *b)
{
    return !b->overflowed;
}

void builder_bytes(struct builder *b, const void *bytes, size_t length)
{
    if (b->overflowed || length > b->room - b->used) {
        b->overflowed = true;
        return;
    }
    if (length > 0)
        memcpy(b->bytes + b->used, bytes, length);
    b->used += length;
}

void builder_u8(struct builder *b, uint8_t value)
{
    builder_bytes(b, &value, 1);
}

void builder_u16(struct builder *b, uint16_t value)
{
    unsigned char bytes[2] = { (unsigned char)(value >> 8), (unsigned char)value };

    builder_bytes(b, bytes, sizeof bytes);
}

void builder_u32(struct builder *b, uint32_t value)
{
    unsigned char bytes[4];

    u32_store(bytes, value);
    builder_bytes(b, bytes, sizeof bytes);
}

void builder_string(struct builder *b, const char *text)
{
    builder_bytes(b, text, strlen(text) + 1);
}

void builder_begin(struct builder *b, char type)
{
    CHECK(b->open == NOTHING_OPEN);
    if (type != '\0')
        builder_u8(b, (uint8_t)type);
    b->open = b->used;
    builder_u32(b, 0);
}

void builder_end(struct builder *b)
{
    CHECK(b->open != NOTHING_OPEN);
    if (b->used - b->open > FRAME_LENGTH_MAX)
        b->overflowed = true;
    if (!b->overflowed)
        u32_store(b->bytes + b->open, (uint32_t)(b->used - b->open));
    b->open = NOTHING_OPEN;
}

void write_authentication(struct builder *b, uint32_t code, const void *body, size_t length)
{
    builder_begin(b, 'R');
    builder_u32(b, code);
    builder_bytes(b, body, length);
    builder_end(b);
}

void write_parameter_status(struct builder *b, const char *name, const char *value)
{
    builder_begin(b, 'S');
    builder_string(b, name);
    builder_string(b, value);
    builder_end(b);
}

void write_backend_key(struct builder *b, uint32_t pid, const void *key, size_t key_bytes)
{
    builder_begin(b, 'K');
    builder_u32(b, pid);
    builder_bytes(b, key, key_bytes);
    builder_end(b);
}

void write_ready(struct builder *b, char status)
{
    builder_begin(b, 'Z');
    builder_u8(b, (uint8_t)status);
    builder_end(b);
}

static void error_field(struct builder *b, char code, const char *text)
{
    builder_u8(b, (uint8_t)code);
    builder_string(b, text);
}

void write_error(struct builder *b, char type, const char *severity, const struct fault *fault)
{
    builder_begin(b, type);
    error_field(b, 'S', severity);
    error_field(b, 'V', severity);
    error_field(b, 'C', fault->sqlstate[0] == '\0' ? "XX000" : fault->sqlstate);
    error_field(b, 'M', fault->message);
    if (fault->hint[0] != '\0')
        error_field(b, 'H', fault->hint);
    builder_u8(b, 0);
    builder_end(b);
}

void write_startup(struct builder *b, uint16_t major, uint16_t minor,
                   const struct startup_parameter *parameters, size_t count)
{
    builder_begin(b, '\0');
    builder_u16(b, major);
    builder_u16(b, minor);
    for (size_t i = 0; i < count; i++) {
        builder_string(b, parameters[i].name);
        builder_string(b, parameters[i].value);
    }
    builder_u8(b, 0);
    builder_end(b);
}

void write_ssl_request(struct builder *b)
{
    builder_begin(b, '\0');
    builder_u32(b, CODE_SSL);
    builder_end(b);
}

void write_cancel(struct builder *b, uint32_t pid, const void *key, size_t key_bytes)
{
    builder_begin(b, '\0');
    builder_u32(b, CODE_CANCEL);
    builder_u32(b, pid);
    builder_bytes(b, key, key_bytes);
    builder_end(b);
}

void write_query(struct builder *b, const char *sql)
{
    builder_begin(b, 'Q');
    builder_string(b, sql);
    builder_end(b);
}

/* The manual says "minor version"; server and libpq alike put the whole version number here. */
void write_negotiate_version(struct builder *b, uint32_t newest_minor, const char *const *options,
                             size_t count)
{
    builder_begin(b, 'v');
    builder_u32(b, 3u << 16 | newest_minor);
    builder_u32(b, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        builder_string(b, options[i]);
    builder_end(b);
}

void write_row_description(struct builder *b, const char *const *names, const uint32_t *type_oids,
                           uint32_t binary, size_t count)
{
    CHECK(count <= INT16_MAX);
    builder_begin(b, 'T');
    builder_u16(b, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        builder_string(b, names[i]);
        builder_u32(b, 0); /* no table */
        builder_u16(b, 0); /* no column of it */
        builder_u32(b, type_oids[i]);
        builder_u16(b, (uint16_t)-1); /* any width */
        builder_u32(b, (uint32_t)-1); /* no type modifier */
        builder_u16(b, i < 32 && (binary & 1u << i) != 0);
    }
    builder_end(b);
}

void write_data_row(struct builder *b, const char *const *values, size_t count)
{
    CHECK(count <= INT16_MAX);
    builder_begin(b, 'D');
    builder_u16(b, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        size_t length = values[i] == NULL ? 0 : strlen(values[i]);

        builder_u32(b, values[i] == NULL ? (uint32_t)-1 : (uint32_t)length);
        builder_bytes(b, values[i], length);
    }
    builder_end(b);
}

void write_command_complete(struct builder *b, const char *tag)
{
    builder_begin(b, 'C');
    builder_string(b, tag);
    builder_end(b);
}
