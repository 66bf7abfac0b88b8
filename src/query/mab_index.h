// SPDX-License-Identifier: BSD-2-Clause
// The pages of the index of MABs that were fetched, and the way from a root to the whole set
// (docs/discovery.md, "The index").
//
//     root -> page -> page    held: walked through
//                  -> page    not held: wanted, asked, then held
//
// A page never changes, so a new version costs the pages that differ from the one before.
#ifndef IVIP_QUERY_MAB_INDEX_H
#define IVIP_QUERY_MAB_INDEX_H

#include "base/hash.h"
#include "base/list.h"
#include "base/table.h"
#include "wire/mab_page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAB_INDEX_PAGES_MAX   100000
#define MAB_INDEX_ENTRIES_MAX 1000000

struct mab_index {
    struct hash_key key;
    struct table pages;      // struct page, by name
    struct list_node wanted; // pages to ask for
    size_t open;             // pages asked for
    size_t octets;           // of pages held
    uint32_t walk;           // number of the last walk
};

struct mab_entries {
    size_t count;
    struct mab_entry *items; // owned; sorted, without overlap
};

void mab_index_init(struct mab_index *index, struct hash_key key);
void mab_index_release(struct mab_index *index);

// Begins to gather the pages below a root; what was wanted for another is no longer.
void mab_index_begin(struct mab_index *index, const struct mab_root *root);
// The name of the next page to ask for, which is then open; false where there is none.
bool mab_index_next(struct mab_index *index, char name[MAB_PAGE_NAME_TEXT_MAX]);
// The content of an open page; false where it is not what its name says, or not a page.
bool mab_index_take(struct mab_index *index, const char *name, const uint8_t *bytes, size_t length);
// An open page cannot be had: nothing more is asked for until the next mab_index_begin.
void mab_index_give_up(struct mab_index *index, const char *name);
// Whether an open page belongs, as far as is known, to the version that is gathered now.
bool mab_index_needs(const struct mab_index *index, const char *name);
// Nothing is wanted or open.
bool mab_index_idle(const struct mab_index *index);

// The whole set below a root all of whose pages are held. Pages not met on
// the way are dropped. False where it makes no sense: MABs that overlap, or too many.
bool mab_index_gather(struct mab_index *index, const struct mab_root *root,
                      struct mab_entries *entries);
// Walks the pages held: the name of the next one, from *place NULL on; false at the end.
bool mab_index_next_held(const struct mab_index *index, const struct table_node **place,
                         char name[MAB_PAGE_NAME_TEXT_MAX]);
// Octets of memory for pages.
size_t mab_index_memory(const struct mab_index *index);

// The pages below a root, all of which are held: after mab_index_mark, each call with a page that
// began as zeros gives another, in no particular order, until false.
struct mab_index_page {
    const struct table_node *at;
    const char *name;
    const uint8_t *bytes; // RDATA
    size_t length;
};
void mab_index_mark(struct mab_index *index, const struct mab_root *root);
bool mab_index_next_marked(const struct mab_index *index, struct mab_index_page *page);

#endif
