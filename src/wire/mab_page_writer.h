// SPDX-License-Identifier: BSD-2-Clause
// Makes the pages of the index from a set of MABs (docs/discovery.md, "The index").
//
//     a b c d e f g h        sorted entries, cut where the hash of an entry says so
//     [a b c][d e][f g h]    pages of level 0
//     [    .    .    .  ]    level 1: their names, cut in the same way, up to one page
//
// A page of names is not cut behind its first: then no level has more than half as many pages as
// the one below it.
//
// Because the cuts hang on what is beside them only, a MAB that comes or goes changes one page of
// each level, and not all those behind it.
#ifndef IVIP_WIRE_MAB_PAGE_WRITER_H
#define IVIP_WIRE_MAB_PAGE_WRITER_H

#include "wire/mab_page.h"

struct mab_page {
    char name[MAB_PAGE_NAME_TEXT_MAX];
    unsigned level;
    size_t strings;
    size_t length;
    uint8_t bytes[MAB_PAGE_BYTES_MAX]; // RDATA of the TXT record
};

struct mab_pages {
    size_t count;
    struct mab_page *items; // owned; the last is the one that the root names
};

// `entries` are sorted by mab_entry_compare and do not overlap.
void mab_pages_make(struct mab_pages *pages, const struct mab_entry *entries, size_t count);
void mab_pages_release(struct mab_pages *pages);

#endif
