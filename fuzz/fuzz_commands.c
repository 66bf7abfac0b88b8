// SPDX-License-Identifier: BSD-2-Clause
// Any octets as the commands of an end user. A set that can be read is written and read again as
// the same; whatever it asks for, it changes nothing outside its user's UABs, and nothing at all
// once it is aborted or taken back.
#include "fuzzer.h"

#include "authority/ruas.h"
#include "node/authority/command_json.h"

#include <stdlib.h>
#include <string.h>

static struct instant now;

static void commit(struct ruas *ruas, bool prepared, const struct change *change)
{
    REQUIRE(prepared);
    ruas_commit(ruas, change);
}

static void delegate(struct ruas *ruas, const char *text, const char *user)
{
    struct range range;
    struct change change;
    REQUIRE(range_parse(text, &range, NULL));
    commit(ruas, ruas_prepare_uab_add(ruas, &range, user, 0, (struct wall_time){1}, &change, NULL),
           &change);
}

static struct ruas *make_ruas(void)
{
    struct prefix mabs[2];
    struct change change;
    REQUIRE(prefix_parse("20.1.0.0/16", &mabs[0], NULL));
    REQUIRE(prefix_parse("2001:db8::/48", &mabs[1], NULL));
    struct ruas_config config = {.mabs = mabs, .mab_count = 2};
    struct ruas *ruas = ruas_new(&config, random_seed_from_number(1), NULL);
    static const char *const users[] = {"anna", "ben"};
    for (size_t i = 0; i < 2; i++)
        commit(ruas,
               ruas_prepare_user_add(ruas, users[i], "", (struct wall_time){1}, &change, NULL),
               &change);
    delegate(ruas, "20.1.0.0/24", "anna");
    delegate(ruas, "20.1.1.0/24", "ben");
    delegate(ruas, "20.1.2.0/23", "anna");
    delegate(ruas, "2001:db8:0:40::/60", "anna");
    return ruas;
}

static struct command_set *read_set(const void *bytes, size_t length)
{
    size_t failed = 0;
    json_t *json = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    struct command_set *set = command_set_from_json(json, &failed, NULL);
    json_decref(json);
    return set;
}

static char *write_set(const struct command_set *set)
{
    json_t *json = command_set_to_json(set);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    REQUIRE(text != NULL);
    return text;
}

static void check_written(const struct command_set *set)
{
    char *text = write_set(set);
    struct command_set *again = read_set(text, strlen(text));
    REQUIRE(again != NULL);
    char *same = write_set(again);
    REQUIRE(strcmp(text, same) == 0);
    command_set_free(again);
    free(same);
    free(text);
}

static bool prepare(struct ruas *ruas, struct command_set *set, struct change *change)
{
    size_t failed = 0;
    now = instant_add(now, duration_s(60)); // no limit of commands a minute
    struct ruas_request request = {
        .grant = {.user = "anna", .scope = SCOPE_ALL}, .set = set, .now = now, .time = {1}};
    return ruas_prepare(ruas, &request, change, &failed, NULL);
}

static void check_owner(const struct ruas *ruas, const struct change *change)
{
    for (size_t i = 0; i < change->update_count; i++) {
        const struct range *range = &change->updates[i].range;
        REQUIRE(delegation_check(ruas_delegation(ruas), "anna", range, NULL) != NULL);
    }
}

static void check_undone(const struct ruas *ruas, size_t mab, struct mapping_hash before)
{
    struct mapping_hash after = mapping_hash(ruas_mapping(ruas, mab));
    REQUIRE(mapping_hash_equal(&before, &after));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct ruas *ruas;
    struct change change;
    if (ruas == NULL)
        ruas = make_ruas();
    struct command_set *set = read_set(bytes, length);
    if (set == NULL)
        return 0;
    check_written(set);
    if (prepare(ruas, set, &change)) {
        size_t mab = change.mab;
        check_owner(ruas, &change);
        ruas_abort(ruas, &change);
        struct mapping_hash before = mapping_hash(ruas_mapping(ruas, mab));
        REQUIRE(prepare(ruas, set, &change));
        ruas_hold(ruas, &change);
        // And on top of itself, where that is possible.
        if (prepare(ruas, set, &change))
            ruas_hold(ruas, &change);
        ruas_take_back(ruas);
        check_undone(ruas, mab, before);
        REQUIRE(mapping_count(ruas_mapping(ruas, mab)) == 0);
    }
    command_set_free(set);
    return 0;
}
