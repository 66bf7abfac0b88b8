// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/zone_keeper.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/kept_file.h"
#include "node/query/zone_store.h"
#include "node/whole_file.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define SAVE_DELAY_MS   1000 // changes come several at once
#define ANCHOR_FILE_MAX 65536
#define FILE_NAME       "discovery.zone"

struct zone_keeper {
    struct node *node;
    struct kept_file *file;
    struct discovery *discovery;
    struct zone_store *store;
    struct zone_label label; // `confirmed` 0: never
    bool unconfirmed;
    uint64_t confirmations;          // that the core had counted when we looked last
    struct wall_time saved;          // the time in the file
    struct dns_question root;        // its answer, before the core took over what it names
    struct zone_store *pending_root; // holds it
    bool due;                        // there is something to save
    uv_timer_t timer;
};

// --- saving --------------------------------------------------------------------------------------

// Removes answers that are not in use any more.
static void sweep(struct zone_keeper *keeper)
{
    struct discovery_place place = {0};
    struct dns_question question;
    while (discovery_next_used(keeper->discovery, &place, &question))
        zone_store_mark(keeper->store, &question);
    zone_store_sweep(keeper->store);
}

static void save(struct zone_keeper *keeper)
{
    size_t length = 0;
    sweep(keeper);
    keeper->saved = keeper->label.confirmed;
    keeper->due = false;
    uint8_t *bytes = zone_store_encode(keeper->store, &keeper->label, &length);
    kept_file_write_bytes(keeper->file, bytes, length);
}

static void on_timer(uv_timer_t *timer)
{
    save(timer->data);
}

static void arrange(struct zone_keeper *keeper)
{
    if (keeper->due && !uv_is_active((uv_handle_t *)&keeper->timer))
        (void)uv_timer_start(&keeper->timer, on_timer, SAVE_DELAY_MS, 0);
}

// --- restoring -----------------------------------------------------------------------------------

static bool is_ours(const struct zone_keeper *keeper, const struct zone_label *label,
                    struct error *error)
{
    if (strcmp(label->domain, keeper->label.domain) != 0)
        return error_set(error, ERROR_CONFLICT, "zone-of-others", "it is about %s", label->domain);
    if (memcmp(label->anchor, keeper->label.anchor, sizeof(label->anchor)) != 0)
        return error_set(error, ERROR_CONFLICT, "zone-of-others",
                         "it was validated by another trust anchor");
    uint64_t now = node_wall_time(keeper->node).ms;
    if (now > label->confirmed.ms && (now - label->confirmed.ms) / 1000 > ZONE_KEPT_SECONDS_MAX)
        return error_set(error, ERROR_CONFLICT, "zone-too-old",
                         "DNS confirmed it last %" PRIu64 " days ago",
                         (now - label->confirmed.ms) / 1000 / 86400);
    return true;
}

static struct zone_store *load(const struct zone_keeper *keeper, struct zone_label *label)
{
    size_t length = 0;
    struct error error;
    uint8_t *bytes = kept_file_read(keeper->file, ZONE_STORE_BYTES_MAX, &length);
    if (bytes == NULL)
        return NULL;
    struct zone_store *store = zone_store_decode(bytes, length, label, &error);
    memory_free(bytes);
    if (store != NULL && is_ours(keeper, label, &error))
        return store;
    log_warning("discovery", "%s is not used: %s", kept_file_path(keeper->file), error.text);
    zone_store_free(store);
    return NULL;
}

// What a resolver would do that can answer only from the store.
static void play_resolver(struct discovery *discovery, struct instant now,
                          const struct zone_store *store)
{
    struct dns_question question;
    struct zone_answer kept;
    while (discovery_next_question(discovery, now, &question)) {
        struct dns_answer answer = {.outcome = DNS_FAILED};
        if (zone_store_find(store, &question, &kept))
            answer = (struct dns_answer){.outcome = kept.count > 0 ? DNS_SECURE : DNS_NOTHING,
                                         .count = kept.count,
                                         .records = kept.records};
        discovery_answer(discovery, now, &question, &answer);
    }
}

bool zone_keeper_restore(struct zone_keeper *keeper)
{
    struct zone_label label;
    struct zone_store *store = load(keeper, &label);
    if (store == NULL)
        return false;
    struct instant now = node_now(keeper->node);
    play_resolver(keeper->discovery, now, store);
    discovery_ask_again(keeper->discovery, now);
    if (discovery_page(keeper->discovery)[0] == '\0') {
        log_warning("discovery", "what DNS said of %s was kept, but makes no sense",
                    keeper->label.domain);
        zone_store_free(store);
        return false;
    }
    zone_store_free(keeper->store);
    keeper->store = store;
    keeper->label.confirmed = label.confirmed;
    keeper->saved = label.confirmed;
    keeper->unconfirmed = true;
    log_info("discovery", "%s as DNS confirmed it %" PRId64 " s ago is used until it answers",
             keeper->label.domain, zone_keeper_age_seconds(keeper));
    return true;
}

// --- noting --------------------------------------------------------------------------------------

// What the core had from the root before counts only once all of its pages were there.
static void note_confirmation(struct zone_keeper *keeper)
{
    uint64_t count = discovery_counters(keeper->discovery)->confirmed;
    struct zone_answer root;
    if (count == keeper->confirmations ||
        !zone_store_find(keeper->pending_root, &keeper->root, &root))
        return;
    const struct dns_answer answer = {
        .outcome = DNS_SECURE, .count = root.count, .records = root.records};
    zone_store_put(keeper->store, &keeper->root, &answer);
    keeper->confirmations = count;
    keeper->unconfirmed = false;
    keeper->label.confirmed = node_wall_time(keeper->node);
    uint64_t seconds =
        kept_file_failed(keeper->file) ? KEPT_FILE_RETRY_SECONDS : ZONE_KEPT_REFRESH_SECONDS;
    if (keeper->label.confirmed.ms < keeper->saved.ms ||
        keeper->label.confirmed.ms - keeper->saved.ms >= seconds * 1000)
        keeper->due = true;
}

void zone_keeper_note(struct zone_keeper *keeper, const struct dns_question *question,
                      const struct dns_answer *answer, bool changed)
{
    if (answer->outcome == DNS_SECURE || answer->outcome == DNS_NOTHING) {
        bool is_root =
            question->type == keeper->root.type && strcmp(question->name, keeper->root.name) == 0;
        zone_store_put(is_root ? keeper->pending_root : keeper->store, question, answer);
        if (zone_store_size(keeper->store) > ZONE_STORE_BYTES_MAX)
            sweep(keeper); // of what is asked for, and then never comes into force
    }
    note_confirmation(keeper);
    keeper->due = keeper->due || changed;
    arrange(keeper);
}

bool zone_keeper_unconfirmed(const struct zone_keeper *keeper)
{
    return keeper->unconfirmed;
}

int64_t zone_keeper_age_seconds(const struct zone_keeper *keeper)
{
    uint64_t now = node_wall_time(keeper->node).ms;
    uint64_t confirmed = keeper->label.confirmed.ms;
    if (confirmed == 0)
        return -1;
    return now > confirmed ? (int64_t)((now - confirmed) / 1000) : 0;
}

// --- opening -------------------------------------------------------------------------------------

struct zone_keeper *zone_keeper_open(struct node *node, const char *domain,
                                     const char *trust_anchor, struct discovery *discovery)
{
    struct zone_keeper *keeper = memory_new(sizeof(*keeper));
    struct discovery_place place = {0};
    size_t length = 0;
    keeper->node = node;
    keeper->file = kept_file_open(node, "discovery", "what DNS said", FILE_NAME);
    keeper->discovery = discovery;
    keeper->store = zone_store_new();
    keeper->pending_root = zone_store_new();
    (void)discovery_next_used(discovery, &place, &keeper->root); // the first is the root
    (void)snprintf(keeper->label.domain, sizeof(keeper->label.domain), "%s", domain);
    uint8_t *anchor = whole_file_read(trust_anchor, ANCHOR_FILE_MAX, &length);
    (void)crypto_generichash(keeper->label.anchor, sizeof(keeper->label.anchor), anchor, length,
                             NULL, 0);
    if (anchor == NULL) // though libunbound could read it: it is not known to be that of any file
        randombytes_buf(keeper->label.anchor, sizeof(keeper->label.anchor));
    memory_free(anchor);
    (void)uv_timer_init(node_loop(node), &keeper->timer);
    keeper->timer.data = keeper;
    return keeper;
}

static void on_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

void zone_keeper_close(struct zone_keeper *keeper)
{
    if (keeper == NULL)
        return;
    if (keeper->due)
        save(keeper);
    kept_file_close(keeper->file);
    zone_store_free(keeper->store);
    zone_store_free(keeper->pending_root);
    uv_close((uv_handle_t *)&keeper->timer, on_closed);
}
