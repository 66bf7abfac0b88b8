// SPDX-License-Identifier: BSD-2-Clause
#include "base/wheel.h"

#include "base/memory.h"

#define WORD_BITS 64
#define WORDS     (WHEEL_TICKS / WORD_BITS)

void wheel_init(struct wheel *wheel)
{
    wheel->buckets = memory_new_array(WHEEL_TICKS, sizeof(wheel->buckets[0]));
    wheel->filled = memory_new_array(WORDS, sizeof(wheel->filled[0]));
    wheel->next = 0;
    for (size_t i = 0; i < WHEEL_TICKS; i++)
        list_init(&wheel->buckets[i]);
}

void wheel_release(struct wheel *wheel)
{
    memory_free(wheel->buckets);
    memory_free(wheel->filled);
    wheel->buckets = NULL;
    wheel->filled = NULL;
}

static size_t place_of(uint64_t tick)
{
    return (size_t)(tick % WHEEL_TICKS);
}

static void mark(struct wheel *wheel, uint64_t tick)
{
    wheel->filled[place_of(tick) / WORD_BITS] |= UINT64_C(1) << place_of(tick) % WORD_BITS;
}

void wheel_put(struct wheel *wheel, struct list_node *node, struct instant due)
{
    uint64_t tick = due.ns / WHEEL_TICK_NS + (due.ns % WHEEL_TICK_NS != 0);
    if (tick < wheel->next)
        tick = wheel->next;
    if (tick - wheel->next >= WHEEL_TICKS)
        tick = wheel->next + WHEEL_TICKS - 1;
    mark(wheel, tick);
    list_append(&wheel->buckets[place_of(tick)], node);
}

// The first tick from wheel->next on that is marked; UINT64_MAX where none is.
static uint64_t first_marked(const struct wheel *wheel)
{
    size_t start = place_of(wheel->next);
    // The first word is looked at twice: for what is from the start on, and for what is before it.
    uint64_t word = wheel->filled[start / WORD_BITS] & ~UINT64_C(0) << start % WORD_BITS;
    size_t i = start / WORD_BITS;
    for (size_t n = 0; word == 0 && n < WORDS; n++) {
        i = (i + 1) % WORDS;
        word = wheel->filled[i];
    }
    if (word == 0)
        return UINT64_MAX;
    size_t place = i * WORD_BITS + (size_t)__builtin_ctzll(word);
    return wheel->next + (place + WHEEL_TICKS - start) % WHEEL_TICKS;
}

// The same, of those whose bucket is not empty. The marks of others go.
static uint64_t first_filled(const struct wheel *wheel)
{
    uint64_t tick = first_marked(wheel);
    for (; tick != UINT64_MAX && list_empty(&wheel->buckets[place_of(tick)]);
         tick = first_marked(wheel))
        wheel->filled[place_of(tick) / WORD_BITS] &= ~(UINT64_C(1) << place_of(tick) % WORD_BITS);
    return tick;
}

// All that was due by the current tick is in its bucket then. What is put again, as it waited in
// the last bucket, must go by the time that it is now.
static void advance(struct wheel *wheel, uint64_t current)
{
    struct list_node *bucket = &wheel->buckets[place_of(current)];
    for (uint64_t tick = first_filled(wheel); tick < current; tick = first_filled(wheel)) {
        wheel->next = tick + 1;
        if (place_of(tick) == place_of(current))
            continue;
        list_append_all(bucket, &wheel->buckets[place_of(tick)]);
        mark(wheel, current);
    }
    wheel->next = current;
}

struct list_node *wheel_first(struct wheel *wheel, struct instant now)
{
    uint64_t current = now.ns / WHEEL_TICK_NS;
    if (current >= wheel->next)
        advance(wheel, current);
    return current < wheel->next ? NULL : list_first(&wheel->buckets[place_of(current)]);
}

struct instant wheel_deadline(const struct wheel *wheel)
{
    uint64_t tick = first_filled(wheel);
    return tick == UINT64_MAX ? INSTANT_NEVER : (struct instant){tick * WHEEL_TICK_NS};
}
