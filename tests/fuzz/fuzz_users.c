/* SPDX-License-Identifier: PostgreSQL
 * fuzz_users - any users file is refused with a sentence, or every one of its users is found again. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/auth/secret.h"
#include "gateway/auth/users.h"
#include "gateway/base/check.h"
#include "gateway/base/fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault fault = { .sqlstate = "" };
    struct users *users = users_parse((const char *)data, size, "users.txt", &fault);
    struct scram_verifier verifier;

    if (users == NULL) {
        CHECK(fault.message[0] != '\0' && strlen(fault.sqlstate) == 5);
        return 0;
    }
    CHECK(users_count(users) <= size);
    for (size_t i = 0; i + 1 < size; i++) {
        char name[3] = { (char)data[i], (char)data[i + 1], '\0' };
        const struct user *user = users_find(users, name);

        if (user != NULL)
            CHECK(strcmp(user->name, name) == 0 && user->secret != NULL);
        if (user != NULL && secret_kind(user->secret) != SECRET_PASSWORD)
            CHECK(secret_verifier(user->secret, NULL, &verifier) ==
                  (secret_kind(user->secret) == SECRET_SCRAM));
    }
    users_free(users);
    return 0;
}
