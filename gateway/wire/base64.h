/* SPDX-License-Identifier: PostgreSQL
 * base64 - the strict base64 of RFC 4648 as SCRAM messages carry it: padded, no line breaks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Bytes that base64_encode writes for `length` bytes, its NUL included. */
#define BASE64_ROOM(length) (((length) + 2) / 3 * 4 + 1)

/* Writes text and a NUL; out must have BASE64_ROOM(length). Returns the length of the text. */
size_t base64_encode(const void *bytes, size_t length, char *out, size_t room);

/* False when text is not canonical base64 or does not fit in room. */
bool base64_decode(const char *text, size_t length, unsigned char *out, size_t room, size_t *out_bytes);
