// SPDX-License-Identifier: BSD-2-Clause
// The set of all MABs as pages in DNS: TXT records whose names are made from their content
// (docs/discovery.md, "The index").
//
//     _ivip.D         "v=ivip1" "level=1" "page=4f..."        the only name whose content changes
//     4f....._ivip.D  "a0..." "77..."                         level 1: names of pages
//     a0....._ivip.D  "20.0.0.0/14 acme" "20.4.0.0/16 beta"   level 0: MABs, sorted
//
// A page never changes, so what was fetched once need not be fetched again, and no mixture of two
// versions can be taken for one.
#ifndef IVIP_WIRE_MAB_PAGE_H
#define IVIP_WIRE_MAB_PAGE_H

#include "base/address.h"
#include "wire/dns_record.h"

#define MAB_PAGE_NAME_CHARACTERS 16 // 80 bits in base32hex (RFC 4648 §7), lower case
#define MAB_PAGE_NAME_TEXT_MAX   (MAB_PAGE_NAME_CHARACTERS + 1)
#define MAB_PAGE_NAME_OCTETS     10
#define MAB_PAGE_BYTES_MAX       900 // of RDATA in one page, so that UDP carries it
#define MAB_PAGE_LEVEL_MAX       7
#define MAB_PAGE_LABEL           "_ivip"

// What stands at _ivip.D.
struct mab_root {
    unsigned level; // of the page
    char page[MAB_PAGE_NAME_TEXT_MAX];
};

struct mab_entry {
    struct prefix prefix;
    char dsoc[DNS_LABEL_TEXT_MAX]; // "-": no MAB, but a prefix that no ETR may be in
    uint32_t number;               // for the reader's own use
};

// The name of the page with that RDATA.
void mab_page_name(const uint8_t *bytes, size_t length, char name[MAB_PAGE_NAME_TEXT_MAX]);

// The 80 bits of a name, first octet first, and back.
void mab_page_name_pack(const char *name, uint8_t octets[MAB_PAGE_NAME_OCTETS]);
void mab_page_name_unpack(const uint8_t octets[MAB_PAGE_NAME_OCTETS],
                          char name[MAB_PAGE_NAME_TEXT_MAX]);

// Reads the RDATA of the root. Strings with keys it does not know are stepped over.
bool mab_root_decode(const uint8_t *bytes, size_t length, struct mab_root *root);
// True, and copied, for a string that is the name of a page.
bool mab_page_name_decode(const char *text, size_t length, char name[MAB_PAGE_NAME_TEXT_MAX]);
// Reads "20.0.0.0/14 acme". False for a prefix that cannot be a MAB.
bool mab_entry_decode(const char *text, size_t length, struct mab_entry *entry);

// The DSOC of a string that mab_entry_decode has read.
void mab_entry_dsoc(const char *text, size_t length, char dsoc[DNS_LABEL_TEXT_MAX]);

// Family first, then prefix, then length: the order of pages.
int mab_entry_compare(const struct mab_entry *a, const struct mab_entry *b);

#endif
