// SPDX-License-Identifier: BSD-2-Clause
// All pages of one version of the set of MABs, to be looked up by name: what a query server answers
// Page Requests from (docs/discovery.md, "The set of MABs from a query server").
//
//     [name, where]  [name, where]  [name, where]     sorted by name
//           \              \______         \__
//     [ page               | page   | page ... ]      one block
//
// It never changes, so any thread may read it; it ends when nobody holds it any more.
#ifndef IVIP_QUERY_PAGE_SHELF_H
#define IVIP_QUERY_PAGE_SHELF_H

#include "query/mab_index.h"
#include "wire/mab_page.h"

#include <stddef.h>
#include <stdint.h>

struct page_shelf;

// The pages below a root, all of which the index holds. One holder.
struct page_shelf *page_shelf_of_index(struct mab_index *index, const struct mab_root *root);
// Pages made of entries in any order. Where prefixes overlap, what is refused gives way to a MAB,
// and the longer prefix to the shorter. One holder.
struct page_shelf *page_shelf_of_entries(const struct mab_entry *entries, size_t count);

struct page_shelf *page_shelf_hold(struct page_shelf *shelf);
// NULL is let go of, too.
void page_shelf_release(struct page_shelf *shelf);

const struct mab_root *page_shelf_root(const struct page_shelf *shelf);
// The page with that name, and its length; NULL where there is none.
const uint8_t *page_shelf_find(const struct page_shelf *shelf, const char *name, size_t *length);
size_t page_shelf_count(const struct page_shelf *shelf);

#endif
