// SPDX-License-Identifier: BSD-2-Clause
// Broken files and the exact errors they get; whole files and what they mean.
#include "../check.h"
#include "node/config/config.h"
#include "test_node.h"

#include <stdlib.h>
#include <string.h>

#define QSR_SOURCES                                                                                \
    "a QSR finds the QSAs of all MABs through DNS with \"domain\"; a QSC asks \"upstreams\" "      \
    "(QSRs "                                                                                       \
    "or QSAs), or finds the QSRs of its network with \"upstream_domain\"; there is "
#define KEY "CO5YhLKVWoh0q9Ul+oJbMuCVOBAcZfBZ6u40k+xYDe4="

struct broken {
    const char *text;
    const char *error; // behind "PATH:"
};

static const struct broken broken[] = {
    // form
    {"", "1:1: the file is empty; a node needs at least one role: ruas, qsa, qsr, itr or etr"},
    {"{}", "1:1: this node does nothing; add a role: ruas, qsa, qsr, itr or etr"},
    {"- a\n", "1:1: keys with values were expected: name, key, state, control, metrics, log, user, "
              "ruas, qsa, qsr, itr or etr"},
    {"qsr: {upstreams: [\n", "2:1: not YAML: did not find expected node content"},
    {"name: a\n# caf\xe9 au lait\n", "2:7: not YAML: invalid trailing UTF-8 octet"},
    {"name: a\nlog: \x01\n", "2:6: not YAML: control characters are not allowed"},
    {"name: a\nqsr:\n  [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
     "3:1: over 64 brackets are open at once; is one not closed?"},
    {"name: a\n---\nname: b\n", "3:1: one document was expected, here begins a second"},
    {"name: a\nname: b\n", "2:1: \"name\" is written twice"},
    {"etr:\n  servs: [20.1.0.0/28]\n",
     "2:3: etr: \"servs\" is no key here; expected device, serves or refuse_sources"},
    {"? [a]\n: b\n",
     "1:3: a key was expected: name, key, state, control, metrics, log, user, ruas, "
     "qsa, qsr, itr or etr"},
    {"etr: 5\n", "1:6: etr: keys with values were expected: device, serves or refuse_sources"},
    {"etr: {}\n", "1:6: etr: \"serves\" is missing"},
    {"etr: {serves: 20.1.0.0/28}\n", "1:15: etr.serves: a list was expected, such as "
                                     "[20.1.0.16/28, \"2001:db8:0:40::/62\"]"},
    {"etr: {serves: [[]]}\n",
     "1:16: etr.serves[0]: 20.1.0.16/28, \"2001:db8:0:40::/62\" was expected"},
    // values
    {"name: [a]\n", "1:7: name: a text was expected"},
    {"name:\n", "1:6: name: a text was expected, not nothing"},
    {"name: a b\netr: {serves: [20.1.0.0/28]}\n",
     "1:7: name: at most 63 letters, digits, dots, dashes and underscores were expected, not \"a "
     "b\""},
    {"log: loud\n", "1:6: log: error, warning, info or debug was expected, not \"loud\""},
    {"etr:\n  serves:\n    - 20.1.0.0/28\n    - 20.1.0.17/28\n",
     "4:7: etr.serves[1]: \"20.1.0.17/28\" has address bits set below /28; did you mean "
     "20.1.0.16/28?"},
    {"qsr: {upstreams: [\"192.0.2.1:x\"]}\n", "1:19: qsr.upstreams[0]: "},
    {"qsr: {upstreams: []}\n", "1:18: qsr.upstreams: at least one was expected, such as "
                               "[\"192.0.2.1:4746\", \"[2001:db8::1]:4746\"]"},
    {"qsr: {upstreams: [192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4,192.0.2.5,192.0.2.6,192.0.2.7,"
     "192.0.2.8,192.0.2.9]}\n",
     "1:18: qsr.upstreams: at most 8 may be listed"},
    {"qsa: {ruas: [{key: abc, url: \"http://192.0.2.1\"}]}\n",
     "1:20: qsa.ruas[0].key: \"abc\" is not a public key (44 characters of base64, as `ivip key "
     "--public` prints it)"},
    {"qsa: {ruas: [{key: " KEY ", url: \"https://192.0.2.1\"}]}\n",
     "1:71: qsa.ruas[0].url: an address such as http://192.0.2.1:4747 was expected, not "
     "\"https://192.0.2.1\""},
    {"qsa: {ruas: [{key: " KEY "}]}\n", "1:14: qsa.ruas[0]: \"url\" is missing"},
    {"qsa: {ruas: {}}\n", "1:13: qsa.ruas: a list was expected, its items beginning with \"- \""},
    {"itr: {hold_time: 5}\n",
     "1:18: itr.hold_time: \"5\" needs a unit, one of ms, s, m or h, as in \"5s\""},
    {"itr: {hold_time: 5 s}\n",
     "1:18: itr.hold_time: \"5 s\" needs a unit, one of ms, s, m or h, as in \"5s\""},
    {"itr: {hold_time: soon}\n", "1:18: itr.hold_time: a time such as 75ms, 10s, 5m or 1h was "
                                 "expected, not \"soon\""},
    {"itr: {hold_time: 2h}\n",
     "1:18: itr.hold_time: a time from 10 ms to 60 s was expected, not 2h"},
    {"itr: {hold_time: 18446744073709551616s}\n",
     "1:18: itr.hold_time: a time such as 75ms, 10s, 5m or 1h was expected, not "
     "\"18446744073709551616s\""},
    {"itr: {hold_time: 18446744073709551615h}\n",
     "1:18: itr.hold_time: a time from 10 ms to 60 s was expected, not 18446744073709551615h"},
    {"itr: {hold_packets: -1}\n",
     "1:21: itr.hold_packets: a number from 1 to 65536 was expected, not \"-1\""},
    {"itr: {announce: maybe}\n", "1:17: itr.announce: true or false was expected, not \"maybe\""},
    // between keys
    {"ruas: {mabs: [20.0.0.0/14]}\n",
     "1:7: ruas: a RUAS needs a \"key\" that stays, since others check its signatures; make one "
     "with `(umask 077; ivip key > FILE)` and write \"key: FILE\" at the top"},
    {"key: k\nruas: {mabs: [20.0.0.0/14, 20.2.0.0/16]}\n",
     "2:28: ruas.mabs[1]: the MAB 20.2.0.0/16 overlaps the MAB 20.0.0.0/14, which is known "
     "already"},
    {"key: k\nruas: {mabs: [20.0.0.0/14], certificate: c}\n",
     "2:42: ruas.certificate: certificate and certificate_key belong together"},
    {"key: k\nruas: {mabs: [20.0.0.0/14], certificate: c, certificate_key: k}\n",
     "2:42: ruas.certificate: it is for browsers, and there is nothing for them: add \"web\", such "
     "as web: \"[::]:443\""},
    {"key: k\nruas: {mabs: [20.0.0.0/14], web: \"[::]:4748\"}\n",
     "2:34: ruas.web: [::]:4748 (TCP) clashes with ruas.listen ([::]:4748); give one another port"},
    {"key: k\nruas: {mabs: [20.0.0.0/25]}\n",
     "2:15: ruas.mabs[0]: 20.0.0.0/25 cannot be a MAB: an IPv4 MAB is a prefix from /8 to /24"},
    {"key: k\nruas: {mabs: [20.0.0.0/14], feeds: [\"[::]:4749\"]}\n",
     "2:37: ruas.feeds[0]: [::]:4749 is nobody's address; a peer's was expected"},
    {"qsa: {ruas: []}\n", "1:13: qsa.ruas: at least one RUAS was expected: - {key: KEY, url: "
                          "\"http://192.0.2.1:4747\"}"},
    {"qsa:\n  ruas:\n  - {key: " KEY ", url: \"http://192.0.2.1\"}\n  - {key: " KEY
     ", url: \"http://192.0.2.1/\"}\n",
     "4:5: qsa.ruas[1]: this RUAS is listed twice with one url"},
    {"qsr: {}\n", "1:6: qsr: " QSR_SOURCES "none of these"},
    {"qsr: {upstreams: [192.0.2.1], domain: ivip.example}\n",
     "1:6: qsr: " QSR_SOURCES "more than one of these"},
    {"qsr: {upstream_domain: isp.example, domain: ivip.example}\n",
     "1:6: qsr: " QSR_SOURCES "more than one of these"},
    {"qsr: {domain: ivip.example.}\n",
     "1:15: qsr.domain: \"ivip.example.\" is no domain; one such as ivip.example was expected (at "
     "most 160 characters, no dot at the end)"},
    {"qsr: {upstream_domain: is/p.example}\n",
     "1:24: qsr.upstream_domain: \"is/p.example\" is no domain; "},
    {"qsr: {upstreams: [192.0.2.1], dns: [192.0.2.53]}\n",
     "1:36: qsr.dns: \"upstreams\" are listed; nothing is asked of DNS"},
    {"qsr: {domain: ivip.example, dnssec: off}\n",
     "1:37: qsr.dnssec: the list of all MABs must be signed; \"off\" is only for "
     "\"upstream_domain\""},
    {"qsr: {upstream_domain: isp.example, dnssec: no}\n",
     "1:45: qsr.dnssec: required or off was expected, not \"no\""},
    {"itr: {upstreams: [192.0.2.1], domain: isp.example}\n",
     "1:39: itr.domain: \"upstreams\" are listed already; an ITR asks these, or finds its query "
     "servers through DNS"},
    {"itr: {upstreams: [192.0.2.1], dns: [192.0.2.53]}\n",
     "1:36: itr.dns: an ITR that asks \"upstreams\", or the \"qsr\" of its node, asks nothing of "
     "DNS"},
    {"itr: {domain: .example}\n", "1:15: itr.domain: \".example\" is no domain; "},
    {"qsr: {upstreams: [192.0.2.1, \"192.0.2.1:4746\"]}\n",
     "1:30: qsr.upstreams[1]: 192.0.2.1:4746 is listed twice"},
    {"qsr: {listen: 192.0.2.1, upstreams: [192.0.2.1]}\n",
     "1:38: qsr.upstreams[0]: 192.0.2.1:4746 is this server itself"},
    {"itr: {upstreams: [192.0.2.1], mabs: [20.0.0.0/14], unmapped: drop}\n",
     "1:62: itr.unmapped: hold, tunnel or pass was expected, not \"drop\""},
    {"itr: {upstreams: [192.0.2.1], mabs: [20.0.0.0/14], unmapped: tunnel}\n",
     "1:62: itr.unmapped: \"tunnel\" needs \"fallback\", the address of the ITR to hand packets to "
     "(its \"fallback_at\")"},
    {"itr: {upstreams: [192.0.2.1], mabs: [20.0.0.0/14], fallback: 192.0.2.9}\n",
     "1:62: itr.fallback: a fallback is only used with \"unmapped: tunnel\""},
    {"itr: {upstreams: [192.0.2.1], mabs: [20.0.0.0/14], unmapped: tunnel, fallback: 20.1.0.1}\n",
     "1:80: itr.fallback: 20.1.0.1 lies in \"mabs\" or \"refuse\": nothing may be tunnelled there"},
    {"itr: {upstreams: [192.0.2.1], mabs: [20.0.0.0/14], unmapped: tunnel, fallback: 127.0.0.1}\n",
     "1:80: itr.fallback: 127.0.0.1 is not one host's address"},
    {"itr: {upstreams: [192.0.2.1], mabs: [20.0.0.0/14], unmapped: pass}\n",
     "1:62: itr.unmapped: \"pass\" needs \"pass_device\", the network device towards the network's "
     "other ITRs"},
    {"itr: {upstreams: [192.0.2.1], mabs: [20.0.0.0/14], pass_device: eth0}\n",
     "1:65: itr.pass_device: a device to let packets go by is only used with \"unmapped: pass\""},
    {"itr: {upstreams: [192.0.2.1], mabs: [20.0.0.0/14], unmapped: pass, pass_device: ivip0}\n",
     "1:81: itr.pass_device: ivip0 is the ITR's own device: packets would come back"},
    {"itr: {upstreams: [192.0.2.1], mabs: [20.0.0.0/14], ask_after: 3}\n",
     "1:63: itr.ask_after: a number from 1 to 2 was expected, not \"3\""},
    {"itr: {upstreams: [192.0.2.1], mabs: [20.0.0.0/14], fallback_at: 192.0.2.9, fallback_for: "
     "[192.0.2.0/24]}\n",
     "1:65: itr.fallback_at: only an ITR with all mappings (of the \"qsa\" of its node) can be "
     "others' fallback"},
    {"qsa: {ruas: [{key: " KEY
     ", url: \"http://192.0.2.1\"}]}\nitr: {unmapped: pass, pass_device: e}\n",
     "2:17: itr.unmapped: an ITR that uses the \"qsa\" of its node has all mappings; leave "
     "\"unmapped\" out"},
    {"qsa: {ruas: [{key: " KEY ", url: \"http://192.0.2.1\"}]}\nitr: {ask_after: 2}\n",
     "2:18: itr.ask_after: an ITR that uses the \"qsa\" of its node does not ask; leave "
     "\"ask_after\" out"},
    {"qsa: {ruas: [{key: " KEY ", url: \"http://192.0.2.1\"}]}\nitr: {fallback_at: 192.0.2.9}\n",
     "2:20: itr.fallback_at: \"fallback_for\" is missing: the prefixes of the hosts whose packets "
     "may be handed over"},
    {"qsa: {ruas: [{key: " KEY
     ", url: \"http://192.0.2.1\"}]}\nitr: {fallback_for: [192.0.2.0/24]}\n",
     "2:21: itr.fallback_for: \"fallback_at\" is missing: the address that other ITRs hand packets "
     "to"},
    {"qsa: {ruas: [{key: " KEY ", url: \"http://192.0.2.1\"}]}\nitr: {fallback_at: 192.0.2.9, "
     "fallback_for: [192.0.2.0/24]}\netr: {serves: [20.1.0.0/28]}\n",
     "2:20: itr.fallback_at: a node with an etr cannot be others' fallback: it would deliver what "
     "is to be tunnelled on"},
    {"itr: {upstreams: [192.0.2.1], mabs: [20.0.0.0/14], usage_to: \"http://192.0.2.1:4747\"}\n",
     "1:62: itr.usage_to: usage reports are signed: write \"key: FILE\" at the top, and list its "
     "public half in \"itrs\" of the RUAS"},
    {"key: k\nruas: {mabs: [20.0.0.0/14], itrs: [abc]}\n",
     "2:36: ruas.itrs[0]: \"abc\" is not a public key (44 characters of base64, as `ivip key "
     "--public` prints it)"},
    {"etr: {serves: [20.1.0.0/28], device: a-name-too-long-for-linux}\n",
     "1:38: etr.device: \"a-name-too-long-for-linux\" is no name for a network device (at most 15 "
     "characters, no blanks, slashes or colons)"},
    {"qsa: {ruas: [{key: " KEY ", url: \"http://192.0.2.1\"}]}\nqsr: {upstreams: [192.0.2.1]}\n",
     "2:6: qsr.listen: [::]:4746 (UDP) clashes with qsa.listen ([::]:4746); give one another "
     "port"},
    {"key: k\nmetrics: \"127.0.0.1:4748\"\nruas: {mabs: [20.0.0.0/14]}\n",
     "3:7: ruas.listen: [::]:4748 (TCP) clashes with metrics (127.0.0.1:4748); give one another "
     "port"},
};

static void test_broken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        const char *path = test_file(broken[i].text);
        struct error error = {0};
        struct config *config = config_load(path, &error);
        if (config != NULL)
            fail_msg("taken, though broken:\n%s", broken[i].text);
        assert_int_equal(strncmp(error.text, path, strlen(path)), 0);
        const char *text = error.text + strlen(path) + 1;
        size_t length = strlen(broken[i].error);
        // An expectation that ends in ": " leaves the rest to the tests of what it quotes.
        bool open_end = broken[i].error[length - 1] == ' ';
        if (strncmp(text, broken[i].error, length) != 0 || (!open_end && text[length] != '\0'))
            fail_msg("%s\n  is refused with   %s\n  instead of        %s", broken[i].text, text,
                     broken[i].error);
    }
}

static void test_no_file(void **state)
{
    (void)state;
    struct error error = {0};
    assert_null(config_load("/nonexistent/x.yaml", &error));
    assert_string_equal(error.text,
                        "/nonexistent/x.yaml cannot be read: No such file or directory");
    assert_null(config_load("/tmp", &error));
    assert_string_equal(error.text, "/tmp cannot be read: Is a directory");
}

static void test_defaults(void **state)
{
    (void)state;
    struct error error = {0};
    struct config *config = config_load(
        test_file("name: n\n"
                  "key: k\n"
                  "ruas: {mabs: [20.0.0.0/14, \"2001:db8::/32\"], feeds: [192.0.2.7]}\n"
                  "qsa: {ruas: [{key: " KEY ", url: \"http://192.0.2.1:4747/\"},\n"
                  "             {key: " KEY ", url: \"http://192.0.2.2:4747\"}]}\n"
                  "qsr: {listen: \"[::]:4750\", upstreams: [192.0.2.8, \"[2001:db8::8]:1\"]}\n"
                  "itr: {}\n"
                  "etr: {serves: [20.1.0.5+5]}\n"),
        &error);
    if (config == NULL)
        fail_msg("%s", error.text);
    char text[ENDPOINT_TEXT_MAX];
    assert_string_equal(config->state, "/var/lib/ivip");
    assert_string_equal(config->control, "/run/ivip/n.sock");
    assert_string_equal(config->user, "");
    assert_string_equal(endpoint_print(&config->metrics, text), "[::]:9746");
    assert_int_equal(config->log, LOG_LEVEL_INFO);
    assert_string_equal(endpoint_print(&config->ruas->listen, text), "[::]:4748");
    assert_string_equal(endpoint_print(&config->ruas->public_listen, text), "[::]:4747");
    assert_string_equal(endpoint_print(&config->ruas->feeds.items[0], text), "192.0.2.7:4749");
    assert_int_equal(config->ruas->mabs.count, 2);
    assert_int_equal(config->ruas->snapshot_every.ns, duration_s(600).ns);
    assert_string_equal(endpoint_print(&config->qsa->listen, text), "[::]:4746");
    assert_string_equal(endpoint_print(&config->qsa->feed, text), "[::]:4749");
    assert_int_equal(config->qsa->ruas_count, 2);
    assert_string_equal(config->qsa->ruas[0].url, "http://192.0.2.1:4747");
    assert_int_equal(config->qsa->caching_time.ns, duration_s(600).ns);
    assert_string_equal(endpoint_print(&config->qsr->upstreams.items[0], text), "192.0.2.8:4746");
    assert_string_equal(endpoint_print(&config->qsr->upstreams.items[1], text), "[2001:db8::8]:1");
    assert_string_equal(config->itr->device, "ivip0");
    assert_false(config->itr->announce);
    assert_int_equal(config->itr->hold_packets, 1024);
    assert_int_equal(config->itr->hold_time.ns, duration_s(2).ns);
    assert_string_equal(config->etr->device, "ivip0");
    assert_int_equal(config->etr->serves.items[0].length.units, 5);
    config_free(config);
}

static void test_values(void **state)
{
    (void)state;
    struct error error = {0};
    struct config *config = config_load(test_file("metrics: none\n"
                                                  "log: debug\n"
                                                  "itr:\n"
                                                  "  device: tun7\n"
                                                  "  upstreams: [192.0.2.1]\n"
                                                  "  mabs: [20.0.0.0/14]\n"
                                                  "  refuse: [10.0.0.0/8]\n"
                                                  "  announce: yes\n"
                                                  "  hold_packets: 1\n"
                                                  "  hold_time: 75ms\n"),
                                        &error);
    if (config == NULL)
        fail_msg("%s", error.text);
    assert_int_equal(config->metrics.address.family, FAMILY_NONE);
    assert_int_equal(config->log, LOG_LEVEL_DEBUG);
    assert_true(config->itr->announce);
    assert_int_equal(config->itr->hold_packets, 1);
    assert_int_equal(config->itr->hold_time.ns, duration_ms(75).ns);
    json_t *described = config_describe(config);
    char *text = json_dumps(json_object_get(described, "itr"), JSON_COMPACT);
    assert_string_equal(
        text, "{\"device\":\"tun7\",\"mabs\":[\"20.0.0.0/14\"],\"refuse\":[\"10.0.0.0/8\"],"
              "\"announce\":true,\"hold_packets\":1,\"hold_time\":\"75ms\",\"unmapped\":\"hold\","
              "\"ask_after\":1,\"upstreams\":[\"192.0.2.1:4746\"]}");
    free(text);
    json_decref(described);
    config_free(config);
}

// Whom an ITR asks where its own section does not say.
static void test_itr_upstreams(void **state)
{
    (void)state;
    static const struct {
        const char *text, *described;
    } cases[] = {
        {"itr: {}\n",
         "{\"dnssec\":\"required\",\"trust_anchor\":\"/usr/share/dns/root.key\",\"dns\":[]}"},
        {"itr: {domain: isp.example, dns: [192.0.2.53], dnssec: off}\n",
         "{\"domain\":\"isp.example\",\"dnssec\":\"off\",\"dns\":[\"192.0.2.53:53\"]}"},
        {"itr: {}\nqsr: {upstream_domain: isp.example}\n", "{\"upstreams\":[\"127.0.0.1:4746\"]}"},
        {"itr: {}\nqsr: {listen: \"192.0.2.1:99\", domain: ivip.example}\n",
         "{\"upstreams\":[\"192.0.2.1:99\"]}"},
        {"itr: {}\nqsa: {ruas: [{key: " KEY ", url: \"http://192.0.2.1\"}]}\n", "{}"},
    };
    static const char *const keys[] = {"upstreams", "domain", "dnssec", "trust_anchor", "dns"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error error = {0};
        struct config *config = config_load(test_file(cases[i].text), &error);
        if (config == NULL)
            fail_msg("%s", error.text);
        json_t *described = config_describe(config);
        json_t *source = json_object();
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
            json_t *value = json_object_get(json_object_get(described, "itr"), keys[k]);
            if (value != NULL)
                json_object_set(source, keys[k], value);
        }
        char *text = json_dumps(source, JSON_COMPACT);
        assert_string_equal(text, cases[i].described);
        assert_int_equal(config_itr_asks(config), i < 4);
        free(text);
        json_decref(source);
        json_decref(described);
        config_free(config);
    }
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
        cmocka_unit_test(test_broken),        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_values),
        cmocka_unit_test(test_itr_upstreams),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
