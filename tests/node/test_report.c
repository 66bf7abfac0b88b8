// SPDX-License-Identifier: BSD-2-Clause
// What a node says of itself, and how a new config reaches its roles.
#include "../check.h"
#include "node/reload.h"
#include "node/report.h"
#include "test_node.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_page(void **state)
{
    (void)state;
    struct metrics_page *page = metrics_page_new();
    metrics_counter(page, "a_total", "Counts a.", 1234567890123456789);
    metrics_describe(page, "b_total", "counter", "Counts b.");
    metrics_value(page, "b_total", "reason=\"x\"", 1);
    metrics_gauge(page, "c", "Measures c.", 0.25);
    // Another role writes to b again: its values join the first ones.
    metrics_describe(page, "b_total", "counter", "Counts b.");
    metrics_value(page, "b_total", "reason=\"y\"", 2);
    metrics_describe(page, "d", "histogram", "Spreads d.");
    metrics_value(page, "d_bucket", "le=\"+Inf\"", 3);
    metrics_value(page, "d_sum", "", 1.5);
    metrics_value(page, "d_count", "", 3);
    size_t length = 0;
    char *text = metrics_page_finish(page, &length);
    assert_string_equal(text, "# HELP a_total Counts a.\n"
                              "# TYPE a_total counter\n"
                              "a_total 1.2345678901234568e+18\n"
                              "# HELP b_total Counts b.\n"
                              "# TYPE b_total counter\n"
                              "b_total{reason=\"x\"} 1\n"
                              "b_total{reason=\"y\"} 2\n"
                              "# HELP c Measures c.\n"
                              "# TYPE c gauge\n"
                              "c 0.25\n"
                              "# HELP d Spreads d.\n"
                              "# TYPE d histogram\n"
                              "d_bucket{le=\"+Inf\"} 3\n"
                              "d_sum 1.5\n"
                              "d_count 3\n");
    assert_int_equal(length, strlen(text));
    free(text);
}

// A role that does nothing but remember what it was told.
struct fake {
    bool healthy;
    bool refuses;
    bool stopped;
    const struct config *config;
};

static bool fake_healthy(void *state, char *why, size_t size)
{
    const struct fake *fake = state;
    if (!fake->healthy)
        (void)snprintf(why, size, "it is tired");
    return fake->healthy;
}

static json_t *fake_status(void *state)
{
    (void)state;
    return json_pack("{s:i}", "answer", 42);
}

static void fake_metrics(void *state, struct metrics_page *page)
{
    (void)state;
    metrics_counter(page, "ivip_fake_total", "Fakes.", 7);
}

static bool fake_reload(void *state, const struct config *config, struct error *error)
{
    struct fake *fake = state;
    if (fake->refuses)
        return error_set(error, ERROR_CONFLICT, "no", "no");
    fake->config = config;
    return true;
}

static void fake_stop(void *state)
{
    ((struct fake *)state)->stopped = true;
}

static struct role role_of(const char *name, struct fake *fake)
{
    return (struct role){.name = name,
                         .state = fake,
                         .write_metrics = fake_metrics,
                         .status = fake_status,
                         .healthy = fake_healthy,
                         .reload = fake_reload,
                         .stop = fake_stop};
}

static void test_reports(void **state)
{
    (void)state;
    struct fake good = {.healthy = true};
    struct fake bad = {0};
    struct role roles[] = {role_of("qsa", &good), role_of("etr", &bad)};
    struct node *node = test_node();
    node_add_role(node, &roles[0]);
    bool healthy = false;
    json_decref(report_health(node, &healthy));
    assert_true(healthy);
    node_add_role(node, &roles[1]);
    assert_ptr_equal(node_role(node, "etr"), &bad);
    assert_null(node_role(node, "itr"));
    json_t *health = report_health(node, &healthy);
    assert_false(healthy);
    char *text = json_dumps(health, JSON_COMPACT);
    assert_string_equal(text, "{\"v\":1,\"healthy\":false,\"roles\":{\"qsa\":{\"healthy\":true},"
                              "\"etr\":{\"healthy\":false,\"why\":\"it is tired\"}}}");
    free(text);
    json_decref(health);
    json_t *status = report_status(node);
    assert_string_equal(json_string_value(json_object_get(status, "name")), "test");
    const json_t *qsa = json_object_get(json_object_get(status, "roles"), "qsa");
    assert_int_equal(json_integer_value(json_object_get(qsa, "answer")), 42);
    json_decref(status);
    size_t length = 0;
    char *page = report_metrics(node, &length);
    assert_non_null(strstr(page, "ivip_role_healthy{role=\"qsa\"} 1\n"));
    assert_non_null(strstr(page, "ivip_role_healthy{role=\"etr\"} 0\n"));
    assert_non_null(strstr(page, "\nivip_fake_total 7\n"));
    assert_non_null(strstr(page, "name=\"test\""));
    free(page);
    node_free(node);
    assert_true(good.stopped && bad.stopped);
}

#define PEER "{key: CO5YhLKVWoh0q9Ul+oJbMuCVOBAcZfBZ6u40k+xYDe4=, url: \"http://192.0.2.1\"}"

static struct config *load(const char *text)
{
    struct error error = {0};
    struct config *config = config_load(test_file(text), &error);
    if (config == NULL)
        fail_msg("%s", error.text);
    return config;
}

static void test_reload(void **state)
{
    (void)state;
    struct fake qsa = {.healthy = true};
    struct fake etr = {.healthy = true};
    struct role roles[] = {role_of("qsa", &qsa), role_of("etr", &etr)};
    struct node *node = test_node();
    node_add_role(node, &roles[0]);
    node_add_role(node, &roles[1]);
    struct error error = {0};
    struct config *old = load("name: n\nqsa: {ruas: [" PEER "]}\netr: {serves: [20.1.0.0/28]}\n");
    struct config *other =
        load("name: n\nqsa: {ruas: [" PEER "], caching_time: 60s}\netr: {serves: [20.1.0.0/27]}\n");
    struct config *less = load("name: n\netr: {serves: [20.1.0.0/28]}\n");
    struct config *renamed =
        load("name: m\nqsa: {ruas: [" PEER "]}\netr: {serves: [20.1.0.0/28]}\n");

    assert_true(reload_roles(node, old, old, &error));
    assert_null(qsa.config); // nothing changed: nobody is asked
    assert_true(reload_roles(node, old, other, &error));
    assert_ptr_equal(qsa.config, other);
    assert_ptr_equal(etr.config, other);

    // The second refuses: the first gets the old one back.
    etr.refuses = true;
    assert_false(reload_roles(node, other, old, &error));
    assert_string_equal(error.text, "etr: no");
    assert_ptr_equal(qsa.config, other);

    assert_false(reload_roles(node, old, less, &error));
    assert_string_equal(error.text,
                        "role qsa came or went, which a reload cannot do; restart the node");
    assert_false(reload_roles(node, old, renamed, &error));
    assert_string_equal(error.text, "name changed, which a reload cannot do; restart the node");
    node_free(node);
    config_free(old);
    config_free(other);
    config_free(less);
    config_free(renamed);
    test_files_remove();
}

static void test_reload_missing(void **state)
{
    (void)state;
    struct fake etr = {.healthy = true};
    struct role role = role_of("etr", &etr);
    role.reload = NULL;
    struct node *node = test_node();
    node_add_role(node, &role);
    struct error error = {0};
    struct config *old = load("name: n\netr: {serves: [20.1.0.0/28]}\n");
    struct config *new = load("name: n\netr: {serves: [20.1.0.0/27]}\n");
    assert_true(reload_roles(node, old, old, &error));
    assert_false(reload_roles(node, old, new, &error));
    assert_string_equal(error.reason, "needs-restart");
    node_free(node);
    config_free(old);
    config_free(new);
    test_files_remove();
}

static int tear_down(void **state)
{
    (void)state;
    test_files_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_reload_missing),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
