/* SPDX-License-Identifier: PostgreSQL
 * supervisor - what systemd is told (sd_notify), where it runs this process: started, reloading, stopping,
 * who took over, and that every worker's loop turns. Main thread. */
#pragma once

#include <sys/types.h>

struct gateway;

/* This process serves. Begins to feed the watchdog, where there is one. */
void supervisor_ready(struct gateway *gateway);
void supervisor_reloading(void);
void supervisor_reloaded(void);
void supervisor_stopping(struct gateway *gateway);
/* Another process is the service's main one from here on, or this one again. */
void supervisor_main_pid(pid_t pid);
