/* SPDX-License-Identifier: PostgreSQL
 * setup - the command `pgsluice setup`: plans in every database, shows the SQL, asks, and runs it; what is
 * already so is left alone. Each database is one transaction, the role is made in the first one's. */
#include "gateway/setup.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "conf/problems.h"
#include "conf/snapshot.h"
#include "gateway/auth/users.h"
#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/setup_password.h"
#include "gateway/setup_plan.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { DATABASES_MAX = 64 };

static const char help[] =
    "usage: pgsluice setup [OPTION]... [CONNINFO]\n"
    "Makes what auth_query needs: a role that may log in and do nothing else, and in each database the\n"
    "function pgsluice.user_secret(text), which that role alone may call. It gives the secret of a role\n"
    "that may log in, and no row for NOLOGIN, a password that has expired, or none. CONNINFO is the\n"
    "connection of a superuser, \"host=... user=...\" or postgresql://...; without it, the PGxxx variables\n"
    "count.\n"
    "The SQL is shown and confirmed first. What is already so stays as it is.\n\n"
    "  -c FILE               take role and database from auth_user and auth_dbname of a configuration\n"
    "  --role NAME           the role; pgsluice by default\n"
    "  --database DB         where the function goes, may be repeated; postgres by default\n"
    "  --password-file FILE  the role's password is the first line; else a new role gets a random one,\n"
    "                        which is shown once\n"
    "  --include-superusers  let superusers log in too; the gateway then knows their secrets\n"
    "  --print               only show the SQL\n"
    "  --yes                 do not ask\n";

struct options {
    const char *file, *role, *password_file, *conninfo;
    const char *databases[DATABASES_MAX];
    size_t database_count;
    bool superusers, print, yes;
    struct snapshot *snapshot; /* of -c; role and database may point into it */
};

static int usage_wrong(const char *sentence, const char *argument)
{
    fprintf(stderr, "pgsluice setup: %s%s%s\n%s", sentence, *argument == '\0' ? "" : ": ", argument, help);
    return EXIT_USAGE;
}

static int failed(const struct fault *fault)
{
    fflush(stdout);
    fprintf(stderr, "pgsluice setup: %.*s\n", (int)strcspn(fault->message, "\n"), fault->message);
    if (*fault->hint != '\0')
        fprintf(stderr, "%s\n", fault->hint);
    return EXIT_FAILED;
}

/* An option's value goes to *value; false when the argument is another option. */
static bool takes_value(const char *argument, const char *name, const char **value, char **next)
{
    if (strcmp(argument, name) != 0)
        return false;
    *value = *next;
    return true;
}

static int argument_read(struct options *options, char **argument, bool *took_next)
{
    const char *database = NULL;

    *took_next = true;
    if (takes_value(*argument, "-c", &options->file, argument + 1) ||
        takes_value(*argument, "--config", &options->file, argument + 1) ||
        takes_value(*argument, "--role", &options->role, argument + 1) ||
        takes_value(*argument, "--password-file", &options->password_file, argument + 1) ||
        takes_value(*argument, "--database", &database, argument + 1)) {
        if (argument[1] == NULL)
            return usage_wrong("expected a value after", *argument);
        if (database != NULL && options->database_count == DATABASES_MAX)
            return usage_wrong("more databases than can be set up at once, at", database);
        if (database != NULL)
            options->databases[options->database_count++] = database;
        return EXIT_DONE;
    }
    *took_next = false;
    if (strcmp(*argument, "--include-superusers") == 0)
        options->superusers = true;
    else if (strcmp(*argument, "--print") == 0)
        options->print = true;
    else if (strcmp(*argument, "--yes") == 0)
        options->yes = true;
    else if (**argument == '-')
        return usage_wrong("expected one of the options below, found", *argument);
    else if (options->conninfo != NULL)
        return usage_wrong("expected one connection string, found another", *argument);
    else
        options->conninfo = *argument;
    return EXIT_DONE;
}

static bool file_read(struct options *options)
{
    struct problems problems;

    CHECK(problems_init(&problems));
    options->snapshot = snapshot_load(options->file, &problems);
    problems_print(&problems, stderr);
    problems_free(&problems);
    if (options->snapshot == NULL)
        return false;
    if (options->role == NULL)
        options->role = options->snapshot->auth.user;
    if (options->database_count == 0)
        options->databases[options->database_count++] = options->snapshot->auth.dbname;
    return true;
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

static int databases_check(const struct options *options)
{
    for (size_t i = 0; i < options->database_count; i++) {
        if (*options->databases[i] == '\0' || has_control(options->databases[i]))
            return usage_wrong("expected a database's name without control characters, found",
                               options->databases[i]);
        for (size_t other = 0; other < i; other++)
            if (strcmp(options->databases[other], options->databases[i]) == 0)
                return usage_wrong("expected each database once, found again", options->databases[i]);
    }
    return EXIT_DONE;
}

static int options_check(struct options *options)
{
    if (options->role == NULL)
        options->role = "pgsluice";
    if (options->database_count == 0)
        options->databases[options->database_count++] = "postgres";
    if (*options->role == '\0' || strlen(options->role) > USERS_NAME_MAX_BYTES || has_control(options->role))
        return usage_wrong("expected a role's name of 1 to 63 bytes without control characters, found",
                           options->role);
    if (options->conninfo != NULL && strchr(options->conninfo, '=') == NULL &&
        strstr(options->conninfo, "://") == NULL)
        return usage_wrong("expected a connection string such as \"host=...\", found", options->conninfo);
    return databases_check(options);
}

static int options_read(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool took_next;
        int code = argument_read(options, argv + i, &took_next);

        if (code != EXIT_DONE)
            return code;
        i += took_next;
    }
    if (options->file != NULL && !file_read(options))
        return EXIT_USAGE;
    return options_check(options);
}

/* Later parameters win, and only the first dbname is read as a connection string. */
static bool connect_to(const struct options *options, const char *database, PGconn **out, struct fault *fault)
{
    const char *names[] = { "dbname", "dbname", "application_name", "client_encoding", NULL };
    const char *values[] = { options->conninfo, database, "pgsluice setup", "UTF8", NULL };
    int skipped = options->conninfo == NULL ? 1 : 0;
    PGconn *connection = PQconnectdbParams(names + skipped, values + skipped, 1 - skipped);
    PGresult *result;
    bool set;

    *out = connection;
    if (PQstatus(connection) != CONNECTION_OK)
        return fault_set(fault, "08001", "%s", PQerrorMessage(connection));
    result = PQexec(connection, "SELECT pg_catalog.set_config('search_path', 'pg_catalog', false)");
    set = PQresultStatus(result) == PGRES_TUPLES_OK ||
          fault_set(fault, "58000", "%s", PQerrorMessage(connection));
    PQclear(result);
    return set;
}

static void script_print(const struct setup_script *script, const char *database)
{
    printf("-- in the database \"%s\"%s\n", database, script->count == 0 ? ": already so" : "");
    for (size_t i = 0; i < script->count; i++)
        printf("%s;\n", script->statements[i]);
}

static bool run(PGconn *connection, const char *statement, struct fault *fault)
{
    PGresult *result = PQexec(connection, statement);
    bool done = PQresultStatus(result) == PGRES_COMMAND_OK;

    if (!done)
        fault_set(fault, "58000", "%s", PQerrorMessage(connection));
    PQclear(result);
    return done;
}

static bool run_all(const struct setup_script *script, struct fault *fault)
{
    for (size_t i = 0; i < script->count; i++)
        if (!run(script->connection, script->statements[i], fault))
            return false;
    return true;
}

/* A second look finds what default privileges gave to others along with the new objects. */
static bool script_run(struct setup_script *script, const struct setup_wish *wish, const char *database,
                       struct fault *fault)
{
    if (!run(script->connection, "BEGIN", fault) || !run_all(script, fault))
        return false;
    setup_script_clear(script);
    script->role_is_missing = false;
    if (!setup_plan_database(script, wish, fault))
        return false;
    if (script->count > 0)
        script_print(script, database);
    return run_all(script, fault) && run(script->connection, "COMMIT", fault);
}

static bool confirmed(const struct options *options)
{
    char answer[16] = "";

    if (options->yes)
        return true;
    printf("\nRun this? [y/N] ");
    fflush(stdout);
    return fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static bool plan_all(const struct options *options, const struct setup_wish *wish,
                     struct setup_script *scripts, struct fault *fault)
{
    for (size_t i = 0; i < options->database_count; i++) {
        struct setup_script *script = &scripts[i];

        if (!connect_to(options, options->databases[i], &script->connection, fault) ||
            (i == 0 && !setup_plan_role(script, wish, fault)))
            return false;
        script->role_is_missing = scripts[0].role_is_missing;
        if (!setup_plan_database(script, wish, fault))
            return false;
        script_print(script, options->databases[i]);
    }
    if (!scripts[0].makes_role && !wish->password_given)
        printf("-- the role \"%s\" is there and keeps its password, --password-file sets another\n",
               wish->role);
    return true;
}

static int setup(const struct options *options, const struct setup_wish *wish, struct setup_script *scripts)
{
    struct fault fault = { 0 };
    size_t statements = 0;

    if (!plan_all(options, wish, scripts, &fault))
        return failed(&fault);
    for (size_t i = 0; i < options->database_count; i++)
        statements += scripts[i].count;
    if (statements > 0 && !options->print) {
        if (!confirmed(options)) {
            fprintf(stderr, "pgsluice setup: nothing was changed\n");
            return EXIT_FAILED;
        }
        for (size_t i = 0; i < options->database_count; i++) {
            if (scripts[i].count > 0 && !script_run(&scripts[i], wish, options->databases[i], &fault))
                return failed(&fault);
            if (i == 0 && scripts[0].makes_role && !wish->password_given)
                setup_password_print("", wish->role, wish->password);
        }
    }
    if (options->print && scripts[0].makes_role && !wish->password_given)
        setup_password_print("-- ", wish->role, wish->password);
    else if (!options->print)
        printf("%s\n", statements > 0 ? "Done." : "Nothing to do.");
    return EXIT_DONE;
}

/* Output that could not be written must not look like success. */
static int finish_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "pgsluice setup: the output could not be written; check where it goes\n");
    return EXIT_FAILED;
}

static int wish_make(struct setup_wish *wish, const struct options *options)
{
    struct fault fault = { 0 };

    wish->role = options->role;
    wish->superusers = options->superusers;
    wish->password_given = options->password_file != NULL;
    if (!wish->password_given)
        setup_password_make(wish->password, sizeof wish->password);
    else if (!setup_password_read(options->password_file, wish->password, sizeof wish->password, &fault))
        return failed(&fault);
    return EXIT_DONE;
}

int setup_main(int argc, char **argv)
{
    struct options options = { 0 };
    struct setup_wish wish = { 0 };
    struct setup_script scripts[DATABASES_MAX] = { 0 };
    int code;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help, stdout);
        return finish_output(EXIT_DONE);
    }
    code = options_read(&options, argc, argv);
    if (code == EXIT_DONE)
        code = wish_make(&wish, &options);
    if (code == EXIT_DONE)
        code = setup(&options, &wish, scripts);
    for (size_t i = 0; i < DATABASES_MAX; i++) {
        setup_script_clear(&scripts[i]);
        PQfinish(scripts[i].connection);
    }
    explicit_bzero(&wish, sizeof wish);
    if (options.snapshot != NULL)
        snapshot_release(options.snapshot);
    return finish_output(code);
}
