// SPDX-License-Identifier: BSD-2-Clause
#include "push/history.h"

#include "base/list.h"
#include "base/memory.h"
#include "wire/payload.h"

#include <assert.h>
#include <string.h>

#define SEGMENT_BYTES ((size_t)128 << 10)
#define LENGTH_BYTES  2

struct segment {
    struct list_node node;
    uint64_t first; // sequence of its first payload
    uint64_t count;
    struct instant newest; // when its last payload was added
    size_t used;
    uint8_t bytes[SEGMENT_BYTES];
};

struct history {
    struct list_node segments; // oldest first
    size_t segment_count;
    size_t segments_max;
    uint64_t last;
};

struct history *history_new(size_t bytes_max)
{
    struct history *history = memory_new(sizeof(*history));
    list_init(&history->segments);
    size_t segments = bytes_max / sizeof(struct segment);
    history->segments_max = segments < 2 ? 2 : segments;
    return history;
}

static struct segment *segment_at(const struct list_node *node)
{
    return container_of(node, struct segment, node);
}

static struct segment *oldest_segment(const struct history *history)
{
    assert(history->segment_count > 0);
    return segment_at(history->segments.next);
}

static void drop_oldest(struct history *history)
{
    struct segment *oldest = oldest_segment(history);
    list_remove(&oldest->node);
    history->segment_count--;
    memory_free(oldest);
}

void history_free(struct history *history)
{
    if (history == NULL)
        return;
    while (history->segment_count > 0)
        drop_oldest(history);
    memory_free(history);
}

static struct segment *newest_segment(const struct history *history)
{
    return history->segment_count == 0 ? NULL : segment_at(history->segments.previous);
}

static struct segment *begin_segment(struct history *history, uint64_t sequence)
{
    if (history->segment_count == history->segments_max)
        drop_oldest(history);
    struct segment *segment = memory_new(sizeof(*segment));
    segment->first = sequence;
    list_append(&history->segments, &segment->node);
    history->segment_count++;
    return segment;
}

static void expire(struct history *history, struct instant now)
{
    struct duration keep = duration_s(HISTORY_SECONDS);
    while (history->segment_count > 1 &&
           instant_reached(now, instant_add(oldest_segment(history)->newest, keep)))
        drop_oldest(history);
}

void history_add(struct history *history, struct instant now, uint64_t sequence,
                 const uint8_t *bytes, size_t length)
{
    assert(length > 0 && length <= PAYLOAD_BYTES_MAX);
    assert(history->last == 0 || sequence == history->last + 1);
    expire(history, now);
    struct segment *segment = newest_segment(history);
    if (segment == NULL || segment->used + LENGTH_BYTES + length > sizeof(segment->bytes))
        segment = begin_segment(history, sequence);
    struct writer writer =
        writer_over(segment->bytes + segment->used, sizeof(segment->bytes) - segment->used);
    writer_u16(&writer, (uint16_t)length);
    writer_bytes(&writer, bytes, length);
    assert(!writer.failed);
    segment->used += LENGTH_BYTES + length;
    segment->count++;
    segment->newest = now;
    history->last = sequence;
}

uint64_t history_first(const struct history *history)
{
    return history->segment_count == 0 ? 0 : oldest_segment(history)->first;
}

uint64_t history_last(const struct history *history)
{
    return history->last;
}

size_t history_memory(const struct history *history)
{
    return sizeof(*history) + history->segment_count * sizeof(struct segment);
}

// The bytes of payloads `first` to `last` that lie in the segment.
static const uint8_t *find_in_segment(const struct segment *segment, uint64_t first, uint64_t last,
                                      size_t *length)
{
    struct reader reader = reader_over(segment->bytes, segment->used);
    const uint8_t *start = segment->bytes;
    uint64_t sequence = segment->first;
    for (; sequence < segment->first + segment->count && sequence <= last; sequence++) {
        if (sequence == first)
            start = reader.next;
        size_t octets = reader_u16(&reader);
        (void)reader_take(&reader, octets);
    }
    assert(!reader.failed);
    *length = (size_t)(reader.next - start);
    return start;
}

enum history_answer history_read(const struct history *history, uint64_t first, uint64_t last,
                                 uint8_t **bytes, size_t *length)
{
    assert(first <= last);
    if (first > history->last)
        return HISTORY_NOT_YET;
    if (first < history_first(history))
        return HISTORY_GONE;
    if (last - first >= FETCH_PAYLOADS_MAX)
        last = first + FETCH_PAYLOADS_MAX - 1;
    if (last > history->last)
        last = history->last;
    *bytes = memory_new((size_t)(last - first + 1) * (LENGTH_BYTES + PAYLOAD_BYTES_MAX));
    *length = 0;
    for (struct list_node *node = history->segments.next; node != &history->segments;
         node = node->next) {
        const struct segment *segment = segment_at(node);
        if (segment->first + segment->count <= first || segment->first > last)
            continue;
        size_t part = 0;
        const uint8_t *start = find_in_segment(segment, first, last, &part);
        memcpy(*bytes + *length, start, part);
        *length += part;
    }
    return HISTORY_FOUND;
}
