/* SPDX-License-Identifier: PostgreSQL
 * fields - reads the bodies of messages, every byte of which may be hostile. */
#include "gateway/wire/fields.h"

#include <string.h>

#include "gateway/wire/frame.h"

void reader_init(struct reader *r, const void *body, size_t size)
{
    r->at = body;
    r->end = r->at + size;
    r->bad = false;
}

size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

const void *reader_bytes(struct reader *r, size_t length)
{
    const void *bytes = r->at;

    if (r->bad || length > reader_left(r)) {
        r->bad = true;
        return NULL;
    }
    r->at += length;
    return bytes;
}

uint8_t reader_u8(struct reader *r)
{
    const unsigned char *bytes = reader_bytes(r, 1);

    return bytes == NULL ? 0 : bytes[0];
}

uint16_t reader_u16(struct reader *r)
{
    const unsigned char *bytes = reader_bytes(r, 2);

    return bytes == NULL ? 0 : frame_u16(bytes);
}

uint32_t reader_u32(struct reader *r)
{
    const unsigned char *bytes = reader_bytes(r, 4);

    return bytes == NULL ? 0 : frame_u32(bytes);
}

const char *reader_string(struct reader *r)
{
    size_t left = r->bad ? 0 : reader_left(r);
    const char *text = (const char *)r->at;
    const unsigned char *nul = left == 0 ? NULL : memchr(text, '\0', left);

    if (nul == NULL) {
        r->bad = true;
        return "";
    }
    r->at = nul + 1;
    return text;
}

bool fields_parse(const void *body, size_t size, struct parse_fields *out)
{
    struct reader r;

    reader_init(&r, body, size);
    out->name = reader_string(&r);
    out->query = reader_string(&r);
    out->query_length = r.bad ? 0 : (size_t)((const char *)r.at - out->query) - 1;
    out->types = r.at;
    out->types_bytes = reader_left(&r);
    return !r.bad && out->types_bytes >= 2 && out->types_bytes == 2 + 4 * (size_t)frame_u16(out->types);
}

bool fields_bind(const void *body, size_t size, struct bind_fields *out)
{
    struct reader r;

    reader_init(&r, body, size);
    out->portal = reader_string(&r);
    out->statement = reader_string(&r);
    out->rest = r.at;
    out->rest_bytes = reader_left(&r);
    return !r.bad;
}

bool fields_describe(const void *body, size_t size, char *kind, const char **name)
{
    struct reader r;

    reader_init(&r, body, size);
    *kind = (char)reader_u8(&r);
    *name = reader_string(&r);
    return !r.bad && reader_left(&r) == 0 && (*kind == 'S' || *kind == 'P');
}

static const char **error_field(struct error_fields *out, char code)
{
    switch (code) {
    case 'C':
        return &out->sqlstate;
    case 'M':
        return &out->message;
    case 'D':
        return &out->detail;
    case 'H':
        return &out->hint;
    case 'R':
        return &out->routine;
    default:
        return NULL;
    }
}

void fields_error(const void *body, size_t size, struct error_fields *out)
{
    struct reader r;
    bool untranslated = false;

    *out = (struct error_fields){ "", "", "", "", "", "" };
    reader_init(&r, body, size);
    while (reader_left(&r) > 0) {
        char code = (char)reader_u8(&r);
        const char *text = code == '\0' ? "" : reader_string(&r);
        const char **field = error_field(out, code);

        if (code == '\0' || r.bad)
            return;
        if (field != NULL)
            *field = text;
        if (code == 'V' || (code == 'S' && !untranslated))
            out->severity = text;
        untranslated = untranslated || code == 'V';
    }
}

bool fields_parameter_status(const void *body, size_t size, const char **name, const char **value)
{
    struct reader r;

    reader_init(&r, body, size);
    *name = reader_string(&r);
    *value = reader_string(&r);
    return !r.bad && reader_left(&r) == 0 && (*name)[0] != '\0';
}
