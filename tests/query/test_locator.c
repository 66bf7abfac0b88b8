// SPDX-License-Identifier: BSD-2-Clause
// Finding upstreams against a domain that the test plays: QSCs before QSRs, what a silent or lying
// DNS changes (nothing), what is remembered.
#include "../check.h"

#include "query/locator.h"

#include <stdio.h>
#include <string.h>

// What DNS says of each service: the last octets of its servers' addresses; their priorities are
// the tens.
struct world {
    enum dns_outcome qsc, qsr; // DNS_SECURE: as below
    unsigned qscs[4], qsrs[4]; // up to a 0
    bool addresses_fail;
    uint32_t ttl;
};

struct fixture {
    struct locator *locator;
    struct world world;
    struct instant now;
};

static struct fixture start(bool asks_qscs, bool take_unsigned)
{
    struct fixture f = {.now = {1000000000}, .world = {.ttl = 60}};
    const struct locator_config config = {"isp.example", asks_qscs, take_unsigned};
    f.locator = locator_new(&config, f.now);
    return f;
}

static void stop(struct fixture *f)
{
    locator_free(f->locator);
}

static size_t put_srv(uint8_t *bytes, unsigned server)
{
    const uint8_t fixed[] = {0, (uint8_t)(server / 10), 0, 0, 4746 >> 8, 4746 & 255, 3};
    memcpy(bytes, fixed, sizeof(fixed));
    (void)snprintf((char *)bytes + sizeof(fixed), 4, "s%02u", server);
    bytes[sizeof(fixed) + 3] = 0;
    return sizeof(fixed) + 4;
}

// Answers one question; returns whether the servers changed.
static bool answer(struct fixture *f, const struct dns_question *question)
{
    const struct world *world = &f->world;
    bool of_qsc = strstr(question->name, "_ivip-qsc._udp.isp.example") == question->name;
    bool of_qsr = strstr(question->name, "_ivip-qsr._udp.isp.example") == question->name;
    uint8_t bytes[4][32];
    struct dns_record records[4];
    struct dns_answer said = {.outcome = DNS_NOTHING, .ttl = world->ttl, .records = records};
    enum dns_outcome outcome = DNS_SECURE;
    unsigned server = 0;
    if (question->type == DNS_SRV) {
        assert_true(of_qsc || of_qsr);
        outcome = of_qsc ? world->qsc : world->qsr;
        const unsigned *servers = of_qsc ? world->qscs : world->qsrs;
        for (; said.count < 4 && servers[said.count] != 0; said.count++)
            records[said.count] = (struct dns_record){
                bytes[said.count], put_srv(bytes[said.count], servers[said.count])};
    } else {
        outcome = world->addresses_fail ? DNS_FAILED : world->qsr;
        assert_int_equal(sscanf(question->name, "s%2u", &server), 1);
        const uint8_t address[] = {192, 0, 2, (uint8_t)server};
        memcpy(bytes[0], address, sizeof(address));
        records[0] = (struct dns_record){bytes[0], sizeof(address)};
        said.count = question->type == DNS_A;
    }
    if (outcome != DNS_SECURE || said.count > 0)
        said.outcome = outcome;
    return locator_answer(f->locator, f->now, question, &said);
}

// Time passes; all questions are answered as they come. Returns how often servers changed.
static unsigned pass(struct fixture *f, uint64_t seconds)
{
    struct instant end = instant_add(f->now, duration_s(seconds));
    unsigned changes = 0;
    for (;;) {
        struct dns_question question;
        while (locator_next_question(f->locator, f->now, &question))
            changes += answer(f, &question);
        struct instant next = locator_deadline(f->locator);
        assert_true(next.ns > f->now.ns);
        if (instant_before(end, next))
            break;
        f->now = next;
    }
    f->now = end;
    return changes;
}

// "qsr: 7/0 12/10": where from; last octet and priority of each.
static void assert_servers(const struct fixture *f, const char *wanted)
{
    char text[256];
    size_t count;
    const struct service_server *servers = locator_servers(f->locator, &count);
    size_t used = (size_t)snprintf(text, sizeof(text),
                                   "%s:", locator_source_name(locator_source(f->locator)));
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, " %u/%u",
                                 servers[i].endpoint.address.octets[3], servers[i].priority);
    assert_string_equal(text, wanted);
}

static void test_qscs_come_first(void **state)
{
    (void)state;
    struct fixture f = start(true, false);
    f.world.qsc = f.world.qsr = DNS_SECURE;
    f.world.qsrs[0] = 7;
    f.world.qscs[0] = 25;
    f.world.qscs[1] = 14;
    assert_int_equal(pass(&f, 1), 1); // not a moment with the QSR
    assert_servers(&f, "qsc: 14/1 25/2");
    // The QSCs are withdrawn: then the QSRs. And back.
    f.world.qscs[0] = 0;
    assert_int_equal(pass(&f, 61), 1);
    assert_servers(&f, "qsr: 7/0");
    f.world.qscs[0] = 33;
    assert_int_equal(pass(&f, 61), 1);
    assert_servers(&f, "qsc: 14/1 33/3");
    stop(&f);
    // A QSC does not ask for QSCs, of which it may be one.
    f = start(false, false);
    f.world.qsc = DNS_BOGUS;
    f.world.qsr = DNS_SECURE;
    f.world.qscs[0] = 25;
    f.world.qsrs[0] = 7;
    assert_int_equal(pass(&f, 1), 1);
    assert_servers(&f, "qsr: 7/0");
    assert_int_equal(locator_counters(f.locator)->answers[DNS_BOGUS], 0);
    stop(&f);
}

static void test_failing_dns_changes_nothing(void **state)
{
    (void)state;
    static const enum dns_outcome bad[] = {DNS_INSECURE, DNS_BOGUS, DNS_FAILED};
    for (size_t i = 0; i < 3; i++) {
        struct fixture f = start(true, false);
        f.world.qsc = f.world.qsr = bad[i];
        f.world.qsrs[0] = 7;
        assert_int_equal(pass(&f, 20), 0);
        assert_servers(&f, "none:");
        f.world.qsc = f.world.qsr = DNS_SECURE;
        assert_int_equal(pass(&f, 20), 1);
        assert_servers(&f, "qsr: 7/0");
        f.world.qsc = f.world.qsr = bad[i];
        f.world.qscs[0] = f.world.qsrs[0] = 66;
        assert_int_equal(pass(&f, 86400), 0);
        assert_servers(&f, "qsr: 7/0");
        // No answer about QSCs is no reason to do without the QSRs.
        f.world.qsr = DNS_SECURE;
        f.world.qsrs[0] = 8;
        assert_int_equal(pass(&f, 400), 1);
        assert_servers(&f, "qsr: 8/0");
        stop(&f);
    }
}

static void test_takes_unsigned_where_told(void **state)
{
    (void)state;
    struct fixture f = start(true, true);
    f.world.qsc = f.world.qsr = DNS_INSECURE;
    f.world.qsrs[0] = 7;
    assert_int_equal(pass(&f, 1), 1);
    assert_servers(&f, "qsr: 7/0");
    assert_true(locator_counters(f.locator)->answers[DNS_INSECURE] > 0);
    f.world.qsrs[0] = 0; // withdrawn, as far as that can be known
    assert_int_equal(pass(&f, 61), 1);
    assert_servers(&f, "none:");
    // Wrong signatures never count.
    f.world.qsr = DNS_BOGUS;
    f.world.qsrs[0] = 66;
    assert_int_equal(pass(&f, 1000), 0);
    stop(&f);
}

static void test_remembers(void **state)
{
    (void)state;
    struct service_server kept[] = {{.endpoint = {address_from_ipv4(0xc0000209), 4746}}};
    struct fixture f = start(true, false);
    locator_remember(f.locator, kept, 1);
    f.world.qsc = f.world.qsr = DNS_FAILED;
    assert_int_equal(pass(&f, 3600), 0);
    assert_servers(&f, "remembered: 9/0");
    // Servers whose addresses cannot be had are none to use instead.
    f.world.qsc = f.world.qsr = DNS_SECURE;
    f.world.qsrs[0] = 7;
    f.world.addresses_fail = true;
    assert_int_equal(pass(&f, 400), 0);
    assert_servers(&f, "remembered: 9/0");
    f.world.addresses_fail = false;
    assert_int_equal(pass(&f, 400), 1);
    assert_servers(&f, "qsr: 7/0");
    stop(&f);
    // DNS says, signed, that there are none: what was remembered goes, too.
    f = start(true, false);
    locator_remember(f.locator, kept, 1);
    f.world.qsc = f.world.qsr = DNS_SECURE;
    assert_int_equal(pass(&f, 1), 1);
    assert_servers(&f, "none:");
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qscs_come_first),
        cmocka_unit_test(test_failing_dns_changes_nothing),
        cmocka_unit_test(test_takes_unsigned_where_told),
        cmocka_unit_test(test_remembers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
