/* SPDX-License-Identifier: PostgreSQL
 * version - what the runner calls itself. */
#pragma once

static const char runner_version[] __attribute__((unused)) = "0.1.0";
