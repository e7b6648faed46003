/* SPDX-License-Identifier: PostgreSQL
 * pulse - what every wait of the runner does five times a second: notice a signal, drain children, move the
 * bar. */
#include "backup/pulse.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

#include "backup/failure.h"

static volatile sig_atomic_t stop_signal;

static void signal_noted(int number)
{
    stop_signal = number;
}

void pulse_catch_signals(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = signal_noted };

    sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool pulse_stopping(void)
{
    return stop_signal != 0;
}

bool pulse_beat(const struct pulse *pulse, struct fault *fault)
{
    if (stop_signal != 0)
        return failure_set(fault, FAILURE_STOPPED, "Stopped by signal %d (%s); nothing half-made is kept.",
                           (int)stop_signal, strsignal(stop_signal));
    return pulse == NULL || pulse->beat == NULL || pulse->beat(pulse->context, fault);
}

bool pulse_wait(const struct pulse *pulse, int fd, short events, struct fault *fault)
{
    struct pollfd poll_fd = { .fd = fd, .events = events };

    poll(&poll_fd, 1, PULSE_MS);
    return pulse_beat(pulse, fault);
}
