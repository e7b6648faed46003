/* SPDX-License-Identifier: PostgreSQL
 * offline - the commands that only read a configuration: check, explain, manual.
 * Each takes its own name in argv[0] and returns the exit code: 0 done, 2 usage or configuration. */
#pragma once

int offline_check(int argc, char **argv);   /* -c FILE */
int offline_explain(int argc, char **argv); /* -c FILE NAME=VALUE... */
int offline_manual(int argc, char **argv);  /* [--sample] */
