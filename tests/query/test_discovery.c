// SPDX-License-Identifier: BSD-2-Clause
// Discovery against a zone that the test plays: what is asked, what is made of the answers, and
// what survives when DNS fails or lies.
#include "../check.h"

#include "query/discovery.h"
#include "wire/mab_page_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct zone {
    struct mab_pages pages;
    unsigned version;
    enum dns_outcome outcome; // for every question; DNS_SECURE: answered from the zone
    const char *silent;       // a name with this in it gets DNS_FAILED
    bool swapped;             // pages come with another page's content
    size_t asked_pages;
    unsigned qsa; // last octet of QSAs' addresses
};

struct fixture {
    struct discovery *discovery;
    struct zone zone;
    struct instant now;
};

static struct mab_entry entry(const char *prefix, const char *dsoc)
{
    struct mab_entry made = {0};
    assert_true(prefix_parse(prefix, &made.prefix, NULL));
    (void)snprintf(made.dsoc, sizeof(made.dsoc), "%s", dsoc);
    return made;
}

static int compare(const void *a, const void *b)
{
    return mab_entry_compare(a, b);
}

static void publish(struct fixture *f, struct mab_entry *entries, size_t count)
{
    qsort(entries, count, sizeof(*entries), compare);
    mab_pages_release(&f->zone.pages);
    mab_pages_make(&f->zone.pages, entries, count);
}

static size_t put_text(uint8_t *bytes, size_t used, const char *text)
{
    bytes[used] = (uint8_t)strlen(text);
    memcpy(bytes + used + 1, text, strlen(text));
    return used + 1 + strlen(text);
}

// SRV 0 0 4746 qsa.LABEL (one label each).
static size_t put_srv(uint8_t *bytes, const char *label)
{
    static const uint8_t head[] = {0, 0, 0, 0, 4746 >> 8, 4746 & 255, 3, 'q', 's', 'a'};
    memcpy(bytes, head, sizeof(head));
    size_t used = put_text(bytes, sizeof(head), label);
    bytes[used] = 0;
    return used + 1;
}

static size_t put_root(const struct zone *zone, uint8_t *bytes)
{
    const struct mab_page *root = &zone->pages.items[zone->pages.count - 1];
    char text[64];
    size_t used = put_text(bytes, 0, "v=ivip1");
    used = put_text(bytes, used, "colour=blue");
    (void)snprintf(text, sizeof(text), "level=%u", root->level);
    used = put_text(bytes, used, text);
    (void)snprintf(text, sizeof(text), "page=%s", root->name);
    return put_text(bytes, used, text);
}

static size_t look_up(struct zone *zone, const struct dns_question *question, uint8_t *bytes)
{
    char name[MAB_PAGE_NAME_TEXT_MAX + 32];
    char label[DNS_LABEL_TEXT_MAX];
    if (question->type == DNS_SRV && sscanf(question->name, "_ivip-qsa._udp.%63[^.]", label) == 1)
        return put_srv(bytes, label);
    if (question->type == DNS_A) {
        const uint8_t address[] = {192, 0, 2, (uint8_t)zone->qsa};
        memcpy(bytes, address, sizeof(address));
        return sizeof(address);
    }
    if (question->type != DNS_TXT)
        return 0;
    if (strcmp(question->name, "_ivip.ivip.example") == 0)
        return put_root(zone, bytes);
    zone->asked_pages++;
    for (size_t i = 0; i < zone->pages.count; i++) {
        const struct mab_page *page = &zone->pages.items[i];
        if (strncmp(page->name, question->name, MAB_PAGE_NAME_CHARACTERS) != 0)
            continue;
        (void)snprintf(name, sizeof(name), "%s._ivip.ivip.example", page->name);
        assert_string_equal(name, question->name);
        if (zone->swapped)
            page = &zone->pages.items[(i + 1) % zone->pages.count];
        memcpy(bytes, page->bytes, page->length);
        return page->length;
    }
    return 0;
}

static void answer(struct fixture *f, const struct dns_question *question)
{
    uint8_t bytes[1024];
    struct zone *zone = &f->zone;
    struct dns_record record = {bytes, look_up(zone, question, bytes)};
    struct dns_answer answer = {zone->outcome, 60, record.length > 0, &record};
    if (answer.outcome == DNS_SECURE && record.length == 0)
        answer.outcome = DNS_NOTHING;
    if (zone->silent != NULL && strstr(question->name, zone->silent) != NULL)
        answer.outcome = DNS_FAILED;
    discovery_answer(f->discovery, f->now, question, &answer);
}

// All questions of now, several open at once.
static void settle(struct fixture *f)
{
    struct dns_question open[DISCOVERY_OPEN_MAX];
    size_t count = 0;
    do {
        count = 0;
        while (discovery_next_question(f->discovery, f->now, &open[count]))
            assert_true(++count <= DISCOVERY_OPEN_MAX);
        for (size_t i = 0; i < count; i++)
            answer(f, &open[count - 1 - i]); // in another order
    } while (count > 0);
}

static void pass(struct fixture *f, uint64_t ms)
{
    struct instant end = instant_add(f->now, duration_ms(ms));
    for (struct instant next = discovery_deadline(f->discovery); !instant_before(end, next);
         next = discovery_deadline(f->discovery)) {
        f->now = instant_before(f->now, next) ? next : f->now;
        settle(f);
    }
    f->now = end;
}

static struct fixture start(void)
{
    struct fixture f = {.now = {1000}, .zone = {.outcome = DNS_SECURE, .qsa = 7}};
    f.discovery = discovery_new("ivip.example", random_seed_from_number(3), f.now);
    return f;
}

static void stop(struct fixture *f)
{
    discovery_free(f->discovery);
    mab_pages_release(&f->zone.pages);
}

struct events {
    size_t added, removed, servers, versions;
};

static struct events events(struct fixture *f)
{
    struct events seen = {0};
    struct discovery_event event;
    while (discovery_next_event(f->discovery, &event)) {
        seen.added += event.kind == DISCOVERY_MAB_ADDED;
        seen.removed += event.kind == DISCOVERY_MAB_REMOVED;
        seen.servers += event.kind == DISCOVERY_SERVERS;
        seen.versions += event.kind == DISCOVERY_VERSION;
    }
    return seen;
}

// The label of the DSOC that an address belongs to, or "none".
static const char *dsoc_of(const struct fixture *f, const char *text)
{
    struct address address;
    uint32_t number;
    assert_true(address_parse(text, &address, NULL));
    if (!mab_table_find(discovery_mabs(f->discovery), &address, &number))
        return "none";
    return discovery_label(f->discovery, number);
}

static void publish_three(struct fixture *f)
{
    struct mab_entry entries[] = {entry("20.0.0.0/14", "acme"), entry("2001:db8::/32", "beta"),
                                  entry("20.8.0.0/16", "beta"), entry("198.18.0.0/24", "-")};
    publish(f, entries, 4);
}

static void test_finds_mabs_and_servers(void **state)
{
    (void)state;
    struct fixture f = start();
    publish_three(&f);
    settle(&f);
    struct events seen = events(&f);
    assert_int_equal(seen.added, 3);
    assert_int_equal(seen.versions, 1);
    assert_int_equal(seen.servers, 2);
    assert_string_equal(dsoc_of(&f, "20.1.2.3"), "acme");
    assert_string_equal(dsoc_of(&f, "2001:db8:1::5"), "beta");
    assert_string_equal(dsoc_of(&f, "198.18.0.1"), "none");
    size_t count;
    assert_int_equal(discovery_refused(f.discovery, &count)->length, 24);
    assert_int_equal(count, 1);
    const struct service_server *servers = discovery_servers(f.discovery, 0, &count);
    assert_int_equal(count, 1);
    assert_int_equal(servers[0].endpoint.port, 4746);
    assert_int_equal(servers[0].endpoint.address.octets[3], 7);
    stop(&f);
}

static void test_follows_changes(void **state)
{
    (void)state;
    struct fixture f = start();
    publish_three(&f);
    settle(&f);
    (void)events(&f);
    struct mab_entry entries[] = {entry("20.0.0.0/14", "beta"), entry("20.8.0.0/16", "beta"),
                                  entry("30.0.0.0/16", "gamma")};
    publish(&f, entries, 3);
    f.zone.qsa = 8;
    pass(&f, 59000); // not before the TTL ends
    assert_int_equal(events(&f).versions, 0);
    pass(&f, 2000);
    struct events seen = events(&f);
    assert_int_equal(seen.versions, 1);
    assert_int_equal(seen.removed, 2); // one gone, one to another DSOC
    assert_int_equal(seen.added, 2);
    assert_string_equal(dsoc_of(&f, "20.1.2.3"), "beta");
    assert_string_equal(dsoc_of(&f, "30.0.1.1"), "gamma");
    assert_string_equal(dsoc_of(&f, "2001:db8:1::5"), "none");
    assert_int_equal(seen.servers, 3); // acme's are gone, beta's and gamma's other
    stop(&f);
}

// 200,000 MABs: the whole set is found, and one more costs a page of each level.
static void test_many(void **state)
{
    (void)state;
    enum { MANY = 200000 };
    struct fixture f = start();
    struct mab_entry *entries = calloc(MANY + 1, sizeof(*entries));
    for (uint32_t i = 0; i <= MANY; i++) {
        entries[i].prefix = (struct prefix){address_from_ipv4((20u << 24) + (i << 8)), 24};
        (void)snprintf(entries[i].dsoc, sizeof(entries[i].dsoc), "dsoc-%u", i * 7919u % 300);
    }
    struct mab_entry extra = entries[100000];
    entries[100000] = entries[MANY];
    publish(&f, entries, MANY);
    settle(&f);
    assert_int_equal(mab_table_count(discovery_mabs(f.discovery)), MANY);
    assert_int_equal(f.zone.asked_pages, f.zone.pages.count);
    assert_int_equal(events(&f).added, MANY);
    assert_string_equal(dsoc_of(&f, "20.255.255.1"), entries[65535].dsoc);
    entries[MANY] = extra;
    publish(&f, entries, MANY + 1);
    f.zone.asked_pages = 0;
    pass(&f, 61000);
    assert_int_equal(mab_table_count(discovery_mabs(f.discovery)), MANY + 1);
    assert_in_range(f.zone.asked_pages, 2, 12);
    assert_int_equal(events(&f).added, 1);
    free(entries);
    stop(&f);
}

// Answers that are not validated are refused, whatever is in them; so is silence.
static void test_goes_on_without_dns(void **state)
{
    (void)state;
    static const enum dns_outcome bad[] = {DNS_INSECURE, DNS_BOGUS, DNS_FAILED};
    for (size_t i = 0; i < 3; i++) {
        struct fixture f = start();
        f.zone.outcome = bad[i];
        publish_three(&f);
        pass(&f, 20000);
        assert_int_equal(mab_table_count(discovery_mabs(f.discovery)), 0);
        assert_in_range(discovery_counters(f.discovery)->answers[bad[i]], 4, 6); // 0 1 3 7 15 s
        f.zone.outcome = DNS_SECURE;
        pass(&f, 20000);
        assert_int_equal(events(&f).servers, 2);
        f.zone.outcome = bad[i];
        f.zone.qsa = 66;
        struct mab_entry forged[] = {entry("20.0.0.0/14", "evil")};
        publish(&f, forged, 1);
        pass(&f, 86400000);
        assert_int_equal(events(&f).versions, 0);
        assert_string_equal(dsoc_of(&f, "20.1.2.3"), "acme");
        size_t count;
        const struct service_server *servers = discovery_servers(f.discovery, 0, &count);
        assert_int_equal(count, 1);
        assert_int_equal(servers[0].endpoint.address.octets[3], 7);
        stop(&f);
    }
}

static void test_keeps_addresses_that_fail(void **state)
{
    (void)state;
    struct fixture f = start();
    publish_three(&f);
    settle(&f);
    (void)events(&f);
    f.zone.silent = "qsa.acme";
    f.zone.qsa = 9;
    pass(&f, 61000);
    assert_int_equal(events(&f).servers, 1); // beta's
    size_t count;
    const struct service_server *servers = discovery_servers(f.discovery, 0, &count);
    assert_int_equal(count, 1);
    assert_int_equal(servers[0].endpoint.address.octets[3], 7);
    stop(&f);
}

static void test_refuses_damage(void **state)
{
    (void)state;
    struct fixture f = start();
    struct mab_entry entries[200];
    for (uint32_t i = 0; i < 200; i++) {
        entries[i] = entry("20.0.0.0/16", "acme");
        entries[i].prefix.address = address_from_ipv4((20u << 24) + (i << 16));
    }
    publish(&f, entries, 200);
    f.zone.swapped = true;
    pass(&f, 5000);
    assert_true(discovery_counters(f.discovery)->damaged > 0);
    assert_int_equal(mab_table_count(discovery_mabs(f.discovery)), 0);
    f.zone.swapped = false;
    pass(&f, 20000);
    assert_int_equal(mab_table_count(discovery_mabs(f.discovery)), 200);
    // A set that overlaps itself is refused whole.
    entries[1] = entry("20.0.0.0/14", "acme");
    publish(&f, entries, 200);
    pass(&f, 61000);
    assert_true(discovery_counters(f.discovery)->refused > 0);
    assert_int_equal(mab_table_count(discovery_mabs(f.discovery)), 200);
    assert_string_equal(dsoc_of(&f, "20.1.0.0"), "acme");
    stop(&f);
}

static void test_too_many_dsocs(void **state)
{
    (void)state;
    struct fixture f = start();
    publish_three(&f);
    settle(&f);
    struct mab_entry *entries = calloc(DISCOVERY_DSOCS_MAX + 1, sizeof(*entries));
    for (uint32_t i = 0; i <= DISCOVERY_DSOCS_MAX; i++) {
        entries[i].prefix = (struct prefix){address_from_ipv4((30u << 24) + (i << 8)), 24};
        (void)snprintf(entries[i].dsoc, sizeof(entries[i].dsoc), "d%u", i);
    }
    publish(&f, entries, DISCOVERY_DSOCS_MAX + 1);
    pass(&f, 60500);
    assert_int_equal(discovery_counters(f.discovery)->refused, 1);
    assert_string_equal(dsoc_of(&f, "20.1.0.0"), "acme");
    publish(&f, entries, DISCOVERY_DSOCS_MAX - 2);
    pass(&f, 61000);
    assert_string_equal(dsoc_of(&f, "30.0.2.1"), "d2");
    free(entries);
    stop(&f);
}

// The questions that discovery_next_used names are all that another discovery needs answers to.
static void test_what_is_known_can_be_kept(void **state)
{
    (void)state;
    static struct dns_question used[512];
    struct fixture f = start();
    publish_three(&f);
    settle(&f);
    struct mab_entry entries[] = {entry("20.0.0.0/14", "acme"), entry("30.0.0.0/16", "gamma")};
    publish(&f, entries, 2);
    pass(&f, 61000);
    size_t count = 0;
    struct discovery_place place = {0};
    while (discovery_next_used(f.discovery, &place, &used[count]))
        assert_true(++count < 512);
    assert_int_equal(count, 1 + f.zone.pages.count + 2 * 3); // SRV, A, AAAA; nothing of beta

    struct fixture g = start();
    struct dns_question question;
    g.zone = f.zone;
    while (discovery_next_question(g.discovery, g.now, &question)) {
        size_t i = 0;
        while (i < count &&
               (used[i].type != question.type || strcmp(used[i].name, question.name) != 0))
            i++;
        assert_true(i < count);
        answer(&g, &question);
    }
    assert_string_equal(discovery_page(g.discovery), discovery_page(f.discovery));
    assert_string_equal(dsoc_of(&g, "30.0.2.1"), "gamma");
    assert_int_equal(discovery_counters(g.discovery)->confirmed, 1);
    discovery_ask_again(g.discovery, g.now);
    assert_int_equal(discovery_counters(g.discovery)->confirmed, 0);
    assert_true(discovery_next_question(g.discovery, g.now, &question)); // the root, at once
    assert_string_equal(question.name, "_ivip.ivip.example");
    discovery_free(g.discovery);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_mabs_and_servers),
        cmocka_unit_test(test_follows_changes),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_goes_on_without_dns),
        cmocka_unit_test(test_keeps_addresses_that_fail),
        cmocka_unit_test(test_refuses_damage),
        cmocka_unit_test(test_too_many_dsocs),
        cmocka_unit_test(test_what_is_known_can_be_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
