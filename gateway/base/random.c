/* SPDX-License-Identifier: PostgreSQL
 * random - unpredictable bytes from the kernel, for cancel keys, nonces and salts. */
#include "gateway/base/random.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

#include "gateway/base/check.h"

void random_fill(void *buffer, size_t length)
{
    char *at = buffer;

    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);

        CHECK(got >= 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            length -= (size_t)got;
        }
    }
}
