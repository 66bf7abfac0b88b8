// SPDX-License-Identifier: BSD-2-Clause
#include "push/stream.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

// Payloads held between two missing ones, up to so many, are fetched again with them: one request
// is cheaper than two.
#define BRIDGE_MAX 8

void stream_init(struct stream *stream)
{
    memset(stream, 0, sizeof(*stream));
    stream->slots = memory_new_array(STREAM_WINDOW, sizeof(struct stream_slot *));
    stream->next = 1;
}

static struct stream_slot **place_of(const struct stream *stream, uint64_t sequence)
{
    return &stream->slots[sequence % STREAM_WINDOW];
}

static void let_go(struct stream *stream, struct stream_slot **place)
{
    struct stream_slot *slot = *place;
    assert(slot != NULL && stream->held > 0);
    slot->next = stream->spare;
    stream->spare = slot;
    *place = NULL;
    stream->held--;
}

void stream_release(struct stream *stream)
{
    for (size_t i = 0; i < STREAM_WINDOW; i++)
        memory_free(stream->slots[i]);
    while (stream->spare != NULL) {
        struct stream_slot *slot = stream->spare;
        stream->spare = slot->next;
        memory_free(slot);
    }
    memory_free(stream->slots);
    memset(stream, 0, sizeof(*stream));
}

void stream_restart(struct stream *stream, uint64_t epoch, uint64_t next)
{
    for (size_t i = 0; i < STREAM_WINDOW; i++)
        if (stream->slots[i] != NULL)
            let_go(stream, &stream->slots[i]);
    assert(stream->held == 0);
    stream->epoch = epoch;
    stream->next = next;
    stream->highest = next - 1;
}

static bool in_window(const struct stream *stream, uint64_t sequence)
{
    return sequence >= stream->next && sequence - stream->next < STREAM_WINDOW;
}

void stream_rebase(struct stream *stream, uint64_t next)
{
    stream->next = next;
    for (size_t i = 0; i < STREAM_WINDOW; i++)
        if (stream->slots[i] != NULL && !in_window(stream, stream->slots[i]->sequence))
            let_go(stream, &stream->slots[i]);
    stream_note(stream, next - 1);
}

enum stream_verdict stream_judge(const struct stream *stream, uint64_t sequence)
{
    if (sequence < stream->next)
        return STREAM_REPEAT;
    if (!in_window(stream, sequence))
        return STREAM_BEYOND;
    return *place_of(stream, sequence) == NULL ? STREAM_FRESH : STREAM_REPEAT;
}

static struct stream_slot *new_slot(struct stream *stream)
{
    struct stream_slot *slot = stream->spare;
    if (slot == NULL)
        return memory_new(sizeof(*slot));
    stream->spare = slot->next;
    return slot;
}

void stream_hold(struct stream *stream, uint64_t sequence, bool usable, const uint8_t *bytes,
                 size_t length)
{
    assert(stream_judge(stream, sequence) == STREAM_FRESH && length <= PAYLOAD_BYTES_MAX);
    struct stream_slot *slot = new_slot(stream);
    slot->next = NULL;
    slot->sequence = sequence;
    slot->usable = usable;
    slot->length = (uint16_t)length;
    memcpy(slot->bytes, bytes, length);
    *place_of(stream, sequence) = slot;
    stream->held++;
    stream_note(stream, sequence);
}

void stream_note(struct stream *stream, uint64_t sequence)
{
    if (sequence > stream->highest)
        stream->highest = sequence;
}

const struct stream_slot *stream_front(const struct stream *stream)
{
    const struct stream_slot *slot = *place_of(stream, stream->next);
    assert(slot == NULL || slot->sequence == stream->next);
    return slot;
}

void stream_advance(struct stream *stream)
{
    let_go(stream, place_of(stream, stream->next));
    stream->next++;
}

static bool missing(const struct stream *stream, uint64_t sequence)
{
    return !in_window(stream, sequence) || *place_of(stream, sequence) == NULL;
}

bool stream_gap(const struct stream *stream, uint64_t most, uint64_t *first, uint64_t *last)
{
    uint64_t sequence = stream->next;
    while (sequence <= stream->highest && !missing(stream, sequence))
        sequence++;
    if (sequence > stream->highest)
        return false;
    *first = *last = sequence;
    for (; sequence <= stream->highest && sequence - *first < most; sequence++) {
        if (missing(stream, sequence))
            *last = sequence;
        else if (sequence - *last > BRIDGE_MAX)
            break;
    }
    return true;
}
