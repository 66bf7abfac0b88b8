// SPDX-License-Identifier: BSD-2-Clause
// What caching servers tell on: nothing but what they were told, and for no longer (rule 3).
//
//     QSR  --- Map Request, nonce N, at S ---> server
//          <--- Map Reply N: range -> ETR, for T ---       may be told on until S + T
//          <--- Cache Update N: another ETR, for U ---     that one until then, or U from now
//     querier <--- Map Reply or Cache Update: range -> ETR, for V ---      V from now: no later
//
// It is all read from the wire. Who really sent a datagram is known, so forgeries teach nothing;
// and S is fixed, so a reply that is played again does not, either.
#include "sim/world_state.h"

#include "base/memory.h"

#include <inttypes.h>
#include <string.h>

// What a caching server asked, by the nonce.
struct asked {
    struct table_node place;
    const struct world_qsr *qsr;
    uint64_t nonce;
    struct instant sent;  // last
    struct instant until; // what it was told under the nonce holds
};

// What it was told. Nothing of it outlives the process: `life` says which.
struct lesson {
    struct table_node place;
    const struct world_qsr *qsr;
    unsigned life;
    struct range range;
    struct address etr; // zero: drop
    struct instant until;
};

static bool asked_matches(const struct table_node *node, const void *key)
{
    const struct asked *asked = container_of(node, const struct asked, place);
    const struct asked *wanted = key;
    return asked->qsr == wanted->qsr && asked->nonce == wanted->nonce;
}

static bool lesson_matches(const struct table_node *node, const void *key)
{
    const struct lesson *lesson = container_of(node, const struct lesson, place);
    const struct lesson *wanted = key;
    return lesson->qsr == wanted->qsr && lesson->life == wanted->life &&
           range_equal(&lesson->range, &wanted->range) && address_equal(&lesson->etr, &wanted->etr);
}

static struct asked *find_asked(const struct world *world, const struct asked *key)
{
    struct table_node *node =
        table_find(&world->asked, hash_bytes(&world->key, &key->nonce, sizeof(key->nonce)),
                   asked_matches, key);
    return node == NULL ? NULL : container_of(node, struct asked, place);
}

static uint64_t lesson_hash(const struct world *world, const struct lesson *key)
{
    return hash_bytes(&world->key, &key->range.start, sizeof(key->range.start));
}

static struct lesson *find_lesson(const struct world *world, const struct lesson *key)
{
    struct table_node *node =
        table_find(&world->lessons, lesson_hash(world, key), lesson_matches, key);
    return node == NULL ? NULL : container_of(node, struct lesson, place);
}

// The caching server with that number among all nodes, or NULL.
static struct world_qsr *caching_server(struct world *world, size_t node)
{
    bool is = node >= world->qsa_count && node < world->qsa_count + world->qsr_count;
    return is ? &world->qsrs[node - world->qsa_count] : NULL;
}

static bool tells_mapping(const struct query_message *message)
{
    return (message->type == MESSAGE_MAP_REPLY || message->type == MESSAGE_CACHE_UPDATE) &&
           (message->status == QUERY_MAPPED || message->status == QUERY_ZERO);
}

static struct lesson lesson_of(const struct world_qsr *qsr, const struct query_message *message)
{
    return (struct lesson){
        .qsr = qsr,
        .life = qsr->life,
        .range = message->range,
        .etr = message->status == QUERY_MAPPED ? message->etr : ADDRESS_ZERO,
    };
}

static struct instant later(struct instant a, struct instant b)
{
    return instant_before(a, b) ? b : a;
}

// Being told

static void note_request(struct world *world, struct instant now, const struct world_qsr *qsr,
                         const struct query_message *message)
{
    struct asked key = {.qsr = qsr, .nonce = message->nonce};
    struct asked *asked = find_asked(world, &key);
    if (asked == NULL) {
        asked = memory_new(sizeof(*asked));
        *asked = key;
        table_insert(&world->asked, &asked->place,
                     hash_bytes(&world->key, &key.nonce, sizeof(key.nonce)));
    }
    asked->sent = now;
}

static void learn(struct world *world, const struct lesson *heard)
{
    struct lesson *lesson = find_lesson(world, heard);
    if (lesson == NULL) {
        lesson = memory_new(sizeof(*lesson));
        *lesson = *heard;
        table_insert(&world->lessons, &lesson->place, lesson_hash(world, heard));
    }
    lesson->until = later(lesson->until, heard->until);
}

void world_note_told(struct world *world, struct instant now,
                     const struct engine_datagram *datagram, const struct query_message *message)
{
    const struct world_qsr *qsr = caching_server(world, datagram->to_node);
    struct asked key = {.qsr = qsr, .nonce = message->nonce};
    if (qsr == NULL || datagram->from_node == world->attacker || !tells_mapping(message))
        return;
    struct asked *asked = find_asked(world, &key);
    if (asked == NULL)
        return;
    struct duration caching = duration_ms(message->caching_ms);
    struct lesson heard = lesson_of(qsr, message);
    asked->until = later(asked->until, instant_add(asked->sent, caching));
    heard.until = asked->until;
    if (message->type == MESSAGE_CACHE_UPDATE)
        heard.until = instant_earlier(heard.until, instant_add(now, caching));
    learn(world, &heard);
}

// Telling

void world_check_told_on(struct world *world, struct instant now,
                         const struct engine_datagram *datagram,
                         const struct query_message *message)
{
    char range[RANGE_TEXT_MAX];
    char etr[ADDRESS_TEXT_MAX];
    const struct world_qsr *qsr = caching_server(world, datagram->from_node);
    if (qsr == NULL)
        return;
    if (message->type == MESSAGE_MAP_REQUEST)
        note_request(world, now, qsr, message);
    if (!tells_mapping(message))
        return;
    struct lesson key = lesson_of(qsr, message);
    const struct lesson *lesson = find_lesson(world, &key);
    struct instant until = instant_add(now, duration_ms(message->caching_ms));
    (void)range_print(&message->range, range);
    (void)address_print(&message->etr, etr);
    if (lesson == NULL)
        world_fail(world, WORLD_CHECK_TELLING, "%s tells that %s is mapped to %s, which it was not",
                   qsr->name, range, etr);
    else if (message->caching_ms > 0 && instant_before(lesson->until, until)) // 0: not to be cached
        world_fail(world, WORLD_CHECK_TELLING,
                   "%s tells %s for %" PRIu64 " ms longer than it was told", qsr->name, range,
                   (instant_since(until, lesson->until).ns + 999999) / 1000000);
}

void world_free_lessons(struct world *world)
{
    struct table_node *next;
    for (struct table_node *node = table_next(&world->asked, NULL); node != NULL; node = next) {
        next = table_next(&world->asked, node);
        memory_free(container_of(node, struct asked, place));
    }
    for (struct table_node *node = table_next(&world->lessons, NULL); node != NULL; node = next) {
        next = table_next(&world->lessons, node);
        memory_free(container_of(node, struct lesson, place));
    }
    table_release(&world->asked);
    table_release(&world->lessons);
}
