// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/flat_map.h"

#include "base/memory.h"
#include "mapping/etr_table.h"
#include "mapping/huge_array.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES  4096
#define PAGE_PLACES (PAGE_BYTES / sizeof(uint32_t))
// Arrays of at least this size ask for huge pages once a fourth of their pages is in use.
#define HUGE_ARRAY HUGE_PAGE
// A removed run of at least this size gives its whole pages back to the kernel.
#define DISCARD_BYTES (64 * PAGE_BYTES)

static size_t page_count(const struct flat_map *map)
{
    return (map->mapped_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

void flat_map_init(struct flat_map *map, uint32_t size)
{
    assert(size >= 256 && size <= 1 << 24 && (size & (size - 1)) == 0);
    memset(map, 0, sizeof(*map));
    map->size = size;
    map->mapped_bytes = size * sizeof(*map->values);
    map->values = map->mapped_bytes >= PAGE_BYTES ? huge_array_new(map->mapped_bytes)
                                                  : memory_new(map->mapped_bytes);
    map->touched = memory_new_array((page_count(map) + 63) / 64, sizeof(*map->touched));
    uint32_t words = size;
    do {
        words = (words + 63) / 64;
        assert(map->level_count < FLAT_LEVELS_MAX);
        map->levels[map->level_count] = memory_new_array(words, sizeof(uint64_t));
        map->levels[map->level_count][0] = 1; // a run starts at place 0
        map->level_count++;
        map->starts_bytes += words * sizeof(uint64_t);
    } while (words > 1);
}

void flat_map_release(struct flat_map *map)
{
    if (map->mapped_bytes >= PAGE_BYTES)
        huge_array_free(map->values, map->mapped_bytes);
    else
        memory_free(map->values);
    for (unsigned level = 0; level < map->level_count; level++)
        memory_free(map->levels[level]);
    memory_free(map->touched);
    memset(map, 0, sizeof(*map));
}

size_t flat_map_memory(const struct flat_map *map)
{
    size_t pages = map->touched_count * PAGE_BYTES;
    return map->starts_bytes + (pages < map->mapped_bytes ? pages : map->mapped_bytes);
}

void flat_map_expect_dense(struct flat_map *map)
{
    if (map->dense || map->mapped_bytes < HUGE_ARRAY)
        return;
    map->dense = 1;
    huge_array_ask(map->values, map->mapped_bytes);
}

// Counts the pages of a range of places as in use.
static void touch(struct flat_map *map, uint32_t start, uint32_t length)
{
    size_t last = (start + (length - 1)) / PAGE_PLACES;
    for (size_t page = start / PAGE_PLACES; page <= last; page++) {
        uint64_t bit = (uint64_t)1 << page % 64;
        map->touched_count += (map->touched[page / 64] & bit) == 0;
        map->touched[page / 64] |= bit;
    }
    if (!map->dense && map->touched_count * 4 >= page_count(map))
        flat_map_expect_dense(map);
}

// Gives whole pages inside a range of places back; they read as zeros.
static void discard(struct flat_map *map, uint32_t start, uint32_t length)
{
    size_t first = (start + PAGE_PLACES - 1) / PAGE_PLACES;
    size_t end = (start + (size_t)length) / PAGE_PLACES;
    if (first >= end)
        return;
    char *memory = (char *)map->values + first * PAGE_BYTES;
    if (madvise(memory, (end - first) * PAGE_BYTES, MADV_DONTNEED) != 0)
        return; // the zeros written before do as well
    for (size_t page = first; page < end; page++) {
        uint64_t bit = (uint64_t)1 << page % 64;
        map->touched_count -= (map->touched[page / 64] & bit) != 0;
        map->touched[page / 64] &= ~bit;
    }
}

static void fill(struct flat_map *map, const struct interval *range, uint32_t value)
{
    uint32_t *values = map->values + range->start;
    for (uint64_t i = 0; i < range->length; i++)
        __atomic_store_n(&values[i], value, __ATOMIC_RELAXED); // readers may look, see sequence.h
}

static void set_start(struct flat_map *map, uint32_t place)
{
    for (unsigned level = 0; level < map->level_count; level++) {
        uint64_t *word = &map->levels[level][place / 64];
        uint64_t before = *word;
        *word = before | (uint64_t)1 << place % 64;
        if (before != 0)
            return;
        place /= 64;
    }
}

static void clear_start(struct flat_map *map, uint32_t place)
{
    assert(place != 0);
    for (unsigned level = 0; level < map->level_count; level++) {
        uint64_t *word = &map->levels[level][place / 64];
        *word &= ~((uint64_t)1 << place % 64);
        if (*word != 0)
            return;
        place /= 64;
    }
}

SEQUENCE_READER static uint64_t word_at(const struct flat_map *map, unsigned level, uint32_t index)
{
    return SEQUENCE_LOAD(&map->levels[level][index]);
}

// The nearest start at `place` or before. There is one, at place 0 at the latest; a reader beside
// the writer may meet a word that just became zero, and gets an arbitrary place.
SEQUENCE_READER static uint32_t start_of(const struct flat_map *map, uint32_t place)
{
    unsigned level = 0;
    uint64_t word = word_at(map, 0, place / 64) & (UINT64_MAX >> (63 - place % 64));
    while (word == 0) {
        place /= 64;
        if (++level == map->level_count || place == 0)
            return 0;
        word = word_at(map, level, place / 64) & (((uint64_t)1 << place % 64) - 1);
    }
    for (;;) {
        place = (place & ~(uint32_t)63) | (63 - (uint32_t)__builtin_clzll(word));
        if (level == 0)
            return place;
        word = word_at(map, --level, place) | 1;
        place *= 64;
    }
}

// The nearest start behind `place`, or `size` where there is none.
SEQUENCE_READER static uint32_t end_of(const struct flat_map *map, uint32_t place)
{
    unsigned level = 0;
    uint64_t word = 0;
    for (;;) {
        // Shifted twice, since all 64 bits may have to go.
        word = word_at(map, level, place / 64) & (UINT64_MAX << place % 64 << 1);
        if (word != 0)
            break;
        place /= 64;
        if (++level == map->level_count)
            return map->size;
    }
    for (;;) {
        place = (place & ~(uint32_t)63) | (uint32_t)__builtin_ctzll(word);
        if (level == 0)
            return place;
        word = word_at(map, --level, place) | (uint64_t)1 << 63;
        place *= 64;
    }
}

SEQUENCE_READER struct interval flat_map_find(const struct flat_map *map, uint32_t place)
{
    assert(place < map->size);
    uint32_t start = start_of(map, place);
    uint32_t end = end_of(map, place);
    return (struct interval){start, end - start, flat_map_value(map, place)};
}

void flat_map_add(struct flat_map *map, const struct interval *micronet)
{
    uint32_t start = (uint32_t)micronet->start;
    uint32_t end = start + (uint32_t)micronet->length;
    assert(micronet->value != ETR_GAP && micronet->length > 0 && end <= map->size);
    assert(map->values[start] == ETR_GAP && map->values[end - 1] == ETR_GAP);
    touch(map, start, end - start);
    fill(map, micronet, micronet->value);
    set_start(map, start);
    if (end < map->size && map->values[end] == ETR_GAP)
        set_start(map, end);
}

void flat_map_remove(struct flat_map *map, const struct interval *micronet)
{
    uint32_t start = (uint32_t)micronet->start;
    uint32_t end = start + (uint32_t)micronet->length;
    assert(micronet->length > 0 && end <= map->size && map->values[start] != ETR_GAP);
    fill(map, micronet, ETR_GAP);
    if (micronet->length * sizeof(uint32_t) >= DISCARD_BYTES)
        discard(map, start, end - start);
    if (end < map->size && map->values[end] == ETR_GAP)
        clear_start(map, end);
    if (start > 0 && map->values[start - 1] == ETR_GAP)
        clear_start(map, start);
}

void flat_map_set(struct flat_map *map, const struct interval *micronet, uint32_t value)
{
    assert(value != ETR_GAP && map->values[micronet->start] != ETR_GAP);
    fill(map, micronet, value);
}
