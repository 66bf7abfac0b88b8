// SPDX-License-Identifier: BSD-2-Clause
#include "query/token.h"

#include <sodium.h>
#include <string.h>

static uint64_t period_of(struct instant now)
{
    return now.ns / duration_s(TOKEN_PERIOD_SECONDS).ns;
}

static uint64_t token_of_period(const struct hash_key *key, uint64_t period,
                                const struct endpoint *endpoint)
{
    uint8_t bytes[sizeof(period) + sizeof(endpoint->address) + sizeof(endpoint->port)];
    memcpy(bytes, &period, sizeof(period));
    memcpy(bytes + sizeof(period), &endpoint->port, sizeof(endpoint->port));
    memcpy(bytes + sizeof(period) + sizeof(endpoint->port), &endpoint->address,
           sizeof(endpoint->address));
    uint64_t token = hash_bytes(key, bytes, sizeof(bytes));
    return token == 0 ? 1 : token;
}

uint64_t address_token_make(struct token_maker *maker, struct instant now,
                            const struct endpoint *endpoint)
{
    uint64_t period = period_of(now);
    if (maker->token == 0 || maker->period != period ||
        !endpoint_equal(&maker->endpoint, endpoint)) {
        maker->token = token_of_period(&maker->key, period, endpoint);
        maker->period = period;
        maker->endpoint = *endpoint;
    }
    return maker->token;
}

bool address_token_valid(struct token_maker *maker, struct instant now,
                         const struct endpoint *endpoint, uint64_t token)
{
    if (token == 0)
        return false;
    uint64_t period = period_of(now);
    uint64_t good = address_token_make(maker, now, endpoint);
    if (sodium_memcmp(&good, &token, sizeof(token)) == 0)
        return true;
    if (period == 0)
        return false;
    good = token_of_period(&maker->key, period - 1, endpoint);
    return sodium_memcmp(&good, &token, sizeof(token)) == 0;
}
