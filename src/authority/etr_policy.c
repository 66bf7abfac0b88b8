// SPDX-License-Identifier: BSD-2-Clause
#include "authority/etr_policy.h"

#include <string.h>

struct never {
    uint8_t family;
    uint8_t octets[4]; // the first; the rest of the prefix is zero
    uint8_t length;
    const char *what;
};

// Addresses that packets of the public Internet cannot be tunnelled to (IANA special-purpose
// registries, RFC 6890).
static const struct never never[] = {
    {FAMILY_IPV4, {0}, 8, "\"this network\" (RFC 791)"},
    {FAMILY_IPV4, {10}, 8, "private space (RFC 1918)"},
    {FAMILY_IPV4, {100, 64}, 10, "shared space behind carriers' NAT (RFC 6598)"},
    {FAMILY_IPV4, {127}, 8, "loopback"},
    {FAMILY_IPV4, {169, 254}, 16, "link-local"},
    {FAMILY_IPV4, {172, 16}, 12, "private space (RFC 1918)"},
    {FAMILY_IPV4, {192, 0, 0}, 24, "space for protocol assignments (RFC 6890)"},
    {FAMILY_IPV4, {192, 168}, 16, "private space (RFC 1918)"},
    {FAMILY_IPV4, {224}, 4, "multicast"},
    {FAMILY_IPV4, {240}, 4, "reserved (RFC 1112) or broadcast"},
    // ::/8 holds the unspecified address, loopback, IPv4-mapped and NAT64 addresses.
    {FAMILY_IPV6, {0}, 8, "not a global unicast address (RFC 4291)"},
    {FAMILY_IPV6, {0x01}, 64, "the discard-only prefix (RFC 6666)"},
    {FAMILY_IPV6, {0x20, 0x01, 0, 0}, 32, "Teredo space (RFC 4380)"},
    {FAMILY_IPV6, {0xfc}, 7, "private space (RFC 4193)"},
    {FAMILY_IPV6, {0xfe, 0x80}, 10, "link-local"},
    {FAMILY_IPV6, {0xfe, 0xc0}, 10, "site-local (RFC 3879)"},
    {FAMILY_IPV6, {0xff}, 8, "multicast"},
};

static const char *never_reason(const struct address *etr)
{
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        struct prefix prefix = {.address = {.family = never[i].family}, .length = never[i].length};
        memcpy(prefix.address.octets, never[i].octets, sizeof(never[i].octets));
        if (prefix_contains(&prefix, etr))
            return never[i].what;
    }
    return NULL;
}

static bool is_6to4(const struct address *etr)
{
    return etr->family == FAMILY_IPV6 && etr->octets[0] == 0x20 && etr->octets[1] == 0x02;
}

static bool check_refused(const struct etr_policy *policy, const struct address *etr,
                          struct error *error)
{
    char text[ADDRESS_TEXT_MAX];
    char prefix_text[PREFIX_TEXT_MAX];
    for (size_t i = 0; i < policy->refused_count; i++)
        if (prefix_contains(&policy->refused[i], etr))
            return error_set(error, ERROR_CONFLICT, "etr-refused",
                             "%s cannot be an ETR: it lies in %s, which this RUAS refuses",
                             address_print(etr, text),
                             prefix_print(&policy->refused[i], prefix_text));
    return true;
}

bool etr_policy_check(const struct etr_policy *policy, const struct address *etr,
                      struct error *error)
{
    char text[ADDRESS_TEXT_MAX];
    if (address_is_zero(etr))
        return true;
    const char *what = never_reason(etr);
    if (what != NULL)
        return error_set(error, ERROR_CONFLICT, "etr-not-global",
                         "%s cannot be an ETR: it is %s; write \"zero\" to have packets dropped",
                         address_print(etr, text), what);
    uint32_t number = 0;
    if (mab_table_find(policy->mabs, etr, &number))
        return error_set(error, ERROR_CONFLICT, "etr-inside-mab",
                         "%s cannot be an ETR: it is mapped space itself, so packets would be "
                         "tunnelled in circles",
                         address_print(etr, text));
    if (!check_refused(policy, etr, error))
        return false;
    if (is_6to4(etr)) {
        struct address inner = address_from_octets(FAMILY_IPV4, etr->octets + 2);
        if (!etr_policy_check(policy, &inner, error)) {
            error_prefix(error, "6to4 address %s", address_print(etr, text));
            return false;
        }
    }
    return true;
}
