/* SPDX-License-Identifier: PostgreSQL
 * pam - asks the system's PAM modules whether a user's password is right and the account may be used. */
#pragma once

#include <stdbool.h>

struct fault;

/* True when the modules of the service (a file in /etc/pam.d) took the password and the account is good:
 * pam_authenticate, then pam_acct_mgmt (pam(3)). Else false with the true reason in *truth, for the log
 * and not for the client: 28P01 when the password was refused, 28000 when the account was, 58000 when PAM
 * itself failed. The modules are told the client's address when it is not NULL. They may ask for one
 * thing, the password, once; an empty one is refused before they are asked. Blocks for as long as the
 * modules like, which may delay a refusal by seconds (pam_fail_delay(3)). Any thread. Modules start programs
 * (pam_unix, pam_exec) and wait for them: no other part of the process may wait for any child, as the default
 * loop of libev does.
 *
 * For tests: the environment variable PGSLUICE_PAM_DIRECTORY names a directory that is used instead of
 * /etc/pam.d, unless the program runs with other rights than its caller's (secure_getenv(3)). */
bool pam_check(const char *service, const char *user, const char *password, const char *peer_or_null,
               struct fault *truth);
