// SPDX-License-Identifier: BSD-2-Clause
// Packets in, and the packets and verdicts that must come out, octet by octet. The packets are
// built by scapy (make_fixtures.py), not by the code under test.
#include "../check.h"
#include "hex.h"
#include "tunnel/etr.h"
#include "tunnel/itr.h"

#define PIECES_MAX  10
#define PACKET_SIZE 8192

struct itr_fixture {
    const char *name;
    const char *etr; // "zero", or NULL: not known
    uint32_t mtu;
    struct offload offload;
    enum itr_verdict verdict;
    enum itr_reason reason;
    const char *packet;
    const char *pieces[PIECES_MAX]; // TUNNEL: what leaves; ICMP: the error
};

struct etr_fixture {
    const char *name;
    bool refuse;           // with refuse_sources
    bool unfinished;       // the checksum is left to the kernel
    uint16_t segment_size; // to be cut into segments of so many octets; 0: whole
    enum etr_verdict verdict;
    enum etr_reason reason;
    const char *packet; // with its outer header
    const char *inner;  // what is delivered
};

#include "fixtures.h"

static struct prefix prefix(const char *text)
{
    struct prefix prefix;
    assert_true(prefix_parse(text, &prefix, NULL));
    return prefix;
}

static struct address address(const char *text)
{
    struct address address;
    if (strcmp(text, "zero") == 0)
        return ADDRESS_ZERO;
    assert_true(address_parse(text, &address, NULL));
    return address;
}

static struct range range(const char *text)
{
    struct range range;
    assert_true(range_parse(text, &range, NULL));
    return range;
}

static const struct instant now = {1000};
static const struct instant later = {UINT64_C(600000000000)};

static struct itr *new_itr(const struct itr_fixture *fixture)
{
    struct itr_config config = {.hold_packets = 16, .hold_time = duration_s(2)};
    struct itr *itr = itr_new(&config, random_seed_from_number(1), now);
    struct prefix mabs[] = {prefix("20.0.0.0/14"), prefix("2001:db8::/32")};
    struct prefix refused[] = {prefix("198.51.100.0/24")};
    for (size_t i = 0; i < 2; i++)
        assert_true(itr_add_mab(itr, &mabs[i], NULL));
    itr_set_refused(itr, refused, 1);
    if (fixture->etr == NULL)
        return itr;
    struct range ranges[] = {range("20.1.0.16/28"), range("2001:db8:0:40::/62")};
    struct address etr = address(fixture->etr);
    for (size_t i = 0; i < 2; i++)
        itr_learn(itr, now, &ranges[i], &etr, later);
    return itr;
}

// Sets the identification, which is the ITR's free choice, to zero, after checking that the header
// checksum was right with it.
static void clear_identification(uint8_t *bytes)
{
    if (bytes[0] >> 4 == 4) {
        assert_int_equal(checksum_fold(checksum_add(0, bytes, 20)), 0xffff);
        store_u16(bytes + 4, 0);
        ipv4_finish_header(bytes, 20);
    } else if (bytes[6] == PROTOCOL_FRAGMENT) {
        store_u32(bytes + 44, 0);
    }
}

static void check_bytes(const char *name, const char *wanted, const uint8_t *bytes, uint32_t length)
{
    uint8_t expected[PACKET_SIZE];
    uint32_t expected_length = hex_read(wanted, expected, sizeof(expected));
    uint32_t shorter = length < expected_length ? length : expected_length;
    for (uint32_t i = 0; i < shorter; i++)
        if (bytes[i] != expected[i])
            fail_msg("%s: octet %u is %02x, not %02x", name, i, bytes[i], expected[i]);
    if (length != expected_length)
        fail_msg("%s: %u octets, not %u", name, length, expected_length);
}

static void check_pieces(const struct itr_fixture *fixture, struct segmenter *segmenter)
{
    struct piece piece;
    size_t count = 0;
    for (; segmenter_next(segmenter, &piece); count++) {
        uint8_t bytes[PACKET_SIZE];
        if (count == PIECES_MAX || fixture->pieces[count] == NULL)
            fail_msg("%s: more pieces than expected", fixture->name);
        memcpy(bytes, piece.header, piece.header_length);
        memcpy(bytes + piece.header_length, piece.payload, piece.payload_length);
        clear_identification(bytes);
        check_bytes(fixture->name, fixture->pieces[count], bytes,
                    piece.header_length + piece.payload_length);
    }
    if (count < PIECES_MAX && fixture->pieces[count] != NULL)
        fail_msg("%s: only %zu pieces", fixture->name, count);
}

static void check_itr(const struct itr_fixture *fixture)
{
    struct itr *itr = new_itr(fixture);
    uint8_t bytes[PACKET_SIZE];
    uint32_t length = hex_read(fixture->packet, bytes, sizeof(bytes));
    struct offload offload = fixture->offload;
    struct itr_result result;
    enum itr_verdict verdict = itr_input(itr, now, bytes, length, &offload, &result);
    if (verdict == ITR_PATH) {
        struct address source =
            address(result.etr.family == FAMILY_IPV6 ? "3fff:2::1" : "192.0.2.1");
        itr_set_path(itr, now, &result.etr, fixture->mtu, &source);
        verdict = itr_input(itr, now, bytes, length, &offload, &result);
    }
    if (verdict != fixture->verdict || result.reason != fixture->reason)
        fail_msg("%s: verdict %d (%s), not %d (%s)", fixture->name, verdict,
                 itr_reason_name(result.reason), fixture->verdict,
                 itr_reason_name(fixture->reason));
    assert_int_equal(verdict, result.verdict);
    if (verdict == ITR_TUNNEL)
        check_pieces(fixture, &result.segments);
    if (verdict == ITR_ICMP) {
        struct address source = address(result.icmp[0] >> 4 == 6 ? "3fff:2::1" : "192.0.2.1");
        icmp_set_source(result.icmp, result.icmp_length, &source);
        check_bytes(fixture->name, fixture->pieces[0], result.icmp, result.icmp_length);
    }
    if (verdict == ITR_HELD)
        assert_int_equal(hold_packets(itr_hold(itr)), 1);
    if (fixture->reason != ITR_REASON_NONE)
        assert_int_equal(itr_counters(itr)->reasons[fixture->reason], 1);
    itr_free(itr);
}

static void test_itr_fixtures(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(itr_fixtures) / sizeof(itr_fixtures[0]); i++)
        check_itr(&itr_fixtures[i]);
}

static void check_etr(const struct etr_fixture *fixture)
{
    struct range serves[] = {range("2001:db8:0:42::/64+2"), range("20.1.0.20-20.1.0.31"),
                             range("2001:db8:0:40::/63"), range("20.1.0.16-20.1.0.24")};
    struct prefix refused[] = {prefix("198.18.200.0/24"), prefix("3fff:200::/32")};
    struct etr_config config = {.serves = serves,
                                .serve_count = 4,
                                .refuse_sources = refused,
                                .refuse_source_count = fixture->refuse ? 2 : 0};
    struct etr *etr = etr_new(&config);
    uint8_t bytes[PACKET_SIZE];
    uint32_t length = hex_read(fixture->packet, bytes, sizeof(bytes));
    struct etr_outer outer;
    struct etr_delivery delivery = {0};
    uint32_t payload = 0;
    enum etr_verdict verdict = ETR_DROP;
    if (etr_read_outer(etr, bytes, length, &outer, &payload))
        verdict = etr_input(etr, &outer, bytes + payload, length - payload, &delivery);
    const struct etr_counters *counters = etr_counters(etr);
    if (verdict != fixture->verdict || counters->reasons[fixture->reason] != 1)
        fail_msg("%s: verdict %d, counted as %s: %d", fixture->name, verdict,
                 etr_reason_name(fixture->reason), (int)counters->reasons[fixture->reason]);
    if (verdict == ETR_DELIVER) {
        check_bytes(fixture->name, fixture->inner, bytes + payload, delivery.length);
        assert_int_equal(delivery.offload.checksum_unfinished, fixture->unfinished);
        assert_int_equal(delivery.offload.segment_size, fixture->segment_size);
        assert_int_equal(delivery.offload.kind == OFFLOAD_TCP, fixture->segment_size > 0);
    }
    etr_free(etr);
}

static void test_etr_fixtures(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(etr_fixtures) / sizeof(etr_fixtures[0]); i++)
        check_etr(&etr_fixtures[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_itr_fixtures),
        cmocka_unit_test(test_etr_fixtures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
