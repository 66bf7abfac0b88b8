// SPDX-License-Identifier: BSD-2-Clause
#include "node/authority/master.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/authority/command_json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A set that is held, for the publication.
struct held_set {
    struct change change; // with `updates` of its own
    size_t commands;
};

// --- group commit --------------------------------------------------------------------------------

// Takes the held sets out, so that whoever is told of them finds none; returns how many there were.
// Their updates are still to be freed.
static size_t take_held(struct master *master)
{
    size_t count = master->held_count;
    master->held_count = 0;
    return count;
}

static void free_updates(struct held_set *held)
{
    memory_free((void *)(uintptr_t)held->change.updates);
    held->change.updates = NULL;
}

void master_end(struct master *master)
{
    size_t count = take_held(master);
    for (size_t i = 0; i < count; i++)
        free_updates(&master->held[i]);
    memory_free(master->held);
    master->held = NULL;
}

static void take_back(struct master *master, const struct error *error)
{
    ruas_take_back(master->ruas);
    size_t count = take_held(master);
    for (size_t i = 0; i < count; i++)
        free_updates(&master->held[i]);
    if (count > 0 && master->settled != NULL)
        master->settled(master->settled_state, error);
}

bool master_hold(struct master *master, const struct change *change, size_t commands,
                 const struct audit *audit, struct error *error)
{
    assert(change->kind == CHANGE_SET && master->held_count < MASTER_HELD_MAX);
    if (!store_hold(master->store, master->ruas, change, audit, error)) {
        ruas_abort(master->ruas, change);
        take_back(master, error);
        return false;
    }
    if (master->held == NULL)
        master->held = memory_new_array(MASTER_HELD_MAX, sizeof(*master->held));
    struct held_set *held = &master->held[master->held_count++];
    held->change = *change;
    held->commands = commands;
    held->change.updates =
        memory_copy(change->updates, change->update_count * sizeof(*change->updates));
    held->change.touched = NULL;
    held->change.touched_count = 0;
    ruas_hold(master->ruas, change);
    return true;
}

void master_settle(struct master *master)
{
    struct error error = {0};
    if (master->held_count == 0)
        return;
    if (!store_settle(master->store, &error)) {
        take_back(master, &error);
        return;
    }
    ruas_settle(master->ruas);
    size_t count = take_held(master);
    for (size_t i = 0; i < count; i++) {
        struct held_set *held = &master->held[i];
        master->sets++;
        master->commands += held->commands;
        if (master->publish != NULL)
            master->publish(master->publish_state, &held->change);
        free_updates(held);
    }
    if (master->settled != NULL)
        master->settled(master->settled_state, NULL);
}

// --- single changes ------------------------------------------------------------------------------

bool master_commit(struct master *master, const struct change *change, const struct audit *audit,
                   struct error *error)
{
    assert(master->held_count == 0);
    if (!store_write(master->store, master->ruas, change, audit, error)) {
        ruas_abort(master->ruas, change);
        return false;
    }
    ruas_commit(master->ruas, change);
    if (change->kind == CHANGE_SET) {
        master->sets++;
        if (master->publish != NULL)
            master->publish(master->publish_state, change);
    }
    return true;
}

void master_count_refusal(struct master *master, const struct error *error)
{
    size_t i = 0;
    while (i < master->reason_count && strcmp(master->refused[i].reason, error->reason) != 0)
        i++;
    if (i == MASTER_REASONS_MAX)
        i--;
    else if (i == master->reason_count)
        memcpy(master->refused[master->reason_count++].reason, error->reason,
               sizeof(error->reason));
    master->refused[i].count++;
}

void master_refuse(struct master *master, struct audit *audit, const struct error *error)
{
    master_count_refusal(master, error);
    audit->reason = error->reason;
    audit->text = error->text;
    store_note(master->store, audit);
}

bool master_execute_due(struct master *master, struct wall_time time)
{
    struct change change;
    master_settle(master);
    for (size_t i = 0; i < MASTER_DUE_MAX && ruas_prepare_due(master->ruas, time, &change); i++) {
        struct error error = {0};
        const struct scheduled *set = &change.scheduled;
        bool refused = set->state == SCHEDULED_REFUSED;
        char with[32];
        (void)snprintf(with, sizeof(with), "set %" PRIu64, set->id);
        size_t commands = set->set->count;
        json_t *json = command_set_to_json(set->set);
        char *what = json_dumps(json, JSON_COMPACT);
        struct audit audit = {.time = time,
                              .who = set->user,
                              .with = with,
                              .from = set->from,
                              .action = "commands",
                              .what = what,
                              .reason = refused ? set->reason : NULL,
                              .text = refused ? set->text : NULL};
        bool stored = master_commit(master, &change, &audit, &error);
        free(what);
        json_decref(json);
        if (!stored)
            return false;
        if (!refused)
            master->commands += commands;
        log_info("ruas", "scheduled set %" PRIu64 " of %s was %s%s%s", set->id, set->user,
                 scheduled_state_name(set->state), refused ? ": " : "", set->text);
    }
    return true;
}

// --- metrics -------------------------------------------------------------------------------------

static void write_mabs(const struct master *master, struct metrics_page *page)
{
    metrics_describe(page, "ivip_ruas_mab_sequence", "gauge", "Number of the last set of a MAB");
    metrics_describe(page, "ivip_ruas_mab_micronets", "gauge", "Micronets in a MAB");
    metrics_describe(page, "ivip_ruas_mab_changed_seconds", "gauge",
                     "Unix time of the last set of a MAB since the start; 0: none");
    metrics_describe(page, "ivip_ruas_mab_memory_bytes", "gauge", "Memory of a MAB's database");
    for (size_t i = 0; i < ruas_mab_count(master->ruas); i++) {
        const struct mapping *mapping = ruas_mapping(master->ruas, i);
        char mab[PREFIX_TEXT_MAX];
        char labels[PREFIX_TEXT_MAX + 8];
        (void)snprintf(labels, sizeof(labels), "mab=\"%s\"",
                       prefix_print(mapping_mab(mapping), mab));
        metrics_value(page, "ivip_ruas_mab_sequence", labels,
                      (double)ruas_sequence(master->ruas, i));
        metrics_value(page, "ivip_ruas_mab_micronets", labels, (double)mapping_count(mapping));
        metrics_value(page, "ivip_ruas_mab_changed_seconds", labels,
                      (double)ruas_changed(master->ruas, i).ms / 1000);
        metrics_value(page, "ivip_ruas_mab_memory_bytes", labels, (double)mapping_memory(mapping));
    }
}

static void write_refusals(const struct master *master, struct metrics_page *page)
{
    metrics_describe(page, "ivip_ruas_refused_total", "counter", "Requests refused, by reason");
    for (size_t i = 0; i < master->reason_count; i++) {
        char labels[ERROR_REASON_MAX + 12];
        (void)snprintf(labels, sizeof(labels), "reason=\"%s\"", master->refused[i].reason);
        metrics_value(page, "ivip_ruas_refused_total", labels, (double)master->refused[i].count);
    }
}

static void write_store(const struct master *master, struct metrics_page *page)
{
    const struct store_counters *counters = store_counters(master->store);
    metrics_counter(page, "ivip_ruas_store_writes_total", "Transactions stored", counters->written);
    metrics_counter(page, "ivip_ruas_store_failures_total", "Transactions that could not be stored",
                    counters->failed);
    metrics_describe(page, "ivip_ruas_store_write_seconds_total", "counter",
                     "Time spent storing changes");
    metrics_value(page, "ivip_ruas_store_write_seconds_total", "",
                  (double)counters->write_ns_total / 1e9);
    metrics_gauge(page, "ivip_ruas_store_write_seconds_max", "Longest time to store a change",
                  (double)counters->write_ns_max / 1e9);
    metrics_counter(page, "ivip_ruas_audit_dropped_total",
                    "Refusals that are missing in the audit trail", counters->notes_dropped);
}

static void write_usage(const struct master *master, struct metrics_page *page)
{
    const struct usage_ledger_counters *usage = usage_ledger_counters(master->usage);
    metrics_describe(page, "ivip_ruas_usage_reports_total", "counter",
                     "Usage reports of ITRs, by what became of them");
    metrics_value(page, "ivip_ruas_usage_reports_total", "what=\"taken\"", (double)usage->taken);
    metrics_value(page, "ivip_ruas_usage_reports_total", "what=\"repeated\"",
                  (double)usage->repeated);
    metrics_value(page, "ivip_ruas_usage_reports_total", "what=\"failed\"", (double)usage->failed);
}

void master_write_metrics(const struct master *master, struct metrics_page *page)
{
    if (master->usage != NULL)
        write_usage(master, page);
    const struct accounts *accounts = ruas_accounts(master->ruas);
    write_mabs(master, page);
    write_refusals(master, page);
    write_store(master, page);
    metrics_counter(page, "ivip_ruas_sets_total", "Sets accepted", master->sets);
    metrics_counter(page, "ivip_ruas_commands_total", "Commands in accepted sets",
                    master->commands);
    metrics_counter(page, "ivip_ruas_dry_runs_total", "Sets that were only tried",
                    master->dry_runs);
    metrics_counter(page, "ivip_ruas_logins_total", "Requests with valid credentials",
                    master->logins);
    metrics_gauge(page, "ivip_ruas_users", "Users", (double)accounts->users.count);
    metrics_gauge(page, "ivip_ruas_tokens", "Tokens", (double)accounts->tokens.count);
    metrics_gauge(page, "ivip_ruas_uabs", "UABs",
                  (double)delegation_count(ruas_delegation(master->ruas)));
    metrics_gauge(page, "ivip_ruas_scheduled", "Sets that wait for their time",
                  (double)ruas_schedule(master->ruas)->waiting.count);
}
