/* SPDX-License-Identifier: PostgreSQL
 * fuzz_passfile - any passfile is refused with a sentence, or what is found in it is a password. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/auth/passfile.h"
#include "gateway/auth/secret.h"
#include "gateway/base/check.h"
#include "gateway/base/fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const hosts[] = { "h", "localhost", "/tmp", "", "::1" };
    struct fault fault = { .sqlstate = "" };
    struct passfile *file = passfile_parse((const char *)data, size, "passfile", &fault);

    if (file == NULL) {
        CHECK(fault.message[0] != '\0' && strlen(fault.sqlstate) == 5);
        return 0;
    }
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        const char *password = passfile_find(file, hosts[i], 5432, "d", "u");

        if (password != NULL)
            CHECK(*password != '\0' && strlen(password) <= SECRET_MAX_BYTES && strlen(password) <= size);
    }
    passfile_free(file);
    return 0;
}
