/* SPDX-License-Identifier: PostgreSQL
 * log - one event, one line: `time level who what key=value`, written to standard error. */
#include "gateway/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static const char *const level_names[] = {"ERROR", "WARN", "INFO", "DEBUG"};
static _Atomic int threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

/* Copies text with control characters as \xNN; returns the bytes written, at most room. */
static size_t escape_into(char *out, size_t room, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    size_t used = 0;

    for (; *text != '\0' && used + 4 <= room; text++) {
        unsigned char c = (unsigned char)*text;

        if (c >= 0x20 && c != 0x7f) {
            out[used++] = (char)c;
            continue;
        }
        out[used++] = '\\';
        out[used++] = 'x';
        out[used++] = digits[c >> 4];
        out[used++] = digits[c & 15];
    }
    return used;
}

static size_t write_prefix(char *line, size_t room, enum log_level level, const char *who)
{
    struct timespec now;
    struct tm parts;
    size_t used;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    used = strftime(line, room, "%Y-%m-%d %H:%M:%S", &parts);
    used += (size_t)snprintf(line + used, room - used, ".%03ldZ %-5s %s ", now.tv_nsec / 1000000,
                             level_names[level], who);
    return used;
}

void log_write(enum log_level level, const char *who, const char *format, ...)
{
    char text[LINE_MAX_BYTES - 128];
    char line[LINE_MAX_BYTES * 4];
    size_t used;
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    used = write_prefix(line, 256, level, who);
    used += escape_into(line + used, sizeof line - used - 1, text);
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, used) < 0)
        return; /* nobody reads the log: serving goes on */
}
