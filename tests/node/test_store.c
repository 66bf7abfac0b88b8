// SPDX-License-Identifier: BSD-2-Clause
// The store: what was acknowledged is there after a restart, what was refused is not, and no disk
// that fills and no kill changes that.
#include "place.h"

#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLS 25

// --- restarts ------------------------------------------------------------------------------------

static void test_everything_comes_back(void **state)
{
    struct place *place = *state;
    struct world *world = place->world;
    char secret[TOKEN_TEXT_MAX];
    struct grant grant;
    struct token_request request = {.user = "anna",
                                    .scope = SCOPE_MAP,
                                    .limited = true,
                                    .only = world_range("20.1.0.0/28"),
                                    .expires = {world->time.ms + 1000000},
                                    .time = world->time};
    place_must(place, "anna", "define 20.1.0.0/28 " ETR1 "; define 20.1.0.16/28 zero");
    place_must(place, "anna", "define 2001:db8:0:40::/64+3 " ETR6);
    place_must(place, "ben", "define 20.1.1.7 " ETR6);
    assert_true(ruas_prepare_token_add(world->ruas, &request, secret, &world->change, NULL));
    assert_true(place_commit(place));
    uint64_t epoch = store_epoch(place->master.store);
    struct mapping_hash hash = place_hash(place);
    char micronets[256];
    (void)snprintf(micronets, sizeof(micronets), "%s", world_micronets(world));

    place_reopen(place);
    world = place->world;
    assert_true(store_epoch(place->master.store) > epoch);
    assert_string_equal(world_micronets(world), micronets);
    place_expect(place, hash);
    assert_int_equal(ruas_sequence(world->ruas, 0), 2);
    assert_int_equal(ruas_sequence(world->ruas, 1), 1);
    assert_string_equal(accounts_user(ruas_accounts(world->ruas), "ben")->password, "hash of ben");
    assert_true(ruas_login_token(world->ruas, world->time, secret, &grant, NULL));
    assert_int_equal(grant.scope, SCOPE_MAP);
    assert_true(range_equal(&grant.only, &request.only));
    assert_int_equal(grant.expires.ms, request.expires.ms);
    const struct uab *uab =
        delegation_find(ruas_delegation(world->ruas), FAMILY_IPV4, world_range(ANNA_UAB).start);
    assert_int_equal(uab->micronets, 2);
    assert_string_equal(uab->user, "anna");
    assert_int_equal(uab->micronets_max, UAB_MICRONETS_DEFAULT);
}

static void test_what_was_removed_stays_removed(void **state)
{
    struct place *place = *state;
    struct world *world = place->world;
    struct range uab = world_range(BEN_UAB);
    char secret[TOKEN_TEXT_MAX];
    char id[TOKEN_ID_MAX];
    struct token_request request = {.user = "ben", .scope = SCOPE_ALL, .time = world->time};
    struct grant grant;
    place_must(place, "ben", "define 20.1.1.7 zero");
    place_must(place, "ben", "delete 20.1.1.7");
    for (int i = 0; i < 2; i++) {
        assert_true(ruas_prepare_token_add(world->ruas, &request, secret, &world->change, NULL));
        assert_true(place_commit(place));
    }
    (void)token_print_id(&world->change.token.digest, id);
    assert_true(
        ruas_prepare_token_revoke(world->ruas, "ben", id, world->time, &world->change, NULL));
    assert_true(place_commit(place));
    place_reopen(place);
    world = place->world;
    assert_false(ruas_login_token(world->ruas, world->time, secret, &grant, NULL));
    assert_int_equal(accounts_user(ruas_accounts(world->ruas), "ben")->tokens, 1);
    assert_true(
        ruas_prepare_uab_remove(world->ruas, &uab, false, world->time, &world->change, NULL));
    assert_true(place_commit(place));
    assert_true(ruas_prepare_user_remove(world->ruas, "ben", world->time, &world->change, NULL));
    assert_true(place_commit(place));
    place_reopen(place);
    assert_null(accounts_user(ruas_accounts(place->world->ruas), "ben"));
    assert_int_equal(ruas_accounts(place->world->ruas)->tokens.count, 0);
    assert_string_equal(world_micronets(place->world), "");
    assert_int_equal(ruas_sequence(place->world->ruas, 0), 2);
}

// A token that has expired goes with the same transaction that stores the one in its place.
static void test_expired_token_makes_room(void **state)
{
    struct place *place = *state;
    char secret[TOKEN_TEXT_MAX];
    struct token_request request = {.user = "ben", .scope = SCOPE_ALL, .time = place->world->time};
    request.expires.ms = place->world->time.ms + 1000;
    for (int i = 0; i <= TOKENS_USER_MAX; i++) {
        struct world *world = place->world;
        assert_true(ruas_prepare_token_add(world->ruas, &request, secret, &world->change, NULL));
        assert_int_equal(world->change.replaces, i == TOKENS_USER_MAX);
        assert_true(place_commit(place));
        request.expires.ms = 0;
        if (i == TOKENS_USER_MAX - 1)
            request.time.ms += 1000;
    }
    place_reopen(place);
    const struct accounts *accounts = ruas_accounts(place->world->ruas);
    assert_int_equal(accounts_user(accounts, "ben")->tokens, TOKENS_USER_MAX);
    for (const struct token *token = accounts_next_token(accounts, NULL); token != NULL;
         token = accounts_next_token(accounts, token))
        assert_int_equal(token->expires.ms, 0);
}

static void test_another_password(void **state)
{
    struct place *place = *state;
    struct world *world = place->world;
    assert_true(ruas_prepare_user_password(world->ruas, "ben", "another hash", world->time,
                                           &world->change, NULL));
    assert_true(place_commit(place));
    place_reopen(place);
    const struct accounts *accounts = ruas_accounts(place->world->ruas);
    assert_string_equal(accounts_user(accounts, "ben")->password, "another hash");
    assert_string_equal(accounts_user(accounts, "anna")->password, "hash of anna");
    assert_int_equal(accounts_user(accounts, "ben")->uabs, 1);
}

static uint64_t schedule_set(struct place *place, const char *set, uint64_t seconds)
{
    struct world *world = place->world;
    struct ruas_request request = {.grant = world_grant("anna"),
                                   .from = world_address("192.0.2.7"),
                                   .now = world->now,
                                   .time = world->time,
                                   .set = world_set(set)};
    struct wall_time at = {world->time.ms + seconds * 1000};
    assert_true(ruas_prepare_schedule(world->ruas, &request, at, &world->change, &world->failed,
                                      &world->error));
    assert_true(place_commit(place));
    return world->change.scheduled.id;
}

// A set waits over a restart, is executed at its time, and how it ended is known after another.
static void test_scheduled_sets(void **state)
{
    struct place *place = *state;
    uint64_t good = schedule_set(place, "define 20.1.0.0/28 " ETR1 "; map 20.1.0.0/28 zero", 10);
    uint64_t bad = schedule_set(place, "map 20.1.0.64/28 " ETR1, 20);
    uint64_t kept = schedule_set(place,
                                 "split 20.1.0.0/28 20.1.0.0/29 20.1.0.8/29;"
                                 "join 20.1.0.0/29 20.1.0.8/29; delete 20.1.0.0/28",
                                 1000);
    place_reopen(place);
    world_sleep(place->world, 100); // the time came while the RUAS was down
    assert_true(master_execute_due(&place->master, place->world->time));
    assert_string_equal(world_micronets(place->world), "20.1.0.0/28>zero");
    place_reopen(place);
    const struct schedule *schedule = ruas_schedule(place->world->ruas);
    assert_int_equal(schedule_find(schedule, good)->state, SCHEDULED_EXECUTED);
    assert_int_equal(schedule_find(schedule, good)->sequence, 1);
    assert_int_equal(schedule_find(schedule, bad)->state, SCHEDULED_REFUSED);
    assert_string_equal(schedule_find(schedule, bad)->reason, "not-a-micronet");
    assert_int_equal(schedule_find(schedule, kept)->state, SCHEDULED_WAITING);
    assert_int_equal(schedule_find(schedule, kept)->set->count, 3);
    struct address from = world_address("192.0.2.7");
    assert_true(address_equal(&schedule_find(schedule, kept)->from, &from));
    world_sleep(place->world, 2000);
    assert_true(master_execute_due(&place->master, place->world->time));
    assert_string_equal(world_micronets(place->world), "");
    place_reopen(place);
    assert_true(schedule_set(place, "define 20.1.0.0/28 zero", 5) > kept); // numbers go on
}

// Sets that are due together leave others a turn in between; none is forgotten.
static void test_many_sets_due_at_once(void **state)
{
    struct place *place = *state;
    char set[64];
    for (unsigned i = 0; i < MASTER_DUE_MAX + 3; i++) {
        (void)snprintf(set, sizeof(set), "define 20.1.0.%u zero", i);
        (void)schedule_set(place, set, 10);
    }
    place_reopen(place);
    world_sleep(place->world, 10);
    assert_true(master_execute_due(&place->master, place->world->time));
    assert_int_equal(ruas_sequence(place->world->ruas, 0), MASTER_DUE_MAX);
    assert_int_equal(ruas_schedule(place->world->ruas)->waiting.count, 3);
    assert_true(ruas_next_due(place->world->ruas).ms <= place->world->time.ms);
    assert_true(master_execute_due(&place->master, place->world->time));
    assert_int_equal(ruas_sequence(place->world->ruas, 0), MASTER_DUE_MAX + 3);
    assert_int_equal(ruas_schedule(place->world->ruas)->waiting.count, 0);
}

// A MAB that leaves the config and comes back goes on with its numbers.
static void test_mab_comes_and_goes(void **state)
{
    struct place *place = *state;
    static const char *const without[] = {"2001:db8::/32", NULL};
    struct error error;
    place_must(place, "anna", "define 20.1.0.0/28 " ETR1);
    place_close(place);
    place->world = world_with(without);
    struct store *store = store_open(place->directory, place->world->time, &error);
    assert_true(store_load(store, place->world->ruas, &error));
    store_close(store);
    world_free(place->world);
    place_open(place);
    assert_string_equal(world_micronets(place->world), "20.1.0.0/28>" ETR1);
    assert_int_equal(ruas_sequence(place->world->ruas, 0), 1);
}

// --- the journal ---------------------------------------------------------------------------------

static void test_journal_is_the_state(void **state)
{
    struct place *place = *state;
    struct random_source random;
    uint64_t accepted = 0;
    random_init(&random, random_seed_from_number(11));
    for (int i = 0; i < 1500; i++) {
        accepted += place_do_random(place, &random);
        if (i % 300 == 299) {
            struct mapping_hash hash = place_hash(place);
            place_reopen(place);
            place_expect(place, hash);
            place_expect(place, place_replay(place, accepted));
        }
    }
    assert_true(accepted > 100);
    assert_int_equal(ruas_sequence(place->world->ruas, 0), accepted);
}

static void count_set(void *state, const struct change *change)
{
    uint64_t *last = state;
    assert_int_equal(change->sequence, *last + 1);
    assert_true(change->update_count > 0);
    *last = change->sequence;
}

// Groups are settled as one, published in order, and are what a restart finds.
static void test_groups(void **state)
{
    struct place *place = *state;
    struct random_source random;
    uint64_t published = 0;
    uint64_t held = 0;
    random_init(&random, random_seed_from_number(15));
    place->master.publish = count_set;
    place->master.publish_state = &published;
    for (int i = 0; i < 200; i++) {
        held += place_hold_random(place, &random, 20);
        assert_true(published <= held);
        master_settle(&place->master);
        assert_int_equal(published, held);
    }
    assert_true(held > 100);
    assert_int_equal(store_counters(place->master.store)->written < held, 1);
    struct mapping_hash hash = place_hash(place);
    place_reopen(place);
    place_expect(place, hash);
    place_expect(place, place_replay(place, held));
}

// --- kill -9 -------------------------------------------------------------------------------------

// What a child reports before it settles a group of sets, and after.
struct progress {
    bool settled;
    uint64_t sequence;
    struct mapping_hash hash;
};

// The child: a process of its own, which works until it is killed.
static int work(const char *directory, int report, uint64_t seed)
{
    struct place place = {0};
    struct random_source random;
    random_init(&random, random_seed_from_number(seed));
    (void)snprintf(place.directory, sizeof(place.directory), "%s", directory);
    place_open(&place);
    for (;;) {
        if (place_hold_random(&place, &random, 5) == 0)
            continue;
        struct progress progress = {false, ruas_sequence(place.world->ruas, 0), place_hash(&place)};
        if (write(report, &progress, sizeof(progress)) != sizeof(progress))
            return 1;
        master_settle(&place.master);
        progress.settled = true;
        if (write(report, &progress, sizeof(progress)) != sizeof(progress))
            return 1;
    }
}

static void exec_work(const struct place *place, int report, uint64_t seed)
{
    char report_text[16];
    char seed_text[32];
    (void)snprintf(report_text, sizeof(report_text), "%d", report);
    (void)snprintf(seed_text, sizeof(seed_text), "%" PRIu64, seed);
    (void)execl("/proc/self/exe", "test_store", "work", place->directory, report_text, seed_text,
                (char *)NULL);
    _exit(1);
}

// Runs a child on the directory and kills it after a while. What it was about to settle last, and
// what it had settled.
static void kill_one(struct place *place, uint64_t seed, useconds_t after, struct progress *begun,
                     struct progress *settled)
{
    int report[2];
    int status = 0;
    struct progress progress;
    assert_int_equal(pipe(report), 0);
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(report[0]);
        exec_work(place, report[1], seed);
    }
    (void)close(report[1]);
    // The first two say that it works; the rest wait in the pipe, which has room for more than a
    // child gets done.
    assert_int_equal(read(report[0], begun, sizeof(*begun)), sizeof(*begun));
    assert_int_equal(read(report[0], settled, sizeof(*settled)), sizeof(*settled));
    (void)usleep(after);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (read(report[0], &progress, sizeof(progress)) == sizeof(progress))
        *(progress.settled ? settled : begun) = progress;
    (void)close(report[0]);
}

static void test_kill(void **state)
{
    struct place *place = *state;
    struct random_source random;
    random_init(&random, random_seed_from_number(14));
    place_close(place);
    for (uint64_t i = 0; i < KILLS; i++) {
        struct progress begun;
        struct progress settled;
        kill_one(place, 100 + i, (useconds_t)random_below(&random, 20000), &begun, &settled);
        place_open(place); // loads, and compares rows with the stored hash
        uint64_t sequence = ruas_sequence(place->world->ruas, 0);
        // Everything acknowledged, and at most the group under way besides, whole.
        assert_true(sequence == settled.sequence || sequence == begun.sequence);
        place_expect(place, sequence == settled.sequence ? settled.hash : begun.hash);
        struct mapping_hash acknowledged = place_replay(place, settled.sequence);
        assert_true(mapping_hash_equal(&acknowledged, &settled.hash));
        place_expect(place, place_replay(place, sequence));
        place_close(place);
    }
    place_open(place);
}

// --- files that are not right --------------------------------------------------------------------

static void test_one_process_only(void **state)
{
    struct place *place = *state;
    struct error error;
    assert_null(store_open(place->directory, place->world->time, &error));
    assert_string_equal(error.reason, "store-in-use");
}

static void test_mode(void **state)
{
    struct place *place = *state;
    char path[128];
    struct stat status;
    (void)snprintf(path, sizeof(path), "%s/%s", place->directory, STORE_FILE);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

// Runs SQL behind the store's back; the error that the next start gives.
static struct error meddle(struct place *place, const char *sql)
{
    char path[128];
    sqlite3 *database = NULL;
    struct error error = {0};
    static const char *const mabs[] = {"20.0.0.0/14", "2001:db8::/32", NULL};
    place_close(place);
    (void)snprintf(path, sizeof(path), "%s/%s", place->directory, STORE_FILE);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(database);
    place->world = world_with(mabs);
    place->master.store = store_open(place->directory, place->world->time, &error);
    if (place->master.store != NULL)
        assert_false(store_load(place->master.store, place->world->ruas, &error));
    return error;
}

static void test_rows_that_changed(void **state)
{
    struct place *place = *state;
    static const char *const wrongs[] = {
        "UPDATE micronets SET etr = x'01020304'",
        "UPDATE micronets SET length = 15",
        "DELETE FROM micronets",
        "UPDATE micronets SET start = -5",
        "UPDATE micronets SET etr = x'0102'",
        "UPDATE mabs SET hash = zeroblob(16)",
        "DELETE FROM users",
        "UPDATE uabs SET range = 'everything' WHERE user = 'ben'",
        "INSERT INTO uabs VALUES('20.1.0.128/25', 'ben', 5)",
        "INSERT INTO scheduled VALUES(1, 'anna', 3, NULL, NULL, '', 1, 1, '[]]', 1, 0, 0, '', '')",
        "INSERT INTO scheduled VALUES(1, 'anna', 3, NULL, NULL, '', 1, -1, '[]', 1, 0, 0, '', '')",
        "INSERT INTO tokens VALUES(x'00', 'anna', 3, NULL, 1, 1, 1)",
    };
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        struct place other;
        place_make(&other);
        place_must(&other, "anna", "define 20.1.0.0/28 " ETR1);
        struct error error = meddle(&other, wrongs[i]);
        if (error.text[0] == '\0')
            fail_msg("%s: not noticed", wrongs[i]);
        place_remove(&other);
    }
    (void)place;
}

static void test_newer_version(void **state)
{
    struct place *place = *state;
    // Its tables may be others, too.
    struct error error = meddle(place, "UPDATE meta SET value = 99 WHERE name = 'version';"
                                       "ALTER TABLE audit RENAME COLUMN who TO whom");
    assert_string_equal(error.reason, "store-version");
}

static void test_epoch_grows_with_an_old_backup(void **state)
{
    struct place *place = *state;
    struct error error;
    uint64_t epoch = store_epoch(place->master.store);
    place_reopen(place);
    assert_int_equal(store_epoch(place->master.store), epoch + 1);
    store_close(place->master.store);
    // A backup knows nothing of the epochs since it was made, but the clock does.
    struct wall_time later = {place->world->time.ms + 3600000};
    place->master.store = store_open(place->directory, later, &error);
    assert_int_equal(store_epoch(place->master.store), later.ms / 1000);
}

int main(int count, char **words)
{
    if (count == 5 && strcmp(words[1], "work") == 0)
        return work(words[2], atoi(words[3]), strtoull(words[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything_comes_back, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_removed_stays_removed, place_set_up,
                                        place_tear_down),
        cmocka_unit_test_setup_teardown(test_expired_token_makes_room, place_set_up,
                                        place_tear_down),
        cmocka_unit_test_setup_teardown(test_another_password, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_scheduled_sets, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_many_sets_due_at_once, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_mab_comes_and_goes, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_journal_is_the_state, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_groups, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_kill, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_one_process_only, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_mode, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_rows_that_changed, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_newer_version, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_epoch_grows_with_an_old_backup, place_set_up,
                                        place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
