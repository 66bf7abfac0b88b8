// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "base/memory.h"
#include "node/query/upstream_store.h"

#include <string.h>

#define MOST 4

static const char domain[] = "isp.example";

static struct service_server server(const char *text, uint16_t priority)
{
    struct service_server made = {.priority = priority};
    assert_true(endpoint_parse(text, 0, &made.endpoint, NULL));
    return made;
}

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    const struct service_server servers[] = {server("192.0.2.1:4746", 10),
                                             server("[2001:db8::1]:53", 65535)};
    struct service_server read[MOST];
    for (size_t count = 0; count <= 2; count++) {
        size_t length = 0;
        uint8_t *bytes = upstream_store_encode(domain, servers, count, &length);
        assert_int_equal(upstream_store_decode(bytes, length, domain, read, MOST), count);
        for (size_t i = 0; i < count; i++) {
            assert_true(endpoint_equal(&read[i].endpoint, &servers[i].endpoint));
            assert_int_equal(read[i].priority, servers[i].priority);
        }
        assert_int_equal(upstream_store_decode(bytes, length, "elsewhere.example", read, MOST), 0);
        for (size_t part = 0; part < length; part++)
            assert_int_equal(upstream_store_decode(bytes, part, domain, read, MOST), 0);
        memory_free(bytes);
    }
}

static size_t decode(const char *servers)
{
    struct service_server read[MOST];
    char text[400] = "{\"v\":1,\"domain\":\"isp.example\",\"servers\":";
    strncat(text, servers, 300);
    strncat(text, "}", 2);
    return upstream_store_decode((const uint8_t *)text, strlen(text), domain, read, MOST);
}

static void test_what_makes_no_sense_is_left_out(void **state)
{
    (void)state;
    assert_int_equal(decode("[{\"server\":\"192.0.2.1:4746\",\"priority\":1}]"), 1);
    assert_int_equal(decode("[{\"server\":\"192.0.2.1:4746\"}]"), 1);
    static const char *const bad[] = {
        "null",
        "[1,null,[],{}]",
        "[{\"server\":\"192.0.2.1\",\"priority\":1}]",
        "[{\"server\":\"192.0.2.1:0\",\"priority\":1}]",
        "[{\"server\":\"192.0.2.1:4746\",\"priority\":65536}]",
        "[{\"server\":\"192.0.2.1:4746\",\"priority\":-1}]",
        "[{\"server\":\"qsr1.isp.example:4746\",\"priority\":1}]",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(decode(bad[i]), 0);
    assert_int_equal(decode("[{},{\"server\":\"192.0.2.1:1\"},{\"server\":\"192.0.2.1:2\"},{},"
                            "{\"server\":\"192.0.2.1:3\"},{\"server\":\"192.0.2.1:4\"},"
                            "{\"server\":\"192.0.2.1:5\"}]"),
                     MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_what_makes_no_sense_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
