/* SPDX-License-Identifier: PostgreSQL
 * fields - reads the bodies of messages. Every reader checks its bounds and never reads past `size`; what it
 * returns points into the body and lives as long as that. Source: PostgreSQL manual, "Message Formats". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A cursor over one message body; `bad` stays set once a read went past the end. */
struct reader {
    const unsigned char *at, *end;
    bool bad;
};

void reader_init(struct reader *r, const void *body, size_t size);
uint8_t reader_u8(struct reader *r);   /* numbers are 0 when bad */
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
const void *reader_bytes(struct reader *r, size_t length); /* NULL when bad */
const char *reader_string(struct reader *r);               /* NUL-terminated in place; "" when bad */
size_t reader_left(const struct reader *r);

/* Parse message: name, query, and the parameter types as they lie on the wire (count * 4 bytes). */
struct parse_fields {
    const char *name, *query;
    size_t query_length;
    const void *types; /* starts at the 16-bit count */
    size_t types_bytes;
};
/* False unless the body is whole and exact. */
bool fields_parse(const void *body, size_t size, struct parse_fields *out);

/* Bind: portal and statement names; rest = everything after them, forwarded as it lies. `size` may be a
 * part of the body: false when not both names are in it. */
struct bind_fields {
    const char *portal, *statement;
    const void *rest;
    size_t rest_bytes;
};
bool fields_bind(const void *body, size_t size, struct bind_fields *out);

/* One parameter of a Bind; bytes is NULL when it could not be read. */
struct bind_parameter {
    const unsigned char *bytes;
    size_t length;
    bool is_null, is_text; /* format code 0 */
};
/* The number-th, counted from 1. False when there is no such one, or the message is cut before its end. */
bool fields_bind_parameter(const struct bind_fields *bind, unsigned number, struct bind_parameter *out);
/* Describe, Close: kind 'S' or 'P' and a name; false for anything else. */
bool fields_describe(const void *body, size_t size, char *kind, const char **name);

/* RowDescription: a hash of what PostgreSQL compares when it says "cached plan must not change result
 * type" (names, types, lengths, modifiers; not which table they are from). Never 0 or 1; 0 when the body
 * is not whole. */
uint64_t fields_shape(const void *body, size_t size);

/* ErrorResponse and NoticeResponse; absent fields are "". severity is the untranslated one where the server
 * sends it. Tolerates messages without SQLSTATE or fields, and ones that are cut. */
struct error_fields {
    const char *severity, *sqlstate, *message, *detail, *hint, *routine;
};
void fields_error(const void *body, size_t size, struct error_fields *out);

/* False unless the body is exactly a name that is not empty and a value. */
bool fields_parameter_status(const void *body, size_t size, const char **name, const char **value);
