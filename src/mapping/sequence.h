// SPDX-License-Identifier: BSD-2-Clause
// Sequence lock: one writer changes data in place while readers look without a lock and look
// again when a change went on meanwhile.
//
//     writer   odd ........ even          the value is odd while a change goes on
//     reader   begin (even) ... look ... retry? (another value now: look again)
//
// What a reader saw before it has called sequence_retry may be torn: it must not follow a pointer
// or use an index that it has not validated, and memory that readers may look at is never
// unmapped while they run (base of pool.h and etr_table.h).
#ifndef IVIP_MAPPING_SEQUENCE_H
#define IVIP_MAPPING_SEQUENCE_H

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// ThreadSanitizer knows nothing of sequence locks and does not support fences: readers' looks are
// hidden from it (functions marked SEQUENCE_READER), and the fences become compiler barriers,
// which is enough on x86, where it runs. SEQUENCE_LOAD reads what the writer may change, once: an
// atomic load, which would be seen even there, is a volatile one then.
#if defined(__SANITIZE_THREAD__)
#define SEQUENCE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SEQUENCE_TSAN 1
#endif
#endif

#ifdef SEQUENCE_TSAN
#define SEQUENCE_READER       __attribute__((no_sanitize("thread")))
#define SEQUENCE_FENCE(order) __asm__ volatile("" ::: "memory")
#define SEQUENCE_LOAD(place)  (*(const volatile __typeof__(*(place)) *)(place))
#else
#define SEQUENCE_READER
#define SEQUENCE_FENCE(order) atomic_thread_fence(order)
#define SEQUENCE_LOAD(place)  __atomic_load_n(place, __ATOMIC_RELAXED)
#endif

// A reader that waited so many pauses, some microseconds, lets others run.
#define SEQUENCE_PAUSES 64

struct sequence {
    _Atomic uint64_t value;
};

static inline void sequence_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

// Writer: a change begins. Not nested.
static inline void sequence_write_begin(struct sequence *sequence)
{
    uint64_t value = atomic_load_explicit(&sequence->value, memory_order_relaxed);
    assert(value % 2 == 0);
    atomic_store_explicit(&sequence->value, value + 1, memory_order_relaxed);
    SEQUENCE_FENCE(memory_order_release);
}

// Writer: the change is whole.
static inline void sequence_write_end(struct sequence *sequence)
{
    uint64_t value = atomic_load_explicit(&sequence->value, memory_order_relaxed);
    assert(value % 2 == 1);
    atomic_store_explicit(&sequence->value, value + 1, memory_order_release);
}

// Reader: waits until no change goes on, and gives the value to check against.
static inline uint64_t sequence_begin(const struct sequence *sequence)
{
    uint64_t value = atomic_load_explicit(&sequence->value, memory_order_acquire);
    for (unsigned waited = 1; __builtin_expect(value % 2 == 1, 0); waited++) {
        sequence_pause();
        if (waited % SEQUENCE_PAUSES == 0)
            (void)sched_yield(); // the writer may wait for this very processor
        value = atomic_load_explicit(&sequence->value, memory_order_acquire);
    }
    return value;
}

// Reader: true when what was seen since `begun` may be torn. Cheap enough to ask at every step.
static inline bool sequence_retry(const struct sequence *sequence, uint64_t begun)
{
    SEQUENCE_FENCE(memory_order_acquire);
    uint64_t value = atomic_load_explicit(&sequence->value, memory_order_relaxed);
    return __builtin_expect(value != begun, 0);
}

#endif
