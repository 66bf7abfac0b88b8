// SPDX-License-Identifier: BSD-2-Clause
#include "query/mab_list.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

// One request: for the root (page "") or a page that is open in the index. It stays open until it
// is answered, at whatever server, so that the index waits for no page in vain.
struct list_request {
    bool open;
    bool unsent; // to be sent, or sent again
    unsigned tries;
    uint64_t nonce;
    uint64_t order; // of all requests
    struct instant due;
    char page[MAB_PAGE_NAME_TEXT_MAX];
};

struct mab_list {
    struct random_source random;
    size_t server_count;
    size_t server; // in use
    struct endpoint servers[LIST_SERVERS_MAX];
    size_t failed_servers; // in a row
    unsigned rests;        // rounds of servers in vain, in a row
    bool resting;          // until `rest_ends`, nobody is asked
    struct instant rest_ends;
    struct instant heard; // when a server answered last
    struct instant poll_due;
    struct instant polled; // when the root was asked for last
    uint64_t orders;       // requests so far
    uint64_t root_order;   // of the request whose reply told the root last
    struct list_request requests[LIST_OPEN_MAX];

    struct mab_index index;
    bool fetching;          // `wanted`
    struct mab_root wanted; // the version that is fetched
    struct mab_root refused_root;
    struct instant refused_until;

    struct mab_root root; // in force
    bool confirmed;       // by a server
    struct mab_set set;
    struct mab_set before;
    bool answered;
    bool version_event, answered_event;
    struct mab_list_counters counters;
};

struct mab_list *mab_list_new(struct random_seed seed, struct instant now)
{
    struct mab_list *list = memory_new(sizeof(*list));
    struct hash_key key;
    random_init(&list->random, seed);
    random_bytes(&list->random, key.bytes, sizeof(key.bytes));
    mab_index_init(&list->index, key);
    list->poll_due = now;
    list->heard = now;
    return list;
}

void mab_list_free(struct mab_list *list)
{
    if (list == NULL)
        return;
    mab_index_release(&list->index);
    mab_set_release(&list->set);
    mab_set_release(&list->before);
    memory_free(list);
}

// Requests

static struct list_request *open_request(struct mab_list *list, const char *page)
{
    for (size_t i = 0; i < LIST_OPEN_MAX; i++) {
        struct list_request *request = &list->requests[i];
        if (request->open)
            continue;
        *request = (struct list_request){
            .open = true,
            .unsent = true,
            .nonce = random_u64(&list->random),
            .order = ++list->orders,
        };
        memcpy(request->page, page, sizeof(request->page));
        return request;
    }
    return NULL;
}

static struct list_request *find_request(struct mab_list *list, uint64_t nonce)
{
    for (size_t i = 0; i < LIST_OPEN_MAX; i++)
        if (list->requests[i].open && list->requests[i].nonce == nonce)
            return &list->requests[i];
    return NULL;
}

static size_t count_open(const struct mab_list *list)
{
    size_t count = 0;
    for (size_t i = 0; i < LIST_OPEN_MAX; i++)
        count += list->requests[i].open;
    return count;
}

// What is open is asked again, of the server that is in use now.
static void send_again(struct mab_list *list)
{
    for (size_t i = 0; i < LIST_OPEN_MAX; i++) {
        list->requests[i].unsent = list->requests[i].open;
        list->requests[i].tries = 0;
    }
}

static struct duration rest_time(unsigned rests)
{
    uint64_t ms = LIST_REST_MS;
    for (unsigned i = 1; i < rests && ms < LIST_REST_MS_MAX; i++)
        ms *= 2;
    return duration_ms(ms < LIST_REST_MS_MAX ? ms : LIST_REST_MS_MAX);
}

static void rest(struct mab_list *list, struct instant now)
{
    list->rests++;
    list->failed_servers = 0;
    list->resting = true;
    list->rest_ends = instant_add(now, rest_time(list->rests));
}

static void next_server(struct mab_list *list)
{
    list->server = list->server + 1 < list->server_count ? list->server + 1 : 0;
}

static void set_answered(struct mab_list *list, bool answered)
{
    if (list->answered != answered)
        list->answered_event = !list->answered_event; // what was not told yet is undone
    list->answered = answered;
}

// The server in use left a request unanswered for too long.
static void lose_server(struct mab_list *list, struct instant now)
{
    list->counters.servers_lost++;
    list->failed_servers++;
    next_server(list);
    send_again(list);
    if (list->failed_servers == list->server_count)
        rest(list, now);
    // For a server that only restarts no ITR withdraws its routes.
    bool silent = instant_since(now, list->heard).ns >= duration_ms(LIST_LOST_MS).ns;
    if (list->rests > 0 && silent)
        set_answered(list, false);
}

void mab_list_set_servers(struct mab_list *list, struct instant now, const struct endpoint *servers,
                          size_t count)
{
    struct endpoint used = {0};
    if (list->server_count > 0)
        used = list->servers[list->server];
    list->server_count = count < LIST_SERVERS_MAX ? count : LIST_SERVERS_MAX;
    list->server = 0;
    list->failed_servers = 0;
    for (size_t i = 0; i < list->server_count; i++) {
        list->servers[i] = servers[i];
        if (endpoint_equal(&servers[i], &used))
            list->server = i;
    }
    if (count == 0)
        set_answered(list, false);
    else if (endpoint_equal(&list->servers[list->server], &used))
        return;
    list->resting = false;
    list->rests = 0;
    list->poll_due = now;
    send_again(list);
}

// Versions

static bool same_root(const struct mab_root *a, const struct mab_root *b)
{
    return a->level == b->level && strcmp(a->page, b->page) == 0;
}

// Nothing is fetched, and the root is asked for again after that time.
static void wait_for_poll(struct mab_list *list, struct instant now, uint64_t ms)
{
    list->fetching = false;
    list->poll_due = instant_add(now, duration_ms(ms));
}

// All pages are there.
static void finish(struct mab_list *list, struct instant now)
{
    struct mab_entries entries;
    wait_for_poll(list, now, LIST_POLL_MS);
    if (!mab_index_gather(&list->index, &list->wanted, &entries)) {
        list->counters.refused++;
        list->refused_root = list->wanted;
        list->refused_until = instant_add(now, duration_ms(LIST_REST_MS_MAX));
        return;
    }
    mab_set_release(&list->before);
    list->before = list->set;
    list->set = mab_set_of_entries(&entries);
    memory_free(entries.items);
    list->root = list->wanted;
    list->confirmed = true;
    list->counters.versions++;
    list->version_event = true;
}

bool mab_list_restore(struct mab_list *list, const struct page_shelf *shelf)
{
    char name[MAB_PAGE_NAME_TEXT_MAX];
    assert(list->root.page[0] == '\0' && !list->fetching);
    struct instant poll_due = list->poll_due;
    list->wanted = *page_shelf_root(shelf);
    mab_index_begin(&list->index, &list->wanted);
    while (mab_index_next(&list->index, name)) {
        size_t length = 0;
        const uint8_t *page = page_shelf_find(shelf, name, &length);
        if (page == NULL)
            mab_index_give_up(&list->index, name);
        if (page == NULL || !mab_index_take(&list->index, name, page, length))
            return false;
    }
    finish(list, list->heard);
    list->poll_due = poll_due; // now, whatever is known
    list->confirmed = false;
    list->counters.versions = 0; // none was told yet
    return list->root.page[0] != '\0';
}

// A server that answers says which version is in force there.
static void note_root(struct mab_list *list, struct instant now, const struct mab_root *root)
{
    if (root->page[0] == '\0') { // it has none yet, and may have soon
        wait_for_poll(list, now, list->root.page[0] == '\0' ? LIST_REST_MS : LIST_POLL_MS);
        return;
    }
    bool refused = same_root(root, &list->refused_root) && instant_before(now, list->refused_until);
    if (same_root(root, &list->root) || refused) {
        if (!refused && !list->confirmed)
            list->version_event = list->confirmed = true;
        wait_for_poll(list, now, LIST_POLL_MS);
        return;
    }
    if (list->fetching && same_root(root, &list->wanted))
        return;
    list->fetching = true;
    list->wanted = *root;
    mab_index_begin(&list->index, root);
}

// The page that a request was for. False where it cannot be had so.
static bool take_page(struct mab_list *list, const struct list_request *request,
                      const struct page_message *reply)
{
    if (reply->status != PAGE_FOUND) {
        mab_index_give_up(&list->index, request->page);
        return false;
    }
    if (mab_index_take(&list->index, request->page, reply->bytes, reply->length)) {
        list->counters.pages++;
        return true;
    }
    list->counters.damaged++;
    return false;
}

// A page could not be had. Where the server names the very version that it belongs to, somebody
// else is asked, after a rest; otherwise it was of a version that is not wanted any more.
static void miss_page(struct mab_list *list, struct instant now, bool needed,
                      const struct page_message *reply)
{
    if (!list->fetching)
        return;
    if (!needed || !same_root(&reply->root, &list->wanted)) {
        mab_index_begin(&list->index, &list->wanted); // what it swept away is wanted
        return;
    }
    list->counters.withheld += reply->status != PAGE_FOUND;
    next_server(list);
    wait_for_poll(list, now, LIST_REST_MS);
}

static void take_reply(struct mab_list *list, struct instant now, struct list_request *request,
                       const struct page_message *reply)
{
    request->open = false;
    list->heard = now;
    list->failed_servers = 0;
    list->rests = 0;
    set_answered(list, true);
    bool of_page = request->page[0] != '\0';
    const struct mab_root wanted = list->wanted;
    bool needed = of_page && mab_index_needs(&list->index, request->page);
    bool missed = of_page && !take_page(list, request, reply);
    if (request->order > list->root_order) {
        list->root_order = request->order;
        note_root(list, now, &reply->root);
    }
    if (missed)
        miss_page(list, now, needed && same_root(&wanted, &list->wanted), reply);
    if (list->fetching && mab_index_idle(&list->index))
        finish(list, now);
}

void mab_list_input(struct mab_list *list, struct instant now, const struct endpoint *from,
                    const uint8_t *bytes, size_t length)
{
    struct page_message reply;
    if (page_message_decode(bytes, length, &reply) != DECODE_OK ||
        reply.type != MESSAGE_PAGE_REPLY) {
        list->counters.dropped_malformed++;
        return;
    }
    if (list->server_count == 0 || !endpoint_equal(from, &list->servers[list->server])) {
        list->counters.dropped_source++;
        return;
    }
    struct list_request *request = find_request(list, reply.nonce);
    if (request == NULL || request->tries == 0 || strcmp(request->page, reply.page) != 0) {
        list->counters.dropped_nonce++;
        return;
    }
    take_reply(list, now, request, &reply);
}

// Sending

static size_t send_request(struct mab_list *list, struct instant now, struct list_request *request,
                           struct endpoint *to, uint8_t *buffer)
{
    assert(request != NULL);
    struct page_message message = {.type = MESSAGE_PAGE_REQUEST, .nonce = request->nonce};
    memcpy(message.page, request->page, sizeof(message.page));
    list->counters.asked++;
    list->counters.repeated += request->tries > 0;
    request->unsent = false;
    request->due = instant_add(now, duration_ms((uint64_t)LIST_RETRY_MS << request->tries));
    request->tries++;
    *to = list->servers[list->server];
    return page_message_encode(&message, buffer, PAGE_MESSAGE_BYTES_MAX);
}

size_t mab_list_next_output(struct mab_list *list, struct instant now, struct endpoint *to,
                            uint8_t *buffer)
{
    char page[MAB_PAGE_NAME_TEXT_MAX];
    if (list->server_count == 0 || list->resting)
        return 0;
    for (size_t i = 0; i < LIST_OPEN_MAX; i++)
        if (list->requests[i].open && list->requests[i].unsent)
            return send_request(list, now, &list->requests[i], to, buffer);
    if (!list->fetching || count_open(list) == LIST_OPEN_MAX || !mab_index_next(&list->index, page))
        return 0;
    return send_request(list, now, open_request(list, page), to, buffer);
}

// Time

static void poll_root(struct mab_list *list, struct instant now)
{
    static const char none[MAB_PAGE_NAME_TEXT_MAX];
    (void)open_request(list, none);
    list->polled = now;
    list->poll_due = INSTANT_NEVER;
}

void mab_list_hurry(struct mab_list *list, struct instant now)
{
    struct instant soon = instant_add(list->polled, duration_ms(LIST_HURRY_MS));
    if (list->fetching || list->poll_due.ns == INSTANT_NEVER.ns) // it is being asked for
        return;
    list->poll_due = instant_earlier(list->poll_due, instant_before(soon, now) ? now : soon);
}

static bool may_poll(const struct mab_list *list)
{
    return !list->fetching && !list->resting && count_open(list) < LIST_OPEN_MAX;
}

struct instant mab_list_next_deadline(const struct mab_list *list)
{
    struct instant deadline = INSTANT_NEVER;
    if (list->server_count == 0)
        return deadline;
    if (list->resting)
        return list->rest_ends;
    for (size_t i = 0; i < LIST_OPEN_MAX; i++)
        if (list->requests[i].open && !list->requests[i].unsent)
            deadline = instant_earlier(deadline, list->requests[i].due);
    return may_poll(list) ? instant_earlier(deadline, list->poll_due) : deadline;
}

void mab_list_tick(struct mab_list *list, struct instant now)
{
    if (list->server_count == 0)
        return;
    if (list->resting && instant_reached(now, list->rest_ends))
        list->resting = false;
    for (size_t i = 0; i < LIST_OPEN_MAX && !list->resting; i++) {
        struct list_request *request = &list->requests[i];
        if (!request->open || request->unsent || instant_before(now, request->due))
            continue;
        if (request->tries == LIST_TRIES_MAX)
            lose_server(list, now);
        else
            request->unsent = true;
    }
    if (may_poll(list) && instant_reached(now, list->poll_due))
        poll_root(list, now);
}

// Telling

bool mab_list_next_event(struct mab_list *list, enum mab_list_event *event)
{
    if (list->answered_event) {
        list->answered_event = false;
        *event = list->answered ? MAB_LIST_FOUND : MAB_LIST_LOST;
        return true;
    }
    if (!list->version_event)
        return false;
    list->version_event = false;
    *event = MAB_LIST_VERSION;
    return true;
}

const struct mab_set *mab_list_set(const struct mab_list *list)
{
    return &list->set;
}

const struct mab_set *mab_list_set_before(const struct mab_list *list)
{
    return &list->before;
}

const struct mab_root *mab_list_root(const struct mab_list *list)
{
    return &list->root;
}

struct page_shelf *mab_list_shelf(struct mab_list *list)
{
    if (list->root.page[0] == '\0' || list->fetching)
        return NULL;
    return page_shelf_of_index(&list->index, &list->root);
}

bool mab_list_confirmed(const struct mab_list *list)
{
    return list->confirmed;
}

bool mab_list_answered(const struct mab_list *list)
{
    return list->answered;
}

const struct endpoint *mab_list_server(const struct mab_list *list)
{
    return list->server_count == 0 ? NULL : &list->servers[list->server];
}

const struct mab_list_counters *mab_list_counters(const struct mab_list *list)
{
    return &list->counters;
}

size_t mab_list_memory(const struct mab_list *list)
{
    size_t prefixes = list->set.mab_count + list->set.refused_count + list->before.mab_count +
                      list->before.refused_count;
    return mab_index_memory(&list->index) + prefixes * sizeof(struct prefix);
}
