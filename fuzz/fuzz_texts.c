// SPDX-License-Identifier: BSD-2-Clause
// Any text as each thing that people write in one word: an address, a range, a time, a key, a
// token. What is read must be written and read again as the same, into the room that there is for
// it; what is not says why.
#include "fuzzer.h"

#include "authority/account.h"
#include "base/key.h"
#include "base/range.h"
#include "node/authority/rest_time.h"

#include <string.h>

#define TEXT_MAX 512

static void read_addresses(const char *text)
{
    struct error error = {0};
    struct address address;
    struct address same;
    struct prefix prefix;
    struct prefix same_prefix;
    char written[ADDRESS_TEXT_MAX + PREFIX_TEXT_MAX];
    bool read = address_parse(text, &address, &error);
    REQUIRE(read || error.text[0] != '\0');
    if (read)
        REQUIRE(address_parse(address_print(&address, written), &same, NULL) &&
                address_equal(&address, &same));
    error = (struct error){0};
    read = prefix_parse(text, &prefix, &error);
    REQUIRE(read || error.text[0] != '\0');
    if (!read)
        return;
    REQUIRE(prefix_parse(prefix_print(&prefix, written), &same_prefix, NULL) &&
            prefix_equal(&prefix, &same_prefix));
    struct range units;
    if (mab_check(&prefix, &units, NULL))
        REQUIRE(range_valid(&units));
}

static void read_endpoints(const char *text, uint16_t port)
{
    struct error error = {0};
    struct endpoint endpoint;
    struct endpoint same;
    char written[ENDPOINT_TEXT_MAX];
    bool read = endpoint_parse(text, port, &endpoint, &error);
    REQUIRE(read || error.text[0] != '\0');
    if (read)
        REQUIRE(endpoint_parse(endpoint_print(&endpoint, written), 0, &same, NULL) &&
                endpoint_equal(&endpoint, &same));
}

static void read_ranges(const char *text)
{
    struct error error = {0};
    struct range range;
    struct range same;
    char written[RANGE_TEXT_MAX];
    bool read = range_parse(text, &range, &error);
    REQUIRE(read || error.text[0] != '\0');
    if (read)
        REQUIRE(range_valid(&range) && range_parse(range_print(&range, written), &same, NULL) &&
                range_equal(&range, &same));
}

static void read_times(const char *text)
{
    struct error error = {0};
    struct wall_time time;
    struct wall_time same;
    char written[TIME_TEXT_MAX];
    bool read = time_parse(text, &time, &error);
    REQUIRE(read || error.text[0] != '\0');
    if (read && time.ms != 0) // which is "never"
        REQUIRE(time_parse(time_print(time, written), &same, NULL) && time.ms == same.ms);
}

static void read_secrets(const char *text)
{
    struct error error = {0};
    struct public_key key;
    struct public_key same;
    struct token_digest digest;
    char written[KEY_TEXT_MAX];
    bool read = key_parse(text, &key, &error);
    REQUIRE(read || error.text[0] != '\0');
    if (read)
        REQUIRE(key_parse(key_print(&key, written), &same, NULL) && key_equal(&key, &same));
    (void)token_parse(text, &digest);
    (void)user_name_check(text, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char text[TEXT_MAX + 1];
    if (length > TEXT_MAX || memchr(bytes, '\0', length) != NULL)
        return 0;
    memcpy(text, bytes, length);
    text[length] = '\0';
    read_addresses(text);
    read_endpoints(text, 0);
    read_endpoints(text, 4746);
    read_ranges(text);
    read_times(text);
    read_secrets(text);
    return 0;
}
