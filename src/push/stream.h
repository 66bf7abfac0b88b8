// SPDX-License-Identifier: BSD-2-Clause
// The payloads of one RUAS, put back in order: which are fresh, which repeat, which are missing.
//
//              next                           highest
//                |                               |
//     applied    v  .   .   held   held   .   held        beyond the window: fetched later
//     -----------+---+---+------+------+---+------+- - - - - - -+
//                |<------------ STREAM_WINDOW ----------------->|
//
// Payloads at or above `next` are held until all before them have come; each is taken once.
#ifndef IVIP_PUSH_STREAM_H
#define IVIP_PUSH_STREAM_H

#include "wire/payload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_WINDOW 4096 // most payloads held: 5 MB

// One payload held.
struct stream_slot {
    struct stream_slot *next; // in the list of spare ones
    uint64_t sequence;
    bool usable; // false: signed, but nothing this program can apply
    uint16_t length;
    uint8_t bytes[PAYLOAD_BYTES_MAX];
};

struct stream {
    uint64_t epoch;   // 0 until it is known
    uint64_t next;    // the sequence to be taken next
    uint64_t highest; // highest sequence known to exist
    size_t held;
    struct stream_slot **slots; // owned; slots[sequence % STREAM_WINDOW]
    struct stream_slot *spare;  // owned
};

enum stream_verdict {
    STREAM_FRESH,
    STREAM_REPEAT, // taken or held already
    STREAM_BEYOND, // too far ahead to be held
};

void stream_init(struct stream *stream);
void stream_release(struct stream *stream);

// Drops everything held and starts to expect `next` of an epoch.
void stream_restart(struct stream *stream, uint64_t epoch, uint64_t next);
// Goes on at `next`, up or down, keeping what is held from there on and still in the window.
void stream_rebase(struct stream *stream, uint64_t next);

// What a payload of this epoch is.
enum stream_verdict stream_judge(const struct stream *stream, uint64_t sequence);
// Holds a fresh payload.
void stream_hold(struct stream *stream, uint64_t sequence, bool usable, const uint8_t *bytes,
                 size_t length);
// Notes that payloads up to `sequence` exist.
void stream_note(struct stream *stream, uint64_t sequence);

// The payload `next` where it is held, or NULL; it stays until stream_advance.
const struct stream_slot *stream_front(const struct stream *stream);
// Lets go of the payload `next`, which must be held, and expects the one behind it.
void stream_advance(struct stream *stream);

// True when payloads that are known to exist are missing: then the first run of them, `first` to
// `last`, at most `most` long. Short stretches that are held do not end a run.
bool stream_gap(const struct stream *stream, uint64_t most, uint64_t *first, uint64_t *last);

#endif
