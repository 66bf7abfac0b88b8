// SPDX-License-Identifier: BSD-2-Clause
// The server's half of "The set of MABs" (docs/protocol.md): answers Page Requests from a shelf.
//
// A part of a query server's core, beside the teller. It keeps nothing of who asked: a reply is
// never longer than its request, so nobody's address has to be proven, and everything in it hangs
// on the name asked for alone.
#ifndef IVIP_QUERY_PAGE_TELLER_H
#define IVIP_QUERY_PAGE_TELLER_H

#include "base/address.h"
#include "query/page_shelf.h"
#include "wire/page_message.h"

#include <stddef.h>
#include <stdint.h>

// Requests that wait for their replies to be taken; further ones are dropped, as by a full socket.
#define PAGE_TELLER_WAITING_MAX 1024

struct page_teller_counters {
    uint64_t replies[PAGE_LONGER + 1]; // by status
    uint64_t dropped_full;
};

struct page_waiting;

struct page_teller {
    struct page_shelf *shelf;     // held; NULL: this server has no set yet
    struct page_waiting *waiting; // owned; a ring of PAGE_TELLER_WAITING_MAX, made when first used
    size_t first;
    size_t count;
    struct page_teller_counters counters;
};

void page_teller_init(struct page_teller *teller);
void page_teller_release(struct page_teller *teller);
// Answers from that shelf from now on, and holds it; NULL: from none.
void page_teller_set(struct page_teller *teller, struct page_shelf *shelf);

// A Page Request of `length` octets came.
void page_teller_input(struct page_teller *teller, const struct endpoint *from,
                       const struct page_message *request, size_t length);
// As for all cores; `buffer` has PAGE_MESSAGE_BYTES_MAX octets.
size_t page_teller_next_output(struct page_teller *teller, struct endpoint *to, uint8_t *buffer);

#endif
