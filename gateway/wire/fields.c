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

/* Formats: none for all text, one for all, or one each. */
static uint16_t bind_format(const unsigned char *formats, uint16_t count, unsigned number)
{
    if (count == 0)
        return 0;
    return number > count && count > 1 ? 1 : frame_u16(formats + 2 * (count == 1 ? 0 : number - 1));
}

bool fields_bind_parameter(const struct bind_fields *bind, unsigned number, struct bind_parameter *out)
{
    const unsigned char *formats;
    uint16_t format_count;
    uint32_t length = 0;
    struct reader r;

    *out = (struct bind_parameter){ NULL, 0, false, false };
    reader_init(&r, bind->rest, bind->rest_bytes);
    format_count = reader_u16(&r);
    formats = reader_bytes(&r, 2 * (size_t)format_count);
    if (number == 0 || number > reader_u16(&r))
        return false;
    for (unsigned i = 1; i <= number && !r.bad; i++) {
        length = reader_u32(&r);
        out->is_null = length == UINT32_MAX;
        out->bytes = reader_bytes(&r, out->is_null ? 0 : length);
    }
    out->length = out->is_null ? 0 : length;
    out->is_text = !r.bad && bind_format(formats, format_count, number) == 0;
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

/* FNV-1a: not seeded, because shapes are compared across processes when one takes over from another. */
static uint64_t shape_add(uint64_t shape, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < length; i++)
        shape = (shape ^ at[i]) * 0x100000001b3u;
    return shape;
}

uint64_t fields_shape(const void *body, size_t size)
{
    struct reader r;
    uint16_t count;
    uint64_t shape = 0xcbf29ce484222325u;

    reader_init(&r, body, size);
    count = reader_u16(&r);
    for (unsigned i = 0; i < count && !r.bad; i++) {
        const char *name = reader_string(&r);
        const void *type;

        reader_bytes(&r, 6); /* table and column */
        type = reader_bytes(&r, 10);
        reader_u16(&r);      /* format */
        if (!r.bad)
            shape = shape_add(shape_add(shape, name, strlen(name) + 1), type, 10);
    }
    return r.bad || reader_left(&r) > 0 ? 0 : shape | 2;
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
