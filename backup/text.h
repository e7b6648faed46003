/* SPDX-License-Identifier: PostgreSQL
 * text - sizes, durations and times as people read them. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TEXT_SHORT = 32 }; /* bytes that hold any result below */

/* fprintf for people: control characters that came with a name or an error text, and could command a
 * terminal, are written as question marks. */
void text_print(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same in place; line breaks stay. */
void text_tame(char *text);

/* "17 B", "4.2 MB", "1.0 GB": powers of 1024, as PostgreSQL writes them. Returns `to`. */
char *text_size(char to[TEXT_SHORT], uint64_t bytes);

/* "0.4 s", "12 s", "3 min 05 s", "2 h 07 min". Returns `to`. */
char *text_duration(char to[TEXT_SHORT], uint64_t duration_us);

/* "2026-11-21 03:26:05Z"; "-" for 0. Seconds since 1970. Returns `to`. */
char *text_time(char to[TEXT_SHORT], int64_t seconds);
