/* SPDX-License-Identifier: PostgreSQL
 * stream_secure - streams that become TLS, and how that ends. */
#pragma once

#include <stddef.h>

struct stream;
struct tls;

/* From here on everything is TLS; `early` are bytes of it that came already (copied). Nothing may be queued
 * or kept. Owns the tls, also on failure. `secured` or `ended` follows; until then nothing can be sent. */
void stream_secure(struct stream *stream, struct tls *tls, const void *early, size_t bytes);
/* Why TLS failed, as words for a log; "" when it did not. */
const char *stream_failure(const struct stream *stream);

/* Hands out what TLS says at its end, for who says it later on a duplicate of the socket; returns the bytes,
 * 0 for none. The stream closes without a word then: that comes next. */
size_t stream_take_goodbye(struct stream *stream, void *out, size_t room);
