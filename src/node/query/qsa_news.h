// SPDX-License-Identifier: BSD-2-Clause
// What happened to the mappings that several QSAs in threads of their own answer from, on its way
// to each of them.
//
//     loop thread --- news ---+--> mailbox --> thread 1's QSA
//                             +--> mailbox --> thread 2's QSA
//
// One piece of news is made once and held by all mailboxes; whoever lets go of it last frees it.
// With it goes the mapping that it replaced: by then every thread has taken the one that came
// instead, so nobody can be looking at it any more.
#ifndef IVIP_NODE_QUERY_QSA_NEWS_H
#define IVIP_NODE_QUERY_QSA_NEWS_H

#include "query/qsa.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum qsa_news_kind {
    QSA_NEWS_CHANGED,  // updates were applied
    QSA_NEWS_RELOADED, // another mapping is there; a MAB not served so far is served from now on
    QSA_NEWS_READY,
    QSA_NEWS_LOST,
    QSA_NEWS_REMOVED,
    QSA_NEWS_COMPLETE, // all MABs are known
};

// News with one holder. `updates` are copied, `mapping` stays the caller's.
struct qsa_news *qsa_news_new(enum qsa_news_kind kind, const struct prefix *mab, uint64_t sequence,
                              const struct mapping *mapping, const struct update *updates,
                              size_t count);
// Gives it a mapping to free once nobody holds the news any more. Only before it is given on.
void qsa_news_bury(struct qsa_news *news, struct mapping *replaced);
struct qsa_news *qsa_news_hold(struct qsa_news *news);
void qsa_news_release(struct qsa_news *news);

// Tells it to a QSA.
void qsa_news_tell(const struct qsa_news *news, struct qsa *qsa, struct instant now);

// A mailbox: filled by one thread, emptied by another.

// More are not kept: a thread that fills a mailbox waits until it was emptied, for no news may be
// lost.
#define MAILBOX_NEWS_MAX 4096

struct mailbox;

struct mailbox *mailbox_new(void);
// Releases what is in it.
void mailbox_free(struct mailbox *mailbox);
// Puts news in, and takes over the hold on it. Then the other thread is to be woken.
void mailbox_put(struct mailbox *mailbox, struct qsa_news *news);
// Tells the QSA all that is in it.
void mailbox_empty(struct mailbox *mailbox, struct qsa *qsa, struct instant now);

#endif
