// SPDX-License-Identifier: BSD-2-Clause
// Scenario files say all that a config says, mistakes in them are named with their place, the
// documented examples hold, and a world with a planted fault is shrunk to what matters.
//
//     test_sim_scenario DIRECTORY      where the examples are
#include "../check.h"
#include "cli/scenario.h"
#include "sim/scenario/scenario.h"
#include "sim/scenario/shrink.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *examples;

// A new file with that text; the caller removes it.
static void write_file(char path[64], const char *text)
{
    strcpy(path, "/tmp/ivip-test-scenario-XXXXXX");
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    FILE *file = fdopen(descriptor, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static char *write_text(const struct world_config *config)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    scenario_write(config, "A test", file);
    (void)fclose(file);
    return text;
}

// The config that a text describes.
static struct world_config read_text(const char *text)
{
    struct world_config config;
    struct error error = {0};
    char path[64];
    write_file(path, text);
    bool good = scenario_read(path, NULL, &config, &error);
    (void)unlink(path);
    if (!good)
        fail_msg("%s\n%s", error.text, text);
    return config;
}

// What random configs have not always, or never.
static void add_one_of_each_kind(struct world_config *config)
{
    struct world_event event = {.at = duration_ms(2000), .length = duration_ms(700)};
    for (size_t kind = 0; scenario_event_name(kind) != NULL; kind++) {
        event.kind = (enum world_event_kind)kind;
        if (event.kind == WORLD_PACKET || event.kind == WORLD_MAP || event.kind == WORLD_MISSTEP ||
            (config->ideal_feed && event.kind == WORLD_CLOCK))
            continue;
        event.other = event.kind == WORLD_CUT || event.kind == WORLD_MUTE;
        bool disk = event.kind == WORLD_POWER || event.kind == WORLD_DISK;
        event.node = disk ? config->node_count - 1 : 0;
        event.both =
            event.kind == WORLD_CUT || event.kind == WORLD_MUTE || event.kind == WORLD_NAME;
        event.number = event.kind == WORLD_MOVE || event.kind == WORLD_NAME ? 2 : 77;
        event.outcome = event.kind == WORLD_DNS ? DNS_BOGUS : DNS_SECURE;
        assert_true(range_parse("2001:db8:20::/48", &event.range, NULL));
        world_add_event(config, &event);
    }
}

static void test_a_file_says_everything(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world_config config = world_config_random(seed);
        struct world_link link = {0, config.node_count - 1, {.loss = 123456, .rate = 1000}};
        config.unchecked = WORLD_CHECK_AGE | WORLD_CHECK_RECOVERY;
        config.links = calloc(1, sizeof(link));
        config.links[config.link_count++] = link;
        struct world_event packet = {.kind = WORLD_PACKET,
                                     .at = duration_ms(1500),
                                     .node = config.node_count - 1,
                                     .address = address_from_ipv4(0x14010014)};
        world_add_event(&config, &packet);
        struct world_event map = {.kind = WORLD_MAP, .at = duration_ms(900)};
        assert_true(range_parse("2001:db8:20:40::/62", &map.range, NULL));
        world_add_event(&config, &map);
        add_one_of_each_kind(&config);
        char *text = write_text(&config);
        struct world_config again = read_text(text);
        char *text_again = write_text(&again);
        assert_string_equal(text, text_again);
        world_config_release(&config);
        world_config_release(&again);
        free(text);
        free(text_again);
    }
}

static void test_a_file_runs_as_what_it_was_written_from(void **state)
{
    (void)state;
    struct world_config config = world_config_random(6);
    char *text = write_text(&config);
    struct world_config again = read_text(text);
    struct world_report first = world_run(&config, NULL);
    struct world_report second = world_run(&again, NULL);
    assert_memory_equal(&first, &second, sizeof(first));
    assert_true(first.packets > 0 && first.payload_sets > 0);
    world_config_release(&config);
    world_config_release(&again);
    free(text);
}

#define NODES                                                                                      \
    "nodes:\n"                                                                                     \
    "  - { name: A, role: qsa }\n"                                                                 \
    "  - { name: I, role: itr, upstreams: [A] }\n"

static void test_mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place, *says;
    } cases[] = {
        {NODES, ":1:1: ", "\"length\" is missing"},
        {"length: 5s\nlenght: 4s\n", ":2:1: ", "\"lenght\" is no key here"},
        {"length: 5\n" NODES, ":1:9: ", "needs a unit"},
        {"length: 5s\nfeed: mail\n" NODES, ":2:7: ", "push or ideal was expected"},
        {"length: 5s\n" NODES "paths: { loss: 2 }\n", ":5:16: ", "a share such as 2.5%"},
        {"length: 5s\n" NODES "paths: { loss: 101% }\n", ":5:16: ", "a share such as 2.5%"},
        {"length: 5s\nnodes:\n  - { name: A, role: king }\n", ":3:5: ", "a role is"},
        {"length: 5s\nnodes:\n  - { name: I, role: itr, upstreams: [B] }\n",
         ":3:5: ", "no node is called \"B\""},
        {"length: 5s\nnodes:\n  - { name: A, role: qsa }\n", ":1:1: ", "one QSA and one ITR"},
        {"length: 5s\nnodes:\n  - { name: A, role: qsa }\n  - { name: I, role: itr, upstreams: [A] "
         "}\n"
         "  - { name: C, role: qsc, upstreams: [D] }\n  - { name: D, role: qsc, upstreams: [C] }\n",
         ":1:1: ", "C: asks a node that is not nearer"},
        {"length: 5s\n" NODES "events:\n  - { at: 1s, do: dance }\n",
         ":6:5: ", "an event was expected"},
        {"length: 5s\n" NODES "events:\n  - { at: 1s, do: crash, node: X }\n",
         ":6:5: ", "no node is called \"X\""},
        {"length: 5s\n" NODES
         "events:\n  - { at: 1s, do: map, micronet: 20.1.0.0/99, etr: zero }\n",
         ":6:5: ", ""},
        {"length: 5s\n" NODES "events:\n  - { at: 1s, do: packet, node: A, address: 20.1.0.1 }\n",
         ":1:1: ", "only ITRs get packets"},
        {"length: 5s\nfeed: ideal\n" NODES "events:\n  - { at: 1s, do: clock, back: 1h }\n",
         ":1:1: ", "there is no RUAS"},
        {"length: 5s\n" NODES "unchecked: [age, luck]\n", ":5:18: ", "\"luck\""},
        {"length: [\n", ":2:1: ", "not YAML"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world_config config;
        struct error error = {0};
        char path[64];
        write_file(path, cases[i].text);
        bool good = scenario_read(path, NULL, &config, &error);
        (void)unlink(path);
        if (good ||
            strncmp(error.text + strlen(path), cases[i].place, strlen(cases[i].place)) != 0 ||
            strstr(error.text, cases[i].says) == NULL)
            fail_msg("case %zu: %s", i, good ? "is read" : error.text);
    }
}

// What an example is about must have happened in it.
struct expected {
    const char *name;
    struct world_report least; // the counts that are not 0 here
};

static const struct expected expectations[] = {
    {"alive-lost", {.muted = 5, .crashes = 1}},
    {"bad-neighbourhood", {.crashes = 5, .cuts = 5, .attacks = 1000, .clock_steps = 1}},
    {"clock-steps", {.clock_steps = 10, .crashes = 1, .scheduled = 5}},
    {"dns-down", {.dns_failures = 15, .versions = 2, .lists = 2}},
    {"feed-cut", {.cuts = 1, .clock_steps = 1, .crashes = 1}},
    {"long-chain", {.crashes = 1, .cuts = 1, .updates = 500, .lists = 5}},
    {"mab-returns", {.zones = 10, .versions = 10, .lists = 30, .failed_questions = 10}},
    {"mabs-listed", {.lists = 12, .passed = 100, .zones = 5, .attacks = 3000, .crashes = 2}},
    {"many-users", {.scheduled = 100, .refused = 500}},
    {"partition-heals", {.cuts = 4, .updates = 100}},
    {"qsa-killed", {.crashes = 1, .updates = 100}},
    {"qsr-killed", {.crashes = 2, .updates = 100}},
    {"quiet-day", {.updates = 100}},
    {"replies-forged", {.attacks = 5000}},
    {"ruas-dies", {.power_cuts = 3, .taken_back = 10, .crashes = 5, .reports = 10}},
    {"zone-changed", {.zones = 6, .versions = 6, .lists = 9}},
};

static void assert_at_least(const char *name, const char *what, uint64_t had, uint64_t least)
{
    if (had < least)
        fail_msg("%s: %llu %s, at least %llu were expected", name, (unsigned long long)had, what,
                 (unsigned long long)least);
}

static void check_example(const struct expected *expected)
{
    struct world_config config;
    struct error error = {0};
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s.yaml", examples, expected->name);
    if (!scenario_read(path, NULL, &config, &error))
        fail_msg("%s", error.text);
    struct world_report report = world_run(&config, NULL);
    world_config_release(&config);
    if (report.failed)
        fail_msg("%s: %s", path, report.failure);
    const struct world_report *least = &expected->least;
    assert_at_least(expected->name, "changes", report.changes, 10);
    if (report.packets > 0)
        assert_at_least(expected->name, "packets tunnelled", report.tunnelled, 1);
    assert_at_least(expected->name, "crashes", report.crashes, least->crashes);
    assert_at_least(expected->name, "cuts", report.cuts, least->cuts);
    assert_at_least(expected->name, "forgeries", report.attacks, least->attacks);
    assert_at_least(expected->name, "clock steps", report.clock_steps, least->clock_steps);
    assert_at_least(expected->name, "sets refused", report.refused, least->refused);
    assert_at_least(expected->name, "scheduled sets", report.scheduled, least->scheduled);
    assert_at_least(expected->name, "bad answers of DNS", report.dns_failures, least->dns_failures);
    assert_at_least(expected->name, "versions of the zone", report.zones, least->zones);
    assert_at_least(expected->name, "versions taken over", report.versions, least->versions);
    assert_at_least(expected->name, "sets of MABs learned", report.lists, least->lists);
    assert_at_least(expected->name, "packets to no MAB that was known", report.passed,
                    least->passed);
    assert_at_least(expected->name, "Cache Updates", report.updates, least->updates);
    assert_at_least(expected->name, "alive messages lost", report.muted, least->muted);
    assert_at_least(expected->name, "power cuts", report.power_cuts, least->power_cuts);
    assert_at_least(expected->name, "turns taken back", report.taken_back, least->taken_back);
    assert_at_least(expected->name, "usage reports", report.reports, least->reports);
}

static void test_the_examples_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++)
        check_example(&expectations[i]);
}

static void test_no_example_is_forgotten(void **state)
{
    (void)state;
    DIR *directory = opendir(examples);
    assert_non_null(directory);
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        size_t length = strlen(entry->d_name);
        size_t i = 0;
        if (length < 5 || strcmp(entry->d_name + length - 5, ".yaml") != 0)
            continue;
        while (i < sizeof(expectations) / sizeof(expectations[0]) &&
               (strlen(expectations[i].name) != length - 5 ||
                strncmp(expectations[i].name, entry->d_name, length - 5) != 0))
            i++;
        if (i == sizeof(expectations) / sizeof(expectations[0]))
            fail_msg("%s has no expectations in this test", entry->d_name);
    }
    (void)closedir(directory);
}

// The planted fault: once a path was cut, ITRs hear no updates. So one cut, one change of a mapping
// that an ITR uses, the two nodes it takes to have one, and the ends of the cut are all that
// matters.
static void test_a_planted_fault_is_shrunk_to_what_matters(void **state)
{
    (void)state;
    struct world_config config = world_config_random(3);
    struct world_rates rates = {
        .cut = duration_s(8), .change = duration_ms(300), .crash = duration_s(15)};
    config.event_count = 0;
    config.length = duration_s(100);
    config.caching_time = duration_s(600);
    world_add_random_events(&config, &rates);
    config.fault_for_test = true;
    struct world_report report = world_run(&config, NULL);
    assert_true(report.failed && report.broken == WORLD_CHECK_AGE);
    struct shrink_limits limits = {0};
    struct world_config small = shrink(&config, &report, &limits);
    assert_true(report.failed && report.broken == WORLD_CHECK_AGE);
    print_message("%zu nodes and %zu events are left of %zu and %zu\n", small.node_count,
                  small.event_count, config.node_count, config.event_count);
    assert_true(small.node_count <= 4);
    assert_true(small.event_count <= 4 && small.length.ns < config.length.ns);
    size_t cuts = 0;
    for (size_t i = 0; i < small.event_count; i++)
        cuts += small.events[i].kind == WORLD_CUT;
    assert_int_equal(cuts, 1);

    // As a file it breaks again, and no more once the fault is mended.
    char *text = write_text(&small);
    struct world_config again = read_text(text);
    again.fault_for_test = true;
    struct world_report repeated = world_run(&again, NULL);
    assert_true(repeated.failed);
    assert_string_equal(repeated.failure, report.failure);
    again.fault_for_test = false;
    repeated = world_run(&again, NULL);
    assert_false(repeated.failed);
    world_config_release(&config);
    world_config_release(&small);
    world_config_release(&again);
    free(text);
}

int main(int count, char **arguments)
{
    if (count != 2)
        return 2;
    examples = arguments[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_says_everything),
        cmocka_unit_test(test_a_file_runs_as_what_it_was_written_from),
        cmocka_unit_test(test_mistakes_are_named_with_their_place),
        cmocka_unit_test(test_the_examples_hold),
        cmocka_unit_test(test_no_example_is_forgotten),
        cmocka_unit_test(test_a_planted_fault_is_shrunk_to_what_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
