// SPDX-License-Identifier: BSD-2-Clause
// Whom the teller flushes or forgets to remember something new: its memory may grow by a quarter
// over its limits with what was flushed and is not confirmed, and no further.
#include "query/teller_state.h"

size_t teller_told_most(size_t told_max)
{
    return told_max + told_max / 4;
}

// How many accounts are looked at for one that is gone.
#define ACCOUNTS_LOOKED_AT 8

// What is flushed at once is at most a sixteenth of all, and was told within a second.
#define EVICTED_PART        16
#define EVICTED_TOGETHER_MS 1000

// The first of a list of an account's that is not yet being flushed, or NULL. Those that are go
// behind the others, so that the next search is short.
static struct told *find_unflushed(struct list_node *list, size_t most)
{
    for (; most > 0 && !list_empty(list); most--) {
        struct told *told = container_of(list_first(list), struct told, of_account);
        if (!told->flush)
            return told;
        list_remove(&told->of_account);
        list_append(list, &told->of_account);
    }
    return NULL;
}

// The least recently told range of an account that is not yet being flushed, or NULL; but one for
// which an update was acknowledged counts as told then.
static struct told *oldest_of(struct account *account)
{
    struct told *told = find_unflushed(&account->told, account->flush_count + 1);
    return told != NULL ? told : find_unflushed(&account->queued, account->flush_count + 1);
}

// So many ranges are flushed at once: as many as one message can name, unless they are a large part
// of all.
static size_t evicted_at_once(size_t most)
{
    size_t part = 1 + most / EVICTED_PART;
    return part < 1 + QUERY_FLUSHED_MAX ? part : 1 + QUERY_FLUSHED_MAX;
}

// Flushes this, and of what its account, which may be told so many, was told soon after it as many
// as go with its flush. A message for each would cost as much as the questions for which room is
// made.
static void evict(struct teller *teller, struct instant now, struct told *told, size_t most)
{
    struct account *account = told->account;
    struct instant until = instant_add(told->expires, duration_ms(EVICTED_TOGETHER_MS));
    for (size_t left = evicted_at_once(most); left > 0 && told != NULL; left--) {
        if (instant_before(until, told->expires))
            return;
        teller->counters.evicted++;
        teller_notify_flush(teller, now, told);
        told = oldest_of(account);
    }
}

static void evict_of(struct teller *teller, struct instant now, struct account *account,
                     size_t most)
{
    struct told *told = oldest_of(account);
    if (told != NULL)
        evict(teller, now, told, most);
}

static void evict_oldest(struct teller *teller, struct instant now)
{
    struct list_node *oldest = list_first(&teller->memory.uses);
    if (oldest == NULL)
        return;
    struct told *told = container_of(oldest, struct told, use);
    if (told->account->forgotten)
        told_remove(&teller->memory, told);
    else
        evict(teller, now, told, teller->config.told_max);
}

// Whether the account holds more than twice what each does on average: what it asks for more then
// takes the place of its own, not of what others were told.
static bool is_greedy(const struct teller *teller, const struct account *account)
{
    size_t average = told_count(&teller->memory) / told_accounts(&teller->memory);
    return account->told_count - account->flush_count > 2 * average;
}

// Forgets a querier. Whether it made room at once: what it was told may be too much for that.
static bool forget_querier(struct teller *teller, struct account *account)
{
    bool little = account->told_count <= TELLER_UNPROVEN_TOLD_MAX;
    teller->counters.queriers_lost++;
    if (little)
        told_forget_account(&teller->memory, account);
    else
        told_give_up_account(&teller->memory, account);
    return little;
}

// While memory is full, forgets queriers other than `except` that should be told something, but
// have no proof of their address: or else whoever asks in the names of others could fill it. Should
// one be real, it meets another instance at its next alive check at the latest.
static void drop_unreachable(struct teller *teller, const struct account *except)
{
    struct list_node *head = &teller->memory.waiting;
    struct list_node *node = head->next;
    while (node != head && told_count(&teller->memory) >= teller->config.told_max) {
        struct account *account = container_of(node, struct account, waiting);
        node = node->next;
        if (account != except && !forget_querier(teller, account))
            return;
    }
}

// A querier that lives makes its alive checks. One that did not either dropped all that it was told
// here, or holds nothing (docs/protocol.md, rule 8).
static bool is_silent(const struct account *account, struct instant now)
{
    return instant_since(now, account->heard).ns >= duration_ms(TELLER_SILENCE_MS).ns;
}

bool teller_make_place(struct teller *teller, struct instant now)
{
    size_t most = teller->config.queriers_max;
    struct list_node *round = &teller->memory.round;
    for (size_t looked = 0; looked < ACCOUNTS_LOOKED_AT && !list_empty(round) &&
                            told_accounts(&teller->memory) >= most;
         looked++) {
        struct account *account = container_of(list_first(round), struct account, round);
        list_remove(&account->round);
        list_append(round, &account->round);
        if (is_silent(account, now))
            (void)forget_querier(teller, account);
    }
    return told_accounts(&teller->memory) < most;
}

bool teller_make_room(struct teller *teller, struct instant now, struct account *account)
{
    const struct teller_config *config = &teller->config;
    drop_unreachable(teller, account);
    if (told_count(&teller->memory) >= config->told_max)
        told_reap(&teller->memory, TOLD_REAPED_FULL);
    size_t count = told_count(&teller->memory);
    if (account->told_count >= teller_told_most(config->told_per_querier_max) ||
        count >= teller_told_most(config->told_max))
        return false;
    bool full = teller->memory.use_count >= config->told_max;
    if (account->told_count - account->flush_count >= config->told_per_querier_max)
        evict_of(teller, now, account, config->told_per_querier_max);
    else if (full && is_greedy(teller, account))
        evict_of(teller, now, account, config->told_max);
    else if (full)
        evict_oldest(teller, now);
    return true;
}
