// SPDX-License-Identifier: BSD-2-Clause
#include "query/told.h"

#include <assert.h>
#include <string.h>

void told_init(struct told_memory *memory, struct hash_key key, size_t accounts, size_t tellings)
{
    memset(memory, 0, sizeof(*memory));
    memory->key = key;
    slab_init(&memory->accounts, sizeof(struct account));
    slab_init_numbered(&memory->subjects, sizeof(struct subject));
    slab_init(&memory->tellings, sizeof(struct told));
    table_init(&memory->by_endpoint);
    table_init(&memory->by_nonce);
    table_reserve(&memory->by_endpoint, accounts);
    table_reserve(&memory->by_nonce, tellings);
    range_map_init(&memory->current);
    wheel_init(&memory->expiries);
    heap_init(&memory->deadlines);
    heap_reserve(&memory->deadlines, tellings);
    heap_init(&memory->turns);
    heap_reserve(&memory->turns, accounts);
    list_init(&memory->uses);
    list_init(&memory->ready);
    list_init(&memory->waiting);
    list_init(&memory->forgotten);
    list_init(&memory->round);
}

void told_release(struct told_memory *memory)
{
    wheel_release(&memory->expiries);
    heap_release(&memory->deadlines);
    heap_release(&memory->turns);
    range_map_release(&memory->current);
    table_release(&memory->by_nonce);
    table_release(&memory->by_endpoint);
    slab_release(&memory->tellings);
    slab_release(&memory->subjects);
    slab_release(&memory->accounts);
}

size_t told_count(const struct told_memory *memory)
{
    return memory->tellings.used;
}

size_t told_accounts(const struct told_memory *memory)
{
    return memory->accounts.used;
}

size_t told_paced(const struct told_memory *memory)
{
    return memory->turns.count;
}

size_t told_bytes(const struct told_memory *memory)
{
    size_t buckets = memory->by_endpoint.bucket_count + memory->by_nonce.bucket_count;
    return memory->accounts.used * memory->accounts.size +
           memory->subjects.used * memory->subjects.size +
           memory->tellings.used * memory->tellings.size + buckets * sizeof(void *) +
           memory->deadlines.count * sizeof(struct heap_slot) + range_map_memory(&memory->current);
}

// Accounts

static bool endpoint_matches(const struct table_node *node, const void *key)
{
    return endpoint_equal(&container_of(node, const struct account, by_endpoint)->endpoint, key);
}

struct account *told_find_account(struct told_memory *memory, const struct endpoint *endpoint)
{
    if (memory->recent != NULL && endpoint_equal(&memory->recent->endpoint, endpoint))
        return memory->recent;
    struct table_node *node = table_find(
        &memory->by_endpoint, hash_endpoint(&memory->key, endpoint), endpoint_matches, endpoint);
    if (node == NULL)
        return NULL;
    memory->recent = container_of(node, struct account, by_endpoint);
    return memory->recent;
}

struct account *told_add_account(struct told_memory *memory, const struct endpoint *endpoint,
                                 uint64_t instance, uint32_t interval_ns)
{
    struct account *account = slab_take(&memory->accounts);
    account->endpoint = *endpoint;
    account->instance = instance;
    pace_init(&account->pace, interval_ns);
    list_init(&account->told);
    list_init(&account->queued);
    list_init(&account->ready);
    list_init(&account->waiting);
    list_append(&memory->round, &account->round);
    table_insert(&memory->by_endpoint, &account->by_endpoint,
                 hash_endpoint(&memory->key, endpoint));
    memory->unproven_count++;
    return account;
}

// Nobody finds it any more.
static void detach_account(struct told_memory *memory, struct account *account)
{
    table_remove(&memory->by_endpoint, &account->by_endpoint);
    if (memory->recent == account)
        memory->recent = NULL;
    list_remove(&account->waiting);
    list_remove(&account->round);
    heap_remove(&memory->turns, &account->turn);
    list_remove(&account->ready);
    if (!account->ever_proven)
        memory->unproven_count--;
}

static void remove_account(struct told_memory *memory, struct account *account)
{
    assert(account->told_count == 0 && account->flush_count == 0);
    if (account->forgotten)
        list_remove(&account->waiting);
    else
        detach_account(memory, account);
    slab_give(&memory->accounts, account);
}

void told_drop_idle_account(struct told_memory *memory, struct account *account)
{
    if (account->told_count == 0)
        remove_account(memory, account);
}

// Any of those that it was told; the account goes with the last.
static void remove_one(struct told_memory *memory, struct account *account)
{
    struct list_node *from = list_empty(&account->told) ? &account->queued : &account->told;
    told_remove(memory, container_of(list_first(from), struct told, of_account));
}

void told_forget_account(struct told_memory *memory, struct account *account)
{
    for (size_t left = account->told_count; left > 0; left--)
        remove_one(memory, account);
}

void told_give_up_account(struct told_memory *memory, struct account *account)
{
    assert(!account->forgotten);
    detach_account(memory, account);
    account->forgotten = true;
    list_append(&memory->forgotten, &account->waiting);
}

void told_reap(struct told_memory *memory, size_t count)
{
    for (; count > 0 && !list_empty(&memory->forgotten); count--)
        remove_one(memory, container_of(list_first(&memory->forgotten), struct account, waiting));
}

// Subjects

struct subject *told_find_exactly(const struct told_memory *memory, const struct range *range)
{
    uint32_t number = 0;
    if (!range_map_find(&memory->current, range->family, range->start, &number))
        return NULL;
    struct subject *subject = slab_at(&memory->subjects, number);
    return range_equal(&subject->range, range) ? subject : NULL;
}

struct subject *told_first_in(const struct told_memory *memory, const struct range *range)
{
    uint32_t number = 0;
    bool found = range_map_first_in(&memory->current, range, &number);
    return found ? slab_at(&memory->subjects, number) : NULL;
}

struct subject *told_add_subject(struct told_memory *memory, const struct range *range)
{
    struct subject *subject = slab_take(&memory->subjects);
    subject->range = *range;
    subject->current = true;
    list_init(&subject->told);
    range_map_insert(&memory->current, range, slab_number(&memory->subjects, subject));
    return subject;
}

void told_detach(struct told_memory *memory, struct subject *subject)
{
    assert(subject->current);
    range_map_remove(&memory->current, &subject->range);
    subject->current = false;
}

static void remove_subject(struct told_memory *memory, struct subject *subject)
{
    if (subject->current)
        told_detach(memory, subject);
    slab_give(&memory->subjects, subject);
}

// Told

// A pointer stands for the account: it is unique while that lives.
struct nonce_key {
    uint64_t account;
    uint64_t nonce;
};

static struct nonce_key nonce_key_of(const struct account *account, uint64_t nonce)
{
    return (struct nonce_key){(uintptr_t)account, nonce};
}

static uint64_t nonce_hash(const struct told_memory *memory, const struct nonce_key *key)
{
    return hash_bytes(&memory->key, key, sizeof(*key));
}

static bool nonce_matches(const struct table_node *node, const void *key)
{
    const struct told *told = container_of(node, const struct told, by_nonce);
    const struct nonce_key *wanted = key;
    return told->nonce == wanted->nonce && (uintptr_t)told->account == wanted->account;
}

struct told *told_find(const struct told_memory *memory, const struct account *account,
                       uint64_t nonce)
{
    struct nonce_key key = nonce_key_of(account, nonce);
    struct table_node *node =
        table_find(&memory->by_nonce, nonce_hash(memory, &key), nonce_matches, &key);
    return node == NULL ? NULL : container_of(node, struct told, by_nonce);
}

void told_foresee_nonces(const struct told_memory *memory, const struct account *account,
                         const uint64_t *nonces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct nonce_key key = nonce_key_of(account, nonces[i]);
        table_foresee(&memory->by_nonce, nonce_hash(memory, &key));
    }
}

struct told *told_add(struct told_memory *memory, struct account *account, struct subject *subject,
                      uint64_t nonce, struct instant expires)
{
    struct told *told = slab_take(&memory->tellings);
    struct nonce_key key = nonce_key_of(account, nonce);
    told->subject = subject;
    told->account = account;
    told->nonce = nonce;
    told->expires = expires;
    table_insert(&memory->by_nonce, &told->by_nonce, nonce_hash(memory, &key));
    list_append(&subject->told, &told->of_subject);
    list_append(&account->told, &told->of_account);
    list_append(&memory->uses, &told->use);
    memory->use_count++;
    wheel_put(&memory->expiries, &told->expiry, expires);
    account->told_count++;
    return told;
}

void told_foresee(struct told_memory *memory, const struct foresight *foresight)
{
    for (size_t i = 0; i < foresight->count; i++) {
        const struct foreseen *question = &foresight->questions[i];
        const struct account *account = told_find_account(memory, &question->from);
        if (account == NULL)
            continue;
        struct nonce_key key = nonce_key_of(account, question->nonce);
        table_foresee(&memory->by_nonce, nonce_hash(memory, &key));
    }
    const void *subjects[FORESIGHT_MAX];
    size_t count = foresight_ranges(foresight, &memory->current, &memory->subjects, subjects);
    // What is told joins what was told last of its subject, which may be anywhere.
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(((const struct subject *)subjects[i])->told.previous, 1);
}

static void stop_waiting(struct told_memory *memory, struct told *told)
{
    if (told->pending)
        heap_remove(&memory->deadlines, &told->deadline);
    else
        list_remove(&told->expiry);
}

void told_await(struct told_memory *memory, struct told *told, struct instant deadline)
{
    if (!told->pending) {
        stop_waiting(memory, told);
        told->deadline = (struct heap_node){0};
        told->pending = true;
    }
    heap_set(&memory->deadlines, &told->deadline, deadline);
}

void told_rest(struct told_memory *memory, struct told *told)
{
    stop_waiting(memory, told);
    told->pending = false;
    wheel_put(&memory->expiries, &told->expiry, told->expires);
}

struct told *told_first_expiring(struct told_memory *memory, struct instant now)
{
    struct list_node *node = wheel_first(&memory->expiries, now);
    return node == NULL ? NULL : container_of(node, struct told, expiry);
}

void told_remove(struct told_memory *memory, struct told *told)
{
    struct account *account = told->account;
    struct subject *subject = told->subject;
    table_remove(&memory->by_nonce, &told->by_nonce);
    stop_waiting(memory, told);
    list_remove(&told->of_subject);
    list_remove(&told->of_account);
    list_remove(&told->use);
    account->told_count--;
    if (told->flush)
        account->flush_count--;
    else
        memory->use_count--;
    slab_give(&memory->tellings, told);
    if (list_empty(&subject->told))
        remove_subject(memory, subject);
    if (account->told_count == 0)
        remove_account(memory, account);
}

void told_enqueue(struct told *told)
{
    assert(!told->queued);
    told->queued = true;
    list_remove(&told->of_account);
    list_append(&told->account->queued, &told->of_account);
}

void told_dequeue(struct told *told)
{
    assert(told->queued);
    told->queued = false;
    list_remove(&told->of_account);
    list_append(&told->account->told, &told->of_account);
}

void told_again(struct told_memory *memory, struct told *told)
{
    assert(!told->flush);
    list_remove(&told->use);
    list_append(&memory->uses, &told->use);
    if (told->queued)
        return;
    list_remove(&told->of_account);
    list_append(&told->account->told, &told->of_account);
}

void told_mark_flush(struct told_memory *memory, struct told *told)
{
    assert(!told->flush);
    told->flush = true;
    memory->use_count--;
    told->account->flush_count++;
    list_remove(&told->use);
}
