// SPDX-License-Identifier: BSD-2-Clause
#include "tunnel/hold.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/table.h"

#include <assert.h>
#include <string.h>

#define NO_CHUNK UINT32_MAX

struct chunk {
    uint32_t next;
    uint8_t bytes[HOLD_CHUNK_BYTES];
};

struct held {
    struct list_node node; // in a question, in ready, or free
    uint32_t length;
    uint32_t chunk; // the first of its chain
    bool failed;    // ready because there is no answer
    struct offload offload;
};

struct question {
    struct table_node by_unit;
    struct heap_node deadline;
    struct list_node unasked; // in hold->unasked until it was given out
    struct list_node age;     // in hold->waiting (oldest first), hold->failed, or free
    struct list_node packets;
    size_t packet_count;
    enum family family;
    struct unit unit;
    bool failed;
    bool asked; // it stands in hold->unasked, or was given out
};

struct hold {
    struct hash_key key;
    struct duration time;
    struct chunk *chunks;
    size_t chunk_count;
    uint32_t free_chunk;
    size_t free_chunk_count;
    struct held *held;
    struct list_node free_held;
    struct list_node ready;
    struct question *questions;
    struct list_node free_questions;
    struct list_node waiting;
    struct list_node failed;
    struct list_node unasked;
    struct table by_unit;
    struct heap deadlines;
    size_t packets;
    struct hold_counters counters;
};

struct hold *hold_new(size_t packets, struct duration time, struct hash_key key)
{
    assert(packets > 0);
    struct hold *hold = memory_new(sizeof(*hold));
    hold->key = key;
    hold->time = time;
    size_t chunks = packets * HOLD_CHUNKS_PER_PACKET;
    assert(chunks < NO_CHUNK);
    hold->chunk_count = chunks;
    hold->chunks = memory_new_array(chunks, sizeof(struct chunk));
    hold->free_chunk = NO_CHUNK;
    for (size_t i = chunks; i > 0; i--) {
        hold->chunks[i - 1].next = hold->free_chunk;
        hold->free_chunk = (uint32_t)(i - 1);
    }
    hold->free_chunk_count = chunks;
    list_init(&hold->free_held);
    list_init(&hold->ready);
    list_init(&hold->free_questions);
    list_init(&hold->waiting);
    list_init(&hold->failed);
    list_init(&hold->unasked);
    hold->held = memory_new_array(packets, sizeof(struct held));
    hold->questions = memory_new_array(packets, sizeof(struct question));
    for (size_t i = 0; i < packets; i++) {
        list_append(&hold->free_held, &hold->held[i].node);
        list_append(&hold->free_questions, &hold->questions[i].age);
        list_init(&hold->questions[i].unasked);
        list_init(&hold->questions[i].packets);
    }
    table_init(&hold->by_unit);
    heap_init(&hold->deadlines);
    return hold;
}

void hold_free(struct hold *hold)
{
    if (hold == NULL)
        return;
    table_release(&hold->by_unit);
    heap_release(&hold->deadlines);
    memory_free(hold->chunks);
    memory_free(hold->held);
    memory_free(hold->questions);
    memory_free(hold);
}

struct unit_key {
    enum family family;
    struct unit unit;
};

static uint64_t unit_hash(const struct hold *hold, enum family family, struct unit unit)
{
    uint64_t words[2] = {(uint64_t)family, unit.index};
    return hash_bytes(&hold->key, words, sizeof(words));
}

static bool unit_matches(const struct table_node *node, const void *key)
{
    const struct question *question = container_of(node, struct question, by_unit);
    const struct unit_key *wanted = key;
    return question->family == wanted->family && question->unit.index == wanted->unit.index;
}

static struct question *find_question(const struct hold *hold, enum family family, struct unit unit)
{
    struct unit_key key = {family, unit};
    struct table_node *node =
        table_find(&hold->by_unit, unit_hash(hold, family, unit), unit_matches, &key);
    return node == NULL ? NULL : container_of(node, struct question, by_unit);
}

static void free_held(struct hold *hold, struct held *held)
{
    for (uint32_t chunk = held->chunk; chunk != NO_CHUNK;) {
        uint32_t next = hold->chunks[chunk].next;
        hold->chunks[chunk].next = hold->free_chunk;
        hold->free_chunk = chunk;
        hold->free_chunk_count++;
        chunk = next;
    }
    held->chunk = NO_CHUNK;
    list_remove(&held->node);
    list_append(&hold->free_held, &held->node);
    assert(hold->packets > 0);
    hold->packets--;
}

static void forget_question(struct hold *hold, struct question *question)
{
    assert(question->packet_count == 0);
    table_remove(&hold->by_unit, &question->by_unit);
    heap_remove(&hold->deadlines, &question->deadline);
    list_remove(&question->unasked);
    list_remove(&question->age);
    list_append(&hold->free_questions, &question->age);
}

static void displace_oldest(struct hold *hold)
{
    struct list_node *node = list_first(&hold->waiting);
    assert(node != NULL);
    struct question *oldest = container_of(node, struct question, age);
    struct list_node *packet = list_first(&oldest->packets);
    if (packet != NULL) {
        free_held(hold, container_of(packet, struct held, node));
        oldest->packet_count--;
        hold->counters.displaced++;
    }
    if (oldest->packet_count == 0)
        forget_question(hold, oldest);
}

static struct question *new_question(struct hold *hold, struct instant now, enum family family,
                                     struct unit unit)
{
    if (list_empty(&hold->free_questions)) {
        struct list_node *failed = list_first(&hold->failed);
        if (failed != NULL)
            forget_question(hold, container_of(failed, struct question, age));
        while (list_empty(&hold->free_questions))
            displace_oldest(hold);
    }
    struct list_node *node = list_first(&hold->free_questions);
    assert(node != NULL);
    struct question *question = container_of(node, struct question, age);
    question->family = family;
    question->unit = unit;
    question->failed = false;
    question->asked = false;
    list_remove(&question->age);
    list_append(&hold->waiting, &question->age);
    table_insert(&hold->by_unit, &question->by_unit, unit_hash(hold, family, unit));
    heap_set(&hold->deadlines, &question->deadline, instant_add(now, hold->time));
    return question;
}

// Takes the first free slot and chunks and copies the packet; there must be enough of both.
static struct held *copy_packet(struct hold *hold, const uint8_t *bytes, uint32_t length,
                                const struct offload *offload)
{
    struct list_node *node = list_first(&hold->free_held);
    assert(node != NULL);
    list_remove(node);
    struct held *held = container_of(node, struct held, node);
    held->length = length;
    held->offload = *offload;
    held->failed = false;
    uint32_t *link = &held->chunk;
    for (uint32_t at = 0; at < length; at += HOLD_CHUNK_BYTES) {
        uint32_t chunk = hold->free_chunk;
        assert(chunk != NO_CHUNK);
        hold->free_chunk = hold->chunks[chunk].next;
        hold->free_chunk_count--;
        uint32_t part = length - at < HOLD_CHUNK_BYTES ? length - at : HOLD_CHUNK_BYTES;
        memcpy(hold->chunks[chunk].bytes, bytes + at, part);
        *link = chunk;
        link = &hold->chunks[chunk].next;
    }
    *link = NO_CHUNK;
    hold->packets++;
    return held;
}

static void ask_for(struct hold *hold, struct question *question)
{
    if (question->asked)
        return;
    question->asked = true;
    list_append(&hold->unasked, &question->unasked);
}

void hold_ask(struct hold *hold, struct instant now, enum family family, struct unit unit)
{
    struct question *question = find_question(hold, family, unit);
    if (question == NULL)
        question = new_question(hold, now, family, unit);
    if (!question->failed)
        ask_for(hold, question);
}

enum hold_result hold_put(struct hold *hold, struct instant now, enum family family,
                          struct unit unit, const uint8_t *bytes, uint32_t length,
                          const struct offload *offload, bool ask)
{
    assert(length > 0 && length <= PACKET_BYTES_MAX);
    struct question *question = find_question(hold, family, unit);
    if (question != NULL && question->failed)
        return HOLD_NO_ANSWER;
    size_t chunks = (length + HOLD_CHUNK_BYTES - 1) / HOLD_CHUNK_BYTES;
    bool refused = chunks > hold->chunk_count ||
                   (question != NULL && question->packet_count >= HOLD_PACKETS_PER_UNIT);
    while (!refused && (list_empty(&hold->free_held) || hold->free_chunk_count < chunks)) {
        // The oldest question may be this one: then it keeps what it has.
        struct list_node *oldest = list_first(&hold->waiting);
        refused = oldest == NULL || (question != NULL && oldest == &question->age);
        if (!refused)
            displace_oldest(hold);
    }
    if (refused)
        return HOLD_FULL;
    if (question == NULL)
        question = new_question(hold, now, family, unit);
    if (ask)
        ask_for(hold, question);
    struct held *held = copy_packet(hold, bytes, length, offload);
    list_append(&question->packets, &held->node);
    question->packet_count++;
    hold->counters.kept++;
    return HOLD_KEPT;
}

bool hold_next_question(struct hold *hold, struct address *address)
{
    struct list_node *node = list_first(&hold->unasked);
    if (node == NULL)
        return false;
    struct question *question = container_of(node, struct question, unasked);
    list_remove(node);
    *address = unit_address(question->family, question->unit);
    return true;
}

static void make_ready(struct hold *hold, struct question *question, bool failed)
{
    for (struct list_node *node; (node = list_first(&question->packets)) != NULL;) {
        list_remove(node);
        list_append(&hold->ready, node);
        container_of(node, struct held, node)->failed = failed;
    }
    question->packet_count = 0;
}

static void release_in(struct hold *hold, struct list_node *list, const struct range *range)
{
    for (struct list_node *node = list->next; node != list;) {
        struct question *question = container_of(node, struct question, age);
        node = node->next;
        if (!range_contains_unit(range, question->family, question->unit))
            continue;
        make_ready(hold, question, false);
        forget_question(hold, question);
    }
}

void hold_release(struct hold *hold, const struct range *range)
{
    // Questions are at most as many as packets may be held, so looking at each is cheap enough.
    release_in(hold, &hold->waiting, range);
    release_in(hold, &hold->failed, range);
}

static void fail_question(struct hold *hold, struct instant now, struct question *question)
{
    make_ready(hold, question, true);
    question->failed = true;
    list_remove(&question->unasked);
    list_remove(&question->age);
    list_append(&hold->failed, &question->age);
    heap_set(&hold->deadlines, &question->deadline,
             instant_add(now, duration_s(HOLD_FAILED_SECONDS)));
}

void hold_fail(struct hold *hold, struct instant now, enum family family, struct unit unit)
{
    struct question *question = find_question(hold, family, unit);
    if (question != NULL && !question->failed)
        fail_question(hold, now, question);
}

bool hold_next_ready(struct hold *hold, uint8_t *buffer, uint32_t *length, struct offload *offload)
{
    struct list_node *node = list_first(&hold->ready);
    if (node == NULL)
        return false;
    struct held *held = container_of(node, struct held, node);
    uint32_t at = 0;
    for (uint32_t chunk = held->chunk; chunk != NO_CHUNK; chunk = hold->chunks[chunk].next) {
        uint32_t left = held->length - at;
        uint32_t part = left < HOLD_CHUNK_BYTES ? left : HOLD_CHUNK_BYTES;
        memcpy(buffer + at, hold->chunks[chunk].bytes, part);
        at += part;
    }
    assert(at == held->length);
    *length = held->length;
    *offload = held->offload;
    hold->counters.released += !held->failed;
    free_held(hold, held);
    return true;
}

struct instant hold_next_deadline(const struct hold *hold)
{
    return heap_deadline(&hold->deadlines);
}

// Nobody asked, so nothing is known to be wrong: the packets go, and their senders are told
// nothing.
static void drop_unasked(struct hold *hold, struct question *question)
{
    for (struct list_node *node; (node = list_first(&question->packets)) != NULL;) {
        free_held(hold, container_of(node, struct held, node));
        hold->counters.unasked++;
    }
    question->packet_count = 0;
    forget_question(hold, question);
}

void hold_tick(struct hold *hold, struct instant now)
{
    while (instant_reached(now, heap_deadline(&hold->deadlines))) {
        struct question *question =
            container_of(heap_first(&hold->deadlines), struct question, deadline);
        if (question->failed) {
            forget_question(hold, question);
        } else if (!question->asked) {
            drop_unasked(hold, question);
        } else {
            hold->counters.timed_out++;
            fail_question(hold, now, question);
        }
    }
}

size_t hold_packets(const struct hold *hold)
{
    return hold->packets;
}

size_t hold_questions(const struct hold *hold)
{
    return hold->by_unit.count;
}

const struct hold_counters *hold_counters(const struct hold *hold)
{
    return &hold->counters;
}
