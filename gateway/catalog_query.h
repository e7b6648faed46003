/* SPDX-License-Identifier: PostgreSQL
 * catalog_query - the SQL that asks the catalogs. Any role may run it, on a primary or a standby. Settings
 * are changed for its transaction only: names mean the same whatever the server's client asked for. Rows
 * have four columns: f fingerprint; u user used; b user built-in; n function; s function source language; c
 * max_connections, those reserved, those in use. */
#pragma once

/* A fingerprint of all that catalog_read_query reads, and the server's connections. */
const char *catalog_check_query(void);
/* The fingerprint first, so that what changes meanwhile is noticed later; then the rest. */
const char *catalog_read_query(void);
