// SPDX-License-Identifier: BSD-2-Clause
// What caching servers tell on, and what ITRs believe: nothing but what they were told, and for no
// longer (rule 3).
//
//     QSR  --- Map Request, nonce N, at S ---> server
//          <--- Map Reply N: range -> ETR, for T ---       may be told on until S + T
//          <--- Cache Update N: another ETR, for U ---     that one until then, or U from now
//     querier <--- Map Reply or Cache Update: range -> ETR, for V ---      V from now: no later
//
// It is all read from the wire. Who really sent a datagram is known, so forgeries teach nothing;
// and S is fixed, so a reply that is played again does not, either.
#include "sim/checks/checks.h"

#include "base/memory.h"

#include <inttypes.h>
#include <string.h>

// What a node asked, by the nonce.
struct asked {
    struct table_node place;
    size_t node;
    uint64_t nonce;
    struct instant sent;  // last
    struct instant until; // what it was told under the nonce holds
};

// What it was told. Nothing of it outlives the process: `life` says which.
struct lesson {
    struct table_node place;
    size_t node;
    unsigned life;
    struct range range;
    struct address etr; // zero: drop
    struct instant until;
};

static bool asked_matches(const struct table_node *node, const void *key)
{
    const struct asked *asked = container_of(node, const struct asked, place);
    const struct asked *wanted = key;
    return asked->node == wanted->node && asked->nonce == wanted->nonce;
}

static bool lesson_matches(const struct table_node *node, const void *key)
{
    const struct lesson *lesson = container_of(node, const struct lesson, place);
    const struct lesson *wanted = key;
    return lesson->node == wanted->node && lesson->life == wanted->life &&
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

// Whether a node asks others: a caching server or an ITR. Fills in how often it has started.
static bool is_asker(const struct world *world, size_t node, unsigned *life)
{
    size_t first_itr = world->qsa_count + world->qsr_count;
    if (node >= world->qsa_count && node < first_itr)
        *life = world->qsrs[node - world->qsa_count].life;
    else if (node >= first_itr && node < world->config.node_count)
        *life = world->itrs[node - first_itr].usage.life;
    else
        return false;
    return true;
}

bool world_tells_mapping(const struct query_message *message)
{
    return (message->type == MESSAGE_MAP_REPLY || message->type == MESSAGE_CACHE_UPDATE) &&
           (message->status == QUERY_MAPPED || message->status == QUERY_ZERO);
}

static struct lesson lesson_of(size_t node, unsigned life, const struct query_message *message)
{
    return (struct lesson){
        .node = node,
        .life = life,
        .range = message->range,
        .etr = message->status == QUERY_MAPPED ? message->etr : ADDRESS_ZERO,
    };
}

static struct instant later(struct instant a, struct instant b)
{
    return instant_before(a, b) ? b : a;
}

// Being told

static void note_request(struct world *world, struct instant now, size_t node,
                         const struct query_message *message)
{
    struct asked key = {.node = node, .nonce = message->nonce};
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
    unsigned life = 0;
    struct asked key = {.node = datagram->to_node, .nonce = message->nonce};
    if (!is_asker(world, datagram->to_node, &life) || datagram->from_node == world->attacker ||
        !world_tells_mapping(message))
        return;
    struct asked *asked = find_asked(world, &key);
    if (asked == NULL)
        return;
    struct duration caching = duration_ms(message->caching_ms);
    struct lesson heard = lesson_of(datagram->to_node, life, message);
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
    unsigned life = 0;
    size_t node = datagram->from_node;
    if (!is_asker(world, node, &life))
        return;
    if (message->type == MESSAGE_MAP_REQUEST)
        note_request(world, now, node, message);
    if (!world_tells_mapping(message))
        return;
    struct lesson key = lesson_of(node, life, message);
    const struct lesson *lesson = find_lesson(world, &key);
    const char *name = world->config.nodes[node].name;
    struct instant until = instant_add(now, duration_ms(message->caching_ms));
    (void)range_print(&message->range, range);
    (void)address_print(&message->etr, etr);
    if (lesson == NULL)
        world_fail(world, WORLD_CHECK_TELLING, "%s tells that %s is mapped to %s, which it was not",
                   name, range, etr);
    else if (message->caching_ms > 0 && instant_before(lesson->until, until)) // 0: not to be cached
        world_fail(world, WORLD_CHECK_TELLING,
                   "%s tells %s for %" PRIu64 " ms longer than it was told", name, range,
                   (instant_since(until, lesson->until).ns + 999999) / 1000000);
}

// Believing

void world_check_learned(const struct world_itr *itr, const struct range *range,
                         const struct address *etr, struct instant until)
{
    struct world *world = itr->world;
    char range_text[RANGE_TEXT_MAX];
    char etr_text[ADDRESS_TEXT_MAX];
    struct lesson key = {.node = itr->node, .life = itr->usage.life, .range = *range, .etr = *etr};
    const struct lesson *lesson = find_lesson(world, &key);
    (void)range_print(range, range_text);
    (void)address_print(etr, etr_text);
    if (lesson == NULL)
        world_fail(world, WORLD_CHECK_TELLING,
                   "%s believes that %s is mapped to %s, and was not told", itr->name, range_text,
                   etr_text);
    else if (instant_before(lesson->until, until))
        world_fail(world, WORLD_CHECK_TELLING,
                   "%s believes %s for %" PRIu64 " ms longer than it was told", itr->name,
                   range_text, (instant_since(until, lesson->until).ns + 999999) / 1000000);
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
