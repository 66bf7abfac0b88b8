// SPDX-License-Identifier: BSD-2-Clause
// The next deadline of a core as a timer of the loop.
#ifndef IVIP_NODE_DEADLINE_H
#define IVIP_NODE_DEADLINE_H

#include "base/instant.h"

#include <uv.h>

// Calls `due` once, `deadline` - `now` later, never earlier (libuv counts whole milliseconds), in
// the place of what the timer waited for; at INSTANT_NEVER only stops it.
void deadline_arm(uv_timer_t *timer, struct instant now, struct instant deadline, uv_timer_cb due);

#endif
