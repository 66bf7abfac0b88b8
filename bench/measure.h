// SPDX-License-Identifier: BSD-2-Clause
// What benchmarks measure with.
#ifndef IVIP_BENCH_MEASURE_H
#define IVIP_BENCH_MEASURE_H

#include <stddef.h>

// Processor time of this thread, and time on the clock: seconds since some beginning.
double bench_seconds(void);
double bench_clock_seconds(void);

// The middle one, or the upper of the two in the middle. Sorts the values.
double bench_median(double *values, size_t count);

// Ends the benchmark, as it would measure nonsense.
__attribute__((noreturn)) void bench_stop(const char *what);

#endif
