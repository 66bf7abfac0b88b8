// SPDX-License-Identifier: BSD-2-Clause
#include "node/deadline.h"

#define NS_PER_MS 1000000

void deadline_arm(uv_timer_t *timer, struct instant now, struct instant deadline, uv_timer_cb due)
{
    if (deadline.ns == INSTANT_NEVER.ns) {
        (void)uv_timer_stop(timer);
        return;
    }
    uint64_t wait = instant_since(deadline, now).ns;
    (void)uv_timer_start(timer, due, (wait + NS_PER_MS - 1) / NS_PER_MS, 0);
}
