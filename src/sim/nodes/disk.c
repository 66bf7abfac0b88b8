// SPDX-License-Identifier: BSD-2-Clause
#include "sim/nodes/disk.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Rows of one kind, in the order they came.
struct rows {
    size_t count;
    void *items;
};

struct disk {
    size_t mab_count;
    struct list_node written; // not synced
    struct list_node durable; // synced, and nobody was told yet
    struct rows users;        // struct user
    struct rows uabs;         // struct uab
    struct rows tokens;       // struct token
    struct rows scheduled;    // struct scheduled, each with a set of its own
    struct rows micronets[DISK_MABS_MAX];
    uint64_t sequences[DISK_MABS_MAX];
    uint64_t next_scheduled;
};

struct disk *disk_new(size_t mab_count)
{
    struct disk *disk = memory_new(sizeof(*disk));
    assert(mab_count <= DISK_MABS_MAX);
    disk->mab_count = mab_count;
    list_init(&disk->written);
    list_init(&disk->durable);
    return disk;
}

void disk_free(struct disk *disk)
{
    if (disk == NULL)
        return;
    disk_drop(disk);
    for (struct disk_record *record = disk_next(disk); record != NULL; record = disk_next(disk))
        disk_record_free(record);
    struct scheduled *scheduled = disk->scheduled.items;
    for (size_t i = 0; i < disk->scheduled.count; i++)
        command_set_free(scheduled[i].set);
    for (size_t i = 0; i < disk->mab_count; i++)
        memory_free(disk->micronets[i].items);
    memory_free(disk->users.items);
    memory_free(disk->uabs.items);
    memory_free(disk->tokens.items);
    memory_free(disk->scheduled.items);
    memory_free(disk);
}

// Writing

static struct command_set *copy_set(const struct command_set *set)
{
    struct command_set *copy = command_set_new();
    for (size_t i = 0; i < set->count; i++) {
        const struct command *from = &set->commands[i];
        struct command *to = command_set_add(copy, from->kind);
        to->micronet = from->micronet;
        to->etr = from->etr;
        for (size_t part = 0; part < from->part_count; part++)
            (void)command_add_part(to, &from->parts[part]);
    }
    return copy;
}

static void keep_micronets(struct disk_record *record, const struct mapping *mapping)
{
    for (size_t i = 0; i < record->change.touched_count; i++) {
        const struct range *touched = &record->change.touched[i];
        struct unit from = touched->start;
        struct micronet micronet;
        while (mapping_next(mapping, from, &micronet) &&
               micronet.range.start.index <= range_last(touched).index) {
            size_t size = (record->micronet_count + 1) * sizeof(micronet);
            record->micronets = memory_resize(record->micronets, size);
            record->micronets[record->micronet_count++] = micronet;
            from.index = range_last(&micronet.range).index + 1;
        }
    }
}

struct disk_record *disk_write(struct disk *disk, const struct ruas *ruas,
                               const struct change *change)
{
    struct disk_record *record = memory_new(sizeof(*record));
    record->change = *change;
    if (change->kind == CHANGE_SET) {
        record->change.updates =
            memory_copy(change->updates, change->update_count * sizeof(*change->updates));
        record->change.touched =
            memory_copy(change->touched, change->touched_count * sizeof(*change->touched));
        keep_micronets(record, ruas_mapping(ruas, change->mab));
    }
    record->change.scheduled.set = NULL;
    if (change->kind == CHANGE_SCHEDULE_ADD)
        record->change.scheduled.set = copy_set(change->scheduled.set);
    list_append(&disk->written, &record->place);
    return record;
}

void disk_record_free(struct disk_record *record)
{
    list_remove(&record->place);
    if (record->change.kind == CHANGE_SET) {
        memory_free((void *)(uintptr_t)record->change.updates);
        memory_free((void *)(uintptr_t)record->change.touched);
    }
    command_set_free(record->change.scheduled.set);
    memory_free(record->micronets);
    memory_free(record);
}

void disk_drop(struct disk *disk)
{
    for (struct list_node *node = list_first(&disk->written); node != NULL;
         node = list_first(&disk->written))
        disk_record_free(container_of(node, struct disk_record, place));
}

// Rows

static void add_row(struct rows *rows, const void *row, size_t size)
{
    rows->items = memory_resize(rows->items, (rows->count + 1) * size);
    memcpy((char *)rows->items + rows->count * size, row, size);
    rows->count++;
}

static void remove_row(struct rows *rows, size_t i, size_t size)
{
    char *items = rows->items;
    memmove(items + i * size, items + (i + 1) * size, (rows->count - i - 1) * size);
    rows->count--;
}

static void set_password(struct disk *disk, const struct user *changed)
{
    struct user *users = disk->users.items;
    for (size_t i = 0; i < disk->users.count; i++)
        if (strcmp(users[i].name, changed->name) == 0)
            memcpy(users[i].password, changed->password, sizeof(users[i].password));
}

static void remove_user(struct disk *disk, const char *name)
{
    struct user *users = disk->users.items;
    struct token *tokens = disk->tokens.items;
    struct scheduled *scheduled = disk->scheduled.items;
    for (size_t i = disk->users.count; i-- > 0;)
        if (strcmp(users[i].name, name) == 0)
            remove_row(&disk->users, i, sizeof(struct user));
    for (size_t i = disk->tokens.count; i-- > 0;)
        if (strcmp(tokens[i].user, name) == 0)
            remove_row(&disk->tokens, i, sizeof(struct token));
    for (size_t i = disk->scheduled.count; i-- > 0;)
        if (strcmp(scheduled[i].user, name) == 0) {
            command_set_free(scheduled[i].set);
            remove_row(&disk->scheduled, i, sizeof(struct scheduled));
        }
}

static void remove_uab(struct disk *disk, const struct range *range)
{
    struct uab *uabs = disk->uabs.items;
    for (size_t i = disk->uabs.count; i-- > 0;)
        if (range_equal(&uabs[i].range, range))
            remove_row(&disk->uabs, i, sizeof(struct uab));
}

static void remove_token(struct disk *disk, const struct token_digest *digest)
{
    struct token *tokens = disk->tokens.items;
    for (size_t i = disk->tokens.count; i-- > 0;)
        if (memcmp(&tokens[i].digest, digest, sizeof(*digest)) == 0)
            remove_row(&disk->tokens, i, sizeof(struct token));
}

static void end_scheduled(struct disk *disk, const struct change *change)
{
    struct scheduled *scheduled = disk->scheduled.items;
    for (size_t i = disk->scheduled.count; i-- > 0;) {
        if (scheduled[i].id == change->scheduled.id) {
            struct command_set *set = scheduled[i].set;
            scheduled[i] = change->scheduled;
            scheduled[i].set = set;
        } else if (scheduled[i].id == change->forget) {
            command_set_free(scheduled[i].set);
            remove_row(&disk->scheduled, i, sizeof(struct scheduled));
        }
    }
}

static int compare_micronets(const void *a, const void *b)
{
    uint64_t left = ((const struct micronet *)a)->range.start.index;
    uint64_t right = ((const struct micronet *)b)->range.start.index;
    return (left > right) - (left < right);
}

static void rewrite_micronets(struct disk *disk, const struct disk_record *record)
{
    struct rows *rows = &disk->micronets[record->change.mab];
    const struct micronet *micronets = rows->items;
    for (size_t i = rows->count; i-- > 0;)
        for (size_t n = 0; n < record->change.touched_count; n++)
            if (range_contains_unit(&record->change.touched[n], micronets[i].range.family,
                                    micronets[i].range.start)) {
                remove_row(rows, i, sizeof(struct micronet));
                break;
            }
    for (size_t i = 0; i < record->micronet_count; i++)
        add_row(rows, &record->micronets[i], sizeof(struct micronet));
    if (rows->count > 1)
        qsort(rows->items, rows->count, sizeof(struct micronet), compare_micronets);
    disk->sequences[record->change.mab] = record->change.sequence;
}

static void add_scheduled(struct disk *disk, const struct change *change)
{
    struct scheduled row = change->scheduled;
    row.set = copy_set(change->scheduled.set);
    add_row(&disk->scheduled, &row, sizeof(row));
    disk->next_scheduled = row.id + 1;
}

static void make_durable(struct disk *disk, const struct disk_record *record)
{
    const struct change *change = &record->change;
    switch (change->kind) {
    case CHANGE_USER_ADD:
        add_row(&disk->users, &change->user, sizeof(change->user));
        break;
    case CHANGE_USER_PASSWORD:
        set_password(disk, &change->user);
        break;
    case CHANGE_USER_REMOVE:
        remove_user(disk, change->user.name);
        break;
    case CHANGE_UAB_ADD:
        add_row(&disk->uabs, &change->uab, sizeof(change->uab));
        break;
    case CHANGE_UAB_REMOVE:
        remove_uab(disk, &change->uab.range);
        break;
    case CHANGE_TOKEN_ADD:
        if (change->replaces)
            remove_token(disk, &change->expired);
        add_row(&disk->tokens, &change->token, sizeof(change->token));
        break;
    case CHANGE_TOKEN_REVOKE:
        remove_token(disk, &change->token.digest);
        break;
    case CHANGE_SCHEDULE_ADD:
        add_scheduled(disk, change);
        break;
    case CHANGE_SCHEDULE_END:
        end_scheduled(disk, change);
        break;
    case CHANGE_SET:
        rewrite_micronets(disk, record);
        if (change->scheduled.id != 0)
            end_scheduled(disk, change);
        break;
    }
}

void disk_sync(struct disk *disk)
{
    for (struct list_node *node = list_first(&disk->written); node != NULL;
         node = list_first(&disk->written)) {
        struct disk_record *record = container_of(node, struct disk_record, place);
        make_durable(disk, record);
        list_remove(&record->place);
        list_append(&disk->durable, &record->place);
    }
}

struct disk_record *disk_next(struct disk *disk)
{
    struct list_node *node = list_first(&disk->durable);
    if (node == NULL)
        return NULL;
    list_remove(node);
    return container_of(node, struct disk_record, place);
}

// Loading

static bool load_people(const struct disk *disk, struct ruas *ruas, struct error *error)
{
    const struct user *users = disk->users.items;
    const struct uab *uabs = disk->uabs.items;
    const struct token *tokens = disk->tokens.items;
    static struct change change; // large
    bool good = true;
    for (size_t i = 0; i < disk->users.count && good; i++) {
        change = (struct change){.kind = CHANGE_USER_ADD, .user = users[i]};
        good = ruas_restore(ruas, &change, error);
    }
    for (size_t i = 0; i < disk->uabs.count && good; i++) {
        change = (struct change){.kind = CHANGE_UAB_ADD, .uab = uabs[i]};
        good = ruas_restore(ruas, &change, error);
    }
    for (size_t i = 0; i < disk->tokens.count && good; i++) {
        change = (struct change){.kind = CHANGE_TOKEN_ADD, .token = tokens[i]};
        good = ruas_restore(ruas, &change, error);
    }
    return good;
}

static bool load_scheduled(const struct disk *disk, struct ruas *ruas, struct error *error)
{
    const struct scheduled *scheduled = disk->scheduled.items;
    static struct change change;
    bool good = true;
    for (size_t i = 0; i < disk->scheduled.count && good; i++) {
        change = (struct change){.kind = CHANGE_SCHEDULE_ADD, .scheduled = scheduled[i]};
        change.scheduled.set = copy_set(scheduled[i].set);
        good = ruas_restore(ruas, &change, error);
        if (!good)
            command_set_free(change.scheduled.set);
    }
    return good;
}

bool disk_load(const struct disk *disk, struct ruas *ruas, struct error *error)
{
    bool good = load_people(disk, ruas, error) && load_scheduled(disk, ruas, error);
    for (size_t i = 0; i < disk->mab_count && good; i++) {
        good = ruas_restore_micronets(ruas, i, disk->micronets[i].items, disk->micronets[i].count,
                                      error);
        ruas_restore_sequence(ruas, i, disk->sequences[i]);
    }
    ruas_restore_done(ruas, disk->next_scheduled);
    return good;
}
