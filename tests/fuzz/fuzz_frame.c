/* SPDX-License-Identifier: PostgreSQL
 * fuzz_frame - a stream of frames is walked to its end without a step that is too short or too long. */
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/check.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 0;
    struct frame frame;

    while (frame_peek(data + at, size - at, &frame) == FRAME_OK) {
        CHECK(frame.size >= FRAME_HEADER_BYTES && frame.size <= FRAME_LENGTH_MAX + 1u);
        for (enum message_side side = MESSAGE_CLIENT; side <= MESSAGE_SERVER; side++) {
            CHECK((message_flags(side, frame.type) == 0) == (message_name(side, frame.type) == NULL));
            if (message_size_valid(side, frame.type, frame.size))
                CHECK(message_name(side, frame.type) != NULL);
        }
        if (frame.size > size - at)
            break;
        at += frame.size;
    }
    return 0;
}
