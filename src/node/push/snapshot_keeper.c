// SPDX-License-Identifier: BSD-2-Clause
#include "node/push/snapshot_keeper.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/table.h"
#include "node/push/set_log.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define TICK_MS       500
#define ANEW_SECONDS  60 // before the master, of which no snapshot could be written, is tried again
#define VERSIONS_KEPT 2  // the newest, and the one before for those who are fetching it

struct kept_mab {
    struct table_node by_prefix;
    size_t number;
    const struct mapping *mapping; // the master
    struct prefix mab;
    uint64_t sequence; // of the last set handed over
    bool hash_known;
    struct mapping_hash hash;                   // after it
    bool anew;                                  // a worker failed: to be written from the master
    struct instant anew_at;                     // but not before
    struct snapshot_file *files[VERSIONS_KEPT]; // newest first
    struct instant made_at;
    struct set_log log; // sets behind the newest snapshot
    bool wanted;
};

struct waiter {
    struct list_node node;
    struct kept_mab *kept;
    uint64_t least;
    snapshot_given *given;
    void *state;
};

// What the worker does; it touches nothing else.
struct job {
    uv_work_t work;
    struct snapshot_keeper *keeper;
    struct kept_mab *kept;
    struct snapshot_file *base;
    struct set_log sets;
    struct snapshot_info info; // of the snapshot to be
    bool hash_known;
    struct mapping_hash hash; // that it must have
    struct secret_key secret;
    struct snapshot_bytes made;
    bool good;
    struct error error;
    uint64_t took_ns;
};

struct snapshot_keeper {
    struct node *node;
    struct snapshot_keeper_config config;
    snapshot_made *made;
    void *state;
    struct kept_mab **mabs;
    size_t mab_count;
    struct table by_prefix;
    struct hash_key hash_key;
    size_t next_mab; // where to look for the next job: each has its turn
    struct list_node waiters;
    bool working;
    bool stopping;
    size_t users; // the timer, the worker, and files that are only being sent
    uv_timer_t timer;
    struct snapshot_keeper_counters counters;
};

static void release(struct snapshot_keeper *keeper);

void snapshot_file_release(void *state)
{
    struct snapshot_file *file = state;
    if (file == NULL || --file->users > 0)
        return;
    struct snapshot_keeper *keeper = file->keeper;
    if (keeper != NULL) {
        keeper->counters.sending_bytes -= file->length;
        release(keeper);
    }
    memory_free(file->bytes);
    memory_free(file);
}

// A snapshot is not kept any more, though perhaps still being sent.
static void give_up(struct snapshot_keeper *keeper, struct snapshot_file *file)
{
    if (file == NULL)
        return;
    keeper->counters.bytes -= file->length;
    if (file->users > 1) {
        file->keeper = keeper;
        keeper->users++;
        keeper->counters.sending_bytes += file->length;
    }
    snapshot_file_release(file);
}

static void release(struct snapshot_keeper *keeper)
{
    assert(keeper->users > 0);
    if (--keeper->users > 0)
        return;
    for (size_t i = 0; i < keeper->mab_count; i++) {
        struct kept_mab *kept = keeper->mabs[i];
        for (size_t n = 0; n < VERSIONS_KEPT; n++)
            snapshot_file_release(kept->files[n]);
        set_log_clear(&kept->log);
        memory_free(kept);
    }
    memory_free(keeper->mabs);
    table_release(&keeper->by_prefix);
    memory_free(keeper);
}

static void on_tick(uv_timer_t *timer);

struct snapshot_keeper *snapshot_keeper_new(struct node *node,
                                            const struct snapshot_keeper_config *config,
                                            snapshot_made *made, void *state)
{
    struct snapshot_keeper *keeper = memory_new(sizeof(*keeper));
    keeper->node = node;
    keeper->config = *config;
    if (config->spacing.ns == 0)
        keeper->config.spacing = duration_ms(SNAPSHOT_SPACING_MS);
    if (config->sending_bytes == 0)
        keeper->config.sending_bytes = SNAPSHOT_SENDING_BYTES_MAX;
    keeper->made = made;
    keeper->state = state;
    keeper->users = 1;
    list_init(&keeper->waiters);
    table_init(&keeper->by_prefix);
    randombytes_buf(&keeper->hash_key, sizeof(keeper->hash_key)); // anyone may ask for any prefix
    (void)uv_timer_init(node_loop(node), &keeper->timer);
    keeper->timer.data = keeper;
    (void)uv_timer_start(&keeper->timer, on_tick, TICK_MS, TICK_MS);
    return keeper;
}

void snapshot_keeper_set_every(struct snapshot_keeper *keeper, struct duration every)
{
    keeper->config.every = every;
}

// Gives a waiter what it waited for; the file gets one more user.
static void give(struct snapshot_keeper *keeper, struct waiter *waiter, struct snapshot_file *file)
{
    if (file != NULL)
        file->users++;
    list_remove(&waiter->node);
    keeper->counters.waiting--;
    waiter->given(waiter->state, file);
    memory_free(waiter);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void snapshot_keeper_stop(struct snapshot_keeper *keeper)
{
    if (keeper == NULL)
        return;
    keeper->stopping = true;
    struct list_node *node = list_first(&keeper->waiters);
    for (; node != NULL; node = list_first(&keeper->waiters))
        give(keeper, container_of(node, struct waiter, node), NULL);
    uv_close((uv_handle_t *)&keeper->timer, on_timer_closed);
}

static bool prefix_matches(const struct table_node *node, const void *key)
{
    return prefix_equal(&container_of(node, struct kept_mab, by_prefix)->mab, key);
}

static struct kept_mab *find_mab(const struct snapshot_keeper *keeper, const struct prefix *mab)
{
    struct table_node *node =
        table_find(&keeper->by_prefix, hash_prefix(&keeper->hash_key, mab), prefix_matches, mab);
    return node == NULL ? NULL : container_of(node, struct kept_mab, by_prefix);
}

size_t snapshot_keeper_number(const struct snapshot_keeper *keeper, const struct prefix *mab)
{
    const struct kept_mab *kept = find_mab(keeper, mab);
    assert(kept != NULL);
    return kept->number;
}

// Takes over the bytes as the newest snapshot of a MAB.
static void keep(struct snapshot_keeper *keeper, struct kept_mab *kept,
                 const struct snapshot_info *info, const struct snapshot_bytes *bytes)
{
    struct snapshot_file *file = memory_new(sizeof(*file));
    *file = (struct snapshot_file){1, NULL, *info, bytes->bytes, bytes->length};
    give_up(keeper, kept->files[VERSIONS_KEPT - 1]);
    memmove(&kept->files[1], &kept->files[0], (VERSIONS_KEPT - 1) * sizeof(kept->files[0]));
    kept->files[0] = file;
    kept->made_at = node_now(keeper->node);
    keeper->counters.made++;
    keeper->counters.bytes += file->length;
}

static struct snapshot_info info_of(const struct snapshot_keeper *keeper,
                                    const struct kept_mab *kept)
{
    struct public_key key = key_public(node_key(keeper->node));
    return (struct snapshot_info){.ruas = key_id(&key),
                                  .epoch = keeper->config.epoch,
                                  .sequence = kept->sequence,
                                  .time = node_wall_time(keeper->node)};
}

// Writes a snapshot of the master in the loop's thread.
static bool write_master(struct snapshot_keeper *keeper, struct kept_mab *kept, struct error *error)
{
    struct snapshot_info info = info_of(keeper, kept);
    struct snapshot_bytes bytes;
    if (!snapshot_write(kept->mapping, &info, node_key(keeper->node), &bytes, error))
        return false;
    set_log_clear(&kept->log);
    keep(keeper, kept, &info, &bytes);
    return true;
}

bool snapshot_keeper_add(struct snapshot_keeper *keeper, const struct mapping *mapping,
                         uint64_t sequence, struct error *error)
{
    struct kept_mab *kept = memory_new(sizeof(*kept));
    set_log_init(&kept->log);
    kept->mapping = mapping;
    kept->mab = *mapping_mab(mapping);
    kept->sequence = sequence;
    kept->hash_known = true;
    kept->hash = mapping_hash(mapping);
    keeper->mabs = memory_resize(keeper->mabs, (keeper->mab_count + 1) * sizeof(struct kept_mab *));
    kept->number = keeper->mab_count++;
    keeper->mabs[kept->number] = kept;
    table_insert(&keeper->by_prefix, &kept->by_prefix, hash_prefix(&keeper->hash_key, &kept->mab));
    return write_master(keeper, kept, error);
}

void snapshot_keeper_set(struct snapshot_keeper *keeper, const struct prefix *mab,
                         uint64_t sequence, const struct update *updates, size_t count,
                         const struct mapping_hash *hash)
{
    struct kept_mab *kept = find_mab(keeper, mab);
    assert(kept != NULL && sequence == kept->sequence + 1);
    kept->sequence = sequence;
    kept->hash_known = hash != NULL;
    if (hash != NULL)
        kept->hash = *hash;
    if (!kept->anew) // else the snapshot to come has it from the master
        set_log_add(&kept->log, updates, count);
    if (kept->log.bytes > SNAPSHOT_LOG_BYTES_MAX)
        kept->wanted = true;
}

// --- the worker ----------------------------------------------------------------------------------

// Reads the snapshot before, applies the sets since; NULL where that does not give the master.
static struct mapping *roll_forward(struct job *job)
{
    struct public_key key = key_public(&job->secret);
    struct snapshot_info info;
    struct mapping *mapping = NULL;
    if (!snapshot_read(job->base->bytes, job->base->length, &key, &info, &mapping, &job->error))
        return NULL;
    if (!set_log_apply(&job->sets, mapping, &job->error)) {
        mapping_free(mapping);
        return NULL;
    }
    struct mapping_hash hash = mapping_hash(mapping);
    if (!job->hash_known || mapping_hash_equal(&hash, &job->hash))
        return mapping;
    (void)error_set(&job->error, ERROR_FORMAT, "snapshot-differs",
                    "the last snapshot and the sets since do not give the database");
    mapping_free(mapping);
    return NULL;
}

static void work(uv_work_t *work)
{
    struct job *job = work->data;
    uint64_t begin = uv_hrtime();
    struct mapping *mapping = roll_forward(job);
    job->good = mapping != NULL &&
                snapshot_write(mapping, &job->info, &job->secret, &job->made, &job->error);
    mapping_free(mapping);
    job->took_ns = uv_hrtime() - begin;
}

static void serve_waiters(struct snapshot_keeper *keeper, struct kept_mab *kept)
{
    struct list_node *node = keeper->waiters.next;
    while (node != &keeper->waiters) {
        struct waiter *waiter = container_of(node, struct waiter, node);
        node = node->next;
        if (waiter->kept != kept)
            continue;
        if (kept->files[0]->info.sequence >= waiter->least)
            give(keeper, waiter, kept->files[0]);
        else
            kept->wanted = true;
    }
}

static void announce(struct snapshot_keeper *keeper, struct kept_mab *kept)
{
    keeper->made(keeper->state, &kept->files[0]->info);
    serve_waiters(keeper, kept);
}

static void take_snapshot(struct snapshot_keeper *keeper, struct job *job)
{
    struct kept_mab *kept = job->kept;
    keeper->counters.made_ns_total += job->took_ns;
    if (job->took_ns > keeper->counters.made_ns_max)
        keeper->counters.made_ns_max = job->took_ns;
    if (job->good) {
        keep(keeper, kept, &job->info, &job->made);
        announce(keeper, kept);
        return;
    }
    log_error("feed", "a snapshot must be made anew: %s", job->error.text);
    keeper->counters.failed++;
    kept->anew = true; // its sets are gone with the job
}

static void start_job(struct snapshot_keeper *keeper);

static void on_worked(uv_work_t *work, int status)
{
    struct job *job = work->data;
    struct snapshot_keeper *keeper = job->keeper;
    (void)status; // nothing cancels it
    keeper->working = false;
    if (keeper->stopping)
        memory_free(job->made.bytes);
    else {
        take_snapshot(keeper, job);
        start_job(keeper);
    }
    snapshot_file_release(job->base);
    set_log_clear(&job->sets);
    key_wipe(&job->secret);
    memory_free(job);
    release(keeper);
}

// Hands the log of a MAB to a worker.
static void begin_work(struct snapshot_keeper *keeper, struct kept_mab *kept)
{
    struct job *job = memory_new(sizeof(*job));
    job->work.data = job;
    job->keeper = keeper;
    job->kept = kept;
    job->base = kept->files[0];
    job->base->users++;
    job->info = info_of(keeper, kept);
    job->hash_known = kept->hash_known;
    job->hash = kept->hash;
    job->secret = *node_key(keeper->node);
    set_log_init(&job->sets);
    set_log_move(&job->sets, &kept->log);
    kept->wanted = false;
    int result = uv_queue_work(node_loop(keeper->node), &job->work, work, on_worked);
    assert(result == 0);
    (void)result;
    keeper->working = true;
    keeper->users++;
}

// True when a MAB needs a snapshot, and may have one again.
static bool is_due(const struct snapshot_keeper *keeper, const struct kept_mab *kept)
{
    struct instant again = instant_add(kept->made_at, keeper->config.spacing);
    bool room = keeper->counters.sending_bytes <= keeper->config.sending_bytes ||
                kept->log.bytes > SNAPSHOT_LOG_BYTES_MAX;
    return kept->wanted && !kept->anew && room && instant_reached(node_now(keeper->node), again);
}

// Begins with the next MAB whose snapshot is due, unless one is being made.
static void start_job(struct snapshot_keeper *keeper)
{
    for (size_t i = 0; i < keeper->mab_count && !keeper->working; i++) {
        size_t turn = (keeper->next_mab + i) % keeper->mab_count;
        struct kept_mab *kept = keeper->mabs[turn];
        if (!is_due(keeper, kept))
            continue;
        keeper->next_mab = turn + 1;
        begin_work(keeper, kept);
    }
}

// Writes a snapshot of the master in the loop's thread, once the master is where the sets are.
static void write_anew(struct snapshot_keeper *keeper, struct kept_mab *kept)
{
    struct mapping_hash hash = mapping_hash(kept->mapping);
    struct error error;
    if (!kept->hash_known || !mapping_hash_equal(&hash, &kept->hash))
        return;
    if (!write_master(keeper, kept, &error)) {
        log_error("feed", "no snapshot could be made: %s", error.text);
        kept->anew_at = instant_add(node_now(keeper->node), duration_s(ANEW_SECONDS));
        return;
    }
    kept->anew = false;
    announce(keeper, kept);
}

static void on_tick(uv_timer_t *timer)
{
    struct snapshot_keeper *keeper = timer->data;
    struct instant now = node_now(keeper->node);
    for (size_t i = 0; i < keeper->mab_count; i++) {
        struct kept_mab *kept = keeper->mabs[i];
        if (kept->anew && instant_reached(now, kept->anew_at))
            write_anew(keeper, kept);
        else if (kept->log.bytes > 0 &&
                 instant_reached(now, instant_add(kept->made_at, keeper->config.every)))
            kept->wanted = true;
    }
    start_job(keeper);
}

struct snapshot_file *snapshot_keeper_find(struct snapshot_keeper *keeper, const struct prefix *mab,
                                           uint64_t sequence)
{
    const struct kept_mab *kept = find_mab(keeper, mab);
    for (size_t i = 0; kept != NULL && i < VERSIONS_KEPT; i++) {
        struct snapshot_file *file = kept->files[i];
        if (file == NULL || file->info.sequence != sequence)
            continue;
        file->users++;
        return file;
    }
    return NULL;
}

// True when the newest snapshot will do for a request.
static bool will_do(const struct snapshot_keeper *keeper, const struct kept_mab *kept,
                    uint64_t least)
{
    const struct snapshot_file *newest = kept->files[0];
    if (least > 0)
        return newest->info.sequence >= least;
    struct instant fresh = instant_add(kept->made_at, keeper->config.spacing);
    return newest->info.sequence == kept->sequence || instant_before(node_now(keeper->node), fresh);
}

bool snapshot_keeper_latest(struct snapshot_keeper *keeper, const struct prefix *mab,
                            uint64_t least, snapshot_given *given, void *state, struct error *error)
{
    struct kept_mab *kept = find_mab(keeper, mab);
    char text[PREFIX_TEXT_MAX];
    if (kept == NULL)
        return error_set(error, ERROR_NOT_FOUND, "no-such-mab", "%s is not a MAB of this RUAS",
                         prefix_print(mab, text));
    if (least > kept->sequence)
        return error_set(error, ERROR_NOT_FOUND, "no-such-sequence",
                         "%s is at sequence %" PRIu64 ", not yet at %" PRIu64,
                         prefix_print(mab, text), kept->sequence, least);
    if (will_do(keeper, kept, least)) {
        kept->files[0]->users++;
        given(state, kept->files[0]);
        return true;
    }
    if (keeper->counters.waiting == SNAPSHOT_WAITERS_MAX)
        return error_set(error, ERROR_UNAVAILABLE, "busy",
                         "too many wait for snapshots already; ask again later");
    struct waiter *waiter = memory_new(sizeof(*waiter));
    *waiter = (struct waiter){
        .kept = kept, .least = least == 0 ? kept->sequence : least, .given = given, .state = state};
    list_init(&waiter->node);
    list_append(&keeper->waiters, &waiter->node);
    keeper->counters.waiting++;
    kept->wanted = true;
    start_job(keeper);
    return true;
}

const struct snapshot_keeper_counters *
snapshot_keeper_counters(const struct snapshot_keeper *keeper)
{
    return &keeper->counters;
}
