/* SPDX-License-Identifier: PostgreSQL
 * version - one place for the version of both programs. */
#pragma once

#define PGSLUICE_VERSION "0.1.0"
