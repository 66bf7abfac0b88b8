// SPDX-License-Identifier: BSD-2-Clause
// Whom the teller flushes or forgets to remember something new: its memory may grow by a quarter
// over its limits with what was flushed and is not confirmed, and no further.
#include "query/teller_state.h"

// Flushes the least recently told range of an account that is not yet being flushed.
static void evict_of(struct teller *teller, struct instant now, struct account *account)
{
    for (struct list_node *node = account->told.next; node != &account->told; node = node->next) {
        struct told *told = container_of(node, struct told, of_account);
        if (told->flush)
            continue;
        teller->counters.evicted++;
        teller_notify_flush(teller, now, told);
        // Behind those that are not flushed, so that the next search is short.
        list_remove(&told->of_account);
        list_append(&account->told, &told->of_account);
        return;
    }
}

static void evict_oldest(struct teller *teller, struct instant now)
{
    struct list_node *oldest = list_first(&teller->memory.uses);
    if (oldest == NULL)
        return;
    struct told *told = container_of(oldest, struct told, use);
    if (told->account->forgotten) {
        told_remove(&teller->memory, told);
        return;
    }
    teller->counters.evicted++;
    teller_notify_flush(teller, now, told);
}

// Whether the account holds more than twice what each does on average: what it asks for more then
// takes the place of its own, not of what others were told.
static bool is_greedy(const struct teller *teller, const struct account *account)
{
    size_t average = told_count(&teller->memory) / told_accounts(&teller->memory);
    return account->told_count - account->flush_count > 2 * average;
}

// While memory is full, forgets queriers other than `except` that should be told something, but
// never proved their address: or else whoever asks in the names of others could fill it. Should one
// be real, it meets another instance at its next alive check at the latest.
static void drop_unreachable(struct teller *teller, const struct account *except)
{
    struct list_node *head = &teller->memory.waiting;
    struct list_node *node = head->next;
    while (node != head && told_count(&teller->memory) >= teller->config.told_max) {
        struct account *account = container_of(node, struct account, waiting);
        node = node->next;
        if (account == except)
            continue;
        teller->counters.queriers_lost++;
        told_forget_account(&teller->memory, account);
    }
}

bool teller_make_room(struct teller *teller, struct instant now, struct account *account)
{
    const struct teller_config *config = &teller->config;
    drop_unreachable(teller, account);
    if (told_count(&teller->memory) >= config->told_max)
        told_reap(&teller->memory, TOLD_REAPED_FULL);
    size_t count = told_count(&teller->memory);
    if (account->told_count >= config->told_per_querier_max + config->told_per_querier_max / 4 ||
        count >= config->told_max + config->told_max / 4)
        return false;
    if (account->told_count - account->flush_count >= config->told_per_querier_max ||
        (count >= config->told_max && is_greedy(teller, account)))
        evict_of(teller, now, account);
    else if (count >= config->told_max)
        evict_oldest(teller, now);
    return true;
}
