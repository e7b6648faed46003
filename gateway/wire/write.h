/* SPDX-License-Identifier: PostgreSQL
 * write - builds protocol messages into a bounded buffer.
 * A builder that runs out of room remembers it: check builder_ok once at the end, and send nothing of it when
 * that is false. Source: PostgreSQL manual, "Message Formats". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fault;
struct startup_parameter;

/* Borrows the buffer; `used` bytes of it are ready to be sent. */
struct builder {
    unsigned char *bytes;
    size_t room, used;
    size_t open;     /* offset of the length of the message being built */
    bool overflowed;
};

/* The codes of the AuthenticationXXX messages. */
enum {
    ASK_OK = 0, ASK_CLEARTEXT = 3, ASK_MD5 = 5, ASK_SASL = 10, ASK_SASL_CONTINUE = 11, ASK_SASL_FINAL = 12
};

enum { WRITE_ERROR_ROOM = 1024 }; /* enough for write_error with any fault */

void builder_init(struct builder *b, void *buffer, size_t room);
bool builder_ok(const struct builder *b);

/* One message: builder_begin, any number of builder_*, builder_end (fills in the length). They do not nest.
 * type 0 builds a message without a type byte (StartupMessage, CancelRequest). */
void builder_begin(struct builder *b, char type);
void builder_end(struct builder *b);
void builder_u8(struct builder *b, uint8_t value);
void builder_u16(struct builder *b, uint16_t value);
void builder_u32(struct builder *b, uint32_t value);
void builder_bytes(struct builder *b, const void *bytes, size_t length);
void builder_string(struct builder *b, const char *text); /* with its NUL */

/* Whole messages. */
void write_authentication(struct builder *b, uint32_t code, const void *body, size_t length); /* 'R' */
void write_parameter_status(struct builder *b, const char *name, const char *value);
void write_backend_key(struct builder *b, uint32_t pid, const void *key, size_t key_bytes);
void write_ready(struct builder *b, char status);
/* ErrorResponse ('E') or NoticeResponse ('N'); severity is "ERROR", "FATAL", "NOTICE"...; sends S, V, C
 * (XX000 when the fault has none), M, and H when there is a hint. */
void write_error(struct builder *b, char type, const char *severity, const struct fault *fault);
void write_startup(struct builder *b, uint16_t major, uint16_t minor,
                   const struct startup_parameter *parameters, size_t count);
void write_ssl_request(struct builder *b);
void write_cancel(struct builder *b, uint32_t pid, const void *key, size_t key_bytes);
void write_query(struct builder *b, const char *sql);
/* newest_minor: 2 for protocol 3.2; options: the _pq_. parameters that were not understood. */
void write_negotiate_version(struct builder *b, uint32_t newest_minor, const char *const *options,
                             size_t count);
/* For the console. Bit i of binary: column i comes in that format; a NULL value is SQL NULL; at most 32767
 * columns. */
void write_row_description(struct builder *b, const char *const *names, const uint32_t *type_oids,
                           uint32_t binary, size_t count);
void write_data_row(struct builder *b, const char *const *values, size_t count);
void write_command_complete(struct builder *b, const char *tag);
