// SPDX-License-Identifier: BSD-2-Clause
// When MABs have a route and when not. The kernel's routes are stood in for by
// a list here.
#include "../check.h"
#include "node/tunnel/mab_routes.h"
#include "node/tunnel/routes.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROUTES_MAX 2600

static struct prefix routes[ROUTES_MAX];
static size_t route_count;
static bool kernel_refuses;
static bool kernel_hides; // lookups do not show routes

static size_t find_kernel_route(const struct prefix *prefix)
{
    size_t i = 0;
    while (i < route_count && !prefix_equal(&routes[i], prefix))
        i++;
    return i;
}

bool routes_add(const struct prefix *prefix, unsigned index, uint8_t protocol, struct error *error)
{
    assert_int_equal(index, 7);
    assert_int_equal(protocol, ROUTE_PROTOCOL_ANNOUNCED);
    if (kernel_refuses)
        return error_set(error, ERROR_SYSTEM, "no-route", "refused");
    if (kernel_hides) // it is there, and is put in its own place
        return true;
    assert_int_equal(find_kernel_route(prefix), route_count);
    routes[route_count++] = *prefix;
    return true;
}

bool routes_remove(const struct prefix *prefix, unsigned index, uint8_t protocol,
                   struct error *error)
{
    (void)index;
    (void)protocol;
    (void)error;
    size_t i = find_kernel_route(prefix);
    assert_true(i < route_count);
    routes[i] = routes[--route_count];
    return true;
}

bool routes_there(const struct prefix *prefix, unsigned index)
{
    assert_int_equal(index, 7);
    return !kernel_hides && find_kernel_route(prefix) < route_count;
}

static struct prefix prefix_of(const char *text)
{
    struct prefix prefix;
    assert_true(prefix_parse(text, &prefix, NULL));
    return prefix;
}

static struct address address_of(const char *text)
{
    struct address address;
    assert_true(address_parse(text, &address, NULL));
    return address;
}

static bool routed(const char *text)
{
    struct prefix prefix = prefix_of(text);
    return find_kernel_route(&prefix) < route_count;
}

static struct mab_routes *new_mabs(void)
{
    struct mab_routes *mabs = mab_routes_new(7, ROUTE_PROTOCOL_ANNOUNCED);
    const char *texts[] = {"20.0.0.0/14", "20.4.0.0/14", "2001:db8::/32"};
    log_set_level(LOG_LEVEL_ERROR);
    route_count = 0;
    kernel_refuses = false;
    for (size_t i = 0; i < 3; i++) {
        struct prefix mab = prefix_of(texts[i]);
        assert_true(mab_routes_add(mabs, &mab));
        assert_false(mab_routes_add(mabs, &mab));
    }
    return mabs;
}

static size_t count_probes(struct mab_routes *mabs, struct instant now)
{
    struct address address;
    size_t count = 0;
    mab_routes_begin_probes(mabs);
    while (mab_routes_next_probe(mabs, now, &address))
        count++;
    return count;
}

static const struct instant start = {UINT64_C(1000000000000)};

static void test_answers_add_and_failures_withdraw(void **state)
{
    (void)state;
    struct mab_routes *mabs = new_mabs();
    struct address inside = address_of("20.1.2.3");
    struct address elsewhere = address_of("198.18.0.1");
    mab_routes_answered(mabs, start, &elsewhere);
    assert_int_equal(route_count, 0);
    mab_routes_answered(mabs, start, &inside);
    assert_true(routed("20.0.0.0/14"));
    assert_int_equal(mab_routes_served(mabs), 1);
    for (int i = 1; i < MAB_FAILURES_MAX; i++)
        mab_routes_failed(mabs, &inside);
    assert_true(routed("20.0.0.0/14"));
    mab_routes_answered(mabs, start, &inside);
    for (int i = 1; i < MAB_FAILURES_MAX; i++)
        mab_routes_failed(mabs, &inside);
    assert_true(routed("20.0.0.0/14")); // not in a row
    mab_routes_failed(mabs, &inside);
    assert_false(routed("20.0.0.0/14"));
    mab_routes_failed(mabs, &inside);
    mab_routes_answered(mabs, start, &inside);
    assert_true(routed("20.0.0.0/14"));
    mab_routes_free(mabs);
    assert_int_equal(route_count, 0);
}

static void test_probes_the_waiting_and_the_quiet(void **state)
{
    (void)state;
    struct mab_routes *mabs = new_mabs();
    struct address inside = address_of("2001:db8:1::1");
    assert_int_equal(count_probes(mabs, start), 3);
    mab_routes_answered(mabs, start, &inside);
    assert_int_equal(count_probes(mabs, start), 2);
    mab_routes_failed(mabs, &inside);
    assert_int_equal(count_probes(mabs, start), 3); // to know soon
    mab_routes_answered(mabs, start, &inside);
    assert_int_equal(count_probes(mabs, instant_add(start, duration_s(MAB_QUIET_SECONDS))), 3);
    mab_routes_free(mabs);
}

// How many lines a hundred answers of query servers write to the log.
static size_t lines_of_answers(struct mab_routes *mabs, const struct address *address)
{
    FILE *log = tmpfile();
    assert_non_null(log);
    int before = dup(STDERR_FILENO);
    assert_true(before >= 0 && dup2(fileno(log), STDERR_FILENO) >= 0);
    for (int i = 0; i < 100; i++)
        mab_routes_answered(mabs, start, address);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    (void)close(before);
    rewind(log);
    size_t lines = 0;
    for (int c = fgetc(log); c != EOF; c = fgetc(log))
        lines += c == '\n';
    (void)fclose(log);
    return lines;
}

// A query server tells 2,500 MABs: they get their routes a thousand at a time, and none is asked
// about. When nobody tells them any more the routes go, and come back.
static void test_what_servers_tell_is_routed_without_asking(void **state)
{
    (void)state;
    enum { MANY = 2500 };
    struct mab_routes *mabs = new_mabs();
    struct address inside = address_of("30.0.7.1");
    mab_routes_begin_set(mabs);
    for (uint32_t i = 0; i < MANY; i++) {
        struct prefix mab = {address_from_ipv4((30u << 24) + (i << 8)), 24};
        assert_true(mab_routes_add(mabs, &mab));
        mab_routes_name(mabs, &mab, true);
    }
    mab_routes_settle(mabs);
    assert_int_equal(route_count, 0); // nobody tells them yet
    mab_routes_set_vouched(mabs, true);
    static const size_t steps[] = {MAB_SETTLED_MAX, 2 * MAB_SETTLED_MAX, MANY, MANY};
    for (size_t i = 0; i < 4; i++) {
        mab_routes_settle(mabs);
        assert_int_equal(route_count, steps[i]);
    }
    // Those of the config are probed, not those.
    assert_int_equal(count_probes(mabs, instant_add(start, duration_s(1000))), 3);
    // One of them fails: it alone goes, and is probed until it is answered.
    for (int i = 0; i < MAB_FAILURES_MAX; i++)
        mab_routes_failed(mabs, &inside);
    assert_false(routed("30.0.7.0/24"));
    mab_routes_settle(mabs);
    assert_int_equal(route_count, MANY - 1);
    assert_int_equal(count_probes(mabs, start), 4);
    mab_routes_answered(mabs, start, &inside);
    assert_int_equal(route_count, MANY);
    // What is not listed any more goes with the others that nobody names.
    mab_routes_begin_set(mabs);
    assert_true(mab_routes_unset(mabs, 5));
    mab_routes_set_vouched(mabs, false);
    for (int i = 0; i < 3; i++)
        mab_routes_settle(mabs);
    assert_int_equal(route_count, 0);
    // The kernel refuses for a while.
    kernel_refuses = true;
    mab_routes_set_vouched(mabs, true);
    mab_routes_settle(mabs);
    assert_int_equal(mab_routes_served(mabs), 0);
    kernel_refuses = false;
    for (int i = 0; i < 3; i++)
        mab_routes_settle(mabs);
    assert_int_equal(route_count, MANY);
    mab_routes_free(mabs);
    assert_int_equal(route_count, 0);
}

static void test_a_refused_route_is_tried_again(void **state)
{
    (void)state;
    struct mab_routes *mabs = new_mabs();
    struct prefix mab = prefix_of("20.0.0.0/14");
    kernel_refuses = true;
    assert_int_equal(lines_of_answers(mabs, &mab.address), 1);
    assert_false(mab_routes_set(mabs, &mab, true));
    assert_int_equal(mab_routes_served(mabs), 0);
    kernel_refuses = false;
    assert_true(mab_routes_set(mabs, &mab, true));
    assert_true(routed("20.0.0.0/14"));
    assert_true(mab_routes_set(mabs, &mab, false));
    assert_false(routed("20.0.0.0/14"));
    mab_routes_free(mabs);
}

// Somebody takes routes away behind our back: those vouched for come back by themselves, others
// when they are answered for or set again.
static void test_lost_routes_come_back(void **state)
{
    (void)state;
    struct mab_routes *mabs = new_mabs();
    struct prefix set = prefix_of("20.0.0.0/14");
    struct prefix told = prefix_of("20.4.0.0/14");
    struct address asked = address_of("2001:db8:1::1");
    assert_true(mab_routes_check(mabs)); // there is none yet
    mab_routes_name(mabs, &told, true);
    mab_routes_set_vouched(mabs, true);
    mab_routes_settle(mabs);
    assert_true(mab_routes_set(mabs, &set, true));
    mab_routes_answered(mabs, start, &asked);
    for (int i = 0; i < 5; i++)
        assert_true(mab_routes_check(mabs));
    route_count = 2; // the last one is gone
    while (mab_routes_check(mabs))
        continue;
    assert_int_equal(mab_routes_served(mabs), 1); // that one is back
    assert_int_equal(route_count, 3);
    // All are, and the kernel takes none, as while the device is down.
    route_count = 0;
    kernel_refuses = true;
    assert_false(mab_routes_check(mabs));
    assert_int_equal(mab_routes_served(mabs), 0);
    kernel_refuses = false;
    mab_routes_settle(mabs);
    assert_true(routed("20.4.0.0/14"));
    assert_int_equal(count_probes(mabs, start), 2);
    assert_true(mab_routes_set(mabs, &set, true));
    mab_routes_answered(mabs, start, &asked);
    assert_int_equal(route_count, 3);
    for (int i = 0; i < 5; i++)
        assert_true(mab_routes_check(mabs));
    mab_routes_free(mabs);
}

// Rules of routing may send this host's own packets elsewhere: that is no loss.
static void test_hidden_routes_are_left_alone(void **state)
{
    (void)state;
    struct mab_routes *mabs = new_mabs();
    struct prefix mab = prefix_of("20.0.0.0/14");
    assert_true(mab_routes_set(mabs, &mab, true));
    kernel_hides = true;
    for (int i = 0; i < 3; i++)
        assert_true(mab_routes_check(mabs));
    kernel_hides = false;
    assert_int_equal(mab_routes_served(mabs), 1);
    assert_int_equal(route_count, 1);
    mab_routes_free(mabs);
}

static void test_what_is_not_named_again_can_be_removed(void **state)
{
    (void)state;
    struct mab_routes *mabs = new_mabs();
    struct prefix first = prefix_of("20.0.0.0/14");
    struct prefix last = prefix_of("2001:db8::/32");
    assert_true(mab_routes_set(mabs, &first, true));
    mab_routes_begin_set(mabs);
    assert_true(mab_routes_set(mabs, &last, true));
    size_t unset = 0;
    for (size_t i = mab_routes_count(mabs); i > 0; i--) {
        bool served;
        struct prefix mab = *mab_routes_at(mabs, i - 1, &served);
        if (mab_routes_unset(mabs, i - 1)) {
            mab_routes_remove(mabs, &mab);
            unset++;
        }
    }
    assert_int_equal(unset, 2);
    assert_int_equal(mab_routes_count(mabs), 1);
    assert_false(routed("20.0.0.0/14"));
    assert_true(routed("2001:db8::/32"));
    // The one that moved into the free place is still found.
    assert_true(mab_routes_set(mabs, &last, false));
    assert_int_equal(route_count, 0);
    mab_routes_free(mabs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_add_and_failures_withdraw),
        cmocka_unit_test(test_probes_the_waiting_and_the_quiet),
        cmocka_unit_test(test_what_servers_tell_is_routed_without_asking),
        cmocka_unit_test(test_a_refused_route_is_tried_again),
        cmocka_unit_test(test_lost_routes_come_back),
        cmocka_unit_test(test_hidden_routes_are_left_alone),
        cmocka_unit_test(test_what_is_not_named_again_can_be_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
