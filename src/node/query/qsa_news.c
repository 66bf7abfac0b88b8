// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/qsa_news.h"

#include "base/log.h"
#include "base/memory.h"

#include <assert.h>
#include <stdatomic.h>
#include <uv.h>

struct qsa_news {
    atomic_uint holders;
    enum qsa_news_kind kind;
    struct prefix mab;
    uint64_t sequence;
    const struct mapping *mapping;
    struct mapping **replaced; // owned, as are the mappings
    size_t replaced_count;
    size_t count;
    struct update updates[];
};

struct qsa_news *qsa_news_new(enum qsa_news_kind kind, const struct prefix *mab, uint64_t sequence,
                              const struct mapping *mapping, const struct update *updates,
                              size_t count)
{
    struct qsa_news *news = memory_new(sizeof(*news) + count * sizeof(*updates));
    atomic_init(&news->holders, 1);
    news->kind = kind;
    if (mab != NULL)
        news->mab = *mab;
    news->sequence = sequence;
    news->mapping = mapping;
    news->count = count;
    for (size_t i = 0; i < count; i++)
        news->updates[i] = updates[i];
    return news;
}

void qsa_news_bury(struct qsa_news *news, struct mapping *replaced)
{
    news->replaced =
        memory_resize(news->replaced, (news->replaced_count + 1) * sizeof(*news->replaced));
    news->replaced[news->replaced_count++] = replaced;
}

struct qsa_news *qsa_news_hold(struct qsa_news *news)
{
    (void)atomic_fetch_add_explicit(&news->holders, 1, memory_order_relaxed);
    return news;
}

void qsa_news_release(struct qsa_news *news)
{
    // What each holder did with the mappings comes before the last one frees them.
    if (atomic_fetch_sub_explicit(&news->holders, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < news->replaced_count; i++)
        mapping_free(news->replaced[i]);
    memory_free(news->replaced);
    memory_free(news);
}

static void add_mab(struct qsa *qsa, const struct prefix *mab)
{
    struct error error;
    if (!qsa_mab_add(qsa, mab, &error))
        log_error("qsa", "a MAB cannot be served: %s", error.text);
}

void qsa_news_tell(const struct qsa_news *news, struct qsa *qsa, struct instant now)
{
    switch (news->kind) {
    case QSA_NEWS_CHANGED:
        qsa_changed(qsa, now, &news->mab, news->sequence, news->updates, news->count);
        break;
    case QSA_NEWS_RELOADED:
        add_mab(qsa, &news->mab);
        qsa_mab_reloaded(qsa, now, &news->mab, news->mapping, news->sequence);
        break;
    case QSA_NEWS_READY:
        qsa_mab_ready(qsa, &news->mab);
        break;
    case QSA_NEWS_LOST:
        qsa_mab_lost(qsa, now, &news->mab);
        break;
    case QSA_NEWS_REMOVED:
        qsa_mab_remove(qsa, now, &news->mab);
        break;
    case QSA_NEWS_COMPLETE:
        qsa_set_complete(qsa, true);
        break;
    }
}

// Mailboxes

struct mailbox {
    uv_mutex_t lock;
    uv_cond_t emptied;
    struct qsa_news *news[MAILBOX_NEWS_MAX];
    size_t count;
    struct qsa_news *taken[MAILBOX_NEWS_MAX]; // the emptying thread's
};

struct mailbox *mailbox_new(void)
{
    struct mailbox *mailbox = memory_new(sizeof(*mailbox));
    (void)uv_mutex_init(&mailbox->lock);
    (void)uv_cond_init(&mailbox->emptied);
    return mailbox;
}

void mailbox_free(struct mailbox *mailbox)
{
    if (mailbox == NULL)
        return;
    for (size_t i = 0; i < mailbox->count; i++)
        qsa_news_release(mailbox->news[i]);
    uv_cond_destroy(&mailbox->emptied);
    uv_mutex_destroy(&mailbox->lock);
    memory_free(mailbox);
}

void mailbox_put(struct mailbox *mailbox, struct qsa_news *news)
{
    uv_mutex_lock(&mailbox->lock);
    while (mailbox->count == MAILBOX_NEWS_MAX)
        uv_cond_wait(&mailbox->emptied, &mailbox->lock);
    mailbox->news[mailbox->count++] = news;
    uv_mutex_unlock(&mailbox->lock);
}

void mailbox_empty(struct mailbox *mailbox, struct qsa *qsa, struct instant now)
{
    uv_mutex_lock(&mailbox->lock);
    size_t count = mailbox->count;
    for (size_t i = 0; i < count; i++)
        mailbox->taken[i] = mailbox->news[i];
    mailbox->count = 0;
    if (count == MAILBOX_NEWS_MAX)
        uv_cond_signal(&mailbox->emptied);
    uv_mutex_unlock(&mailbox->lock);
    for (size_t i = 0; i < count; i++) {
        qsa_news_tell(mailbox->taken[i], qsa, now);
        qsa_news_release(mailbox->taken[i]);
    }
}
