/* SPDX-License-Identifier: PostgreSQL
 * credentials - what a pool logs in to PostgreSQL with; set by pool_set_credentials and pool_set_md5. */
#pragma once

#include <stdbool.h>

/* How a pool logs in to PostgreSQL. A hash or keys beside a password are newer than it. */
struct credentials {
    char *password;              /* NULL = none */
    char md5[36];                /* "md5" and 32 digits; "" = none */
    bool keys;                   /* client_key and server_key are known (SCRAM pass-through) */
    unsigned char client_key[32], server_key[32];
};

/* No secret is left in memory; all zero afterwards. */
void credentials_wipe(struct credentials *credentials);
