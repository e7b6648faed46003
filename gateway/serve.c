/* SPDX-License-Identifier: PostgreSQL
 * serve - the command `pgsluice serve`. The main thread accepts, reloads and stops; workers do the rest.
 * SIGTERM ends when running transactions and direct sessions are over, a second one or SIGINT at once,
 * SIGHUP reads the configuration again. */
#include "gateway/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/auth/lookup.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/gateway.h"
#include "gateway/listener.h"
#include "gateway/net/socket.h"
#include "gateway/resolver.h"
#include "gateway/supervisor.h"
#include "gateway/takeover/inherit.h"
#include "gateway/takeover/successor.h"
#include "gateway/takeover/takeover.h"
#include "gateway/worker.h"
#include "conf/problems.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define DEPARTURES_SECONDS 0.1

struct serving {
    struct gateway gateway;
    ev_signal terminate, interrupt, quit, reload, successor;
    ev_timer patience;   /* shutdown_timeout */
    ev_timer departures; /* SHUTDOWN WAIT_FOR_CLIENTS */
    bool stopping, takes_over;
};

static const char help[] =
    "usage: pgsluice serve [--takeover] -c FILE\n"
    "       pgsluice serve [--takeover] --upstream HOST:PORT\n\n"
    "Runs the gateway in the foreground and logs to standard error. Without a file it listens on\n"
    "127.0.0.1:6432 (transaction pooling) and 127.0.0.1:6433 (direct), and relays authentication.\n"
    "With --takeover it takes the place of the process that serves the same configuration now: its\n"
    "listening sockets, its idle sessions, and in the end everything.\n"
    "Signals: TERM ends gracefully, INT at once, HUP reads the file again, USR2 starts the program anew\n"
    "with --takeover.\n";

static void apply_log_level(const struct snapshot *snapshot)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {{"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcasecmp(snapshot->log_level, levels[i].name) == 0)
            log_set_level(levels[i].level);
}

static int seconds(uint64_t us)
{
    return (int)((us + 999999) / 1000000);
}

static void apply_socket_options(const struct snapshot *snapshot)
{
    const struct tcp_options *tcp = &snapshot->tcp;
    const struct socket_options options = {.keepalive = tcp->keepalive,
                                           .keepidle_s = seconds(tcp->keepidle_us),
                                           .keepintvl_s = seconds(tcp->keepintvl_us),
                                           .keepcnt = tcp->keepcnt,
                                           .user_timeout_ms = (int)(tcp->user_timeout_us / 1000),
                                           .defer_accept_s = seconds(tcp->defer_accept_us)};

    socket_configure(&options);
    listeners_retune();
}

/* Every client and every server connection takes a descriptor, a direct session up to six. */
static void raise_descriptor_limit(const struct snapshot *snapshot)
{
    rlim_t wanted = (rlim_t)snapshot->max_client_conn * 2 + 512;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_warn("main", "the limit of open files is %llu, below what max_client_conn = %d may need (%llu)",
                 (unsigned long long)limit.rlim_cur, snapshot->max_client_conn, (unsigned long long)wanted);
}

static void print_problems(const struct problems *problems)
{
    for (const struct problem *problem = problems->first; problem != NULL; problem = problem->next)
        log_error("main", "%s%s%d: %s", problem->file == NULL ? "" : problem->file,
                  problem->file == NULL ? "" : ":", problem->line, problem->text);
}

static struct snapshot *load(const char *file, const char *upstream)
{
    struct snapshot *snapshot = NULL;
    struct problems problems;

    if (!problems_init(&problems))
        return NULL;
    snapshot = file != NULL ? snapshot_load(file, &problems) : snapshot_from_upstream(upstream, &problems);
    if (snapshot == NULL)
        print_problems(&problems);
    problems_free(&problems);
    return snapshot;
}

static bool same_strings(const struct strings *a, const struct strings *b)
{
    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return a->count == b->count;
}

/* Listening sockets are opened at start only. */
static bool same_listeners(const struct snapshot *a, const struct snapshot *b)
{
    for (size_t i = 0; a->listener_count == b->listener_count && i < a->listener_count; i++)
        if (strcmp(a->listeners[i].name, b->listeners[i].name) != 0 ||
            !same_strings(&a->listeners[i].listen, &b->listeners[i].listen))
            return false;
    return a->listener_count == b->listener_count;
}

bool serve_reload(struct gateway *gateway, struct fault *fault)
{
    struct generation *generation;
    struct snapshot *snapshot;

    if (gateway->config_file == NULL)
        return fault_set(fault, "55000", "there is no configuration file to read again");
    snapshot = load(gateway->config_file, NULL);
    if (snapshot == NULL)
        return fault_set(fault, "F0000",
                         "the configuration has errors, which the log names; nothing has changed");
    if (!same_listeners(gateway->generation->snapshot, snapshot)) {
        snapshot_release(snapshot);
        return fault_set(fault, "55000",
                         "listeners and their addresses take effect at start; nothing has changed");
    }
    generation = gateway_generation(gateway, snapshot, fault);
    if (generation == NULL) {
        snapshot_release(snapshot);
        return false;
    }
    apply_log_level(snapshot);
    apply_socket_options(snapshot);
    pools_reload(&gateway->pools, snapshot);
    for (int i = 0; i < gateway->worker_count; i++)
        worker_send_generation(&gateway->workers[i], generation);
    generation_release(gateway->generation);
    gateway->generation = generation;
    lookups_reload(gateway->lookups, generation);
    controls_reload(&gateway->controls, generation);
    ledgers_reload(&gateway->ledgers);
    hosts_watch_reload(&gateway->hosts_watch, snapshot);
    log_info("main", "the configuration was reloaded from %s", gateway->config_file);
    return true;
}

static void reload(struct gateway *gateway)
{
    struct fault fault;

    supervisor_reloading();
    if (!serve_reload(gateway, &fault))
        log_error("main", "the configuration was not reloaded: %s", fault.message);
    supervisor_reloaded();
}

static void stop(struct serving *serving, bool now)
{
    struct gateway *gateway = &serving->gateway;
    bool again = serving->stopping;

    serving->stopping = true;
    atomic_store(&gateway->stopping, true);
    if (!again) {
        supervisor_stopping(gateway);
        listeners_close(takeover_stop(gateway));
    }
    log_info("main", now || again ? "stopping at once"
                                  : "stopping: waiting for running transactions and direct sessions");
    for (int i = 0; i < gateway->worker_count; i++)
        worker_send_stop(&gateway->workers[i], now || again);
    if (now || again || gateway->generation->snapshot->shutdown_timeout_us == 0)
        return;
    ev_timer_set(&serving->patience, (double)gateway->generation->snapshot->shutdown_timeout_us / 1e6, 0.);
    ev_timer_start(gateway->loop, &serving->patience);
}

static void start_successor(struct serving *serving)
{
    struct fault fault;

    if (serving->stopping)
        fault_set(&fault, "57P01", "this one is stopping");
    if (serving->stopping || !successor_start(&fault))
        log_error("main", "takeover: no process was started to take over: %s", fault.message);
}

static void on_signal(struct ev_loop *loop, ev_signal *signal, int events)
{
    struct serving *serving = signal->data;

    (void)loop;
    (void)events;
    if (signal->signum == SIGHUP)
        reload(&serving->gateway);
    else if (signal->signum == SIGUSR2)
        start_successor(serving);
    else
        stop(serving, signal->signum != SIGTERM);
}

static void on_patience_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    log_warn("main", "shutdown_timeout is over");
    stop(timer->data, true);
}

void serve_shutdown(struct gateway *gateway, bool now)
{
    stop(list_entry(gateway, struct serving, gateway), now);
}

/* The console is for those who wait for the others. */
static void on_clients_looked_at(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct serving *serving = timer->data;
    struct gateway *gateway = &serving->gateway;

    (void)events;
    if (!serving->stopping && atomic_load(&gateway->clients) > atomic_load(&gateway->consoles))
        return;
    ev_timer_stop(loop, timer);
    if (!serving->stopping)
        stop(serving, false);
}

void serve_shutdown_after_clients(struct gateway *gateway)
{
    struct serving *serving = list_entry(gateway, struct serving, gateway);

    if (serving->stopping || ev_is_active(&serving->departures))
        return;
    log_info("main", "taking no new connections; waiting for all clients to leave");
    listeners_close(takeover_is_handed_over(gateway));
    ev_timer_set(&serving->departures, 0., DEPARTURES_SECONDS);
    ev_timer_start(gateway->loop, &serving->departures);
}

/* The last worker to end its loop says so; then main's loop ends too. */
static void on_worker_ended(struct letter *letter, void *owner)
{
    struct gateway *gateway = owner;

    (void)letter;
    if (++gateway->workers_ended == gateway->worker_count)
        ev_break(gateway->loop, EVBREAK_ALL);
}

static void watch_signal(struct serving *serving, ev_signal *watcher, int number)
{
    ev_signal_init(watcher, on_signal, number);
    watcher->data = serving;
    ev_signal_start(serving->gateway.loop, watcher);
}

static void watch_events(struct serving *serving)
{
    watch_signal(serving, &serving->terminate, SIGTERM);
    watch_signal(serving, &serving->interrupt, SIGINT);
    watch_signal(serving, &serving->quit, SIGQUIT);
    watch_signal(serving, &serving->reload, SIGHUP);
    watch_signal(serving, &serving->successor, SIGUSR2);
    ev_timer_init(&serving->patience, on_patience_over, 0., 0.);
    serving->patience.data = serving;
    ev_timer_init(&serving->departures, on_clients_looked_at, 0., 0.);
    serving->departures.data = serving;
}

/* Signals end this process until it has what it takes over. */
static bool start(struct serving *serving, struct fault *fault)
{
    struct gateway *gateway = &serving->gateway;

    if (serving->takes_over && !takeover_join(gateway, fault))
        return false;
    if (!serving->takes_over)
        inherit_from_supervisor();
    watch_events(serving);
    if (!resolver_start(fault) || !listeners_open(gateway, fault))
        return false;
    for (int i = 0; i < gateway->worker_count; i++)
        if (!worker_start(&gateway->workers[i], fault))
            return false;
    takeover_open(gateway);
    supervisor_ready(gateway);
    log_info("main", "pgsluice is ready: workers=%d pid=%d", gateway->worker_count, (int)getpid());
    return true;
}

static int run(struct serving *serving, struct snapshot *snapshot)
{
    struct gateway *gateway = &serving->gateway;
    struct fault fault;

    apply_log_level(snapshot);
    apply_socket_options(snapshot);
    raise_descriptor_limit(snapshot);
    if (geteuid() == 0)
        log_warn("main", "running as root; no privilege is needed: use an account of its own");
    signal(SIGPIPE, SIG_IGN);
    gateway->loop =
        ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV); /* the default loop would take PAM its children */
    mailbox_open(&gateway->mailbox, gateway->loop, gateway);
    gateway->worker_ended = on_worker_ended;
    if (!gateway_open(gateway, snapshot, &fault) || !start(serving, &fault)) {
        log_error("main", "could not start: %s%s%s", fault.message, *fault.hint == '\0' ? "" : " ",
                  fault.hint);
        if (gateway->generation == NULL)
            snapshot_release(snapshot);
        return strcmp(fault.sqlstate, "F0000") == 0 ? EXIT_USAGE : EXIT_FAILED;
    }
    ev_run(gateway->loop, 0);
    for (int i = 0; i < gateway->worker_count; i++)
        worker_join(&gateway->workers[i]);
    resolver_stop();
    mailbox_close(&gateway->mailbox);
    takeover_close(gateway);
    gateway_close(gateway);
    log_info("main", "pgsluice has stopped");
    return 0;
}

static int usage_error(const char *what)
{
    fprintf(stderr, "pgsluice serve: %s\n\n%s", what, help);
    return EXIT_USAGE;
}

int serve_main(int argc, char **argv)
{
    static struct serving serving;
    const char *file = NULL, *upstream = NULL;
    struct snapshot *snapshot;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            return 0;
        }
        if ((strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0) && i + 1 < argc)
            file = argv[++i];
        else if (strcmp(argv[i], "--upstream") == 0 && i + 1 < argc)
            upstream = argv[++i];
        else if (strcmp(argv[i], "--takeover") == 0)
            serving.takes_over = true;
        else
            return usage_error("expected -c FILE or --upstream HOST:PORT");
    }
    if ((file == NULL) == (upstream == NULL))
        return usage_error("expected either -c FILE or --upstream HOST:PORT");
    successor_prepare(argc, argv);
    snapshot = load(file, upstream);
    if (snapshot == NULL)
        return EXIT_USAGE;
    serving.gateway.config_file = file;
    return run(&serving, snapshot);
}
