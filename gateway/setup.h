/* SPDX-License-Identifier: PostgreSQL
 * setup - the command `pgsluice setup`: makes in PostgreSQL what auth_query needs, and nothing more. */
#pragma once

/* [-c FILE] [--role NAME] [--database DB]... [CONNINFO]; see --help. 0 done, 1 failed, 2 usage. */
int setup_main(int argc, char **argv);
