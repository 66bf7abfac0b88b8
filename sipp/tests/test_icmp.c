// SPDX-License-Identifier: BSD-2-Clause
#include "tests/check.h"

#include "base/random.h"
#include "sipp/lib/association.h"
#include "sipp/lib/icmp.h"

#include <string.h>

static const struct sipp_address from = {UINT64_C(0x0080000000010007)};
static const struct sipp_address to = {UINT64_C(0x0040000000020009)};

static void check_round_trip(const struct icmp_message *message, struct icmp_message *decoded)
{
    static uint8_t bytes[ICMP_MESSAGE_MAX];
    size_t length = icmp_encode(from, to, message, bytes, sizeof(bytes));
    assert_true(length > 0);
    assert_true(icmp_decode(from, to, bytes, length, decoded));
    assert_int_equal(decoded->type, message->type);
    assert_int_equal(decoded->code, message->code);
    // Every other bit and every shorter message is refused: by the checksum, or by the form.
    struct icmp_message other;
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 0x10;
        assert_false(icmp_decode(from, to, bytes, length, &other));
        bytes[i] ^= 0x10;
        assert_false(icmp_decode(from, to, bytes, i, &other));
    }
    assert_false(icmp_decode(to, to, bytes, length, &other));
    assert_int_equal(icmp_encode(from, to, message, bytes, length - 1), 0);
}

static void test_i_am_here(void **state)
{
    (void)state;
    struct icmp_message message = {.type = ICMP_I_AM_HERE, .code = ICMP_ROUTER};
    struct icmp_message decoded;
    message.here = (struct icmp_i_am_here){
        .lifetime = 30, .link = {{2, 0, 0, 0, 0, 1}}, .identity = from, .count = 2};
    message.here.prefixes[0] = (struct sipp_prefix){{UINT64_C(0x0080000000010000)}, 48};
    message.here.prefixes[1] = (struct sipp_prefix){to, 64};
    check_round_trip(&message, &decoded);
    assert_int_equal(decoded.here.lifetime, 30);
    assert_memory_equal(&decoded.here.link, &message.here.link, 6);
    assert_int_equal(decoded.here.count, 2);
    assert_true(sipp_prefix_equal(&decoded.here.prefixes[0], &message.here.prefixes[0]));
    assert_true(sipp_prefix_equal(&decoded.here.prefixes[1], &message.here.prefixes[1]));
}

static void test_where_are_you(void **state)
{
    (void)state;
    struct icmp_message message = {.type = ICMP_WHERE_ARE_YOU};
    struct icmp_message decoded;
    message.where = (struct icmp_where_are_you){{{2, 0, 0, 0, 0, 9}}, to};
    check_round_trip(&message, &decoded);
    assert_true(sipp_address_equal(decoded.where.sought, to));
    assert_int_equal(decoded.where.link.octets[5], 9);
}

static void test_configuration(void **state)
{
    (void)state;
    struct icmp_message message = {.type = ICMP_CONFIGURATION, .code = ICMP_CONFIGURATION_REPLY};
    struct icmp_message decoded;
    message.configuration = (struct icmp_configuration){
        77, {{2, 0, 0, 0, 0, 1}}, {.count = 2, .addresses = {from, to}}};
    check_round_trip(&message, &decoded);
    assert_int_equal(decoded.configuration.number, 77);
    assert_true(sequence_equal(&decoded.configuration.sequence, &message.configuration.sequence));
}

static void test_prefixes_out_of_form_are_refused(void **state)
{
    (void)state;
    struct icmp_message message = {.type = ICMP_I_AM_HERE};
    struct icmp_message decoded;
    uint8_t bytes[ICMP_MESSAGE_MAX];
    message.here.count = 1;
    message.here.prefixes[0] = (struct sipp_prefix){{1}, 63}; // a one behind the prefix
    size_t length = icmp_encode(from, to, &message, bytes, sizeof(bytes));
    assert_false(icmp_decode(from, to, bytes, length, &decoded));
    message.here.prefixes[0] = (struct sipp_prefix){{0}, 65};
    length = icmp_encode(from, to, &message, bytes, sizeof(bytes));
    assert_false(icmp_decode(from, to, bytes, length, &decoded));
}

static void test_errors_quote_256_octets(void **state)
{
    (void)state;
    static const uint8_t packet[600] = {1, 2, 3};
    uint8_t bytes[ICMP_MESSAGE_MAX];
    struct icmp_message message = {.type = ICMP_UNREACHABLE, .code = ICMP_TOO_BIG};
    struct icmp_message decoded;
    message.error = (struct icmp_error){1480, packet, sizeof(packet)};
    size_t length = icmp_encode(from, to, &message, bytes, sizeof(bytes));
    assert_int_equal(length, 8 + 256);
    assert_true(icmp_decode(from, to, bytes, length, &decoded));
    assert_int_equal(decoded.error.parameter, 1480);
    assert_int_equal(decoded.error.quote_length, 256);
    assert_memory_equal(decoded.error.quote, packet, 256);
}

static void test_registration_is_authenticated(void **state)
{
    (void)state;
    const struct mobile_key key = {{1, 2, 3}};
    const struct mobile_key other = {{1, 2, 4}};
    struct icmp_message message = {.type = ICMP_REGISTRATION_REQUEST};
    struct icmp_message decoded;
    message.registration = (struct icmp_registration){60, 9, from, to, {0}};
    icmp_registration_sign(&message, &key);
    check_round_trip(&message, &decoded);
    assert_true(icmp_registration_verify(&decoded, &key));
    assert_false(icmp_registration_verify(&decoded, &other));
    // Any field changed, or the request passed off as the reply.
    struct icmp_message forged = decoded;
    forged.registration.number++;
    assert_false(icmp_registration_verify(&forged, &key));
    forged = decoded;
    forged.registration.lifetime = 0;
    assert_false(icmp_registration_verify(&forged, &key));
    forged = decoded;
    forged.registration.base.bits ^= 1;
    assert_false(icmp_registration_verify(&forged, &key));
    forged = decoded;
    forged.registration.mobile.bits ^= 1;
    assert_false(icmp_registration_verify(&forged, &key));
    forged = decoded;
    forged.type = ICMP_REGISTRATION_REPLY;
    assert_false(icmp_registration_verify(&forged, &key));
}

static void test_associations(void **state)
{
    (void)state;
    struct random_source random;
    random_init(&random, random_seed_from_number(10));
    struct associations *all = associations_new(&random);
    assert_null(associations_find(all, from, to));
    struct path direct = {.count = 1, .addresses = {to}};
    struct path through = {.count = 2, .addresses = {{5}, to}};
    (void)associations_set(all, (struct instant){1}, from, &direct, false);
    struct association *one = associations_set(all, (struct instant){2}, from, &through, true);
    assert_int_equal(associations_count(all), 1);
    assert_true(path_equal(&associations_find(all, from, to)->path, &through));
    assert_true(one->heard);
    // Many more than fit: the least recently used gave way, the one kept in use did not.
    for (uint64_t i = 0; i < ASSOCIATIONS_MAX + 100; i++) {
        struct path path = {.count = 1, .addresses = {{i + 100}}};
        (void)associations_set(all, (struct instant){i}, from, &path, true);
        if (i % 1000 == 0)
            (void)associations_set(all, (struct instant){i}, from, &through, true);
    }
    assert_int_equal(associations_count(all), ASSOCIATIONS_MAX);
    assert_non_null(associations_find(all, from, to));
    assert_null(associations_find(all, from, (struct sipp_address){100}));
    size_t walked = 0;
    const struct association *each = NULL;
    while ((each = associations_next(all, each)) != NULL)
        walked++;
    assert_int_equal(walked, ASSOCIATIONS_MAX);
    associations_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_i_am_here),
        cmocka_unit_test(test_where_are_you),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_prefixes_out_of_form_are_refused),
        cmocka_unit_test(test_errors_quote_256_octets),
        cmocka_unit_test(test_registration_is_authenticated),
        cmocka_unit_test(test_associations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
