/* SPDX-License-Identifier: PostgreSQL
 * main - pgsluice-backup: reads the command line and hands over to run, report, verify, restore or checkup.
 *
 * Every command ends with the exit code of failure.def that its fault maps to; 0 means that it is done. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/checkup.h"
#include "backup/decrypt.h"
#include "backup/failure.h"
#include "backup/fresh.h"
#include "backup/hook.h"
#include "backup/options.h"
#include "backup/prune.h"
#include "backup/pulse.h"
#include "backup/receive.h"
#include "backup/report.h"
#include "backup/repository.h"
#include "backup/restore.h"
#include "backup/serve.h"
#include "backup/text.h"
#include "backup/verify.h"
#include "backup/version.h"
#include "backup/work.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

struct invocation {
    const char *subject, *second; /* JOB, LABEL and the like; AGE */
    const char *config, *repository, *level, *database, *to, *directory, *target, *jobs, *key_file,
        *output, *schema, *table;
    bool create, force, no_owner, compare, dry_run, json, quiet, help;
    struct arena *arena;
    struct runner_options options;
};

struct command_row {
    const char *word, *argument, *letters, *summary;
    bool (*function)(struct invocation *invocation, struct fault *fault);
};

static bool command_run(struct invocation *invocation, struct fault *fault)
{
    const struct job_options *job = options_job(&invocation->options, invocation->subject);

    if (job == NULL)
        return failure_set(fault, FAILURE_CONFIG, "The configuration has no job \"%s\".",
                           invocation->subject);
    return hook_run(&invocation->options, job, invocation->quiet, fault);
}

static bool command_serve(struct invocation *invocation, struct fault *fault)
{
    return serve_run(&invocation->options, invocation->config, fault);
}

static bool command_wal(struct invocation *invocation, struct fault *fault)
{
    const struct job_options *job = options_job(&invocation->options, invocation->subject);

    if (job == NULL)
        return failure_set(fault, FAILURE_CONFIG, "The configuration has no job \"%s\".",
                           invocation->subject);
    return receive_run(&invocation->options, job, fault);
}

static bool command_next(struct invocation *invocation, struct fault *fault)
{
    return serve_next(&invocation->options, invocation->json, fault);
}

static bool command_list(struct invocation *invocation, struct fault *fault)
{
    return report_list(&invocation->options, invocation->repository, invocation->json, fault);
}

static bool command_show(struct invocation *invocation, struct fault *fault)
{
    return report_show(&invocation->options, invocation->repository, invocation->subject, invocation->json,
                       fault);
}

static bool level_read(const struct invocation *invocation, enum verify_level *level, struct fault *fault)
{
    return invocation->level == NULL ||
           (level_from_name(invocation->level, level) && *level != VERIFY_NONE) ||
           failure_set(fault, FAILURE_USAGE,
                       "Expected --level checksum, archive, restore or content, found \"%s\".",
                       invocation->level);
}

static bool command_verify(struct invocation *invocation, struct fault *fault)
{
    enum verify_level level = VERIFY_CHECKSUM;
    struct backup_place place;
    struct work work;
    struct verify_report report = { verify_print_difference, &work.progress };
    bool ok;

    if (!level_read(invocation, &level, fault) ||
        !repository_find(&invocation->options, invocation->repository, invocation->subject, &place,
                         invocation->arena, fault))
        return false;
    work_init(&work, invocation->quiet);
    ok = verify_backup(&invocation->options, &place, level, &work, &report, fault);
    close(place.dir_fd);
    close(place.job_fd);
    if (ok)
        text_print(stdout, "verified  %s in %s: %s\n", invocation->subject, place.repository->name,
                   level_name(level));
    return ok;
}

static bool command_restore(struct invocation *invocation, struct fault *fault)
{
    struct restore_request request = { .label = invocation->subject,
                                       .repository = invocation->repository,
                                       .database = invocation->database,
                                       .to = invocation->to,
                                       .directory = invocation->directory,
                                       .target = invocation->target,
                                       .schema = invocation->schema,
                                       .table = invocation->table,
                                       .dry = invocation->dry_run,
                                       .jobs = 1,
                                       .key_file = invocation->key_file,
                                       .create = invocation->create,
                                       .force = invocation->force,
                                       .no_owner = invocation->no_owner,
                                       .compare = invocation->compare,
                                       .quiet = invocation->quiet };
    char *end = NULL;

    if ((invocation->schema != NULL || invocation->table != NULL) &&
        (invocation->compare || invocation->create))
        return failure_set(fault, FAILURE_USAGE,
                           "A schema or table alone is restored into a database that is there, without "
                           "--create and --compare.");
    if (invocation->jobs != NULL)
        request.jobs = (int)strtol(invocation->jobs, &end, 10);
    if (request.jobs < 1 || request.jobs > 64 || (end != NULL && *end != '\0'))
        return failure_set(fault, FAILURE_USAGE, "Expected --jobs from 1 to 64, found \"%s\".",
                           invocation->jobs);
    return restore_run(&invocation->options, &request, fault);
}

static bool command_prune(struct invocation *invocation, struct fault *fault)
{
    return prune_run(&invocation->options, invocation->repository, invocation->dry_run, fault);
}

/* With a key file the configuration is not needed: the file may be all that is left. */
static bool command_decrypt(struct invocation *invocation, struct fault *fault)
{
    const struct runner_options *options = NULL;

    if (invocation->key_file == NULL) {
        if (!options_load(invocation->config, invocation->arena, &invocation->options))
            return failure_set(fault, FAILURE_CONFIG,
                               "Without a configuration that can be read, --key-file must name the keys.");
        options = &invocation->options;
    }
    return decrypt_file(invocation->subject, invocation->key_file, options, fault);
}

static bool command_rekey(struct invocation *invocation, struct fault *fault)
{
    return decrypt_rekey(&invocation->options, invocation->repository, invocation->subject, fault);
}

static bool command_fresh(struct invocation *invocation, struct fault *fault)
{
    struct fresh_request request = { .database = invocation->subject,
                                     .age = invocation->second,
                                     .repository = invocation->repository,
                                     .level = VERIFY_CHECKSUM };

    return level_read(invocation, &request.level, fault) &&
           fresh_run(&invocation->options, &request, fault);
}

static bool command_metrics(struct invocation *invocation, struct fault *fault)
{
    return fresh_metrics(&invocation->options, invocation->output, fault);
}

static bool command_check(struct invocation *invocation, struct fault *fault)
{
    return checkup_run(&invocation->options, fault);
}

static bool command_version(struct invocation *invocation, struct fault *fault)
{
    (void)invocation;
    (void)fault;
    text_print(stdout, "pgsluice-backup %s\n", runner_version);
    return true;
}

static const struct command_row commands[] = {
#define COMMAND(name, word, argument, letters, summary) { word, argument, letters, summary, command_##name },
#include "backup/commands.def"
#undef COMMAND
};

static const struct {
    int letter;
    const char *word, *value, *meaning;
} arguments[] = {
#define ARGUMENT(letter, word, value, meaning) { letter, word, value, meaning },
#include "backup/arguments.def"
#undef ARGUMENT
};

enum { COMMANDS = sizeof commands / sizeof commands[0], ARGUMENTS = sizeof arguments / sizeof arguments[0] };

static int usage_print(void)
{
    text_print(stdout, "pgsluice-backup makes, verifies, lists and restores backups of PostgreSQL.\n\n"
                       "Usage: pgsluice-backup COMMAND [ARGUMENT] [OPTIONS]\n\n");
    for (int i = 0; i < COMMANDS; i++)
        text_print(stdout, "  %-8s %-6s %s\n", commands[i].word, commands[i].argument, commands[i].summary);
    text_print(stdout, "\npgsluice-backup COMMAND --help tells the options of each.\n\n");
    options_print_manual();
    text_print(stdout, "\n");
    failure_print_exit_codes();
    return 0;
}

static int command_print(const struct command_row *command)
{
    text_print(stdout, "pgsluice-backup %s%s%s [OPTIONS]: %s.\n\nOptions:\n", command->word,
               command->argument[0] == '\0' ? "" : " ", command->argument, command->summary);
    for (int i = 0; i < ARGUMENTS; i++) {
        char option[64];

        if (strchr(command->letters, arguments[i].letter) == NULL && arguments[i].letter != 'h')
            continue;
        snprintf(option, sizeof option, "%s%c%s--%s%s%s",
                 strchr("cqh", arguments[i].letter) == NULL ? "   " : "-",
                 strchr("cqh", arguments[i].letter) == NULL ? ' ' : arguments[i].letter,
                 strchr("cqh", arguments[i].letter) == NULL ? "" : ", ", arguments[i].word,
                 arguments[i].value[0] == '\0' ? "" : " ", arguments[i].value);
        text_print(stdout, "  %-24s %s\n", option, arguments[i].meaning);
    }
    text_print(stdout, "\n");
    failure_print_exit_codes();
    return 0;
}

static void argument_take(struct invocation *invocation, int letter, const char *value)
{
    switch (letter) {
    case 'c': invocation->config = value; break;
    case 'r': invocation->repository = value; break;
    case 'l': invocation->level = value; break;
    case 'd': invocation->database = value; break;
    case 't': invocation->to = value; break;
    case 'D': invocation->directory = value; break;
    case 'T': invocation->target = value; break;
    case 'o': invocation->output = value; break;
    case 's': invocation->schema = value; break;
    case 'e': invocation->table = value; break;
    case 'n': invocation->jobs = value; break;
    case 'k': invocation->key_file = value; break;
    case 'C': invocation->create = true; break;
    case 'f': invocation->force = true; break;
    case 'O': invocation->no_owner = true; break;
    case 'V': invocation->compare = true; break;
    case 'N': invocation->dry_run = true; break;
    case 'J': invocation->json = true; break;
    case 'q': invocation->quiet = true; break;
    case 'h': invocation->help = true; break;
    default: UNREACHABLE();
    }
}

static int words_count(const char *text)
{
    int count = text[0] != '\0';

    for (; *text != '\0'; text++)
        count += *text == ' ';
    return count;
}

/* argv begins with the command's word. */
static bool arguments_read(const struct command_row *command, int argc, char **argv,
                           struct invocation *invocation, struct fault *fault)
{
    struct option words[ARGUMENTS + 1] = { { 0 } };
    int letter;

    for (int i = 0; i < ARGUMENTS; i++)
        words[i] = (struct option){ arguments[i].word,
                                    arguments[i].value[0] == '\0' ? no_argument : required_argument, NULL,
                                    arguments[i].letter };
    opterr = 0;
    while ((letter = getopt_long(argc, argv, "c:qh", words, NULL)) != -1) {
        if (letter == '?')
            return failure_set(fault, FAILURE_USAGE, "\"%s\" is no option, or lacks its value.",
                               argv[optind - 1]);
        if (letter != 'h' && strchr(command->letters, letter) == NULL)
            return failure_set(fault, FAILURE_USAGE, "\"%s\" does not take the option \"%s\".",
                               command->word, argv[optind - 1]);
        argument_take(invocation, letter, optarg);
    }
    if (invocation->help)
        return true;
    if (argc - optind != words_count(command->argument))
        return failure_set(fault, FAILURE_USAGE, "Expected \"%s %s\", found %d arguments.", command->word,
                           command->argument, argc - optind);
    invocation->subject = argv[optind];
    invocation->second = argc - optind > 1 ? argv[optind + 1] : NULL;
    return true;
}

static int fault_report(const struct fault *fault)
{
    text_print(stderr, "pgsluice-backup: %s\n", fault->message);
    if (fault->hint[0] != '\0')
        text_print(stderr, "HINT: %s\n", fault->hint);
    return failure_exit_code(fault);
}

/* Where a LABEL is expected, the name of a job means its newest verified backup. */
static bool subject_resolve(const struct command_row *command, struct invocation *invocation,
                            struct fault *fault)
{
    const struct job_options *job;

    if (strcmp(command->argument, "LABEL") != 0)
        return true;
    job = options_job(&invocation->options, invocation->subject);
    if (job != NULL)
        invocation->subject = fresh_newest(&invocation->options, job, &invocation->repository,
                                           invocation->arena, fault);
    return invocation->subject != NULL;
}

static int command_perform(const struct command_row *command, int argc, char **argv)
{
    struct invocation invocation = { .config = "/etc/pgsluice/pgsluice-backup.conf", .arena = arena_new() };
    struct fault fault;
    int code = 2;

    CHECK(invocation.arena != NULL);
    if (!arguments_read(command, argc, argv, &invocation, &fault)) {
        code = fault_report(&fault);
        text_print(stderr, "HINT: pgsluice-backup %s --help\n", command->word);
    } else if (invocation.help)
        code = command_print(command);
    else if (command->letters[0] == '\0' || command->function == command_decrypt ||
             options_load(invocation.config, invocation.arena, &invocation.options))
        code = subject_resolve(command, &invocation, &fault) && command->function(&invocation, &fault)
                   ? 0
                   : fault_report(&fault);
    arena_free(invocation.arena);
    return code;
}

int main(int argc, char **argv)
{
    umask(077);
    pulse_catch_signals();
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return argc < 2 ? (usage_print(), 2) : usage_print();
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = (char *)(size_t) "version";
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].word) == 0)
            return command_perform(&commands[i], argc - 1, argv + 1);
    text_print(stderr, "pgsluice-backup: \"%s\" is no command; expected one of:", argv[1]);
    for (int i = 0; i < COMMANDS; i++)
        text_print(stderr, " %s", commands[i].word);
    text_print(stderr, "\n");
    return 2;
}
