// SPDX-License-Identifier: BSD-2-Clause
// A small world in virtual time for the tests of fast push: one RUAS with its master databases,
// receivers, a channel between them that loses, repeats, reorders, corrupts and forges, and an
// HTTP that fails. Everything follows from one seed.
#ifndef IVIP_TESTS_PUSH_WORLD_H
#define IVIP_TESTS_PUSH_WORLD_H

#include "push/receiver.h"
#include "push/sender.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_MABS      4
#define WORLD_RECEIVERS 2

// How bad things are, in thousandths of what is sent or asked.
struct weather {
    unsigned lost, repeated, corrupted, forged, replayed;
    unsigned http_failed, http_cut;
    uint64_t delay_ms; // most a datagram takes; more than its successors: reordering
};

extern const struct weather fair_weather;

struct world;

struct world *world_new(uint64_t seed);
void world_free(struct world *world);

struct instant world_now(const struct world *world);
void world_set_weather(struct world *world, struct weather weather);
// Random valid sets a second on random MABs.
void world_set_rate(struct world *world, unsigned sets_second);

// Lets time pass. After each step every claim of every receiver is checked against the master.
void world_run(struct world *world, struct duration duration);

// A random valid set on one MAB, of `count` updates or less.
void world_change(struct world *world, size_t mab, size_t count);
// Loses the next datagrams to all receivers, whatever the weather.
void world_lose_next(struct world *world, unsigned count);
// The RUAS stops without warning; world_start_ruas starts it with what it has on disk: all its sets
// or, `restored`, those of its last backup.
void world_stop_ruas(struct world *world);
void world_start_ruas(struct world *world, bool restored);
void world_back_up(struct world *world);
// The receiver forgets everything.
void world_restart_receiver(struct world *world, size_t receiver);
// Takes a MAB from the RUAS, or gives it back, with a new epoch.
void world_list_mab(struct world *world, size_t mab, bool listed);

struct receiver *world_receiver(struct world *world, size_t receiver);
struct sender *world_sender(struct world *world);
struct prefix world_mab(size_t mab);
// True when that receiver has all that was sent, and its copies equal the master, unit by unit.
bool world_in_step(struct world *world, size_t receiver);

#endif
