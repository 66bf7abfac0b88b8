// SPDX-License-Identifier: BSD-2-Clause
// A disk that fills under the store: commands are refused with a clear error, nothing refused
// stays, nothing acknowledged is lost, and it goes on when there is room.
#include "place.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

// Sends sets until one cannot be stored; the hash of what was acknowledged.
static struct mapping_hash fill(struct place *place, struct random_source *random)
{
    struct mapping_hash acknowledged = place_hash(place);
    for (int i = 0; i < 100000; i++) {
        uint64_t sequence = ruas_sequence(place->world->ruas, 0);
        if (place_do_random(place, random)) {
            acknowledged = place_hash(place);
            assert_int_equal(ruas_sequence(place->world->ruas, 0), sequence + 1);
            continue;
        }
        place_expect(place, acknowledged); // refused: nothing of it stays
        assert_int_equal(ruas_sequence(place->world->ruas, 0), sequence);
        if (strcmp(place->world->error.reason, "not-stored") == 0)
            return acknowledged;
    }
    fail_msg("the disk never filled");
    return acknowledged;
}

static void on_settled(void *state, const struct error *error)
{
    assert_non_null(error);
    assert_string_equal(error->reason, "not-stored");
    (*(int *)state)++;
}

// Of a group that does not fit, no set stays, wherever it is that it does not fit.
static void expect_group_refused(struct place *place, struct random_source *random)
{
    int told = 0;
    uint64_t sequence = ruas_sequence(place->world->ruas, 0);
    uint64_t micronets = mapping_count(ruas_mapping(place->world->ruas, 0));
    place->master.settled = on_settled;
    place->master.settled_state = &told;
    for (int i = 0; i < 20; i++)
        if (place_hold_random(place, random, 30) > 0)
            master_settle(&place->master);
    assert_true(told > 0);
    assert_int_equal(place->master.held_count, 0);
    assert_int_equal(ruas_held(place->world->ruas), 0);
    assert_int_equal(ruas_sequence(place->world->ruas, 0), sequence);
    assert_int_equal(mapping_count(ruas_mapping(place->world->ruas, 0)), micronets);
    place->master.settled = NULL;
}

// Fills it until not even the smallest transaction fits.
static struct mapping_hash fill_up(struct place *place, struct random_source *random)
{
    char why[ERROR_TEXT_MAX];
    struct mapping_hash acknowledged = fill(place, random);
    while (store_flush(place->master.store, place->world->ruas, NULL))
        acknowledged = fill(place, random);
    assert_int_equal(place->world->error.code, ERROR_UNAVAILABLE);
    assert_false(store_healthy(place->master.store, why, sizeof(why)));
    assert_non_null(strstr(why, "cannot be written"));
    assert_false(place_do(place, "ben", "define 20.1.1.0/28 " ETR1));
    assert_string_equal(place->world->error.reason, "not-stored");
    place_expect(place, acknowledged);
    expect_group_refused(place, random);
    place_expect(place, acknowledged);
    return acknowledged;
}

static void copy(const char *from, const char *to, const char *name)
{
    char path[128];
    static char bytes[4 * 1024 * 1024];
    (void)snprintf(path, sizeof(path), "%s/%s", from, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    assert_true(length < sizeof(bytes));
    assert_int_equal(fclose(file), 0);
    (void)snprintf(path, sizeof(path), "%s/%s", to, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

// What a crash at this moment would leave, opened elsewhere: of the refused nothing is there.
static void expect_crash_safe(const struct place *place, struct mapping_hash acknowledged)
{
    struct place other = {0};
    (void)snprintf(other.directory, sizeof(other.directory), "/tmp/ivip-test-store-XXXXXX");
    assert_non_null(mkdtemp(other.directory));
    copy(place->directory, other.directory, STORE_FILE);
    copy(place->directory, other.directory, STORE_FILE "-wal");
    place_open(&other);
    place_expect(&other, acknowledged);
    assert_int_equal(ruas_sequence(other.world->ruas, 0), ruas_sequence(place->world->ruas, 0));
    place_remove(&other);
}

static void expect_recovered(struct place *place, struct mapping_hash acknowledged)
{
    char why[ERROR_TEXT_MAX];
    assert_true(store_flush(place->master.store, place->world->ruas, NULL));
    assert_true(store_healthy(place->master.store, why, sizeof(why)));
    place_expect(place, acknowledged);
    place_must(place, "ben", "define 20.1.1.0/28 " ETR1);
    struct mapping_hash hash = place_hash(place);
    uint64_t sequence = ruas_sequence(place->world->ruas, 0);
    place_reopen(place);
    place_expect(place, hash);
    assert_int_equal(ruas_sequence(place->world->ruas, 0), sequence);
    place_expect(place, place_replay(place, sequence));
}

// Writing beyond a limit fails like an I/O error (EFBIG).
static void test_io_error(void **state)
{
    struct place *place = *state;
    struct random_source random;
    struct rlimit old;
    random_init(&random, random_seed_from_number(12));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit limit = {512 * 1024, old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct mapping_hash acknowledged = fill_up(place, &random);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    expect_crash_safe(place, acknowledged);
    (void)signal(SIGXFSZ, handler);
    expect_recovered(place, acknowledged);
}

// A small file system, in a mount namespace of this process: nothing stays mounted, whatever
// happens. Needs root.
static void test_full_disk(void **state)
{
    static const char zeros[256 * 1024];
    struct place *place = *state;
    char ballast[128];
    struct random_source random;
    random_init(&random, random_seed_from_number(13));
    place_close(place);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", place->directory, "tmpfs", 0, "size=1m") != 0) {
        place_open(place);
        skip();
    }
    (void)snprintf(ballast, sizeof(ballast), "%s/ballast", place->directory);
    FILE *file = fopen(ballast, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(zeros, 1, sizeof(zeros), file), sizeof(zeros));
    assert_int_equal(fclose(file), 0);
    place_open(place);
    place_populate(place);
    struct mapping_hash acknowledged = fill_up(place, &random);
    expect_crash_safe(place, acknowledged);
    assert_int_equal(unlink(ballast), 0);
    expect_recovered(place, acknowledged);
    place_close(place);
    assert_int_equal(umount(place->directory), 0);
    place_open(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_io_error, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
