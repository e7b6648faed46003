/* SPDX-License-Identifier: PostgreSQL
 * fuzz_fields - whatever the body of a message holds, what is read of it lies within it. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/wire/fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t error_length(const uint8_t *data, size_t size)
{
    struct error_fields error;

    fields_error(data, size, &error);
    return strlen(error.severity) + strlen(error.sqlstate) + strlen(error.message) + strlen(error.detail)
           + strlen(error.hint) + strlen(error.routine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    struct parse_fields parse;
    struct bind_fields bind;
    const char *name, *value;
    char kind;

    if (fields_parse(data, size, &parse)) {
        CHECK(strlen(parse.query) == parse.query_length);
        CHECK((const uint8_t *)parse.types + parse.types_bytes == end);
        CHECK(strlen(parse.name) + 1 + parse.query_length + 1 + parse.types_bytes == size);
    }
    if (fields_bind(data, size, &bind))
        CHECK(strlen(bind.portal) + 1 + strlen(bind.statement) + 1 + bind.rest_bytes == size);
    if (fields_describe(data, size, &kind, &name))
        CHECK(strlen(name) + 2 == size);
    if (fields_parameter_status(data, size, &name, &value))
        CHECK(strlen(name) + 1 + strlen(value) + 1 == size);
    CHECK(error_length(data, size) <= size);
    return 0;
}
