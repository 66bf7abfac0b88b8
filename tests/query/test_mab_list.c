// SPDX-License-Identifier: BSD-2-Clause
// How a list of MABs learns the set from its servers, and what it does when they fail or lie.
#include "mab_list_fixture.h"

static void test_learns_and_follows(void **state)
{
    (void)state;
    struct fixture f = start(1);
    struct mab_entry *entries = make_entries(0, 3);
    (void)snprintf(entries[1].dsoc, sizeof(entries[1].dsoc), "-");
    pass(&f, 3 * SECOND_MS); // the server has no set yet
    assert_int_equal(f.found, 1);
    assert_int_equal(f.versions, 0);
    assert_string_equal(mab_list_root(f.list)->page, "");
    assert_null(mab_list_shelf(f.list));
    publish(&f, 0, entries, 3);
    pass(&f, 2 * SECOND_MS); // soon
    assert_int_equal(f.versions, 1);
    const struct mab_set *set = mab_list_set(f.list);
    assert_int_equal(set->mab_count, 2);
    assert_int_equal(set->refused_count, 1);
    assert_int_equal(set->refused[0].length, 24);
    assert_int_equal(address_to_ipv4(&set->refused[0].address), (20u << 24) + (1 << 8));
    // Nothing changes: one question each time.
    f.requests = 0;
    pass(&f, 60 * SECOND_MS);
    assert_in_range(f.requests, 60 * SECOND_MS / LIST_POLL_MS - 1, 60 * SECOND_MS / LIST_POLL_MS);
    assert_int_equal(f.versions, 1);
    // Another version: the second MAB goes, a third comes.
    publish_many(&f, 0, 2, 2);
    pass(&f, LIST_POLL_MS + 8 * DELAY_MS);
    assert_int_equal(f.versions, 2);
    assert_mabs(&f, 2, 2);
    size_t at = 0;
    const struct prefix *gone =
        mab_set_next_only(mab_list_set_before(f.list), mab_list_set(f.list), &at);
    assert_non_null(gone);
    assert_int_equal(address_to_ipv4(&gone->address), 20u << 24);
    assert_null(mab_set_next_only(mab_list_set_before(f.list), mab_list_set(f.list), &at));
    at = 0;
    const struct prefix *new =
        mab_set_next_only(mab_list_set(f.list), mab_list_set_before(f.list), &at);
    assert_non_null(new);
    assert_int_equal(address_to_ipv4(&new->address), (20u << 24) + (3 << 8));
    // It can be passed on, under the same root.
    struct page_shelf *shelf = mab_list_shelf(f.list);
    assert_string_equal(page_shelf_root(shelf)->page, mab_list_root(f.list)->page);
    page_shelf_release(shelf);
    // All MABs can go.
    publish(&f, 0, entries, 0);
    pass(&f, 11 * SECOND_MS);
    assert_mabs(&f, 0, 0);
    assert_int_equal(f.versions, 3);
    free(entries);
    stop(&f);
}

// Who hears something that does not agree with the set asks for it at once, and not each time.
static void test_hurries(void **state)
{
    (void)state;
    struct fixture f = start(1);
    publish_many(&f, 0, 0, 3);
    pass(&f, SECOND_MS);
    assert_mabs(&f, 0, 3);
    publish_many(&f, 0, 1, 3);
    mab_list_hurry(f.list, f.now);
    pass(&f, 6 * DELAY_MS); // the root, and its page
    assert_mabs(&f, 1, 3);
    f.requests = 0;
    for (int i = 0; i < 1000; i++) {
        mab_list_hurry(f.list, f.now);
        pass(&f, 10);
    }
    assert_in_range(f.requests, 10000 / LIST_HURRY_MS - 5, 10000 / LIST_HURRY_MS + 1);
    // Where nobody answers it makes nothing worse.
    f.dead[0] = true;
    f.requests = 0;
    for (int i = 0; i < 1000; i++) {
        mab_list_hurry(f.list, f.now);
        pass(&f, 10);
    }
    assert_in_range(f.requests, LIST_TRIES_MAX, 3 * LIST_TRIES_MAX);
    mab_list_set_servers(f.list, f.now, NULL, 0);
    mab_list_hurry(f.list, f.now);
    pass(&f, SECOND_MS);
    stop(&f);
}

// A server that restarts, or answers late, is missed only when it stays away.
static void test_short_silence(void **state)
{
    (void)state;
    struct fixture f = start(1);
    publish_many(&f, 0, 0, 3);
    for (int i = 0; i < 20; i++) {
        pass(&f, 20 * SECOND_MS + 300 * (uint64_t)i);
        f.dead[0] = true;
        pass(&f, LIST_LOST_MS - LIST_POLL_MS - 2 * SECOND_MS);
        f.dead[0] = false;
    }
    assert_int_equal(f.lost, 0);
    pass(&f, 20 * SECOND_MS);
    f.dead[0] = true;
    pass(&f, LIST_LOST_MS + 4 * SECOND_MS);
    assert_int_equal(f.lost, 1);
    stop(&f);
}

static void test_bad_network(void **state)
{
    (void)state;
    struct fixture f = start(1);
    f.loss = 20;
    f.twice = 20;
    f.spoiled = 2;
    f.jitter_ms = 100;
    f.forging = true;
    publish_many(&f, 0, 0, 5000);
    await_versions(&f, 1);
    assert_mabs(&f, 0, 5000);
    const struct mab_list_counters *counters = mab_list_counters(f.list);
    assert_true(counters->repeated > 0);
    assert_true(counters->dropped_nonce > 0);
    assert_true(counters->dropped_source > 0);
    assert_true(counters->damaged > 0); // what was spoiled is asked for again
    assert_int_equal(counters->versions, 1);
    stop(&f);
}

// Each time half of the pages are there, another version comes: what is taken over in the end is
// the last, whole, and what the versions share is fetched once.
static void test_changes_in_the_middle(void **state)
{
    (void)state;
    struct fixture f = start(1);
    f.jitter_ms = 40;
    f.loss = 5;
    publish_many(&f, 0, 0, 20000);
    size_t pages = page_shelf_count(f.servers[0].shelf);
    for (uint32_t version = 1; version <= 3; version++) {
        struct instant end = instant_add(f.now, duration_s(3600));
        while (mab_list_counters(f.list)->pages < pages / 2 + version * 40)
            assert_true(step(&f, end));
        publish_many(&f, 0, version * 20, 20000);
    }
    await_versions(&f, 1);
    assert_mabs(&f, 60, 20000);
    pages += 3 * 20;
    assert_in_range(mab_list_counters(f.list)->pages, page_shelf_count(f.servers[0].shelf), pages);
    assert_int_equal(mab_list_counters(f.list)->withheld, 0);
    stop(&f);
}

static void test_other_server(void **state)
{
    (void)state;
    struct fixture f = start(2);
    publish_many(&f, 0, 0, 3000);
    publish_many(&f, 1, 10, 3000); // a little later than A
    pass(&f, 40);
    f.dead[0] = true; // in the middle
    pass(&f, 10 * SECOND_MS);
    assert_mabs(&f, 10, 3000);
    assert_int_equal(f.lost, 0);
    struct endpoint b = endpoint_of(B);
    assert_true(endpoint_equal(mab_list_server(f.list), &b));
    // Both are gone: told once, and what is known stays.
    f.dead[1] = true;
    pass(&f, 120 * SECOND_MS);
    assert_int_equal(f.lost, 1);
    assert_int_equal(f.found, 1);
    assert_false(mab_list_answered(f.list));
    assert_mabs(&f, 10, 3000);
    // Not without end in a second.
    f.requests = 0;
    pass(&f, 600 * SECOND_MS);
    assert_in_range(f.requests, 100, 400);
    f.dead[0] = false;
    pass(&f, 25 * SECOND_MS);
    assert_int_equal(f.found, 2);
    assert_mabs(&f, 0, 3000);
    // Nobody to ask any more, then somebody again.
    mab_list_set_servers(f.list, f.now, NULL, 0);
    pass(&f, 60 * SECOND_MS);
    assert_int_equal(f.lost, 2);
    assert_null(mab_list_server(f.list));
    mab_list_set_servers(f.list, f.now, &b, 1);
    f.dead[1] = false;
    pass(&f, SECOND_MS);
    assert_int_equal(f.found, 3);
    assert_mabs(&f, 10, 3000);
    stop(&f);
}

// What an earlier run kept is in force at once, and another version when a server tells one.
static void test_restores(void **state)
{
    (void)state;
    struct fixture f = start(0);
    struct endpoint a = endpoint_of(A);
    publish_many(&f, 0, 0, 5000);
    assert_true(mab_list_restore(f.list, f.servers[0].shelf));
    pass(&f, SECOND_MS);
    assert_int_equal(f.versions, 1);
    assert_mabs(&f, 0, 5000);
    assert_false(mab_list_confirmed(f.list));
    assert_false(mab_list_answered(f.list));
    // The same is confirmed with one request, and told.
    mab_list_set_servers(f.list, f.now, &a, 1);
    pass(&f, SECOND_MS);
    assert_int_equal(f.versions, 2);
    assert_int_equal(f.requests, 1);
    assert_true(mab_list_confirmed(f.list));
    pass(&f, 30 * SECOND_MS);
    assert_int_equal(f.versions, 2);
    stop(&f);
    // Of another one only what differs is asked for.
    f = start(0);
    publish_many(&f, 0, 0, 5000);
    assert_true(mab_list_restore(f.list, f.servers[0].shelf));
    publish_many(&f, 0, 20, 5000);
    mab_list_set_servers(f.list, f.now, &a, 1);
    pass(&f, SECOND_MS);
    assert_mabs(&f, 20, 5000);
    assert_true(mab_list_confirmed(f.list));
    assert_in_range(f.requests, 3, 20);
    stop(&f);
}

// A set that makes no sense, from a server that does not check what it says.
static void test_refuses_nonsense(void **state)
{
    (void)state;
    struct fixture f = start(1);
    publish_many(&f, 0, 0, 1000);
    await_versions(&f, 1);
    struct mab_index index;
    struct hash_key key = {{1}};
    struct mab_root root = {0};
    static const uint8_t overlapping[] = "\x0f"
                                         "20.0.0.0/14 one"
                                         "\x0f"
                                         "20.1.0.0/16 two";
    mab_page_name(overlapping, sizeof(overlapping) - 1, root.page);
    mab_index_init(&index, key);
    mab_index_begin(&index, &root);
    char name[MAB_PAGE_NAME_TEXT_MAX];
    assert_true(mab_index_next(&index, name));
    assert_true(mab_index_take(&index, name, overlapping, sizeof(overlapping) - 1));
    struct page_shelf *shelf = page_shelf_of_index(&index, &root);
    page_teller_set(&f.servers[0], shelf);
    page_shelf_release(shelf);
    mab_index_release(&index);
    pass(&f, 100 * SECOND_MS);
    assert_in_range(mab_list_counters(f.list)->refused, 3, 10);
    assert_mabs(&f, 0, 1000);
    assert_int_equal(f.versions, 1);
    publish_many(&f, 0, 7, 1000);
    pass(&f, 11 * SECOND_MS);
    assert_mabs(&f, 7, 1000);
    stop(&f);
}

// All that there may be one day: how many messages and how much memory.
static void test_200000_mabs(void **state)
{
    (void)state;
    enum { MANY = 200000 };
    struct fixture f = start(1);
    struct mab_entry *entries = make_entries(0, MANY);
    publish(&f, 0, entries, MANY);
    size_t pages = page_shelf_count(f.servers[0].shelf);
    struct instant began = f.now;
    await_versions(&f, 1);
    uint64_t took = instant_since(f.now, began).ns / 1000000;
    assert_mabs(&f, 0, MANY);
    assert_int_equal(f.requests, pages + 1); // and the root
    print_message("%d MABs: %zu requests, %.1f s at 10 ms, %zu octets of memory\n", MANY,
                  f.requests, (double)took / 1000, mab_list_memory(f.list));
    assert_in_range(mab_list_memory(f.list), 1, 20000000);
    // One MAB fewer: a page of each level, the root, and those that the cut moved.
    struct prefix gone = entries[100000].prefix;
    entries[100000] = entries[MANY - 1];
    publish(&f, 0, entries, MANY - 1);
    f.requests = 0;
    await_versions(&f, 2);
    assert_in_range(f.requests, 3, 8);
    print_message("one fewer: %zu requests\n", f.requests);
    size_t at = 0;
    const struct prefix *only =
        mab_set_next_only(mab_list_set_before(f.list), mab_list_set(f.list), &at);
    assert_non_null(only);
    assert_true(prefix_equal(only, &gone));
    free(entries);
    stop(&f);
}

// A set that was kept and lacks a page is no set, and does not stand in the way of one.
static void test_incomplete_set_is_not_restored(void **state)
{
    (void)state;
    struct fixture f = start(0);
    struct endpoint a = endpoint_of(A);
    struct mab_index index;
    char page[MAB_PAGE_NAME_TEXT_MAX];
    publish_many(&f, 0, 0, 5000);
    const struct mab_root *root = page_shelf_root(f.servers[0].shelf);
    mab_index_init(&index, (struct hash_key){{1}});
    mab_index_begin(&index, root);
    for (int i = 0; i < 3; i++) {
        size_t length = 0;
        assert_true(mab_index_next(&index, page));
        const uint8_t *bytes = page_shelf_find(f.servers[0].shelf, page, &length);
        assert_true(mab_index_take(&index, page, bytes, length));
    }
    struct page_shelf *some = page_shelf_of_index(&index, root);
    assert_false(mab_list_restore(f.list, some));
    page_shelf_release(some);
    mab_index_release(&index);
    mab_list_set_servers(f.list, f.now, &a, 1);
    pass(&f, 2 * SECOND_MS);
    assert_mabs(&f, 0, 5000);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hurries),
        cmocka_unit_test(test_short_silence),
        cmocka_unit_test(test_learns_and_follows),
        cmocka_unit_test(test_bad_network),
        cmocka_unit_test(test_changes_in_the_middle),
        cmocka_unit_test(test_other_server),
        cmocka_unit_test(test_restores),
        cmocka_unit_test(test_refuses_nonsense),
        cmocka_unit_test(test_incomplete_set_is_not_restored),
        cmocka_unit_test(test_200000_mabs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
