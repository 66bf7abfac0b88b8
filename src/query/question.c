// SPDX-License-Identifier: BSD-2-Clause
#include "query/question.h"

#include <assert.h>
#include <string.h>

void questions_init(struct questions *questions, struct hash_key key)
{
    memset(questions, 0, sizeof(*questions));
    questions->key = key;
    slab_init(&questions->slab, sizeof(struct question));
    table_init(&questions->units);
    table_init(&questions->nonces);
    heap_init(&questions->deadlines);
}

void questions_release(struct questions *questions)
{
    heap_release(&questions->deadlines);
    table_release(&questions->nonces);
    table_release(&questions->units);
    slab_release(&questions->slab);
}

// Two questions are the same when they are for the same unit.
struct unit_key {
    uint64_t family;
    uint64_t unit;
};

static struct unit_key unit_key_of(const struct address *address)
{
    return (struct unit_key){address->family, unit_of_address(address).index};
}

static bool unit_matches(const struct table_node *node, const void *key)
{
    const struct question *question = container_of(node, const struct question, by_unit);
    struct unit_key own = unit_key_of(&question->address);
    const struct unit_key *wanted = key;
    return own.family == wanted->family && own.unit == wanted->unit;
}

static uint64_t unit_hash(const struct questions *questions, const struct unit_key *key)
{
    return hash_bytes(&questions->key, key, sizeof(*key));
}

struct question *questions_find(const struct questions *questions, const struct address *address)
{
    struct unit_key key = unit_key_of(address);
    struct table_node *node =
        table_find(&questions->units, unit_hash(questions, &key), unit_matches, &key);
    return node == NULL ? NULL : container_of(node, struct question, by_unit);
}

static bool nonce_matches(const struct table_node *node, const void *key)
{
    return container_of(node, const struct request, by_nonce)->nonce == *(const uint64_t *)key;
}

static uint64_t nonce_hash(const struct questions *questions, uint64_t nonce)
{
    return hash_bytes(&questions->key, &nonce, sizeof(nonce));
}

struct request *questions_find_request(const struct questions *questions, uint64_t nonce)
{
    struct table_node *node =
        table_find(&questions->nonces, nonce_hash(questions, nonce), nonce_matches, &nonce);
    return node == NULL ? NULL : container_of(node, struct request, by_nonce);
}

struct question *questions_first_due(const struct questions *questions)
{
    struct heap_node *node = heap_first(&questions->deadlines);
    return node == NULL ? NULL : container_of(node, struct question, deadline);
}

struct question *questions_open(struct questions *questions, struct instant now,
                                const struct address *address)
{
    struct question *question = slab_take(&questions->slab);
    struct unit_key key = unit_key_of(address);
    question->address = *address;
    question->asked = now;
    question->advised = UPSTREAM_GONE;
    question->event.of_question = true;
    list_init(&question->event.node);
    for (size_t i = 0; i < QUERY_TRIES_MAX; i++)
        question->requests[i].question = question;
    table_insert(&questions->units, &question->by_unit, unit_hash(questions, &key));
    questions->count++;
    return question;
}

void questions_close(struct questions *questions, struct question *question)
{
    assert(!question->closed && questions->count > 0);
    for (size_t i = 0; i < question->request_count; i++)
        questions_close_request(questions, &question->requests[i]);
    table_remove(&questions->units, &question->by_unit);
    heap_remove(&questions->deadlines, &question->deadline);
    question->closed = true;
    questions->count--;
}

void questions_free(struct questions *questions, struct question *question)
{
    assert(question->closed);
    list_remove(&question->event.node);
    slab_give(&questions->slab, question);
}

void questions_open_request(struct questions *questions, struct request *request, uint64_t nonce)
{
    assert(!request->open);
    request->nonce = nonce;
    request->open = true;
    table_insert(&questions->nonces, &request->by_nonce, nonce_hash(questions, nonce));
}

void questions_close_request(struct questions *questions, struct request *request)
{
    if (!request->open)
        return;
    table_remove(&questions->nonces, &request->by_nonce);
    request->open = false;
}

struct question *questions_next(const struct questions *questions, struct question *question)
{
    struct table_node *node =
        table_next(&questions->units, question == NULL ? NULL : &question->by_unit);
    return node == NULL ? NULL : container_of(node, struct question, by_unit);
}

unsigned question_tries(const struct question *question, size_t upstream)
{
    unsigned tries = 0;
    for (size_t i = 0; i < question->request_count; i++)
        tries += question->requests[i].upstream == upstream;
    return tries;
}

bool question_takes(const struct question *question, const struct range *range)
{
    return range_contains_address(range, &question->address) &&
           (!question->bounded || range_contains(&question->mab, range));
}

bool question_declined(const struct question *question, size_t upstream)
{
    for (size_t i = 0; i < question->request_count; i++)
        if (question->requests[i].upstream == upstream && question->requests[i].declined)
            return true;
    return false;
}

bool question_waits(const struct question *question)
{
    for (size_t i = 0; i < question->request_count; i++)
        if (question->requests[i].open)
            return true;
    return false;
}
