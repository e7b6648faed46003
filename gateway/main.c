/* SPDX-License-Identifier: PostgreSQL
 * main - the commands of pgsluice. */
#include <stdio.h>
#include <string.h>

#include "gateway/offline.h"
#include "gateway/serve.h"
#include "gateway/setup.h"
#include "gateway/version.h"

enum { EXIT_USAGE = 2 };

static int version_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("pgsluice " PGSLUICE_VERSION);
    return 0;
}

static const struct command {
    const char *name, *sentence;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", "run the gateway: -c FILE, or --upstream HOST:PORT without a file", serve_main},
    {"check", "say everything that is wrong with a configuration: -c FILE", offline_check},
    {"explain", "say which route a connection takes and why: -c FILE user=... database=...", offline_explain},
    {"setup", "make in PostgreSQL what auth_query needs, after showing the SQL: CONNINFO", setup_main},
    {"manual", "print the reference of all settings, or with --sample a configuration", offline_manual},
    {"version", "print the version", version_main},
};

static void usage(FILE *to)
{
    fputs("pgsluice - a backup-aware routing gateway for PostgreSQL\n\n"
          "usage: pgsluice COMMAND [ARGUMENT ...]\n\n",
          to);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].sentence);
    fputs("\n`pgsluice COMMAND --help` says more. Exit codes: 0 done, 1 failed, 2 usage or configuration.\n",
          to);
}

int main(int argc, char **argv)
{
    if (argc >= 2 &&
        (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)) {
        usage(stdout);
        return 0;
    }
    if (argc >= 2 && strcmp(argv[1], "--version") == 0)
        return version_main(argc, argv);
    for (size_t i = 0; argc >= 2 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (argc >= 2)
        fprintf(stderr, "pgsluice: expected a command, found \"%s\"\n\n", argv[1]);
    usage(stderr);
    return EXIT_USAGE;
}
