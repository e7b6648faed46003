/* SPDX-License-Identifier: PostgreSQL
 * scram_mechanism - which SCRAM mechanism is offered and chosen, and how it is bound to a TLS connection. */
#include "gateway/wire/scram_mechanism.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/wire/base64.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/scram_parts.h"

void scram_binding_set(struct scram_binding *binding, const void *data, size_t bytes)
{
    CHECK(bytes <= sizeof binding->data);
    memset(binding, 0, sizeof *binding);
    if (bytes > 0)
        memcpy(binding->data, data, bytes);
    binding->bytes = bytes;
}

/* PostgreSQL lists the better one first, and so do we. */
const char *scram_mechanisms(bool plus, size_t *bytes)
{
    static const char both[] = SCRAM_MECHANISM_PLUS "\0" SCRAM_MECHANISM "\0", one[] = SCRAM_MECHANISM "\0";

    *bytes = plus ? sizeof both : sizeof one;
    return plus ? both : one;
}

bool scram_offered(const void *list, size_t bytes, const char *mechanism)
{
    struct reader reader;

    reader_init(&reader, list, bytes);
    while (reader_left(&reader) > 0) {
        const char *name = reader_string(&reader);

        if (reader.bad || *name == '\0')
            return false;
        if (strcmp(name, mechanism) == 0)
            return true;
    }
    return false;
}

static char flag_of(const struct scram_initial *initial)
{
    const char *at = initial->message;

    if (initial->bytes < 2 || at[1] != (at[0] == 'p' ? '=' : ','))
        return '\0';
    return at[0] == 'n' || at[0] == 'y' || at[0] == 'p' ? at[0] : '\0';
}

bool scram_initial_read(const void *body, size_t size, struct scram_initial *out)
{
    struct reader reader;

    memset(out, 0, sizeof *out);
    reader_init(&reader, body, size);
    out->mechanism = reader_string(&reader);
    out->bytes = reader_u32(&reader);
    if (reader.bad || out->bytes != reader_left(&reader))
        return false;
    out->message = reader_bytes(&reader, out->bytes);
    out->flag = flag_of(out);
    return true;
}

const char *scram_gs2_header(char flag)
{
    return flag == 'p' ? "p=tls-server-end-point,," : flag == 'y' ? "y,," : "n,,";
}

size_t scram_binding_text(char flag, const struct scram_binding *binding, char *out)
{
    unsigned char input[SCRAM_BINDING_INPUT_BYTES];
    const char *header = scram_gs2_header(flag);
    size_t length = strlen(header), bytes = flag == 'p' ? binding->bytes : 0;

    CHECK(length + bytes <= sizeof input);
    memcpy(input, header, length);
    memcpy(input + length, binding->data, bytes);
    return base64_encode(input, length + bytes, out, SCRAM_BINDING_TEXT_ROOM);
}
