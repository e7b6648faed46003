/* SPDX-License-Identifier: PostgreSQL
 * messages - the tables behind messages.h, made from messages.def. */
#include "gateway/wire/messages.h"

const uint16_t message_flag_table[2][256] = {
#define MESSAGE(side, type, name, flags) [MESSAGE_##side][(unsigned char)(type)] = MESSAGE_KNOWN | (flags),
#include "gateway/wire/messages.def"
#undef MESSAGE
};

const char *const message_name_table[2][256] = {
#define MESSAGE(side, type, name, flags) [MESSAGE_##side][(unsigned char)(type)] = #name,
#include "gateway/wire/messages.def"
#undef MESSAGE
};
