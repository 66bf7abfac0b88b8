// SPDX-License-Identifier: BSD-2-Clause
#include "node/push/feed_fetch.h"

#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "node/http/http_client.h"
#include "wire/payload.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define URL_MAX                 600
#define PAYLOADS_TIMEOUT_MS     2000
#define DIRECTORY_TIMEOUT_MS    20000
#define SNAPSHOT_TIMEOUT_S      600
#define SNAPSHOT_UNIT_BYTES     32 // more than a unit's micronet ever takes in a snapshot
#define SNAPSHOT_OVERHEAD_BYTES ((size_t)1 << 20)

// How a RUAS could be reached lately.
struct source {
    size_t url;   // that was of use last: tried first
    bool failing; // the last answer was of no use, which was said
};

struct feed_fetcher {
    struct node *node;
    const struct feed_ruas *ruas;
    feed_fetched *fetched;
    void *state;
    struct http_client *client;
    struct source *sources; // for each RUAS
    struct list_node gets;
    bool stopping;
    size_t users; // the owner and the workers
};

// One fetch, and then perhaps the work on what it brought.
struct get {
    struct list_node node;
    struct feed_fetcher *fetcher;
    struct receiver_event event;
    size_t url_number;
    char url[URL_MAX];
    struct http_fetch *fetch; // NULL once it has ended
    uv_work_t work;
    struct public_key key;
    uint8_t *bytes; // of a directory or snapshot
    size_t length;
    bool good; // they are one
    struct directory directory;
    struct snapshot_info info;
    struct mapping *mapping;
    struct error error;
};

static void release(struct feed_fetcher *fetcher)
{
    assert(fetcher->users > 0);
    if (--fetcher->users > 0)
        return;
    memory_free(fetcher->sources);
    memory_free(fetcher);
}

static void free_get(struct get *get)
{
    list_remove(&get->node);
    directory_release(&get->directory);
    mapping_free(get->mapping);
    memory_free(get->bytes);
    memory_free(get);
}

// A RUAS that cannot be reached, or answers nonsense, is worth one line and not one for each try.
static void report(const struct get *get, const char *problem)
{
    struct source *source = &get->fetcher->sources[get->event.ruas];
    if (source->failing || get->event.kind == RECEIVER_FETCH_PAYLOADS)
        log_debug("feed", "%s: %s", get->url, problem);
    else
        log_warning("feed", "%s: %s; it is tried again from time to time", get->url, problem);
    source->failing = true;
}

static void report_good(const struct get *get)
{
    struct source *source = &get->fetcher->sources[get->event.ruas];
    source->url = get->url_number;
    if (source->failing)
        log_info("feed", "%s: answers", get->url);
    source->failing = false;
}

static void hand_over(struct get *get, struct feed_fetched *fetched)
{
    struct feed_fetcher *fetcher = get->fetcher;
    fetched->event = get->event;
    if (fetcher->fetched(fetcher->state, fetched))
        report_good(get);
    free_get(get);
}

static void take_payloads(struct get *get, const struct http_answer *answer)
{
    struct feed_fetched fetched = {.result = FETCH_FAILED};
    if (answer->status == 200) {
        fetched.result = FETCH_DONE;
        fetched.bytes = answer->bytes;
        fetched.length = answer->length;
    } else if (answer->status == 410)
        fetched.result = FETCH_GONE;
    else if (answer->status == 404)
        fetched.result = FETCH_NOT_YET;
    hand_over(get, &fetched);
}

static void check(uv_work_t *work)
{
    struct get *get = work->data;
    if (get->event.kind == RECEIVER_FETCH_DIRECTORY)
        get->good =
            directory_read(get->bytes, get->length, &get->key, &get->directory, &get->error);
    else
        get->good = snapshot_read(get->bytes, get->length, &get->key, &get->info, &get->mapping,
                                  &get->error);
}

static void on_checked(uv_work_t *work, int status)
{
    struct get *get = work->data;
    struct feed_fetcher *fetcher = get->fetcher;
    (void)status; // nothing cancels it
    if (fetcher->stopping)
        free_get(get);
    else {
        struct feed_fetched fetched = {.info = get->info, .mapping = get->mapping};
        if (!get->good)
            report(get, get->error.text);
        else if (get->event.kind == RECEIVER_FETCH_DIRECTORY)
            fetched.directory = &get->directory;
        get->mapping = NULL;
        hand_over(get, &fetched);
    }
    release(fetcher);
}

// A directory or snapshot.
static void take_document(struct get *get, struct http_answer *answer)
{
    if (answer->status != 200) {
        struct feed_fetched fetched = {0};
        hand_over(get, &fetched);
        return;
    }
    get->bytes = answer->bytes;
    get->length = answer->length;
    answer->bytes = NULL;
    get->work.data = get;
    int result = uv_queue_work(node_loop(get->fetcher->node), &get->work, check, on_checked);
    assert(result == 0);
    (void)result;
    get->fetcher->users++;
}

static void on_answered(void *state, struct http_answer *answer)
{
    struct get *get = state;
    get->fetch = NULL;
    if (answer->status == 0)
        report(get, answer->problem);
    else if (answer->status != 200 && answer->status != 404 &&
             answer->status != 410) { // those are answers, too
        char problem[64];
        (void)snprintf(problem, sizeof(problem), "answered with status %u", answer->status);
        report(get, problem);
    }
    if (get->event.kind == RECEIVER_FETCH_PAYLOADS)
        take_payloads(get, answer);
    else
        take_document(get, answer);
}

struct feed_fetcher *feed_fetcher_new(struct node *node, const struct feed_ruas *ruas,
                                      size_t ruas_count, feed_fetched *fetched, void *state)
{
    struct feed_fetcher *fetcher = memory_new(sizeof(*fetcher));
    fetcher->node = node;
    fetcher->ruas = ruas;
    fetcher->fetched = fetched;
    fetcher->state = state;
    fetcher->client = http_client_new(node);
    fetcher->sources = memory_new_array(ruas_count, sizeof(*fetcher->sources));
    fetcher->users = 1;
    list_init(&fetcher->gets);
    return fetcher;
}

void feed_fetcher_stop(struct feed_fetcher *fetcher)
{
    fetcher->stopping = true;
    struct list_node *node = fetcher->gets.next;
    while (node != &fetcher->gets) {
        struct get *get = container_of(node, struct get, node);
        node = node->next;
        if (get->fetch == NULL)
            continue; // a worker has it, and frees it
        http_client_cancel(get->fetch);
        free_get(get);
    }
    // Those that remain are in no list that ends with the fetcher.
    for (node = list_first(&fetcher->gets); node != NULL; node = list_first(&fetcher->gets))
        list_remove(node);
    http_client_free(fetcher->client);
    release(fetcher);
}

// The largest snapshot that a MAB can have.
static size_t snapshot_most(const struct prefix *mab)
{
    struct range units;
    if (!range_of_prefix(mab, &units, NULL) ||
        units.length.units > SNAPSHOT_BYTES_MAX / SNAPSHOT_UNIT_BYTES)
        return SNAPSHOT_BYTES_MAX;
    return (size_t)units.length.units * SNAPSHOT_UNIT_BYTES + SNAPSHOT_OVERHEAD_BYTES;
}

// Writes the URL of what an event asks for, and gives the limits of its fetch.
static struct duration describe(struct get *get, const char *base, size_t *most)
{
    const struct receiver_event *event = &get->event;
    char address[ADDRESS_TEXT_MAX];
    if (event->kind == RECEIVER_FETCH_DIRECTORY) {
        (void)snprintf(get->url, sizeof(get->url), "%s/v1/directory", base);
        *most = DIRECTORY_BYTES_MAX;
        return duration_ms(DIRECTORY_TIMEOUT_MS);
    }
    if (event->kind == RECEIVER_FETCH_PAYLOADS) {
        (void)snprintf(get->url, sizeof(get->url),
                       "%s/v1/payloads/%" PRIu64 "/%" PRIu64 "-%" PRIu64, base, event->epoch,
                       event->first, event->last);
        *most = (size_t)(event->last - event->first + 1) * (PAYLOAD_BYTES_MAX + 2);
        return duration_ms(PAYLOADS_TIMEOUT_MS);
    }
    assert(event->kind == RECEIVER_FETCH_SNAPSHOT);
    (void)snprintf(get->url, sizeof(get->url), "%s/v1/snapshots/%s-%u/latest?least=%" PRIu64, base,
                   address_print(&event->mab.address, address), event->mab.length, event->sequence);
    *most = snapshot_most(&event->mab);
    return duration_s(SNAPSHOT_TIMEOUT_S);
}

void feed_fetcher_get(struct feed_fetcher *fetcher, const struct receiver_event *event)
{
    const struct feed_ruas *ruas = &fetcher->ruas[event->ruas];
    struct get *get = memory_new(sizeof(*get));
    get->fetcher = fetcher;
    get->event = *event;
    get->key = ruas->key;
    list_init(&get->node);
    list_append(&fetcher->gets, &get->node);
    size_t most = 0;
    get->url_number = (fetcher->sources[event->ruas].url + event->attempt) % ruas->url_count;
    struct duration timeout = describe(get, ruas->urls[get->url_number], &most);
    get->fetch = http_client_get(fetcher->client, get->url, most, timeout, on_answered, get);
}
