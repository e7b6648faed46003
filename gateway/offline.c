/* SPDX-License-Identifier: PostgreSQL
 * offline - the commands that only read a configuration: check, explain, manual. */
#include "gateway/offline.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/manual.h"
#include "conf/problems.h"
#include "conf/snapshot.h"
#include "gateway/access.h"
#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "router/classify.h"
#include "router/match.h"
#include "router/route.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char check_usage[] =
    "usage: pgsluice check -c FILE\n"
    "Reads a configuration and says everything that is wrong with it, with file and line.\n";

static const char explain_usage[] =
    "usage: pgsluice explain -c FILE user=NAME [NAME=VALUE]...\n"
    "Says which route serves such a connection, and why. NAME=VALUE is one of\n"
    "  user=NAME database=NAME application_name=TEXT   as in the startup packet; database defaults to user\n"
    "  replication=true|database                       as in the startup packet\n"
    "  listener=NAME                                   where the client comes in; the first one by default\n"
    "  client_addr=ADDRESS|local                       127.0.0.1 by default\n"
    "  tls=true|false                                  false by default\n"
    "or any other parameter of the startup packet.\n";

static const char manual_usage[] =
    "usage: pgsluice manual [--sample]\n"
    "Prints the reference of the configuration file as Markdown, or a commented sample of such a file.\n";

static int usage_wrong(const char *usage, const char *sentence, const char *argument)
{
    fprintf(stderr, "pgsluice: %s%s%s\n%s", sentence, *sentence == '\0' ? "" : ": ", argument, usage);
    return EXIT_USAGE;
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* Output that could not be written must not look like success. */
static int finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    fprintf(stderr, "pgsluice: the output could not be written; check where it goes\n");
    return EXIT_FAILED;
}

/* Prints every problem when there is one. */
static struct snapshot *load(const char *path)
{
    struct problems problems;
    struct snapshot *snapshot;

    CHECK(problems_init(&problems));
    snapshot = snapshot_load(path, &problems);
    problems_print(&problems, stderr);
    problems_free(&problems);
    return snapshot;
}

/* What the configuration's files hold is loaded as `serve` would. */
static bool files_are_good(const struct snapshot *snapshot)
{
    struct problems problems;
    struct access access;
    struct fault fault;
    bool good;

    CHECK(problems_init(&problems));
    good = access_load(&access, snapshot, &problems, &fault);
    if (good)
        access_free(&access);
    else if (problems.count == 0)
        fprintf(stderr, "%s: %s\n", snapshot->file, fault.message);
    problems_print(&problems, stderr);
    problems_free(&problems);
    return good;
}

int offline_check(int argc, char **argv)
{
    struct snapshot *snapshot;

    if (argc == 2 && is_help(argv[1])) {
        fputs(check_usage, stdout);
        return finish_output();
    }
    if (argc != 3 || (strcmp(argv[1], "-c") != 0 && strcmp(argv[1], "--config") != 0))
        return usage_wrong(check_usage, "", "check expects -c FILE and nothing else");
    snapshot = load(argv[2]);
    if (snapshot == NULL)
        return EXIT_USAGE;
    if (!files_are_good(snapshot)) {
        snapshot_release(snapshot);
        return EXIT_USAGE;
    }
    printf("%s: configuration is valid\n%zu listener%s, %zu upstream%s, %zu route%s, authentication by %s\n",
           argv[2], snapshot->listener_count, snapshot->listener_count == 1 ? "" : "s",
           snapshot->upstream_count, snapshot->upstream_count == 1 ? "" : "s", snapshot->own_route_count,
           snapshot->own_route_count == 1 ? "" : "s", auth_type_name(snapshot->auth.type));
    snapshot_release(snapshot);
    return finish_output();
}

int offline_manual(int argc, char **argv)
{
    if (argc == 1)
        manual_write(stdout);
    else if (argc == 2 && strcmp(argv[1], "--sample") == 0)
        manual_write_sample(stdout);
    else if (argc == 2 && is_help(argv[1]))
        fputs(manual_usage, stdout);
    else
        return usage_wrong(manual_usage, "manual expects --sample or nothing", argv[1]);
    return finish_output();
}

/* The connection that is asked about. Everything borrows from argv and the snapshot. */
struct question {
    const char *file, *listener, *address_text;
    struct startup startup;
    struct startup_parameter parameters[STARTUP_MAX_PARAMETERS];
    struct sockaddr_storage address;
    bool local, tls;
};

static bool question_replication(struct question *question, const char *value)
{
    bool physical;

    if (strcmp(value, "database") == 0) {
        question->startup.replication = REPLICATION_LOGICAL;
        return true;
    }
    if (!startup_parse_bool(value, &physical))
        return false;
    question->startup.replication = physical ? REPLICATION_PHYSICAL : REPLICATION_NONE;
    return true;
}

static bool question_address(struct question *question, const char *value)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

    question->local = strcmp(value, "local") == 0;
    if (question->local)
        return true;
    if (inet_pton(AF_INET, value, &v4.sin_addr) == 1) {
        memcpy(&question->address, &v4, sizeof v4);
        return true;
    }
    if (inet_pton(AF_INET6, value, &v6.sin6_addr) != 1)
        return false;
    memcpy(&question->address, &v6, sizeof v6);
    return true;
}

/* One NAME=VALUE that is known by name; false when the value does not fit. */
static bool question_set(struct question *question, const char *name, const char *value)
{
    struct startup *startup = &question->startup;

    if (strcmp(name, "listener") == 0)
        question->listener = value;
    else if (strcmp(name, "user") == 0)
        startup->user = value;
    else if (strcmp(name, "database") == 0)
        startup->database = value;
    else if (strcmp(name, "application_name") == 0)
        startup->application_name = value;
    else if (strcmp(name, "replication") == 0)
        return question_replication(question, value);
    else if (strcmp(name, "client_addr") == 0)
        return question_address(question, value);
    else if (strcmp(name, "tls") == 0)
        return startup_parse_bool(value, &question->tls);
    return true;
}

static int question_argument(struct question *question, char *argument)
{
    struct startup *startup = &question->startup;
    char *equals = strchr(argument, '=');

    if (equals == NULL || equals == argument)
        return usage_wrong(explain_usage, "expected NAME=VALUE, found", argument);
    if (startup->parameter_count == STARTUP_MAX_PARAMETERS)
        return usage_wrong(explain_usage, "more parameters than a startup packet may have, at", argument);
    *equals = '\0';
    if (!question_set(question, argument, equals + 1)) {
        *equals = '=';
        return usage_wrong(explain_usage, "the value does not fit in", argument);
    }
    if (strcmp(argument, "listener") != 0 && strcmp(argument, "client_addr") != 0 &&
        strcmp(argument, "tls") != 0)
        question->parameters[startup->parameter_count++] = (struct startup_parameter){ argument, equals + 1 };
    return EXIT_DONE;
}

static int question_read(struct question *question, int argc, char **argv)
{
    struct startup *startup = &question->startup;
    int code = EXIT_DONE;

    startup->application_name = "";
    startup->parameters = question->parameters;
    CHECK(question_address(question, "127.0.0.1"));
    for (int i = 1; i < argc && code == EXIT_DONE; i++) {
        bool is_file = strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0;

        if (is_file && i + 1 < argc)
            question->file = argv[++i];
        else
            code = question_argument(question, argv[i]);
    }
    if (code != EXIT_DONE)
        return code;
    if (question->file == NULL)
        return usage_wrong(explain_usage, "", "explain expects -c FILE");
    if (startup->user == NULL || *startup->user == '\0')
        return usage_wrong(explain_usage, "", "explain expects user=NAME: every connection has a user");
    if (startup->database == NULL || *startup->database == '\0')
        startup->database = startup->user;
    return EXIT_DONE;
}

static const struct listener_options *find_listener(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        if (name == NULL || strcmp(snapshot->listeners[i].name, name) == 0)
            return &snapshot->listeners[i];
    return NULL;
}

static void print_passed_over(const struct snapshot *snapshot, const struct connection_facts *facts,
                              const struct verdict *verdict)
{
    char why_not[512];

    for (size_t i = 0; i < snapshot->own_route_count && &snapshot->routes[i] != verdict->route; i++) {
        why_not[0] = '\0';
        if (match_accepts(&snapshot->routes[i], facts, verdict->class, why_not, sizeof why_not))
            snprintf(why_not, sizeof why_not,
                     "it matches, and on_wrong_port = \"warn\" keeps the session on this port");
        printf("not route  %s: %s\n", snapshot->routes[i].name, why_not);
    }
}

static void print_verdict(const struct snapshot *snapshot, const struct verdict *verdict,
                          const struct fault *fault)
{
    const struct upstream_options *upstream = snapshot_upstream(snapshot, verdict->route->upstream);

    CHECK(upstream != NULL);
    if (verdict->class == CLASS_ADMIN && !verdict->refused) {
        printf("served by  the admin console\n");
        return;
    }
    printf("route      %s%s\n", verdict->route->name, route_is_builtin(verdict->route) ? " (built in)" : "");
    if (verdict->refused) {
        printf("refused    %s %s\n", fault->sqlstate, fault->message);
        printf("hint       %s\n", fault->hint);
        return;
    }
    printf("mode       %s\n", mode_name(verdict->mode));
    printf("upstream   %s", upstream->name);
    for (size_t i = 0; i < upstream->hosts.count; i++)
        printf("%s%s", i == 0 ? " (" : ", ", upstream->hosts.items[i]);
    printf(")\n");
    if (verdict->warned)
        printf("warning    this port is not for this class; it is served here because on_wrong_port = "
               "\"warn\"\n");
}

int offline_explain(int argc, char **argv)
{
    struct question question = { 0 };
    struct connection_facts facts = { .startup = &question.startup };
    struct verdict verdict;
    struct fault fault = { 0 };
    struct snapshot *snapshot;
    int code;

    if (argc == 2 && is_help(argv[1])) {
        fputs(explain_usage, stdout);
        return finish_output();
    }
    code = question_read(&question, argc, argv);
    if (code != EXIT_DONE)
        return code;
    snapshot = load(question.file);
    if (snapshot == NULL)
        return EXIT_USAGE;
    facts.listener = find_listener(snapshot, question.listener);
    if (facts.listener == NULL) {
        snapshot_release(snapshot);
        return usage_wrong(explain_usage, "the configuration has no listener of that name",
                           question.listener);
    }
    facts.address = question.local ? NULL : (const struct sockaddr *)&question.address;
    facts.tls = question.tls;
    classify(snapshot, &facts, &verdict, &fault);
    printf("listener   %s (%s)\n", facts.listener->name, mode_name(facts.listener->mode));
    printf("class      %s\n", class_name(verdict.class));
    printf("why        %s\n", verdict.why);
    print_verdict(snapshot, &verdict, &fault);
    print_passed_over(snapshot, &facts, &verdict);
    snapshot_release(snapshot);
    return finish_output();
}
