// SPDX-License-Identifier: BSD-2-Clause
// The receiving side of fast push: keeps the copies of all MABs of some RUASes in step
// (fast-push §3.12, §4.1.2, §4.1.3, §4.2.2). docs/push.md tells the whole story.
//
//     datagram -> frame, known RUAS, epoch, not seen -> signature -> stream -> in order -> replica
//                        (cheap checks first)                           |                   |
//                                                                      gap              diverged
//                                                                       |                   |
//                                                         fetch payloads by HTTP    fetch a
//                                                         snapshot
//
// A core without I/O. The shell calls receiver_input for datagrams, then receiver_next_event until
// there is none: sets are applied to the database as their events are taken, so whoever hears of a
// set finds the database exactly as it left it. Fetches are asked for by events and answered with
// receiver_directory, receiver_payloads and receiver_snapshot.
//
// "In step" and "may answer" differ. A copy is in step when all that is known to have been sent is
// in it. One that fell out of step may still answer for STALE_SECONDS, the longest that a mapping
// change may go unnoticed; RECEIVER_LOST says when that ends. A RUAS that is merely silent does not
// end it: nothing is known to be missing, and the age of the last payload is there for all to see.
#ifndef IVIP_PUSH_RECEIVER_H
#define IVIP_PUSH_RECEIVER_H

#include "base/address.h"
#include "base/instant.h"
#include "base/key.h"
#include "base/random.h"
#include "mapping/database.h"
#include "mapping/snapshot.h"
#include "push/directory.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STALE_SECONDS             10   // one liveness interval
#define DIRECTORY_SECONDS         60   // how often the directory is looked at without other cause
#define SILENCE_MS                1000 // without a payload: then payloads are asked for
#define GAP_WAIT_MS               20   // for payloads that were merely overtaken
#define FETCH_PAYLOADS            256  // asked for at a time, so that checking them takes little
#define SNAPSHOT_FETCHES_MAX      4    // of one RUAS at a time
#define RECEIVER_BUFFER_BYTES_MAX ((size_t)64 << 20) // for sets that wait for snapshots; shared out

struct receiver_config {
    size_t ruas_count;
    const struct public_key *ruas; // copied; no key twice
    size_t buffer_bytes;           // of all RUASes, in equal parts; 0: RECEIVER_BUFFER_BYTES_MAX
};

enum receiver_event_kind {
    RECEIVER_APPLIED,         // mab, sequence, updates, count: the database has this set now
    RECEIVER_RELOADED,        // mab, sequence: its copy is there, or was replaced whole
    RECEIVER_READY,           // mab: may be answered for from now on
    RECEIVER_LOST,            // mab: may not be answered for any more
    RECEIVER_REMOVED,         // mab: its RUAS has it no more; it is out of the database
    RECEIVER_FETCH_DIRECTORY, // ruas, attempt
    RECEIVER_FETCH_PAYLOADS,  // ruas, attempt, epoch, first, last
    RECEIVER_FETCH_SNAPSHOT,  // ruas, attempt, mab, sequence: that one at least
};

struct receiver_event {
    enum receiver_event_kind kind;
    size_t ruas;      // index in the config
    unsigned attempt; // counts from 0: try another source each time
    struct prefix mab;
    uint64_t sequence;
    const struct update *updates; // valid until the next call of any receiver function
    size_t count;
    uint64_t epoch, first, last;
};

// How a fetch of payloads went.
enum fetch_result {
    FETCH_DONE,
    FETCH_GONE,    // the source says: no longer kept, or of another epoch
    FETCH_NOT_YET, // the source says: not sent yet
    FETCH_FAILED,  // no sound answer
};

// Only ever grow.
struct receiver_counters {
    uint64_t received;                  // datagrams and fetched payloads
    uint64_t malformed[DECODE_REASONS]; // by reason
    uint64_t unknown_ruas;
    uint64_t stale_epoch; // of an epoch that is over
    uint64_t repeated;
    uint64_t suppressed; // not checked: too many forgeries from there
    uint64_t forged;
    uint64_t beyond;   // too far ahead to be held
    uint64_t unusable; // signed, but with a section this program must not step over, or malformed
    uint64_t applied_payloads, applied_sets, applied_updates;
    uint64_t unknown_mab;                           // sections for a MAB not in the directory
    uint64_t gaps, fetched, fetch_failures;         // gaps: fetches of missing payloads begun
    uint64_t resyncs;                               // gaps that could not be filled
    uint64_t epochs;                                // epochs begun
    uint64_t diverged, reloaded, snapshots_refused; // of MABs
    uint64_t directories, directories_refused;
};

struct receiver;

// The database belongs to the caller and outlives the receiver, which alone changes it.
struct receiver *receiver_new(const struct receiver_config *config, struct database *database,
                              struct random_seed seed, struct instant now);
void receiver_free(struct receiver *receiver);

void receiver_input(struct receiver *receiver, struct instant now, const struct endpoint *from,
                    const uint8_t *bytes, size_t length);
// The answer to RECEIVER_FETCH_DIRECTORY: one that directory_read accepted for that RUAS, or NULL.
void receiver_directory(struct receiver *receiver, struct instant now, size_t ruas,
                        const struct directory *directory);
// The answer to RECEIVER_FETCH_PAYLOADS: on FETCH_DONE, payloads, each behind its 16-bit length.
void receiver_payloads(struct receiver *receiver, struct instant now, size_t ruas,
                       enum fetch_result result, const uint8_t *bytes, size_t length);
// The answer to RECEIVER_FETCH_SNAPSHOT: what snapshot_read made of it, taken over here, or NULL.
// `error` is filled where the snapshot could not be used for a reason worth telling.
void receiver_snapshot(struct receiver *receiver, struct instant now, const struct prefix *mab,
                       const struct snapshot_info *info, struct mapping *mapping,
                       struct error *error);

bool receiver_next_event(struct receiver *receiver, struct instant now,
                         struct receiver_event *event);
struct instant receiver_next_deadline(const struct receiver *receiver);
void receiver_tick(struct receiver *receiver, struct instant now);

struct receiver_mab_status {
    struct prefix mab;
    size_t ruas;
    uint64_t sequence; // of the copy; 0 where there is none
    bool has_copy;
    bool in_step;
    bool answering; // what READY and LOST said last
};

// False where the MAB is not known.
bool receiver_mab(const struct receiver *receiver, const struct prefix *mab,
                  struct receiver_mab_status *status);

struct receiver_ruas_status {
    uint64_t epoch;          // 0: nothing heard yet
    uint64_t sequence;       // of the last payload applied
    bool synced;             // knows where it stands in the RUAS's stream
    bool behind;             // payloads are known to be missing
    bool heard;              // any payload at all
    struct instant heard_at; // when the last genuine payload came
    struct wall_time time;   // what it said
    size_t mabs, mabs_ready;
};
struct receiver_ruas_status receiver_ruas(const struct receiver *receiver, size_t ruas);

const struct receiver_counters *receiver_counters(const struct receiver *receiver);

#endif
