// SPDX-License-Identifier: BSD-2-Clause
// Readers in another thread beside the writer never see half of an atomic set.
//
// The writer applies sets that keep an invariant, whatever else they do meanwhile:
//   - a pair of micronets always has the same ETR, though each set maps first one, then the other,
//     by way of zero;
//   - a range always is one micronet or two halves, never anything else, though sets split and
//     join it and map it to zero between;
//   - many micronets around them come and go, so that the tree's nodes split, merge and are reused
//     under the readers' feet.
// Readers stop at the first violation, or when they have seen enough; nothing depends on time.
#include "../check.h"
#include "base/random.h"
#include "mapping/interval_tree.h"
#include "mapping/mapping.h"
#include "mapping/mapping_state.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define LOOKS   60000 // of each reader
#define READERS 2
#define CHURN   16384 // units that come and go
#define PAIR    64    // units of the pair's batch lookup

struct shared {
    struct mapping *mapping;
    struct range whole; // one micronet, or two halves
    struct unit first;  // a pair
    struct unit second;
    uint64_t churn;  // the first unit that comes and goes
    uint64_t stride; // to the next one: they lie evenly, so that IPv6 lookups go by the leaf index
    _Atomic bool failed;
    _Atomic unsigned done;
};

static struct update update_of(const struct range *range, enum update_kind kind, struct address etr)
{
    return (struct update){.kind = kind,
                           .range = *range,
                           .etr = etr,
                           .at = {range->start.index + range->length.units / 2}};
}

static struct range halve(const struct range *range, bool second)
{
    struct range half = *range;
    half.length.units /= 2;
    if (second)
        half.start.index += half.length.units;
    return half;
}

static struct range unit_range(const struct shared *shared, uint64_t unit)
{
    return (struct range){shared->whole.family, {unit}, {1}};
}

// One round of the writer: the pair to another ETR, the range split or joined, a unit in or out.
static size_t make_set(const struct shared *shared, uint32_t round, struct random_source *random,
                       struct update set[8])
{
    struct address etr = address_from_ipv4(0xc6120000 + round % 1000);
    struct range first = unit_range(shared, shared->first.index);
    struct range second = unit_range(shared, shared->second.index);
    struct range left = halve(&shared->whole, false);
    struct range right = halve(&shared->whole, true);
    size_t count = 0;
    set[count++] = update_of(&first, UPDATE_MAP, ADDRESS_ZERO);
    set[count++] = update_of(&second, UPDATE_MAP, etr);
    set[count++] = update_of(&first, UPDATE_MAP, etr);
    if (round % 2 == 0) {
        set[count++] = update_of(&shared->whole, UPDATE_MAP, ADDRESS_ZERO);
        set[count++] = update_of(&shared->whole, UPDATE_SPLIT, ADDRESS_ZERO);
        set[count++] = update_of(&left, UPDATE_MAP, etr);
        set[count++] = update_of(&right, UPDATE_MAP, etr);
    } else {
        set[count++] = update_of(&left, UPDATE_MAP, ADDRESS_ZERO);
        set[count++] = update_of(&right, UPDATE_MAP, ADDRESS_ZERO);
        set[count++] = update_of(&shared->whole, UPDATE_JOIN, ADDRESS_ZERO);
        set[count++] = update_of(&shared->whole, UPDATE_MAP, etr);
    }
    struct unit unit = {shared->churn + shared->stride * random_below(random, CHURN)};
    struct range churned = unit_range(shared, unit.index);
    struct micronet found;
    enum mapping_state state = mapping_lookup(shared->mapping, unit, &found);
    if (state == MAPPING_GAP)
        set[count++] = update_of(&churned, UPDATE_DEFINE, ADDRESS_ZERO);
    else
        set[count++] = update_of(&churned, UPDATE_DELETE, ADDRESS_ZERO);
    return count;
}

static void expect(struct shared *shared, bool holds)
{
    if (!holds)
        atomic_store(&shared->failed, true);
}

static void look(struct shared *shared, struct random_source *random)
{
    struct unit units[PAIR];
    struct address etrs[PAIR];
    for (size_t i = 0; i < PAIR; i += 2) {
        units[i] = shared->first;
        units[i + 1] = shared->second;
    }
    mapping_etr_many(shared->mapping, units, PAIR, etrs);
    for (size_t i = 1; i < PAIR; i++)
        expect(shared, address_equal(&etrs[0], &etrs[i]));
    expect(shared, !address_is_zero(&etrs[0]));
    uint32_t numbers[PAIR];
    mapping_etr_number_many(shared->mapping, units, PAIR, numbers);
    for (size_t i = 0; i < PAIR; i++)
        expect(shared, numbers[i] == numbers[0] && numbers[i] >= MAPPING_NUMBER_FIRST);
    expect(shared, mapping_etr_number(shared->mapping, shared->first) >= MAPPING_NUMBER_FIRST);

    struct range left = halve(&shared->whole, false);
    struct range right = halve(&shared->whole, true);
    struct unit unit = {shared->whole.start.index +
                        random_below(random, shared->whole.length.units)};
    struct micronet found;
    expect(shared, mapping_lookup(shared->mapping, unit, &found) == MAPPING_MAPPED);
    expect(shared, range_equal(&found.range, &shared->whole) ||
                       range_equal(&found.range, unit.index < right.start.index ? &left : &right));
    expect(shared, !address_is_zero(&found.etr));
    struct address etr = mapping_etr(shared->mapping, unit);
    expect(shared, etr.family == FAMILY_IPV4);

    unit.index = shared->churn + shared->stride * random_below(random, CHURN);
    unit.index += random_below(random, 2);
    if (mapping_lookup(shared->mapping, unit, &found) == MAPPING_ZERO)
        expect(shared, found.range.length.units == 1 && found.range.start.index == unit.index);
    if (mapping_next(shared->mapping, unit, &found))
        expect(shared, found.range.start.index >= unit.index);
}

static void *read_beside(void *argument)
{
    struct shared *shared = argument;
    struct random_source random;
    random_init(&random, random_seed_from_number(7));
    for (unsigned i = 0; i < LOOKS && !atomic_load(&shared->failed); i++)
        look(shared, &random);
    atomic_fetch_add(&shared->done, 1);
    return NULL;
}

static void prepare(struct shared *shared, const char *mab_text)
{
    struct prefix mab;
    assert_true(prefix_parse(mab_text, &mab, NULL));
    memset(shared, 0, sizeof(*shared));
    shared->mapping = mapping_new(&mab, NULL);
    assert_non_null(shared->mapping);
    const struct range *units = mapping_units(shared->mapping);
    uint64_t start = units->start.index;
    shared->whole = (struct range){units->family, {start + 64}, {32}};
    shared->first = (struct unit){start};
    shared->second = (struct unit){start + units->length.units - 1};
    shared->churn = start + 1024;
    shared->stride = (units->length.units - 2048) / CHURN;
    struct range first = unit_range(shared, shared->first.index);
    struct range second = unit_range(shared, shared->second.index);
    struct address etr = address_from_ipv4(0xc6120001);
    struct update set[] = {update_of(&shared->whole, UPDATE_DEFINE, etr),
                           update_of(&first, UPDATE_DEFINE, etr),
                           update_of(&second, UPDATE_DEFINE, etr)};
    assert_true(mapping_apply(shared->mapping, set, 3, NULL, NULL));
    // A quarter is there; half will be in the end, so that leaves split and the index is made anew.
    for (uint64_t i = 0; i < CHURN; i += 4) {
        struct range churned = unit_range(shared, shared->churn + shared->stride * i);
        set[0] = update_of(&churned, UPDATE_DEFINE, ADDRESS_ZERO);
        assert_true(mapping_apply(shared->mapping, set, 1, NULL, NULL));
    }
}

// Keeps writing until the readers are done.
static void write_beside(struct shared *shared)
{
    struct random_source random;
    random_init(&random, random_seed_from_number(3));
    struct update set[8];
    for (uint32_t round = 0; atomic_load(&shared->done) < READERS; round++) {
        size_t count = make_set(shared, round, &random, set);
        struct error error = {0};
        if (!mapping_apply(shared->mapping, set, count, NULL, &error))
            fail_msg("%s", error.text);
        if (round % 7 == 0) {
            // A set that was taken back, and one refused at its end, were never there either.
            mapping_revert(shared->mapping);
            set[count - 1].kind = UPDATE_SPLIT;
            assert_false(mapping_apply(shared->mapping, set, count, NULL, NULL));
            set[count - 1].kind = UPDATE_DEFINE;
            (void)mapping_check(shared->mapping, set, count - 1, NULL, NULL);

            count = make_set(shared, round, &random, set);
            assert_true(mapping_apply(shared->mapping, set, count, NULL, NULL));
        }
    }
}

static void run(const char *mab)
{
    struct shared shared;
    pthread_t readers[READERS];
    prepare(&shared, mab);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_beside, &shared), 0);
    write_beside(&shared);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    const struct interval_map *tree = shared.mapping->store.tree;
    assert_true(tree == NULL || tree->index.slots.count > 0);
    mapping_free(shared.mapping);
    assert_false(atomic_load(&shared.failed));
}

static void test_ipv4(void **state)
{
    (void)state;
    run("20.0.0.0/14");
}

static void test_ipv6(void **state)
{
    (void)state;
    run("2001:db8::/32");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
