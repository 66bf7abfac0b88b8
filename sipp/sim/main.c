// SPDX-License-Identifier: BSD-2-Clause
// sipp-sim SEED PROVIDERS DOMAINS HOSTS [FAULT...]: a random internet (sipp/sim/sample.h).
//
// Prints one line and exits with 0, or says what did not hold and exits with 1.
#include "sipp/sim/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 25

static const char usage[] =
    "usage: sipp-sim SEED PROVIDERS DOMAINS HOSTS [duplicates] [loss] [crashes] [cuts] [moves]\n"
    "HOSTS are in each domain.\n";

static const char *const fault_names[] = {"duplicates", "loss", "crashes", "cuts", "moves"};
#define FAULT_NAMES (sizeof(fault_names) / sizeof(fault_names[0]))

static bool read_shape(int count, char **words, struct sample_shape *shape)
{
    if (count < 5)
        return false;
    *shape = (struct sample_shape){.seed = strtoull(words[1], NULL, 10),
                                   .providers = strtoul(words[2], NULL, 10),
                                   .domains = strtoul(words[3], NULL, 10),
                                   .hosts = strtoul(words[4], NULL, 10)};
    for (int i = 5; i < count; i++) {
        size_t fault = 0;
        while (fault < FAULT_NAMES && strcmp(fault_names[fault], words[i]) != 0)
            fault++;
        if (fault == FAULT_NAMES)
            return false;
        shape->faults |= 1U << fault;
    }
    return shape->providers >= 2 && shape->providers <= SAMPLE_PROVIDERS_MAX &&
           shape->domains > 0 && shape->domains <= SAMPLE_DOMAINS_MAX && shape->hosts > 0 &&
           shape->hosts <= SAMPLE_HOSTS_MAX &&
           shape->providers + shape->domains * (shape->hosts + 1) <= SAMPLE_NODES_MAX;
}

// A run in which nothing of a kind happened has tested nothing.
static bool is_vacuous(const struct sample *sample)
{
    unsigned faults = sample->shape.faults;
    return sample->answered == 0 || sample->errors == 0 || sample->expired == 0 ||
           ((faults & FAULT_CRASHES) != 0 && sample->crashes == 0) ||
           ((faults & FAULT_CUTS) != 0 && sample->cuts == 0) ||
           ((faults & FAULT_MOVES) != 0 && (sample->moves == 0 || sample->reached == 0));
}

int main(int count, char **words)
{
    struct sample_shape shape;
    if (!read_shape(count, words, &shape)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    struct sample *sample = sample_new(&shape);
    for (int i = 0; i < ROUNDS; i++) {
        sample_exchange(sample);
        sample_suffer(sample);
    }
    sample_exchange(sample);
    (void)printf("seed %llu: %zu nodes, %llu echoes, %llu answered, %llu errors (%llu expired), "
                 "%llu crashes, %llu cuts, %llu moves (%llu reached), %llu frames, %llu failures\n",
                 (unsigned long long)shape.seed, fabric_count(sample->fabric),
                 (unsigned long long)sample->sent, (unsigned long long)sample->answered,
                 (unsigned long long)sample->errors, (unsigned long long)sample->expired,
                 (unsigned long long)sample->crashes, (unsigned long long)sample->cuts,
                 (unsigned long long)sample->moves, (unsigned long long)sample->reached,
                 (unsigned long long)sample->frames, (unsigned long long)sample->failures);
    bool good = sample->failures == 0 && !is_vacuous(sample);
    sample_free(sample);
    return good ? 0 : 1;
}
