/* SPDX-License-Identifier: PostgreSQL
 * log - one event, one line: `time level who what key=value`, written to standard error. */
#pragma once

#include <stdbool.h>

/* The level names the reader: ERROR an operator must act, WARN should know, INFO audit, DEBUG developer. */
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Sets the least important level that is written. Any thread. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Writes one line with one write(2). Control characters in the formatted text are escaped, so that
 * nothing that a client sent can forge a line. `who` is a short word such as "main" or "worker1". */
void log_write(enum log_level level, const char *who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(who, ...) log_write(LOG_ERROR, (who), __VA_ARGS__)
#define log_warn(who, ...) log_write(LOG_WARN, (who), __VA_ARGS__)
#define log_info(who, ...) log_write(LOG_INFO, (who), __VA_ARGS__)
#define log_debug(who, ...) (log_enabled(LOG_DEBUG) ? log_write(LOG_DEBUG, (who), __VA_ARGS__) : (void)0)
