// SPDX-License-Identifier: BSD-2-Clause
// The mapping engine against the naive model: random sets of updates, good and bad, in MABs of
// both families and every size class; every answer, count, hash and walk is compared.
#include "../check.h"
#include "base/memory.h"
#include "mapping/mapping.h"
#include "model.h"

#include <string.h>

#define SET_MAX 6

struct trial {
    const char *mab;
    unsigned rounds; // sets of about three updates
};

static const struct trial trials[] = {
    {"20.1.0.0/22", 40000},     // one unit a cell
    {"20.0.0.0/14", 8000},      // pages of the flat array, three levels of bitmap
    {"255.0.0.0/8", 300},       // the end of the space, all four levels, pages given back
    {"2001:db8:7::/48", 40000}, // narrow leaves
    {"2001:db8::/32", 20000},   // narrow and far
    {"ffff::/16", 20000},       // far leaves, the end of the space
};

struct sut {
    struct model model;
    struct mapping *mapping;
    unsigned applied;
    unsigned refused;
};

// Fills a set with random updates and applies them to the model: all good, or the last one wrong.
// Gives the reason that one is to be refused for, or NULL.
static const char *random_set(struct sut *sut, struct random_source *random,
                              struct update updates[SET_MAX], size_t *count)
{
    size_t wanted = 1 + random_below(random, SET_MAX);
    bool wrong_ones = random_below(random, 4) == 0;
    *count = 0;
    for (unsigned tries = 0; *count < wanted && tries < 20; tries++) {
        struct model before = sut->model;
        updates[*count] = model_random_update(&sut->model, random);
        const char *reason = model_apply(&sut->model, &updates[*count]);
        if (reason != NULL && !wrong_ones) {
            sut->model = before;
            continue;
        }
        (*count)++;
        if (reason != NULL)
            return reason;
    }
    return NULL;
}

// One set, applied or only checked, to both; sometimes taken back.
static void round_of(struct sut *sut, struct random_source *random)
{
    struct update updates[SET_MAX];
    size_t count = 0;
    struct model before = sut->model;
    const char *reason = random_set(sut, random, updates, &count);
    struct error error = {0};
    size_t failed = SIZE_MAX;
    bool only_check = random_below(random, 8) == 0;
    bool ok = only_check ? mapping_check(sut->mapping, updates, count, &failed, &error)
                         : mapping_apply(sut->mapping, updates, count, &failed, &error);
    if (reason != NULL) {
        assert_false(ok);
        assert_string_equal(error.reason, reason);
        assert_int_equal(failed, count - 1);
        sut->refused++;
    } else {
        if (!ok)
            fail_msg("refused: %s", error.text);
        sut->applied++;
    }
    if (ok && !only_check && random_below(random, 8) == 0) {
        mapping_revert(sut->mapping);
        ok = false;
    }
    if (!ok || only_check)
        sut->model = before;
}

static void test_model(void **state)
{
    (void)state;
    struct sut *sut = memory_new(sizeof(*sut));
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        struct random_source random;
        random_init(&random, random_seed_from_number(i));
        model_init(&sut->model, trials[i].mab);
        sut->mapping = mapping_new(&sut->model.mab, NULL);
        assert_non_null(sut->mapping);
        sut->applied = sut->refused = 0;
        for (unsigned round = 0; round < trials[i].rounds; round++) {
            round_of(sut, &random);
            if (round % 50 == 0)
                model_compare(&sut->model, sut->mapping);
        }
        model_compare(&sut->model, sut->mapping);
        assert_true(sut->applied > trials[i].rounds / 2);
        assert_true(sut->refused > trials[i].rounds / 10);
        mapping_free(sut->mapping);
    }
    memory_free(sut);
}

// The refusals, in a person's words.

static struct update update_of(enum update_kind kind, const char *range, const char *etr,
                               const char *at)
{
    struct update update = {.kind = kind};
    struct address address;
    assert_true(range_parse(range, &update.range, NULL));
    if (etr != NULL)
        assert_true(address_parse(etr, &update.etr, NULL));
    if (at != NULL) {
        assert_true(address_parse(at, &address, NULL));
        update.at = unit_of_address(&address);
    }
    return update;
}

static struct mapping *new_mapping(const char *text)
{
    struct prefix mab;
    assert_true(prefix_parse(text, &mab, NULL));
    struct mapping *mapping = mapping_new(&mab, NULL);
    assert_non_null(mapping);
    return mapping;
}

static void apply(struct mapping *mapping, struct update update)
{
    struct error error = {0};
    if (!mapping_apply(mapping, &update, 1, NULL, &error))
        fail_msg("%s", error.text);
}

static void refuse(struct mapping *mapping, struct update update, const char *reason,
                   const char *says)
{
    struct error error = {0};
    size_t failed = 9;
    struct mapping_hash before = mapping_hash(mapping);
    assert_false(mapping_apply(mapping, &update, 1, &failed, &error));
    assert_int_equal(failed, 0);
    assert_string_equal(error.reason, reason);
    if (strstr(error.text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.text, says);
    struct mapping_hash after = mapping_hash(mapping);
    assert_true(mapping_hash_equal(&before, &after));
}

static void test_refusals(void **state)
{
    (void)state;
    struct mapping *mapping = new_mapping("20.1.0.0/24");
    apply(mapping, update_of(UPDATE_DEFINE, "20.1.0.16/28", "198.18.3.1", NULL));
    apply(mapping, update_of(UPDATE_DEFINE, "20.1.0.64-20.1.0.69", NULL, NULL));
    refuse(mapping, update_of(UPDATE_MAP, "20.1.0.16/29", "198.18.4.1", NULL), "not-a-micronet",
           "20.1.0.16/29 is not a micronet: it begins in the micronet 20.1.0.16/28, mapped to "
           "198.18.3.1");
    refuse(mapping, update_of(UPDATE_MAP, "20.1.0.40", "198.18.4.1", NULL), "not-a-micronet",
           "the gap 20.1.0.32/27, in no micronet; define it first");
    refuse(mapping, update_of(UPDATE_DEFINE, "20.1.0.0/27", NULL, NULL), "overlaps-mapped",
           "map that to zero first");
    refuse(mapping, update_of(UPDATE_SPLIT, "20.1.0.16/28", NULL, "20.1.0.20"), "not-zero",
           "20.1.0.16/28 is mapped to 198.18.3.1: map it to zero first");
    refuse(mapping, update_of(UPDATE_DELETE, "20.1.0.16/28", NULL, NULL), "not-zero",
           "map it to zero first");
    refuse(mapping, update_of(UPDATE_SPLIT, "20.1.0.64-20.1.0.69", NULL, "20.1.0.64"), "bad-split",
           "cannot be split at 20.1.0.64");
    refuse(mapping, update_of(UPDATE_SPLIT, "20.1.0.64-20.1.0.69", NULL, "20.1.0.70"), "bad-split",
           "cannot be split at 20.1.0.70");
    refuse(mapping, update_of(UPDATE_JOIN, "20.1.0.64-20.1.0.69", NULL, NULL), "bad-join",
           "one micronet already");
    refuse(mapping, update_of(UPDATE_JOIN, "20.1.0.64-20.1.0.70", NULL, NULL), "bad-join",
           "is the gap 20.1.0.70-20.1.0.255");
    refuse(mapping, update_of(UPDATE_JOIN, "20.1.0.16-20.1.0.69", NULL, NULL), "not-zero",
           "20.1.0.16/28 is mapped");
    refuse(mapping, update_of(UPDATE_MAP, "20.1.1.0", NULL, NULL), "outside-mab",
           "20.1.1.0 is not inside the MAB 20.1.0.0/24");
    refuse(mapping, update_of(UPDATE_MAP, "2001:db8::", NULL, NULL), "outside-mab", "not inside");
    refuse(mapping, (struct update){.kind = UPDATE_MAP}, "bad-range", "range is empty");
    refuse(mapping, update_of((enum update_kind)9, "20.1.0.16/28", NULL, NULL), "bad-update",
           "kind 9");
    struct update odd = update_of(UPDATE_MAP, "20.1.0.16/28", NULL, NULL);
    odd.etr.family = 5;
    refuse(mapping, odd, "bad-etr", "neither an IPv4 nor an IPv6");
    mapping_free(mapping);
}

// The example of fast-push §3.7: an 8-long micronet to zero, split in three, each mapped; and
// then one wrong update at the end of a set of it all takes back everything.
static void test_atomic(void **state)
{
    (void)state;
    struct mapping *mapping = new_mapping("2001:db8::/32");
    apply(mapping, update_of(UPDATE_DEFINE, "2001:db8:0:40::/61", "198.18.3.1", NULL));
    struct mapping_hash before = mapping_hash(mapping);
    struct update set[] = {
        update_of(UPDATE_MAP, "2001:db8:0:40::/61", NULL, NULL),
        update_of(UPDATE_SPLIT, "2001:db8:0:40::/61", NULL, "2001:db8:0:43::"),
        update_of(UPDATE_SPLIT, "2001:db8:0:43::/64+5", NULL, "2001:db8:0:44::"),
        update_of(UPDATE_MAP, "2001:db8:0:40::/64+3", "198.18.3.1", NULL),
        update_of(UPDATE_MAP, "2001:db8:0:43::/64", "2001:db8:ffff::1", NULL),
        update_of(UPDATE_MAP, "2001:db8:0:44::/62", "198.18.4.1", NULL),
        update_of(UPDATE_DELETE, "2001:db8:0:44::/62", NULL, NULL),
    };
    struct error error = {0};
    size_t failed = 0;
    assert_false(mapping_apply(mapping, set, 7, &failed, &error));
    assert_int_equal(failed, 6);
    assert_string_equal(error.reason, "not-zero");
    struct mapping_hash after = mapping_hash(mapping);
    assert_true(mapping_hash_equal(&before, &after));
    assert_int_equal(mapping_count(mapping), 1);
    assert_true(mapping_check(mapping, set, 6, NULL, &error));
    assert_int_equal(mapping_count(mapping), 1);
    assert_true(mapping_apply(mapping, set, 6, NULL, &error));
    assert_int_equal(mapping_count(mapping), 3);
    struct micronet found;
    char text[RANGE_TEXT_MAX];
    assert_int_equal(mapping_lookup(mapping, set[4].range.start, &found), MAPPING_MAPPED);
    assert_string_equal(range_print(&found.range, text), "2001:db8:0:43::/64");
    mapping_revert(mapping);
    after = mapping_hash(mapping);
    assert_true(mapping_hash_equal(&before, &after));
    assert_int_equal(mapping_count(mapping), 1);
    mapping_free(mapping);
}

static void test_limits(void **state)
{
    (void)state;
    struct mapping *mapping = new_mapping("20.0.0.0/16");
    struct update *updates = memory_new_array(UPDATE_SET_MAX + 1, sizeof(*updates));
    for (size_t i = 0; i <= UPDATE_SET_MAX; i++) {
        updates[i] = update_of(UPDATE_DEFINE, "20.0.0.0", "198.18.3.1", NULL);
        updates[i].range.start.index += i;
    }
    struct error error = {0};
    assert_false(mapping_apply(mapping, updates, UPDATE_SET_MAX + 1, NULL, &error));
    assert_string_equal(error.reason, "set-too-large");
    assert_int_equal(mapping_count(mapping), 0);
    assert_true(mapping_apply(mapping, updates, UPDATE_SET_MAX, NULL, &error));
    assert_int_equal(mapping_count(mapping), UPDATE_SET_MAX);
    assert_true(mapping_apply(mapping, NULL, 0, NULL, &error));
    memory_free(updates);
    mapping_free(mapping);
}

// Every address its own ETR, then all of them other ones: the table of ETRs grows, shrinks and
// reuses what is free. Memory of a full MAB stays within 4.5 bytes an address and its ETRs.
static void test_many_etrs(void **state)
{
    (void)state;
    struct mapping *mapping = new_mapping("20.0.0.0/18");
    struct update update = {.kind = UPDATE_DEFINE};
    for (uint32_t i = 0; i < 1 << 14; i++) {
        update.range = (struct range){FAMILY_IPV4, {0x14000000 + i}, {1}};
        update.etr = address_from_ipv4(0xc6120000 + i);
        apply(mapping, update);
    }
    size_t memory = mapping_memory(mapping);
    update.kind = UPDATE_MAP;
    for (uint32_t round = 1; round < 4; round++)
        for (uint32_t i = 0; i < 1 << 14; i++) {
            update.range = (struct range){FAMILY_IPV4, {0x14000000 + i}, {1}};
            update.etr = address_from_ipv4(0xc6120000 + i + (round << 14));
            apply(mapping, update);
            struct address etr = mapping_etr(mapping, update.range.start);
            assert_true(address_equal(&etr, &update.etr));
        }
    assert_true(mapping_memory(mapping) <= 2 * memory);
    mapping_free(mapping);
}

// What a set that changed very many micronets needed to be taken back is given up with the next
// set.
static void test_large_join(void **state)
{
    (void)state;
    enum { MICRONETS = 40 * UPDATE_SET_MAX };
    struct mapping *mapping = new_mapping("20.0.0.0/14");
    struct update *updates = memory_new_array(UPDATE_SET_MAX, sizeof(*updates));
    for (uint32_t done = 0; done < MICRONETS; done += UPDATE_SET_MAX) {
        for (uint32_t i = 0; i < UPDATE_SET_MAX; i++)
            updates[i] = (struct update){.kind = UPDATE_DEFINE,
                                         .range = {FAMILY_IPV4, {0x14000000 + done + i}, {1}}};
        assert_true(mapping_apply(mapping, updates, UPDATE_SET_MAX, NULL, NULL));
    }
    memory_free(updates);
    size_t before = mapping_memory(mapping);
    struct mapping_hash hash = mapping_hash(mapping);
    struct update join = {.kind = UPDATE_JOIN, .range = {FAMILY_IPV4, {0x14000000}, {MICRONETS}}};
    apply(mapping, join);
    assert_int_equal(mapping_count(mapping), 1);
    mapping_revert(mapping);
    struct mapping_hash again = mapping_hash(mapping);
    assert_true(mapping_hash_equal(&hash, &again));
    apply(mapping, join);
    assert_true(mapping_memory(mapping) > before + MICRONETS * sizeof(uint64_t));
    apply(mapping, update_of(UPDATE_MAP, "20.0.0.0-20.0.159.255", "198.18.3.1", NULL));
    assert_true(mapping_memory(mapping) <= before);
    mapping_free(mapping);
}

static void test_memory(void **state)
{
    (void)state;
    struct mapping *mapping = new_mapping("20.0.0.0/8");
    assert_true(mapping_memory(mapping) < 3 << 20);
    apply(mapping, update_of(UPDATE_DEFINE, "20.0.0.0/9", "198.18.3.1", NULL));
    apply(mapping, update_of(UPDATE_DEFINE, "20.128.0.0/9", "198.18.3.1", NULL));
    assert_true(mapping_memory(mapping) * 2 < 9 * ((uint64_t)1 << 24));
    apply(mapping, update_of(UPDATE_MAP, "20.0.0.0/9", NULL, NULL));
    apply(mapping, update_of(UPDATE_DELETE, "20.0.0.0/9", NULL, NULL));
    assert_true(mapping_memory(mapping) < 36 << 20);
    struct address etr = mapping_etr(mapping, (struct unit){0x14000007});
    assert_true(address_is_zero(&etr));
    mapping_free(mapping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_atomic),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many_etrs),  cmocka_unit_test(test_memory),
        cmocka_unit_test(test_large_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
