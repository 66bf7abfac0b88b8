// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/record_hash.h"

#include <string.h>

#define RECORD_BYTES 33
#define RECORD_WORDS 5

// A record's ETR is hashed as it lies in memory.
_Static_assert(sizeof(struct address) == 17, "family and sixteen octets, no padding");

typedef uint64_t lanes __attribute__((vector_size(8 * RECORD_LANES)));

// One word of each record side by side, as SipHash reads them: little-endian.
struct words {
    uint64_t word[RECORD_WORDS][RECORD_LANES] __attribute__((aligned(64)));
    uint64_t gone[RECORD_LANES] __attribute__((aligned(64)));
};

static uint64_t little_endian(const uint8_t *octets)
{
    uint64_t value = 0;
    memcpy(&value, octets, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static void load_record(struct words *words, size_t lane, const struct record *record)
{
    uint8_t etr[sizeof(struct address)];
    memcpy(etr, &record->etr, sizeof(etr));
    words->word[0][lane] = __builtin_bswap64(record->start);
    words->word[1][lane] = __builtin_bswap64(record->units);
    words->word[2][lane] = little_endian(etr);
    words->word[3][lane] = little_endian(etr + 8);
    words->word[4][lane] = (uint64_t)RECORD_BYTES << 56 | etr[16];
    words->gone[lane] = -(uint64_t)record->gone;
}

#define ROTATE(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))

#define ROUND(v)                                                                                   \
    do {                                                                                           \
        (v)[0] += (v)[1];                                                                          \
        (v)[2] += (v)[3];                                                                          \
        (v)[1] = ROTATE((v)[1], 13) ^ (v)[0];                                                      \
        (v)[3] = ROTATE((v)[3], 16) ^ (v)[2];                                                      \
        (v)[0] = ROTATE((v)[0], 32);                                                               \
        (v)[2] += (v)[1];                                                                          \
        (v)[0] += (v)[3];                                                                          \
        (v)[1] = ROTATE((v)[1], 17) ^ (v)[2];                                                      \
        (v)[3] = ROTATE((v)[3], 21) ^ (v)[0];                                                      \
        (v)[2] = ROTATE((v)[2], 32);                                                               \
    } while (0)

// SipHash-2-4-128 of the words, over any type of 64-bit numbers: one, or a vector of them.
#define SIPHASH(type, v, input, first, second)                                                     \
    do {                                                                                           \
        const uint8_t *key = (const uint8_t *)RECORD_HASH_KEY;                                     \
        uint64_t k0 = little_endian(key);                                                          \
        uint64_t k1 = little_endian(key + 8);                                                      \
        (v)[0] = (type){0} + (k0 ^ 0x736f6d6570736575);                                            \
        (v)[1] = (type){0} + (k1 ^ 0x646f72616e646f6d ^ 0xee);                                     \
        (v)[2] = (type){0} + (k0 ^ 0x6c7967656e657261);                                            \
        (v)[3] = (type){0} + (k1 ^ 0x7465646279746573);                                            \
        for (unsigned i = 0; i < RECORD_WORDS; i++) {                                              \
            (v)[3] ^= (input)[i];                                                                  \
            ROUND(v);                                                                              \
            ROUND(v);                                                                              \
            (v)[0] ^= (input)[i];                                                                  \
        }                                                                                          \
        (v)[2] ^= 0xee;                                                                            \
        for (unsigned i = 0; i < 4; i++)                                                           \
            ROUND(v);                                                                              \
        (first) = (v)[0] ^ (v)[1] ^ (v)[2] ^ (v)[3];                                               \
        (v)[1] ^= 0xdd;                                                                            \
        for (unsigned i = 0; i < 4; i++)                                                           \
            ROUND(v);                                                                              \
        (second) = (v)[0] ^ (v)[1] ^ (v)[2] ^ (v)[3];                                              \
    } while (0)

static struct mapping_hash hash_one(const struct record *record)
{
    struct words words;
    load_record(&words, 0, record);
    uint64_t input[RECORD_WORDS];
    for (size_t i = 0; i < RECORD_WORDS; i++)
        input[i] = words.word[i][0];
    uint64_t v[4];
    struct mapping_hash hash;
    SIPHASH(uint64_t, v, input, hash.lanes[0], hash.lanes[1]);
    hash.lanes[0] = record->gone ? -hash.lanes[0] : hash.lanes[0];
    hash.lanes[1] = record->gone ? -hash.lanes[1] : hash.lanes[1];
    return hash;
}

// The sum over RECORD_LANES records. Written once, compiled for each kind of machine.
static inline __attribute__((always_inline)) struct mapping_hash
sum_lanes(const struct record *records)
{
    struct words words;
    for (size_t lane = 0; lane < RECORD_LANES; lane++)
        load_record(&words, lane, &records[lane]);
    lanes input[RECORD_WORDS];
    memcpy(input, words.word, sizeof(input));
    lanes v[4];
    lanes first;
    lanes second;
    SIPHASH(lanes, v, input, first, second);
    lanes gone; // all bits where the record is taken away: (x ^ gone) - gone is x or -x
    memcpy(&gone, words.gone, sizeof(gone));
    first = (first ^ gone) - gone;
    second = (second ^ gone) - gone;
    struct mapping_hash sum = {{0, 0}};
    for (size_t lane = 0; lane < RECORD_LANES; lane++) {
        sum.lanes[0] += first[lane];
        sum.lanes[1] += second[lane];
    }
    return sum;
}

static struct mapping_hash sum_any(const struct record *records)
{
    struct mapping_hash sum = {{0, 0}};
    for (size_t i = 0; i < RECORD_LANES; i++) {
        struct mapping_hash one = hash_one(&records[i]);
        sum.lanes[0] += one.lanes[0];
        sum.lanes[1] += one.lanes[1];
    }
    return sum;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static struct mapping_hash sum_avx2(const struct record *records)
{
    return sum_lanes(records);
}

__attribute__((target("avx512f,avx512vl,avx512dq"))) static struct mapping_hash
sum_avx512(const struct record *records)
{
    return sum_lanes(records);
}

static struct mapping_hash sum_group(const struct record *records)
{
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return sum_avx512(records);
    return __builtin_cpu_supports("avx2") ? sum_avx2(records) : sum_any(records);
}
#else
static struct mapping_hash sum_group(const struct record *records)
{
    return sum_any(records);
}
#endif

void record_hash_add(struct mapping_hash *hash, const struct record *records, size_t count)
{
    size_t i = 0;
    for (; i + RECORD_LANES <= count; i += RECORD_LANES) {
        struct mapping_hash group = sum_group(records + i);
        hash->lanes[0] += group.lanes[0];
        hash->lanes[1] += group.lanes[1];
    }
    for (; i < count; i++) { // too few for all lanes
        struct mapping_hash one = hash_one(&records[i]);
        hash->lanes[0] += one.lanes[0];
        hash->lanes[1] += one.lanes[1];
    }
}
