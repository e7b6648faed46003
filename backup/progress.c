/* SPDX-License-Identifier: PostgreSQL
 * progress - a bar on a terminal, a plain line every few seconds elsewhere; on standard error. */
#include "backup/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup/text.h"
#include "gateway/base/clock.h"

enum { BAR_US = 200000, LINE_US = 5000000, BAR_WIDTH = 24 };

void progress_init(struct progress *progress, bool quiet)
{
    memset(progress, 0, sizeof *progress);
    progress->terminal = isatty(STDERR_FILENO) == 1;
    progress->quiet = quiet;
}

void progress_clear(struct progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}

void progress_phase(struct progress *progress, uint64_t total_bytes, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(progress->phase, sizeof progress->phase, format, args);
    va_end(args);
    text_tame(progress->phase);
    progress->total_bytes = total_bytes;
    progress->started_us = progress->shown_us = clock_now_us();
}

static uint64_t rate(const struct progress *progress, uint64_t bytes)
{
    uint64_t elapsed_us = clock_now_us() - progress->started_us;

    return elapsed_us == 0 ? 0 : (uint64_t)((double)bytes * 1e6 / (double)elapsed_us);
}

static void bar_draw(struct progress *progress, uint64_t bytes)
{
    char done[TEXT_SHORT], total[TEXT_SHORT], speed[TEXT_SHORT], bar[BAR_WIDTH + 1];
    double share = progress->total_bytes == 0 ? 0 : (double)bytes / (double)progress->total_bytes;
    int filled = (int)((share > 1 ? 1 : share) * BAR_WIDTH);

    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)filled);
    bar[BAR_WIDTH] = '\0';
    if (progress->total_bytes == 0)
        fprintf(stderr, "\r\033[K%s  %s  %s/s", progress->phase, text_size(done, bytes),
                text_size(speed, rate(progress, bytes)));
    else
        fprintf(stderr, "\r\033[K[%s] %s of about %s  %s/s  %s", bar, text_size(done, bytes),
                text_size(total, progress->total_bytes), text_size(speed, rate(progress, bytes)),
                progress->phase);
    fflush(stderr);
    progress->drawn = true;
}

bool progress_is_due(const struct progress *progress)
{
    return !progress->quiet && progress->phase[0] != '\0' &&
           clock_now_us() - progress->shown_us >= (uint64_t)(progress->terminal ? BAR_US : LINE_US);
}

void progress_show(struct progress *progress, uint64_t bytes)
{
    char done[TEXT_SHORT], total[TEXT_SHORT], speed[TEXT_SHORT];

    if (!progress_is_due(progress))
        return;
    progress->shown_us = clock_now_us();
    if (progress->terminal)
        bar_draw(progress, bytes);
    else if (progress->total_bytes == 0)
        fprintf(stderr, "  %s: %s, %s/s\n", progress->phase, text_size(done, bytes),
                text_size(speed, rate(progress, bytes)));
    else
        fprintf(stderr, "  %s: %s of about %s, %s/s\n", progress->phase, text_size(done, bytes),
                text_size(total, progress->total_bytes), text_size(speed, rate(progress, bytes)));
}

void progress_done(struct progress *progress, uint64_t bytes)
{
    char size[TEXT_SHORT], time[TEXT_SHORT], speed[TEXT_SHORT];

    progress_clear(progress);
    if (!progress->quiet && bytes > 0)
        fprintf(stderr, "%s: %s in %s (%s/s)\n", progress->phase, text_size(size, bytes),
                text_duration(time, clock_now_us() - progress->started_us),
                text_size(speed, rate(progress, bytes)));
    else if (!progress->quiet)
        fprintf(stderr, "%s: done in %s\n", progress->phase,
                text_duration(time, clock_now_us() - progress->started_us));
    progress->phase[0] = '\0';
}
