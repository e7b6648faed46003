/* SPDX-License-Identifier: PostgreSQL
 * base64 - strict: one text for each value, so that nothing can be smuggled in a padding bit. */
#include "gateway/wire/base64.h"

#include <stdint.h>

#include "gateway/base/check.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(const void *bytes, size_t length, char *out, size_t room)
{
    const unsigned char *at = bytes;
    char *to = out;

    CHECK(room >= BASE64_ROOM(length));
    for (; length >= 3; at += 3, length -= 3) {
        *to++ = letters[at[0] >> 2];
        *to++ = letters[(at[0] & 3) << 4 | at[1] >> 4];
        *to++ = letters[(at[1] & 15) << 2 | at[2] >> 6];
        *to++ = letters[at[2] & 63];
    }
    if (length > 0) {
        int second = length == 2 ? at[1] : 0;

        *to++ = letters[at[0] >> 2];
        *to++ = letters[(at[0] & 3) << 4 | second >> 4];
        *to++ = length == 2 ? letters[(second & 15) << 2] : '=';
        *to++ = '=';
    }
    *to = '\0';
    return (size_t)(to - out);
}

static int letter_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four letters to three bytes; `padding` of the letters are '='. */
static bool group_decode(const char *text, int padding, unsigned char bytes[3])
{
    uint32_t group = 0;

    for (int i = 0; i < 4; i++) {
        int value = i >= 4 - padding ? 0 : letter_value(text[i]);

        if (value < 0)
            return false;
        group = group << 6 | (uint32_t)value;
    }
    bytes[0] = (unsigned char)(group >> 16);
    bytes[1] = (unsigned char)(group >> 8);
    bytes[2] = (unsigned char)group;
    return (padding < 1 || bytes[2] == 0) && (padding < 2 || bytes[1] == 0);
}

bool base64_decode(const char *text, size_t length, unsigned char *out, size_t room, size_t *out_bytes)
{
    size_t used = 0;

    if (length % 4 != 0)
        return false;
    for (size_t i = 0; i < length; i += 4) {
        int padding = i + 4 < length || text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
        size_t count = 3 - (size_t)padding;
        unsigned char bytes[3];

        if (!group_decode(text + i, padding, bytes) || count > room - used)
            return false;
        for (size_t j = 0; j < count; j++)
            out[used++] = bytes[j];
    }
    *out_bytes = used;
    return true;
}
